"""A decoder that filters a voice's two sources, the vibration of the vocal folds and noise, frame by frame.

A decoder that has only latents to go by and no discriminator to answer to makes what repeats with its frames: the same
latents give the same samples in every frame, so its tones are multiples of the frame rate, and speech becomes monotone.
Here the pitch is predicted from the latents and summed up to the phase of a pulse train, and what is left to learn are
two filters per frame, one for the pulses and one for noise. Of both a network learns how strong they are alone: noise
has no use for a phase, and the pulses' follows from their strength, as that of a throat does, which has no sound before
it is struck. With a phase of zero half of every pulse's sound would come before it.

The source and filter are those of Fant, 1960, "Acoustic theory of speech production"; in a network, Wang, Takaki and
Yamagishi, 2019, "Neural source-filter waveform models for statistical parametric speech synthesis"; the phase is
found by the cepstrum as in Oppenheim and Schafer, 1975, "Digital signal processing". The filters are found at frame
rate by the blocks of Liu et al., 2022, "A ConvNet for the 2020s", and applied to spectra, as Siuzdak, 2023, "Vocos:
Closing the gap between time-domain and Fourier-based neural vocoders", makes spectra.
"""

import math

import torch
from torch import Tensor, nn

from ttsd.config import AudioConfig
from ttsd.model.spectral_decoder import MAX_LOG_GAIN, SpectralDecoder

_PITCH_KERNEL_SIZE = 5
_START_LOG_GAINS = (-3.0, -5.0)
"""Of pulses and noise before training: speech some 26 dB below full scale."""
MIDDLE_F0_HZ = 150.0
"""Pitch where nothing is known of it, in Hz."""
_TRACT_S = 2.5e-3
"""A throat's cepstrum ends about here, before the first period of a high voice."""
_PITCH_STEPS = 16
"""In a Hz: too fine to be heard, and too coarse for what runtimes differ by."""


