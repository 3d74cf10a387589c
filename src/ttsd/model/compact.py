"""Small voices that are learnt from another voice's inside: its durations, its latents and its speech.

A front end turns text into the latents that the teacher would give its decoder: a small text encoder, a duration
predictor, and blocks at frame rate that are told the place of each frame within its symbol. The decoder is that of
`two_rate_decoder`, or of `source_filter_decoder` where the teacher's speech is no function of its latents. Nothing runs
at the sample rate but the last transform.

The front end is that of FastSpeech (Ren et al., 2019, "FastSpeech: Fast, robust and controllable text to speech"), with
latents in the spectrogram's place.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from TTS.tts.layers.glow_tts.duration_predictor import DurationPredictor
from TTS.tts.layers.vits.networks import TextEncoder

from ttsd.config import AudioConfig
from ttsd.errors import ConfigError
from ttsd.model.convnext import ConvNeXtBlock
from ttsd.model.source_filter_decoder import SourceFilterDecoder
from ttsd.model.spectral_decoder import SpectralDecoder
from ttsd.model.two_rate_decoder import TwoRateDecoder
from ttsd.model.vits import Synthesis

N_LATENTS = 192
"""Channels of the latents of every VITS voice."""
_PLACES = 3
"""What a frame is told of its place: from the front, from the back, and how long the symbol lasts."""


@dataclass(frozen=True)
class CompactGeometry:
    """Sizes of a compact voice."""

    hidden: int
    """Width of the front end."""
    n_text_layers: int
    n_refiner_blocks: int
    decoder_channels: int
    n_decoder_blocks: int
    """Of a `source_filter` decoder; the other has its fine blocks in the place of two."""
    fine_channels: int
    n_fine_blocks: int
    pitch_channels: int


GEOMETRIES = {
    "compact": CompactGeometry(192, 3, 5, 256, 5, 96, 5, 128),
    "nano": CompactGeometry(112, 3, 4, 160, 5, 80, 5, 64),
    "micro": CompactGeometry(56, 2, 3, 80, 4, 48, 4, 24),
}


class CompactVoice(nn.Module):
    """A front end and a decoder.

    Args:
        geometry: Its sizes.
        audio: Samples and frames, the teacher's.
        n_symbols: Size of the symbol table.
        decoder: `spectral`, or anything else for `source_filter`.
    """

    def __init__(
        self, geometry: CompactGeometry, audio: AudioConfig, n_symbols: int, decoder: str = "spectral"
    ) -> None:
        super().__init__()
        if audio.n_fft % audio.hop_length or audio.n_fft == audio.hop_length:
            raise ConfigError(f"audio.n_fft is {audio.n_fft}; a compact voice needs a multiple of audio.hop_length")
        self.front_end = FrontEnd(geometry, n_symbols)
        channels, n_blocks = geometry.decoder_channels, geometry.n_decoder_blocks
        self.waveform_decoder: SpectralDecoder = (
            TwoRateDecoder(N_LATENTS, audio, channels, n_blocks - 2, geometry.fine_channels, geometry.n_fine_blocks)
            if decoder == "spectral"
            else SourceFilterDecoder(N_LATENTS, audio, channels, n_blocks, geometry.pitch_channels)
        )

    def forward(self, symbol_ids: Tensor, length_scale: Tensor | float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        """Speak one text.

        Args:
            symbol_ids: int64 [1, n_symbols].
            length_scale: Stretch of the durations; above 1 is slower.

        Returns:
            Waveform, float32 [1, 1, n_frames * hop_length], latents, float32 [1, 192, n_frames], and frames of every
            symbol, int64 [1, n_symbols].
        """
        hidden, durations = self.front_end.time(symbol_ids, length_scale)
        z = self.front_end.speak(hidden, durations)
        return self.waveform_decoder(z), z, durations

    @torch.inference_mode()
    def synthesize(
        self,
        symbol_ids: Tensor,
        *,
        noise_scale: float,  # noqa: ARG002 (a text has one reading here)
        noise_scale_duration: float,  # noqa: ARG002
        length_scale: float,
    ) -> Synthesis:
        """Speak one utterance, as `Vits.synthesize` does; there is no noise but a `source_filter` decoder's."""
        wav, z, durations = self(symbol_ids.unsqueeze(0), length_scale)
        return Synthesis(wav[0, 0], z[0], durations[0].float())


