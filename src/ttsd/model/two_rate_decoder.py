"""A decoder that thinks at frame rate and speaks at eight times that rate.

Spectra of whole frames say little of what happens within a frame: where a creaky voice's pulses fall is hidden in the
phases of hundreds of bins. So each frame is cut into parts, blocks of a few channels refine them, and every part has a
small spectrum of its own. The rate is that of the first stage of a HiFi-GAN (Kong, Kim and Bae, 2020, "HiFi-GAN:
generative adversarial networks for efficient and high fidelity speech synthesis"), which can lend a hand in training.
"""

from torch import Tensor, nn

from ttsd.config import AudioConfig
from ttsd.errors import ConfigError
from ttsd.model.convnext import ConvNeXtBlock
from ttsd.model.spectral_decoder import SpectralDecoder

N_PARTS = 8
"""Parts of a frame."""


class TwoRateDecoder(SpectralDecoder):
    """Turns latents into a waveform, each frame into `hop_length` samples.

    Args:
        in_channels: Channels of the latents.
        audio: `n_fft` and `hop_length`; the former is a multiple of the latter, and that of twice `N_PARTS`.
        channels: Width of the blocks at frame rate.
        n_blocks: Their number.
        fine_channels: Width of the blocks behind them.
        n_fine_blocks: Their number.

    Raises:
        ConfigError: A frame cannot be cut into parts.
    """

    def __init__(
        self, in_channels: int, audio: AudioConfig, channels: int, n_blocks: int, fine_channels: int, n_fine_blocks: int
    ) -> None:
        # Twice: half of what a part's spectrum reaches beyond the part lies on each side.
        if audio.hop_length % (2 * N_PARTS):
            raise ConfigError(
                f"audio.hop_length is {audio.hop_length}; the decoder `spectral` needs a multiple of {2 * N_PARTS}"
            )
        parts = {"n_fft": audio.n_fft // N_PARTS, "hop_length": audio.hop_length // N_PARTS}
        super().__init__(in_channels, audio.model_copy(update=parts), channels, n_blocks, head_channels=fine_channels)
        self.fine_channels = fine_channels
        self.cut = nn.Linear(channels, N_PARTS * fine_channels)
        self.cut_norm = nn.LayerNorm(fine_channels)
        self.fine_blocks = nn.ModuleList(ConvNeXtBlock(fine_channels, 1 / n_fine_blocks) for _ in range(n_fine_blocks))
        self.fine_norm = nn.LayerNorm(fine_channels)

    def find_hidden(self, z: Tensor) -> Tensor:
        """Return what the head reads, float [B, fine_channels, n_frames * N_PARTS]."""
        return self.refine(self.find_middle(z))

    def find_middle(self, z: Tensor) -> Tensor:
        """Return what is known of the parts halfway, float [B, fine_channels, n_frames * N_PARTS].

        Args:
            z: Latents, float [B, in_channels, n_frames].
        """
        frames = self.cut(super().find_hidden(z).transpose(1, 2))
        x: Tensor = self.cut_norm(frames.reshape(frames.shape[0], -1, self.fine_channels)).transpose(1, 2)
        for block in self.fine_blocks[: len(self.fine_blocks) // 2]:
            x = block(x)
        return x

    def refine(self, middle: Tensor) -> Tensor:
        """Return what the head reads, from what `find_middle` returns; of the same shape."""
        x = middle
        for block in self.fine_blocks[len(self.fine_blocks) // 2 :]:
            x = block(x)
        hidden: Tensor = self.fine_norm(x.transpose(1, 2)).transpose(1, 2)
        return hidden
