"""The student: coqui's `Vits` at the geometry of a preset.

VITS is Kim, Kong and Son, 2021, "Conditional Variational Autoencoder with Adversarial Learning for End-to-End
Text-to-Speech".
"""

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from TTS.config.shared_configs import BaseAudioConfig
from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
from TTS.tts.models.vits import Vits as CoquiVits

from ttsd.config import AudioConfig, ModelConfig
from ttsd.errors import ConfigError
from ttsd.model.alignment import align_frames
from ttsd.model.small_discriminator import SmallDiscriminator
from ttsd.model.source_filter_decoder import SourceFilterDecoder, decode, pitch_loss

Voice = TypeVar("Voice", bound=nn.Module)


@dataclass(frozen=True)
class DecoderGeometry:
    """Shape of a HiFi-GAN decoder (Kong, Kim and Bae, 2020)."""

    initial_channels: int
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    resblock_type: str
    resblock_kernels: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]

    @property
    def hop_length(self) -> int:
        """Samples made from one frame."""
        product = 1
        for rate in self.upsample_rates:
            product *= rate
        return product


DECODERS = {
    "medium": DecoderGeometry(256, (8, 8, 4), (16, 16, 8), "2", (3, 5, 7), ((1, 2), (2, 6), (3, 12))),
    "high": DecoderGeometry(512, (8, 8, 2, 2), (16, 16, 4, 4), "1", (3, 7, 11), ((1, 3, 5),) * 3),
}


@dataclass(frozen=True)
class Synthesis:
    """What the student says, and the latents behind it."""

    wav: Tensor
    """Waveform, float32 [n_frames * hop_length]."""
    z: Tensor
    """Latents that the decoder was given, float32 [hidden, n_frames]."""
    durations: Tensor
    """Frames of every symbol, float32 [n_symbols]."""


@dataclass(frozen=True)
class Alignment:
    """Text and speech, brought together frame by frame."""

    symbols: Tensor
    """Symbol of every frame, int64 [B, max_frames]."""
    m_p: Tensor
    """Mean of the prior of every frame, float32 [B, hidden, max_frames]."""
    logs_p: Tensor
    """Its log standard deviation, of the same shape."""
    duration_loss: Tensor
    """Loss of the duration predictor, summed over the batch, float32 []; per symbol it is what coqui reports."""


@dataclass(frozen=True)
class Forward:
    """A batch through the generator, as training needs it."""

    wav: Tensor
    """What the decoder made of a random slice of every utterance, float [B, 1, segment_frames * hop_length]."""
    first_frames: Tensor
    """Where the slices begin, int64 [B]."""
    z_p: Tensor
    """Posterior sample taken through the flow, float32 [B, hidden, max_frames]."""
    logs_q: Tensor
    """Log standard deviation of the posterior, of the same shape."""
    mask: Tensor
    """1 where a frame is speech and 0 where it is padding, float [B, 1, max_frames]."""
    alignment: Alignment
    pitch_loss: Tensor | None
    """Mean error of the log pitch in the slices, float32 []; none where the decoder hears none."""


