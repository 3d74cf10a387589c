"""The student: coqui's `Vits` at the geometry of a preset.

VITS is Kim, Kong and Son, 2021, "Conditional Variational Autoencoder with Adversarial Learning for End-to-End
Text-to-Speech".
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from TTS.config.shared_configs import BaseAudioConfig
from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
from TTS.tts.models.vits import Vits as CoquiVits

from ttsd.config import AudioConfig, ModelConfig
from ttsd.errors import ConfigError
from ttsd.model.istft_decoder import IstftDecoder


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


class Vits(CoquiVits):  # type: ignore[misc]
    """coqui's VITS for one speaker, with symbol ids made by ttsd instead of coqui's tokenizer."""

    # coqui builds a tokenizer of its own, which would also overrule the number of symbols, unless there is one.
    tokenizer = None

    def forward_mas(
        self, outputs: Any, z_p: Tensor, m_p: Tensor, logs_p: Tensor, x: Tensor, *masks: Any, **conditions: Any
    ) -> Any:
        """Align and predict durations as coqui does, but in 32 bits: a likelihood in bfloat16 is off by whole nats."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward_mas(
                outputs, z_p.float(), m_p.float(), logs_p.float(), x.float(), *masks, **conditions
            )

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


def build_vits(model: ModelConfig, audio: AudioConfig, n_symbols: int, *, discriminator: bool = False) -> Vits:
    """Build a student with random weights.

    Args:
        model: Preset, decoder, duration predictor and layers of the posterior encoder.
        audio: Sample rate, frames and mel bands.
        n_symbols: Size of the symbol table.
        discriminator: Build the discriminator as well; only training needs it.

    Raises:
        ConfigError: The preset's decoder makes another number of samples from a frame than `audio.hop_length`, or the
            `istft` decoder cannot make that number.
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
        init_discriminator=discriminator,
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
    if model.decoder == "istft":
        if audio.n_fft % audio.hop_length or audio.n_fft == audio.hop_length:
            nearest = audio.hop_length * max(2, round(audio.n_fft / audio.hop_length))
            raise ConfigError(
                f"audio.n_fft is {audio.n_fft}, and the istft decoder needs a multiple of audio.hop_length "
                f"({audio.hop_length}); set audio.n_fft={nearest}"
            )
        student.waveform_decoder = IstftDecoder(args.hidden_channels, audio)
    return student


def fold_weight_norm(student: Vits) -> Vits:
    """Multiply out the weight normalisation, which only training needs, in place; the speech stays the same."""
    for module in list(student.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)
    return student


def generator_parameters(student: Vits) -> dict[str, nn.Parameter]:
    """Return the parameters of everything but the discriminator, by name."""
    return {name: parameter for name, parameter in student.named_parameters() if not name.startswith("disc.")}


def voice_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a state dict that a finished voice keeps: all but the discriminator."""
    return {name: value for name, value in state.items() if not name.startswith("disc.")}
