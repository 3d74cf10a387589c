"""The `source_filter` decoder without complex numbers, as graphs for other runtimes need it.

Every transform is a product with a matrix of cosines and sines. It costs more arithmetic than the fast transforms, and
stays a small part of the decoder.
"""

import math

import torch
from torch import Tensor, nn

from ttsd.model.source_filter_decoder import SourceFilterDecoder, make_pulses


class RealDecoder(nn.Module):
    """A trained decoder in real arithmetic; for the same noise and pulses it gives the same waveform.

    Args:
        decoder: The decoder, whose weights are shared.
    """

    of_time: Tensor
    of_frequency: Tensor
    of_cepstrum: Tensor
    envelope: Tensor

    def __init__(self, decoder: SourceFilterDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        n_fft, hop = decoder.n_fft, decoder.hop_length
        n_freqs = n_fft // 2 + 1
        angle = 2 * math.pi / n_fft * torch.outer(torch.arange(n_freqs), torch.arange(n_fft)).double()
        both = torch.cat([torch.cos(angle), -torch.sin(angle)])
        window = decoder.window.double()
        # Of a real signal's spectrum all but the first and the last coefficient stand for two.
        weight = torch.full((n_freqs,), 2.0, dtype=torch.float64)
        weight[0] = weight[-1] = 1.0
        self.register_buffer("of_time", (both * window).float().unsqueeze(1), persistent=False)
        back = both * torch.cat([weight, weight]).unsqueeze(1) / n_fft
        self.register_buffer("of_frequency", (back * window).float().unsqueeze(1), persistent=False)
        # From the logarithm of the gains to the phase of their smooth part.
        n_quefrencies = decoder.n_quefrencies
        cepstrum = weight.unsqueeze(1) * torch.cos(angle[:, 1:n_quefrencies]) / n_fft
        phase = -2 * torch.sin(angle[:, 1:n_quefrencies]) @ cepstrum.T
        self.register_buffer("of_cepstrum", phase.T.float().contiguous(), persistent=False)
        self.register_buffer("envelope", (window**2).float().reshape(1, 1, -1), persistent=False)
        self.edge = (n_fft - hop) // 2

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
        of_pulses, of_noise = self.decoder.find_log_gains(z)
        gain, phase = torch.exp(of_pulses), of_pulses @ self.of_cepstrum
        real, imaginary = self._analyse(pulses)
        noise_real, noise_imaginary = self._analyse(noise)
        noise_gain = torch.exp(of_noise)
        cosine, sine = gain * torch.cos(phase), gain * torch.sin(phase)
        total_real = real * cosine - imaginary * sine + noise_real * noise_gain
        total_imaginary = real * sine + imaginary * cosine + noise_imaginary * noise_gain
        spectrum = torch.cat([total_real, total_imaginary], dim=2).transpose(1, 2)
        hop = self.decoder.hop_length
        wav = nn.functional.conv_transpose1d(spectrum, self.of_frequency, stride=hop)
        envelope = nn.functional.conv_transpose1d(torch.ones_like(spectrum[:, :1]), self.envelope, stride=hop)
        wav, envelope = (part[:, :, self.edge : -self.edge] for part in (wav, envelope))
        return wav / envelope.clamp(min=1e-4)

    def _analyse(self, wav: Tensor) -> tuple[Tensor, Tensor]:
        padded = nn.functional.pad(wav.unsqueeze(1), (self.edge, self.edge))
        spectrum = nn.functional.conv1d(padded, self.of_time, stride=self.decoder.hop_length).transpose(1, 2)
        real, imaginary = spectrum.chunk(2, dim=2)
        return real, imaginary
