"""A discriminator small enough for a CPU: narrow convolutions over spectrograms of three resolutions.

Jang et al., 2021, "UnivNet: a neural vocoder with multi-resolution spectrogram discriminators for high-fidelity
waveform generation". The magnitudes are taken to the log, as loud as they are heard, and half as many channels look at
half as many bands: next to VITS's own discriminator it needs about a hundredth of the arithmetic.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ttsd.model.discriminator import Judgement

_RESOLUTIONS = (512, 1024, 2048)
"""Lengths of the Fourier transform in samples; successive frames are a quarter of it apart."""
_SLOPE = 0.1


class SpectralDiscriminator(nn.Module):
    """Tells the speech of a decoder from recorded speech.

    Args:
        channels: Width of the layers.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_Part(n_fft, channels) for n_fft in _RESOLUTIONS)

    def forward(self, wav: Tensor) -> Judgement:
        """Judge waveforms.

        Args:
            wav: float [B, 1, n_samples].

        Returns:
            Scores [B, n] and features of every resolution.
        """
        judged = [part(wav.squeeze(1)) for part in self.parts]
        return [scores for scores, _ in judged], [features for _, features in judged]


class _Part(nn.Module):
    window: Tensor

    def __init__(self, n_fft: int, channels: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        widths = (1, channels, channels, channels, channels)
        strides = ((1, 2), (1, 2), (1, 2), (1, 1))
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (3, 9), stride, (1, 4)))
            for before, after, stride in zip(widths, widths[1:], strides, strict=False)
        )
        self.conv_post = weight_norm(nn.Conv2d(channels, 1, (3, 3), padding=(1, 1)))
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        with torch.autocast(wav.device.type, enabled=False):
            spec = torch.stft(
                wav.float(), self.n_fft, self.n_fft // 4, window=self.window, center=True, return_complex=True
            )
            power = torch.view_as_real(spec).pow(2).sum(-1)
            x = 0.5 * torch.log(power + 1e-5).transpose(1, 2).unsqueeze(1)
        features = []
        for conv in self.convs:
            x = nn.functional.leaky_relu_(conv(x), _SLOPE)
            features.append(x)
        x = self.conv_post(x)
        return torch.flatten(x, 1), [*features, x]
