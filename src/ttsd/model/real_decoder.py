"""The `source_filter` decoder without complex numbers, as graphs for other runtimes need it."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from ttsd.model.real_transform import RealTransform
from ttsd.model.source_filter_decoder import MAX_LOG_GAIN, SourceFilterDecoder, make_pulses


class RealDecoder(nn.Module):
    """A trained decoder in real arithmetic; for the same noise and pulses it gives the same waveform.

    Args:
        decoder: The decoder, whose weights are shared.
    """

    to_cepstrum: Tensor
    to_phase: Tensor

    def __init__(self, decoder: SourceFilterDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.transform = RealTransform(decoder.n_fft, decoder.hop_length)
        bins = self.transform.bins
        # From the logarithm of the gains to the phase of their smooth part, by way of the cepstrum's beginning.
        angle = 2 * math.pi / decoder.n_fft * np.outer(np.arange(1, decoder.n_quefrencies), bins)
        cepstrum = self.transform.weight * np.cos(angle) / decoder.n_fft
        self.register_buffer("to_cepstrum", torch.tensor(cepstrum, dtype=torch.float32), persistent=False)
        self.register_buffer("to_phase", torch.tensor(-2 * np.sin(angle.T), dtype=torch.float32), persistent=False)
        # The head in the transform's layout: of pulses, then of noise.
        mirrored = torch.from_numpy(self.transform.mirrored)
        rows = torch.cat([mirrored, mirrored + decoder.n_fft // 2 + 1])
        with torch.no_grad():
            self.head_weight = nn.Parameter(decoder.head.weight[rows].unsqueeze(2))
            self.head_bias = nn.Parameter(decoder.head.bias[rows])

    def forward(self, z: Tensor, g: Tensor | None = None) -> Tensor:  # noqa: ARG002 (coqui's decoders take a speaker)
        """Decode latents, float [B, in_channels, n_frames]; as `SourceFilterDecoder`, with the predicted pitch."""
        decoder = self.decoder
        pulses = make_pulses(torch.exp(decoder.predict_log_f0(z)), decoder.sample_rate, decoder.hop_length)
        return self.filter(z, pulses, torch.randn_like(pulses))

    def filter(self, z: Tensor, pulses: Tensor, noise: Tensor) -> Tensor:
        """Shape two sources by what the latents ask for.

        Args:
            z: Latents, float [B, in_channels, n_frames].
            pulses: float32 [B, n_frames * hop_length].
            noise: The same.

        Returns:
            Waveform, float32 [B, 1, n_frames * hop_length].
        """
        hidden = self.decoder.find_hidden(z)
        log_gains = nn.functional.conv1d(hidden, self.head_weight, self.head_bias).clamp(max=MAX_LOG_GAIN)
        of_pulses, of_noise = log_gains.chunk(2, dim=1)
        gain, noise_gain = torch.exp(of_pulses), torch.exp(of_noise)
        phase = self.to_phase @ (self.to_cepstrum @ of_pulses)
        cosine, sine = gain * torch.cos(phase), gain * torch.sin(phase)
        real, imaginary = self.transform.analyse(pulses)
        noise_real, noise_imaginary = self.transform.analyse(noise)
        return self.transform.invert(
            real * cosine - imaginary * sine + noise_real * noise_gain,
            real * sine + imaginary * cosine + noise_imaginary * noise_gain,
        ).unsqueeze(1)
