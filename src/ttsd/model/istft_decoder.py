"""A decoder that stays at frame rate: ConvNeXt blocks, then magnitudes and phases for an inverse Fourier transform.

Siuzdak, 2023, "Vocos: Closing the gap between time-domain and Fourier-based neural vocoders"; the blocks are those of
Liu et al., 2022, "A ConvNet for the 2020s". Next to HiFi-GAN, which computes at the sample rate, it needs about a sixth
of the arithmetic, and all of it in large matrix products.
"""

import torch
from torch import Tensor, nn

from ttsd.config import AudioConfig

_KERNEL_SIZE = 7
_EXPANSION = 3
_MAX_LOG_MAGNITUDE = 6.0


class IstftDecoder(nn.Module):
    """Turns latents into a waveform, each frame into `hop_length` samples.

    Args:
        in_channels: Channels of the latents.
        audio: `n_fft` and `hop_length`; the former is a multiple of the latter.
        channels: Width of the blocks.
        n_blocks: Number of blocks.
    """

    window: Tensor

    def __init__(self, in_channels: int, audio: AudioConfig, channels: int = 256, n_blocks: int = 6) -> None:
        super().__init__()
        self.n_fft, self.hop_length = audio.n_fft, audio.hop_length
        self.enter = nn.Conv1d(in_channels, channels, _KERNEL_SIZE, padding=_KERNEL_SIZE // 2)
        self.enter_norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(_ConvNeXtBlock(channels, 1 / n_blocks) for _ in range(n_blocks))
        self.leave_norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, self.n_fft + 2)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)

    def forward(self, z: Tensor, g: Tensor | None = None) -> Tensor:  # noqa: ARG002 (coqui's decoders take a speaker)
        """Decode latents.

        Args:
            z: Latents, float [B, in_channels, n_frames].
            g: Not used: one speaker.

        Returns:
            Waveform, float32 [B, 1, n_frames * hop_length].
        """
        x = self.enter_norm(self.enter(z).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        log_magnitude, phase = self.head(self.leave_norm(x.transpose(1, 2))).float().chunk(2, dim=2)
        return self.invert(torch.polar(torch.exp(log_magnitude.clamp(max=_MAX_LOG_MAGNITUDE)), phase)).unsqueeze(1)

    def invert(self, spectrum: Tensor) -> Tensor:
        """Return the waveform of a spectrum that is framed as `compute_spectrogram` frames it.

        Args:
            spectrum: complex64 [B, n_frames, n_fft // 2 + 1], analysed with a Hann window.

        Returns:
            Waveform, float32 [B, n_frames * hop_length].
        """
        frames = torch.fft.irfft(spectrum, n=self.n_fft, dim=2) * self.window
        envelope = self._overlap_add((self.window**2).expand(1, frames.shape[1], -1))
        edge = (self.n_fft - self.hop_length) // 2
        # At the outermost samples a single window is left, and that near its zero.
        return self._overlap_add(frames)[:, edge:-edge] / envelope[:, edge:-edge].clamp(min=1e-4)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        n_batch, n_frames, _ = frames.shape
        n_parts = self.n_fft // self.hop_length
        parts = frames.reshape(n_batch, n_frames, n_parts, self.hop_length)
        shifted = [nn.functional.pad(parts[:, :, i], (0, 0, i, n_parts - 1 - i)) for i in range(n_parts)]
        return torch.stack(shifted).sum(0).reshape(n_batch, -1)


class _ConvNeXtBlock(nn.Module):
    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, _KERNEL_SIZE, padding=_KERNEL_SIZE // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, _EXPANSION * channels)
        self.project = nn.Linear(_EXPANSION * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.scale * self.project(nn.functional.gelu(self.expand(y)))
        residual: Tensor = y.transpose(1, 2)
        return x + residual