class Vits(CoquiVits):  # type: ignore[misc]
    """coqui's VITS for one speaker, with symbol ids made by ttsd instead of coqui's tokenizer."""

    # coqui builds a tokenizer of its own, which would also overrule the number of symbols, unless there is one.
    tokenizer = None

    def forward_slices(
        self,
        symbol_ids: Tensor,
        symbol_lengths: Tensor,
        spec: Tensor,
        frame_lengths: Tensor,
        f0_hz: Tensor,
        segment_frames: int,
    ) -> Forward:
        """Run the generator on whole utterances, and its decoder on a random slice of each.

        Args:
            symbol_ids: int64 [B, max_symbols].
            symbol_lengths: int64 [B].
            spec: Magnitudes, float32 [B, n_freqs, max_frames].
            frame_lengths: int64 [B]; none below the number of symbols, nor below `segment_frames`.
            f0_hz: Pitch of every frame, float32 [B, max_frames], for a decoder that is driven by it.
            segment_frames: Length of a slice.
        """
        text = self.text_encoder(symbol_ids, symbol_lengths)
        z, _, logs_q, mask = self.posterior_encoder(spec, frame_lengths)
        z_p = self.flow(z, mask)
        alignment = self.align(text, symbol_lengths, z_p, mask, frame_lengths)
        # Drawn on the CPU in 32 bits: bfloat16 knows 256 places, and every device shall draw the same.
        places = torch.rand(len(frame_lengths)).to(frame_lengths.device)
        first_frames = (places * (frame_lengths - segment_frames + 1)).long()
        z_slices = take_slices(z, first_frames, segment_frames)
        f0_hz = take_slices(f0_hz.unsqueeze(1), first_frames, segment_frames).squeeze(1)
        wav = decode(self.waveform_decoder, z_slices, f0_hz)
        pitch = pitch_loss(self.waveform_decoder, z_slices, f0_hz)
        return Forward(wav, first_frames, z_p.float(), logs_q.float(), mask, alignment, pitch)

    def align(
        self,
        text: tuple[Tensor, Tensor, Tensor, Tensor],
        symbol_lengths: Tensor,
        z_p: Tensor,
        mask: Tensor,
        frame_lengths: Tensor,
    ) -> Alignment:
        """Align the text with the speech, and let the duration predictor be judged by that.

        All in 32 bits, whatever the precision around: a likelihood in bfloat16 is off by whole nats.

        Args:
            text: What the text encoder gives: hidden states, mean and log standard deviation of the prior by symbol,
                and the symbols' mask.
            symbol_lengths: int64 [B].
            z_p: Latents of the prior's space, float [B, hidden, max_frames].
            mask: Of the frames, float [B, 1, max_frames].
            frame_lengths: int64 [B].
        """
        with torch.autocast(z_p.device.type, enabled=False):
            x, m_p, logs_p, x_mask = (part.float() for part in text)
            with torch.no_grad():
                symbols = align_frames(_log_likelihood(z_p.float(), m_p, logs_p), symbol_lengths, frame_lengths)
                durations = torch.zeros_like(x_mask).scatter_add_(2, symbols.unsqueeze(1), mask.float())
            loss = self._duration_loss(x.detach() if self.args.detach_dp_input else x, x_mask, durations)
            index = symbols.unsqueeze(1).expand(-1, m_p.shape[1], -1)
            return Alignment(symbols, m_p.gather(2, index), logs_p.gather(2, index), loss)

    def _duration_loss(self, x: Tensor, x_mask: Tensor, durations: Tensor) -> Tensor:
        if self.args.use_sdp:
            return torch.as_tensor(self.duration_predictor(x, x_mask, durations)).sum()
        error = self.duration_predictor(x, x_mask) - torch.log(durations + 1e-6) * x_mask
        return torch.square(error).sum()

    @torch.inference_mode()
    def synthesize(
        self, symbol_ids: Tensor, *, noise_scale: float, noise_scale_duration: float, length_scale: float
    ) -> Synthesis:
        """Speak one utterance.

        Args:
            symbol_ids: Interspersed symbol ids, int64 [n_symbols].
            noise_scale: Standard deviation of the noise in the latents.
            noise_scale_duration: The same for the durations, where the duration predictor is stochastic.
            length_scale: Stretch of the durations; above 1 is slower.
        """
        self.inference_noise_scale = noise_scale
        self.inference_noise_scale_dp = noise_scale_duration
        self.length_scale = length_scale
        outputs = self.inference(symbol_ids.unsqueeze(0))
        return Synthesis(outputs["model_outputs"][0, 0], outputs["z"][0], outputs["durations"][0, 0])


def take_slices(values: Tensor, first: Tensor, length: int) -> Tensor:
    """Cut a slice out of every item of a batch, without a loop over the items.

    Args:
        values: float [B, C, T].
        first: First place of every slice, int64 [B].
        length: Places in a slice; none reaches beyond the end.
    """
    index = first[:, None, None] + torch.arange(length, device=values.device)
    return values.gather(2, index.expand(-1, values.shape[1], -1))


def _log_likelihood(z_p: Tensor, m_p: Tensor, logs_p: Tensor) -> Tensor:
    """Return the log-likelihood of every frame under every symbol's Gaussian, float32 [B, n_frames, n_symbols]."""
    precision = torch.exp(-2 * logs_p)
    own = (-0.5 * math.log(2 * math.pi) - logs_p - 0.5 * m_p**2 * precision).sum(1).unsqueeze(1)
    z_p = z_p.transpose(1, 2)
    return own + z_p @ (m_p * precision) - 0.5 * z_p**2 @ precision