class SourceFilterDecoder(SpectralDecoder):
    """Turns latents into a waveform, each frame into `hop_length` samples.

    Args:
        in_channels: Channels of the latents.
        audio: `sample_rate`, `n_fft` and `hop_length`; `n_fft` is a multiple of `hop_length`.
        channels: Width of the blocks.
        n_blocks: Number of blocks.
        pitch_channels: Width of the part that hears the pitch.
    """

    def __init__(
        self, in_channels: int, audio: AudioConfig, channels: int = 256, n_blocks: int = 6, pitch_channels: int = 128
    ) -> None:
        super().__init__(in_channels, audio, channels, n_blocks, _START_LOG_GAINS)
        self.sample_rate = audio.sample_rate
        self.n_quefrencies = round(_TRACT_S * self.sample_rate)
        padding = _PITCH_KERNEL_SIZE // 2
        self.pitch = nn.Sequential(
            nn.Conv1d(in_channels, pitch_channels, _PITCH_KERNEL_SIZE, padding=padding),
            nn.GELU(),
            nn.Conv1d(pitch_channels, pitch_channels, _PITCH_KERNEL_SIZE, padding=padding),
            nn.GELU(),
            nn.Conv1d(pitch_channels, 1, _PITCH_KERNEL_SIZE, padding=padding),
        )

    def forward(self, z: Tensor, g: Tensor | None = None, f0_hz: Tensor | None = None) -> Tensor:  # noqa: ARG002 (coqui's decoders take a speaker)
        """Decode latents; every call draws new noise and begins the pulses at another place.

        Args:
            z: Latents, float [B, in_channels, n_frames].
            g: Not used: one speaker.
            f0_hz: Pitch of every frame in Hz, float32 [B, n_frames], above 0 where there is no voice as well; none
                takes the pitch that is predicted from the latents.

        Returns:
            Waveform, float32 [B, 1, n_frames * hop_length].
        """
        if f0_hz is None:
            f0_hz = torch.exp(self.predict_log_f0(z))
        of_pulses, of_noise = self.find_log_gains(z)
        with torch.autocast(z.device.type, enabled=False):
            with torch.no_grad():
                pulses = make_pulses(f0_hz.float(), self.sample_rate, self.hop_length)
                sources = [self.analyse(pulses), self.analyse(torch.randn_like(pulses))]
            spectrum = sources[0] * minimum_phase(of_pulses, self.n_quefrencies) + sources[1] * torch.exp(of_noise)
            return self.invert(spectrum).unsqueeze(1)

    def find_log_gains(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return natural logarithms of the gains of pulses and of noise, two float32 [B, n_frames, n_fft // 2 + 1].

        Args:
            z: Latents, float [B, in_channels, n_frames].
        """
        of_pulses, of_noise = (half.clamp(max=MAX_LOG_GAIN) for half in self.find_halves(self.find_hidden(z)))
        return of_pulses, of_noise

    def predict_log_f0(self, z: Tensor) -> Tensor:
        """Return the natural logarithm of the pitch in Hz, float32 [B, n_frames], from latents [B, channels, n_frames].

        Where there is no voice it leads from the pitch before to the one after.
        """
        predicted: Tensor = self.pitch(z).squeeze(1).float()
        return predicted + math.log(MIDDLE_F0_HZ)

    def analyse(self, wav: Tensor) -> Tensor:
        """Return the spectrum of a waveform [B, n_frames * hop_length], complex64 [B, n_frames, n_fft // 2 + 1].

        It is framed as `compute_spectrogram` frames it.
        """
        edge = (self.n_fft - self.hop_length) // 2
        wav = nn.functional.pad(wav.unsqueeze(1), (edge, edge)).squeeze(1)
        spectrum = torch.stft(
            wav, self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True
        )  # fmt: skip
        return spectrum.transpose(1, 2)


def make_pulses(f0_hz: Tensor, sample_rate: int, hop_length: int) -> Tensor:
    """Return the sum of all harmonics below half the sample rate, each as strong as the next, with a power of 1.

    The sum of K cosines is (sin((K + 1/2) x) / sin(x / 2) - 1) / 2 (Dirichlet's kernel).

    Args:
        f0_hz: Pitch of every frame in Hz, float32 [B, n_frames], above 0.
        sample_rate: In Hz.
        hop_length: Samples in a frame.

    Returns:
        float32 [B, n_frames * hop_length]; the pulses begin anywhere within a period.
    """
    # In whole numbers: what a sum of fractions is rounded by adds up, each runtime's otherwise, and every harmonic
    # multiplies it.
    pitch = _interpolate(torch.round(f0_hz * _PITCH_STEPS).long().clamp(min=1), hop_length)
    in_a_hz = _PITCH_STEPS * 2 * hop_length
    period = in_a_hz * sample_rate
    begin = (torch.rand_like(f0_hz[:, :1]) * period).long()
    phase = torch.cumsum(torch.cat([begin, pitch], dim=1), dim=1)[:, 1:] % period
    f0_hz = pitch.float() / in_a_hz
    half = math.pi * (phase.float() / period)
    n_harmonics = torch.floor(0.5 * sample_rate / f0_hz).clamp(min=1)
    sine = torch.sin(half)
    at_peak = sine.abs() < 1e-4
    ratio = torch.sin((2 * n_harmonics + 1) * half) / torch.where(at_peak, torch.ones_like(sine), sine)
    total = torch.where(at_peak, n_harmonics, 0.5 * (ratio - 1))
    return total * torch.sqrt(2 / n_harmonics)


def _interpolate(values: Tensor, hop_length: int) -> Tensor:
    """Lead from the middle of each frame to that of the next, without rounding.

    Args:
        values: int64 [B, n_frames].
        hop_length: Samples in a frame.

    Returns:
        2 * hop_length times the values, int64 [B, n_frames * hop_length].
    """
    place = 2 * torch.arange(hop_length, device=values.device) + 1 - hop_length
    of_before, of_after = (-place).clamp(min=0), place.clamp(min=0)
    before, after = torch.cat([values[:, :1], values[:, :-1]], 1), torch.cat([values[:, 1:], values[:, -1:]], 1)
    own = values.unsqueeze(2) * (2 * hop_length - of_before - of_after)
    return (own + before.unsqueeze(2) * of_before + after.unsqueeze(2) * of_after).flatten(1)


def minimum_phase(log_gains: Tensor, n_quefrencies: int) -> Tensor:
    """Return the filter of some strength whose smooth part answers at once, its sound all behind the pulse.

    The phase is that of the cepstrum's beginning. What lies beyond it is no throat's, and would change from frame to
    frame: overlapping frames would then cancel each other.

    Args:
        log_gains: Natural logarithms of the gains from 0 to half the sample rate, float32 [..., n_fft // 2 + 1].
        n_quefrencies: Samples of the cepstrum that count, fewer than n_fft // 2.

    Returns:
        Frequency response, complex64 [..., n_fft // 2 + 1]; its magnitudes are the gains.
    """
    cepstrum = torch.fft.irfft(log_gains, dim=-1)
    n_fft = cepstrum.shape[-1]
    behind = nn.functional.pad(cepstrum[..., 1:n_quefrencies], (1, n_fft - n_quefrencies))
    # Twice the part behind the pulse, and nothing before it: the difference from no phase is odd.
    return torch.polar(torch.exp(log_gains), 2 * torch.fft.rfft(behind, dim=-1).imag)


def decode(decoder: nn.Module, z: Tensor, f0_hz: Tensor) -> Tensor:
    """Decode latents whose pitch is known; a decoder without sources has no use for it.

    Args:
        decoder: Any of a student's decoders.
        z: Latents, float [B, in_channels, n_frames].
        f0_hz: float32 [B, n_frames].

    Returns:
        Waveform, float [B, 1, n_frames * hop_length].
    """
    wav: Tensor = decoder(z, f0_hz=f0_hz) if isinstance(decoder, SourceFilterDecoder) else decoder(z)
    return wav


def pitch_loss(decoder: nn.Module, z: Tensor, f0_hz: Tensor) -> Tensor | None:
    """Return the mean absolute error of the log pitch that a decoder hears in latents, or none if it hears none.

    Args:
        decoder: Any of a student's decoders.
        z: Latents, float [B, in_channels, n_frames].
        f0_hz: The clips' own pitch in Hz, float32 [B, n_frames], above 0.
    """
    if not isinstance(decoder, SourceFilterDecoder):
        return None
    return nn.functional.l1_loss(decoder.predict_log_f0(z), torch.log(f0_hz.float()))
