"""How natural a clip sounds, by DNSMOS: a network that predicts the opinion of listeners.

Source: Reddy et al., DNSMOS P.835: a non-intrusive perceptual objective speech quality metric to evaluate noise
suppressors (2022). The models and their arithmetic are those of the package `speechmos`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.utils.extras import require

DNSMOS_SAMPLE_RATE = 16000
"""Sample rate that the network hears, in Hz."""
_WINDOW_S = 9.01
_SEGMENT = int(_WINDOW_S * DNSMOS_SAMPLE_RATE)
# From the network's output to the scale of the listeners.
_OVERALL = np.poly1d([-0.06766283, 1.11546468, 0.04602535])


class Dnsmos:
    """The network of DNSMOS P.835 on one thread of the CPU.

    Raises:
        MissingExtraError: speechmos or onnxruntime is not installed.
    """

    def __init__(self) -> None:
        onnxruntime = require("evaluate", "onnxruntime")
        package = require("evaluate", "speechmos")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = Path(str(package.__file__)).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def measure(self, wav: NDArray[np.float32], sample_rate: int) -> float | None:
        """Return the overall quality (OVRL), about 1 (bad) to 5 (excellent); none for an empty clip.

        A clip shorter than 9.01 s is repeated until it fills the network's window, as the published script does; a
        longer one is heard in windows a second apart, and their mean is taken.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1].
            sample_rate: In Hz.
        """
        heard = np.clip(resample(wav, sample_rate, DNSMOS_SAMPLE_RATE), -1, 1)
        if heard.size == 0:
            return None
        while heard.size < _SEGMENT:
            heard = np.append(heard, heard)
        n_hops = int(heard.size // DNSMOS_SAMPLE_RATE - _WINDOW_S) + 1
        # As the published script has it: a window that rounding leaves one sample short is passed over.
        spans = [(hop * DNSMOS_SAMPLE_RATE, int((hop + _WINDOW_S) * DNSMOS_SAMPLE_RATE)) for hop in range(n_hops)]
        windows = [heard[start:end] for start, end in spans if min(end, heard.size) - start == _SEGMENT]
        raw = [self._session.run(None, {"input_1": window[None]})[0][0][2] for window in windows]
        return float(np.mean(_OVERALL(raw)))
