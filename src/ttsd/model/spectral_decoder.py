"""A decoder that makes the spectrum of every frame from latents, by a network at frame rate, and adds the frames up.

Nothing runs at the sample rate but the last transform, so it costs a fraction of a HiFi-GAN. It suits latents whose
waveform is a function of them alone, sample by sample: those that another decoder without noise speaks from. Where
there is more than one waveform for the same latents, it locks its tones to the frame rate; see `source_filter_decoder`.

The form is that of Siuzdak, 2023, "Vocos: Closing the gap between time-domain and Fourier-based neural vocoders".
"""

import torch
from torch import Tensor, nn

from ttsd.config import AudioConfig
from ttsd.model.convnext import KERNEL_SIZE, ConvNeXtBlock

MAX_LOG_GAIN = 6.0
_START = (-3.0, 0.0)
"""Log magnitude and phase before training: speech some 26 dB below full scale."""


class SpectralDecoder(nn.Module):
    """Turns latents into a waveform, each frame into `hop_length` samples.

    Args:
        in_channels: Channels of the latents.
        audio: `n_fft` and `hop_length`; the former is a multiple of the latter.
        channels: Width of the blocks.
        n_blocks: Number of blocks.
        start: What the two halves of the head give before training.
        head_channels: Channels of what the head reads; none reads the blocks' own.
    """

    window: Tensor

    def __init__(
        self,
        in_channels: int,
        audio: AudioConfig,
        channels: int = 256,
        n_blocks: int = 6,
        start: tuple[float, float] = _START,
        head_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.n_fft, self.hop_length = audio.n_fft, audio.hop_length
        self.enter = nn.Conv1d(in_channels, channels, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        self.enter_norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(ConvNeXtBlock(channels, 1 / n_blocks) for _ in range(n_blocks))
        self.leave_norm = nn.LayerNorm(channels)
        n_freqs = self.n_fft // 2 + 1
        self.head = nn.Linear(head_channels or channels, 2 * n_freqs)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor(start).repeat_interleave(n_freqs))
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)

    def forward(self, z: Tensor, g: Tensor | None = None) -> Tensor:  # noqa: ARG002 (coqui's decoders take a speaker)
        """Decode latents.

        Args:
            z: Latents, float [B, in_channels, n_frames].
            g: Not used: one speaker.

        Returns:
            Waveform, float32 [B, 1, n_frames * hop_length].
        """
        return self.speak(self.find_hidden(z))

    def speak(self, hidden: Tensor) -> Tensor:
        """Return the waveform, float32 [B, 1, n_samples], of what the head reads, from `find_hidden`."""
        log_magnitude, phase = self.find_halves(hidden)
        with torch.autocast(hidden.device.type, enabled=False):
            return self.invert(torch.polar(torch.exp(log_magnitude.clamp(max=MAX_LOG_GAIN)), phase)).unsqueeze(1)

    def find_halves(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the head gives, two float32 [B, n_frames, n_fft // 2 + 1], for what it reads."""
        # A phase of some turns would be rounded to a tenth of a radian in 16 bits.
        with torch.autocast(hidden.device.type, enabled=False):
            first, second = self.head(hidden.transpose(1, 2).float()).chunk(2, dim=2)
        return first, second

    def find_hidden(self, z: Tensor) -> Tensor:
        """Return what the head reads, float [B, channels, n_frames], for latents [B, in_channels, n_frames]."""
        x = self.enter_norm(self.enter(z).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        hidden: Tensor = self.leave_norm(x.transpose(1, 2)).transpose(1, 2)
        return hidden

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
