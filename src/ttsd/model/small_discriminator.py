"""A discriminator small enough for a CPU: narrow networks that look at spectrograms, and at every p-th sample.

Jang et al., 2021, "UnivNet: a neural vocoder with multi-resolution spectrogram discriminators for high-fidelity
waveform generation", with log magnitudes, as loudness is heard; Kong, Kim and Bae, 2020, "HiFi-GAN", for the periods.
Next to VITS's own discriminator it needs about a hundredth of the arithmetic.
"""

import functools
import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from TTS.vocoder.models.hifigan_discriminator import LRELU_SLOPE

_RESOLUTIONS = (512, 1024, 2048)
"""Lengths of the Fourier transform in samples; successive frames are a quarter of it apart."""
_PERIODS = (2, 3, 5, 7, 11)
_PERIOD_WIDTHS = (1, 16, 32, 64, 64)
_CHANNELS = 16
Verdict = tuple[Tensor, list[Tensor]]
"""Scores of a part, and the features behind them."""
Judgement = tuple[list[Tensor], list[list[Tensor]]]
"""Scores, and the features behind them, of every part."""


class SmallDiscriminator(nn.Module):
    """Tells the speech of a student from recorded speech."""

    def __init__(self) -> None:
        super().__init__()
        spectral = [_SpectralPart(n_fft) for n_fft in _RESOLUTIONS]
        self.parts = nn.ModuleList([*spectral, *(_PeriodPart(period) for period in _PERIODS)])

    def forward(self, wav: Tensor) -> Judgement:
        """Judge waveforms.

        Args:
            wav: float [B, 1, n_samples].

        Returns:
            Scores [B, n] and features of every part.
        """
        judged = [part(wav) for part in self.parts]
        return [scores for scores, _ in judged], [features for _, features in judged]


def judge(x: Tensor, layers: Iterable[Callable[[Tensor], Tensor]], last: Callable[[Tensor], Tensor]) -> Verdict:
    """Take an input through a part's layers.

    Args:
        x: float [B, channels, ...].
        layers: Its convolutions, a leaky rectifier behind each.
        last: The one that scores.
    """
    features = []
    for layer in layers:
        x = nn.functional.leaky_relu_(layer(x), LRELU_SLOPE)
        features.append(x)
    x = last(x)
    return torch.flatten(x, 1), [*features, x]


def fold(wav: Tensor, period: int) -> Tensor:
    """Fold waveforms, float [B, 1, n_samples], so that every `period`-th sample lies in a row: [B, 1, period, n]."""
    n_missing = -wav.shape[2] % period
    if n_missing:
        wav = nn.functional.pad(wav, (0, n_missing), "reflect")
    return wav.reshape(len(wav), 1, -1, period).transpose(2, 3).contiguous()


class _SpectralPart(nn.Module):
    window: Tensor

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        strides = (2, 2, 2, 1)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(_CHANNELS if i else 1, _CHANNELS, (3, 9), (1, stride), (1, 4)))
            for i, stride in enumerate(strides)
        )
        self.conv_post = weight_norm(nn.Conv2d(_CHANNELS, 1, (3, 3), padding=(1, 1)))
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, wav: Tensor) -> Verdict:
        with torch.autocast(wav.device.type, enabled=False):
            spec = torch.stft(
                wav.squeeze(1).float(), self.n_fft, self.n_fft // 4, window=self.window, return_complex=True
            )
            power = torch.view_as_real(spec).pow(2).sum(-1)
            log_magnitudes = 0.5 * torch.log(power + 1e-5).transpose(1, 2)
        layers = (functools.partial(_convolve, layer) for layer in self.convs)
        return judge(log_magnitudes.unsqueeze(1), layers, self.conv_post)


class _PeriodPart(nn.Module):
    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        pairs = itertools.pairwise(_PERIOD_WIDTHS)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (1, 5), (1, 3), (0, 2))) for before, after in pairs
        )
        self.conv_post = weight_norm(nn.Conv2d(_PERIOD_WIDTHS[-1], 1, (1, 3), padding=(0, 1)))

    def forward(self, wav: Tensor) -> Verdict:
        return judge(fold(wav, self.period), self.convs, self.conv_post)


def _convolve(layer: nn.Module, x: Tensor) -> Tensor:
    # With the channels innermost a CPU convolves these few of them up to four times as fast.
    convolved: Tensor = layer(x.contiguous(memory_format=torch.channels_last))
    return convolved
