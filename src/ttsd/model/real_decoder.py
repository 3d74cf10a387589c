"""Decoders that make spectra without complex numbers, as graphs for other runtimes need them."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from ttsd.model.real_transform import RealTransform
from ttsd.model.source_filter_decoder import SourceFilterDecoder, make_pulses
from ttsd.model.spectral_decoder import MAX_LOG_GAIN, SpectralDecoder


def in_real_arithmetic(decoder: nn.Module) -> nn.Module:
    """Return a trained decoder that gives the same waveform in real arithmetic, its weights shared.

    Args:
        decoder: Any of a student's decoders; a HiFi-GAN is returned as it is.
    """
    if isinstance(decoder, SourceFilterDecoder):
        return RealSourceFilterDecoder(decoder)
    return RealSpectralDecoder(decoder) if isinstance(decoder, SpectralDecoder) else decoder


class RealSpectralDecoder(nn.Module):
    """A `SpectralDecoder` in real arithmetic.

    Args:
        decoder: The decoder.
    """

    def __init__(self, decoder: SpectralDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.transform = RealTransform(decoder.n_fft, decoder.hop_length)
        # The head in the transform's layout.
        mirrored = torch.from_numpy(self.transform.mirrored)
        rows = torch.cat([mirrored, mirrored + decoder.n_fft // 2 + 1])
        with torch.no_grad():
            self.head_weight = nn.Parameter(decoder.head.weight[rows].unsqueeze(2))
            self.head_bias = nn.Parameter(decoder.head.bias[rows])
            if not isinstance(decoder, SourceFilterDecoder):
                # The phase of a mirror image has the other sign.
                beyond = torch.from_numpy(self.transform.bins > decoder.n_fft // 2)
                sign = torch.cat([torch.ones(len(beyond)), 1 - 2 * beyond.float()])
                self.head_weight.mul_(sign.reshape(-1, 1, 1))
                self.head_bias.mul_(sign)

    def forward(self, z: Tensor, g: Tensor | None = None) -> Tensor:  # noqa: ARG002 (coqui's decoders take a speaker)
        """Decode latents, float [B, in_channels, n_frames], as `SpectralDecoder` does."""
        log_magnitude, phase = self.find_halves(z)
        magnitude = torch.exp(log_magnitude.clamp(max=MAX_LOG_GAIN))
        return self.transform.invert(magnitude * torch.cos(phase), magnitude * torch.sin(phase)).unsqueeze(1)

    def find_halves(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the head gives, two float32 [B, n_bins, n_frames], for latents [B, in_channels, n_frames]."""
        hidden = self.decoder.find_hidden(z)
        first, second = nn.functional.conv1d(hidden, self.head_weight, self.head_bias).chunk(2, dim=1)
        return first, second


class RealSourceFilterDecoder(RealSpectralDecoder):
    """A `SourceFilterDecoder` in real arithmetic; for the same noise and pulses it gives the same waveform.

    Args:
        decoder: The decoder.
    """

    to_cepstrum: Tensor
    to_phase: Tensor

    def __init__(self, decoder: SourceFilterDecoder) -> None:
        super().__init__(decoder)
        self.source_filter = decoder
        # From the logarithm of the gains to the phase of their smooth part, by way of the cepstrum's beginning.
        bins, weight = self.transform.bins, self.transform.weight
        angle = 2 * math.pi / decoder.n_fft * np.outer(np.arange(1, decoder.n_quefrencies), bins)
        cepstrum = weight * np.cos(angle) / decoder.n_fft
        self.register_buffer("to_cepstrum", torch.tensor(cepstrum, dtype=torch.float32), persistent=False)
        self.register_buffer("to_phase", torch.tensor(-2 * np.sin(angle.T), dtype=torch.float32), persistent=False)

    def forward(self, z: Tensor, g: Tensor | None = None) -> Tensor:  # noqa: ARG002 (coqui's decoders take a speaker)
        """Decode latents, float [B, in_channels, n_frames], as `SourceFilterDecoder` does, with the predicted pitch."""
        decoder = self.source_filter
        pulses = make_pulses(torch.exp(decoder.predict_log_f0(z)), decoder.sample_rate, decoder.hop_length)
        noise = torch.randn_like(pulses)
        of_pulses, of_noise = (half.clamp(max=MAX_LOG_GAIN) for half in self.find_halves(z))
        gain, noise_gain = torch.exp(of_pulses), torch.exp(of_noise)
        phase = self.to_phase @ (self.to_cepstrum @ of_pulses)
        cosine, sine = gain * torch.cos(phase), gain * torch.sin(phase)
        real, imaginary = self.transform.analyse(pulses)
        noise_real, noise_imaginary = self.transform.analyse(noise)
        return self.transform.invert(
            real * cosine - imaginary * sine + noise_real * noise_gain,
            real * sine + imaginary * cosine + noise_imaginary * noise_gain,
        ).unsqueeze(1)