def build_vits(model: ModelConfig, audio: AudioConfig, n_symbols: int, *, discriminator: bool = False) -> Vits:
    """Build a student with random weights.

    Args:
        model: Preset, decoder, duration predictor and layers of the posterior encoder.
        audio: Sample rate, frames and mel bands.
        n_symbols: Size of the symbol table.
        discriminator: Build the discriminator as well; only training needs it.

    Raises:
        ConfigError: The preset's decoder makes another number of samples from a frame than `audio.hop_length`, or the
            `source_filter` decoder cannot make that number.
    """
    decoder = DECODERS[model.preset]
    if decoder.hop_length != audio.hop_length:
        raise ConfigError(
            f"audio.hop_length is {audio.hop_length} but the {model.preset} decoder makes {decoder.hop_length} samples "
            f"from a frame; set audio.hop_length={decoder.hop_length}"
        )
    args = VitsArgs(
        num_chars=n_symbols,
        out_channels=audio.n_fft // 2 + 1,
        hidden_channels_ffn_text_encoder=768,
        num_heads_text_encoder=2,
        num_layers_text_encoder=6,
        num_layers_posterior_encoder=model.posterior_layers,
        num_layers_flow=4,
        use_sdp=model.duration_predictor == "stochastic",
        upsample_initial_channel_decoder=decoder.initial_channels,
        upsample_rates_decoder=list(decoder.upsample_rates),
        upsample_kernel_sizes_decoder=list(decoder.upsample_kernels),
        resblock_type_decoder=decoder.resblock_type,
        resblock_kernel_sizes_decoder=list(decoder.resblock_kernels),
        resblock_dilation_sizes_decoder=[list(d) for d in decoder.resblock_dilations],
        init_discriminator=discriminator and model.discriminator == "vits",
    )
    sizes = BaseAudioConfig(
        sample_rate=audio.sample_rate,
        fft_size=audio.n_fft,
        win_length=audio.win_length,
        hop_length=audio.hop_length,
        num_mels=audio.n_mels,
        mel_fmin=audio.f_min,
        mel_fmax=audio.f_max,
    )
    # One unnamed language: without it coqui would warn at every start that it has to guess one.
    student = Vits(VitsConfig(model_args=args, audio=sizes, languages=["one"]))
    if model.decoder == "spectral":
        raise ConfigError("model.decoder: spectral is for small voices; set hifigan or source_filter")
    if model.decoder == "source_filter":
        if audio.n_fft % audio.hop_length or audio.n_fft == audio.hop_length:
            nearest = audio.hop_length * max(2, round(audio.n_fft / audio.hop_length))
            raise ConfigError(
                f"audio.n_fft is {audio.n_fft}, and the source_filter decoder needs a multiple of audio.hop_length "
                f"({audio.hop_length}); set audio.n_fft={nearest}"
            )
        student.waveform_decoder = SourceFilterDecoder(args.hidden_channels, audio)
    if discriminator and model.discriminator == "small":
        student.disc = SmallDiscriminator()
    return student


def fold_weight_norm(student: Voice) -> Voice:
    """Multiply out the weight normalisation, which only training needs, in place; the speech stays the same."""
    modules: list[Any] = list(student.modules())
    for module in modules:
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)
    return student


def generator_parameters(student: Vits) -> dict[str, nn.Parameter]:
    """Return the parameters of everything but the discriminator, by name."""
    return {name: parameter for name, parameter in student.named_parameters() if not name.startswith("disc.")}


def find_frozen(student: Vits, beginnings: tuple[str, ...]) -> list[nn.Parameter]:
    """Return the parameters that the full steps leave alone.

    Args:
        student: The student.
        beginnings: Beginnings of their names.

    Raises:
        ConfigError: A beginning is that of no parameter, or no parameter is left to learn.
    """
    parameters = generator_parameters(student)
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in parameters):
            parts = ", ".join(dict.fromkeys(name.split(".")[0] for name in parameters))
            raise ConfigError(f"train.frozen: no weight's name begins with {beginning}; the parts are {parts}")
    chosen = [parameter for name, parameter in parameters.items() if name.startswith(beginnings)]
    if len(chosen) == len(parameters):
        raise ConfigError("train.frozen leaves nothing to learn; take a part out of it")
    return chosen


def voice_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a state dict that a finished voice keeps: all but the discriminator."""
    return {name: value for name, value in state.items() if not name.startswith("disc.")}
