"""How natural a clip sounds, by DistillMOS: a second opinion beside DNSMOS.

The network hears 7.68 s: a shorter clip is followed by silence, a longer one is heard in several pieces. So two clips
of different length are not judged quite alike; read differences between systems of the same sentences, never the figure
by itself. Convolutions over silence give the same at every place, so here they run over a little of it.

Source: Stahl and Gamper, Distillation and pruning for scalable self-supervised representation-based speech quality
assessment (2025); the network and its weights are those of the package `distillmos`.
"""

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.utils.extras import require

DISTILLMOS_SAMPLE_RATE = 16000
"""Sample rate that the network hears, in Hz."""
_HEARD = 122880
"""Samples that the network hears at once."""
_STEP = 320
"""Samples between two frames of what its convolutions give."""
_MARGIN = 16 * _STEP
"""Silence that is kept behind a clip, in samples: the convolutions see less than a quarter of it to either side."""
_LEAST_PEAK = 1e-8
"""The package adds it to the peak that it divides by."""


class DistillMos:
    """The network of DistillMOS on the CPU.

    Raises:
        MissingExtraError: distillmos is not installed.
    """

    def __init__(self) -> None:
        package = require("evaluate", "distillmos")
        self._torch = require("evaluate", "torch")
        # It prints where its weights lie.
        with contextlib.redirect_stdout(io.StringIO()):
            self._model = package.ConvTransformerSQAModel().eval()
        for layer in self._model.cnn.cnn:
            if isinstance(layer, self._torch.nn.LeakyReLU):
                layer.inplace = True

    def measure(self, wav: NDArray[np.float32], sample_rate: int) -> float | None:
        """Return the quality that listeners would give, 1 (bad) to 5 (excellent); none for silence.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1].
            sample_rate: In Hz.
        """
        heard = resample(wav, sample_rate, DISTILLMOS_SAMPLE_RATE)
        if not heard.any():
            return None
        clip = self._torch.from_numpy(np.ascontiguousarray(heard))[None]
        with self._torch.inference_mode():
            return float(self._model(clip)[0] if heard.size > _HEARD - _MARGIN else self._hear_short(clip))

    def _hear_short(self, clip: Any) -> Any:
        """Return what the package does for a clip and the silence behind it, most of which is all the same inside."""
        n_samples = -(-(clip.shape[1] + _MARGIN) // _STEP) * _STEP
        clip = self._torch.nn.functional.pad(clip / (clip.abs().max() + _LEAST_PEAK), (0, n_samples - clip.shape[1]))
        features = self._model.cnn(clip)
        # Half of the margin behind the speech: there the network feels neither its end nor that of the window.
        silence = features[..., -_MARGIN // _STEP // 2, None]
        before, behind = features.tensor_split([-(_MARGIN // _STEP // 2)], dim=-1)
        repeated = silence.expand(-1, -1, (_HEARD - n_samples) // _STEP)
        features = self._torch.cat([before, repeated, behind], dim=-1)
        return 1 + 4 * self._model.transformer_pool_attn(features.permute(0, 2, 1))
