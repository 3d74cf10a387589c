"""How natural a clip sounds, by DistillMOS: a second opinion beside DNSMOS.

The network hears 7.68 s: a shorter clip is followed by silence, a longer one is heard in several pieces. So two clips
of different length are not judged quite alike; read differences between systems of the same sentences, never the figure
by itself. Source: Stahl and Gamper, Distillation and pruning for scalable self-supervised representation-based speech
quality assessment (2025); the network and its weights are those of the package `distillmos`.
"""

import contextlib
import io

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.utils.extras import require

DISTILLMOS_SAMPLE_RATE = 16000
"""Sample rate that the network hears, in Hz."""


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

    def measure(self, wav: NDArray[np.float32], sample_rate: int) -> float | None:
        """Return the quality that listeners would give, 1 (bad) to 5 (excellent); none for silence.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1].
            sample_rate: In Hz.
        """
        heard = resample(wav, sample_rate, DISTILLMOS_SAMPLE_RATE)
        if not heard.any():
            return None
        with self._torch.inference_mode():
            return float(self._model(self._torch.from_numpy(np.ascontiguousarray(heard))[None])[0])