def whole_frames(log_durations: Tensor, length_scale: Tensor | float) -> Tensor:
    """Return durations in whole frames, int64, one at least, of the same shape as their logarithms.

    Args:
        log_durations: Natural logarithms of durations in frames.
        length_scale: Stretch of the durations.
    """
    # At least one: a text is heard even of a voice that has learnt nothing yet.
    return torch.round(torch.exp(log_durations) * length_scale).long().clamp(min=1)


class FrontEnd(nn.Module):
    """From symbols to latents.

    Args:
        geometry: Sizes.
        n_symbols: Size of the symbol table.
    """

    def __init__(self, geometry: CompactGeometry, n_symbols: int) -> None:
        super().__init__()
        hidden = geometry.hidden
        # Its projection to a prior is not used, and as small as can be.
        self.text_encoder = TextEncoder(n_symbols, 1, hidden, 2 * hidden, 2, geometry.n_text_layers, 3, 0.1)
        self.duration_predictor = DurationPredictor(hidden, hidden, 3, 0.1)
        self.place = nn.Conv1d(_PLACES, hidden, 1)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(hidden, 1 / geometry.n_refiner_blocks) for _ in range(geometry.n_refiner_blocks)
        )
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, N_LATENTS)

    def encode(self, symbol_ids: Tensor, symbol_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states, float [B, hidden, max_symbols], and their mask, float [B, 1, max_symbols].

        Args:
            symbol_ids: int64 [B, max_symbols].
            symbol_lengths: int64 [B].
        """
        hidden, _, _, mask = self.text_encoder(symbol_ids, symbol_lengths)
        return hidden, mask

    def read(self, symbol_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return one text's hidden states, and the logarithm of each symbol's frames, float [1, n_symbols].

        Args:
            symbol_ids: int64 [1, n_symbols].
        """
        hidden, mask = self.encode(symbol_ids, torch.full_like(symbol_ids[:, 0], symbol_ids.shape[1]))
        return hidden, self.predict_log_durations(hidden, mask)

    def time(self, symbol_ids: Tensor, length_scale: Tensor | float) -> tuple[Tensor, Tensor]:
        """Return one text's hidden states, and the frames of every symbol, int64 [1, n_symbols].

        Args:
            symbol_ids: int64 [1, n_symbols].
            length_scale: Stretch of the durations.
        """
        hidden, log_durations = self.read(symbol_ids)
        return hidden, whole_frames(log_durations, length_scale)

    def predict_log_durations(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return the logarithm of each symbol's frames, float [B, max_symbols]; the encoder does not learn by it."""
        predicted: Tensor = self.duration_predictor(hidden.detach(), mask).squeeze(1)
        return predicted

    def speak(self, hidden: Tensor, durations: Tensor) -> Tensor:
        """Return latents, float [B, 192, max_frames].

        Args:
            hidden: From `encode`.
            durations: Frames of every symbol, int64 [B, max_symbols]; 0 where there is none.
        """
        symbol, place = locate_frames(durations)
        index = symbol.unsqueeze(1).expand(-1, hidden.shape[1], -1)
        x = hidden.gather(2, index) + self.place(place)
        for block in self.blocks:
            x = block(x)
        latents: Tensor = self.head(self.norm(x.transpose(1, 2))).transpose(1, 2)
        return latents


def locate_frames(durations: Tensor) -> tuple[Tensor, Tensor]:
    """Return which symbol each frame belongs to, and where within it the frame lies.

    Args:
        durations: Frames of every symbol, int64 [B, max_symbols].

    Returns:
        Symbols, int64 [B, max_frames], and places, float32 [B, 3, max_frames]: the share of the symbol that is over by
        the frame's middle, the share that is left, and the logarithm of the symbol's length. Behind the last symbol
        they mean nothing.
    """
    ends = torch.cumsum(durations, dim=1)
    frames = torch.arange(ends.max(), device=durations.device)  # type: ignore[call-overload]
    symbol = (frames.reshape(1, -1, 1) >= ends.unsqueeze(1)).sum(dim=2).clamp(max=durations.shape[1] - 1)
    length = durations.gather(1, symbol).float().clamp(min=1)
    since = frames.float() + 0.5 - (ends - durations).gather(1, symbol).float()
    share = (since / length).clamp(0, 1)
    return symbol, torch.stack([share, 1 - share, torch.log(length)], dim=1)
