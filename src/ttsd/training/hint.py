"""What a teacher knows halfway to its latents and to the waveform, shown to a student.

A student that hears the waveform alone has to find out by itself what a HiFi-GAN's first stage works out from the
latents, above all where the pulses fall. Its blocks are led there by the features of that stage, which run at the rate
of a `TwoRateDecoder`. A front end likewise has the latents alone to tell it what its text means; the teacher's text
encoder says it of every symbol. Romero et al., 2015, "FitNets: hints for thin deep nets".
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from TTS.vocoder.models.hifigan_generator import LRELU_SLOPE, HifiganGenerator

from ttsd.model.two_rate_decoder import N_PARTS
from ttsd.model.vits import Vits

_N_FRAMES = 4000
"""Of the teacher's latents, from which the features' mean and spread are taken."""


class Hint(nn.Module):
    """Tells how far a student's features are from its teacher's.

    Args:
        teacher: The teacher's decoder, which is left alone.
        channels: Of the student's features.
        latents: Latents of some speech, float32 [hidden, n_frames] each.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, teacher: HifiganGenerator, channels: int, latents: Sequence[Tensor]) -> None:
        super().__init__()
        # In a list, so that its weights are nobody's here.
        self._teacher = [teacher]
        ends = itertools.accumulate(z.shape[1] for z in latents)
        enough = sum(end < _N_FRAMES for end in ends) + 1
        some = torch.cat(list(latents[:enough]), dim=1)[:, :_N_FRAMES]
        features = self._hear(some.unsqueeze(0).to(next(teacher.parameters()).device))
        self.register_buffer("mean", features.mean(2, keepdim=True), persistent=False)
        self.register_buffer("spread", features.std(2, keepdim=True).clamp(min=1e-5), persistent=False)
        self.reading = nn.Conv1d(channels, features.shape[1], 1)

    def forward(self, z: Tensor, middle: Tensor) -> Tensor:
        """Return the mean absolute error of the teacher's features, each in its own spread.

        Args:
            z: Latents, float [B, hidden, n_frames].
            middle: The student's features, float [B, channels, n_frames * N_PARTS].
        """
        features = (self._hear(z).float() - self.mean) / self.spread
        return nn.functional.l1_loss(self.reading(middle).float(), features)

    @torch.no_grad()
    def _hear(self, z: Tensor) -> Tensor:
        (teacher,) = self._teacher
        x = teacher.ups[0](nn.functional.leaky_relu(teacher.conv_pre(z), LRELU_SLOPE))
        parts = [block(x) for block in teacher.resblocks[: teacher.num_kernels]]
        features: Tensor = torch.stack(parts).mean(0)
        return features


def make_hint(teacher: nn.Module, channels: int, latents: Sequence[Tensor]) -> Hint | None:
    """Return the hint of a teacher's decoder, or none if its first stage runs at another rate or it is of another kind.

    Args:
        teacher: The teacher's decoder.
        channels: Of the student's features.
        latents: Latents of some speech, float32 [hidden, n_frames] each.
    """
    if not isinstance(teacher, HifiganGenerator) or teacher.ups[0].stride[0] != N_PARTS:
        return None
    return Hint(teacher, channels, latents)


@torch.no_grad()
def read_texts(teacher: Vits, texts: Sequence[Tensor]) -> list[Tensor]:
    """Return what the teacher's text encoder expects of every symbol's latents, each channel with mean 0 and spread 1.

    Args:
        teacher: On any device.
        texts: Symbols, int64 [n_symbols] each.

    Returns:
        Means of the prior, float32 [hidden, n_symbols] each, on the CPU.
    """
    device = next(teacher.parameters()).device
    means = []
    for symbol_ids in texts:
        lengths = torch.tensor([len(symbol_ids)], device=device)
        means.append(teacher.text_encoder(symbol_ids.to(device).unsqueeze(0), lengths)[1][0].float().cpu())
    every = torch.cat(means, dim=1)
    mean, spread = every.mean(1, keepdim=True), every.std(1, keepdim=True).clamp(min=1e-5)
    return [(one - mean) / spread for one in means]
