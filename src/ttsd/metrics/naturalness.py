"""How natural a clip sounds, by DNSMOS: a network that predicts the opinion of listeners.

The network hears 9.01 s. A longer clip is heard in windows a second apart, a shorter one is doubled until it is long
enough, so neighbouring windows share eight of their nine seconds; and nearly all of the work is in four convolutions
that see 40 ms to either side. Here these run once over the whole clip. Only the frames at the edges of a window, which
feel its padding, are computed again.
Source: Reddy et al., DNSMOS P.835: a non-intrusive perceptual objective speech quality metric to evaluate noise
suppressors (2022). The model, the polynomial and the windows are those of the package `speechmos`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.errors import ConfigError
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file

DNSMOS_SAMPLE_RATE = 16000
"""Sample rate that the network hears, in Hz."""
_WINDOW_S = 9.01
_SEGMENT = int(_WINDOW_S * DNSMOS_SAMPLE_RATE)
_SHA256 = "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd"
# From the network's output to the scale of the listeners.
_OVERALL = np.poly1d([-0.06766283, 1.11546468, 0.04602535])
_HOP = 160
"""Samples between two frames of the network's spectrogram; a frame is two hops long."""
_WINDOW_FRAMES = 900
_FRAMES_PER_S = 100
_REACH = 4
"""Frames that the shared layers see to either side: four convolutions, three frames wide each."""
_GROUP = 24
"""Windows that share their work: half a minute, which bounds the memory."""
_FRAMES_NODE = "mos_estimator_logpow/concat:0"
_SHARED_NODE = "mos_estimator_logpow/conv2d_3/Relu:0"


class Dnsmos:
    """The network of DNSMOS P.835 on one thread of the CPU.

    Raises:
        MissingExtraError: speechmos, onnx or onnxruntime is not installed.
        ConfigError: The package's model is another one than it should be.
    """

    def __init__(self) -> None:
        onnx = require("evaluate", "onnx")
        path = Path(str(require("evaluate", "speechmos").__file__)).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
        if sha256_file(path) != _SHA256:
            raise ConfigError(f"{path}: is not DNSMOS as published; pip install --force-reinstall speechmos==0.0.1.1")
        model = onnx.shape_inference.infer_shapes(onnx.load(path))
        self._shared = _cut(onnx, model, _FRAMES_NODE, _SHARED_NODE)
        self._rest = _cut(onnx, model, _SHARED_NODE, model.graph.output[0].name)

    def measure(self, wav: NDArray[np.float32], sample_rate: int) -> float | None:
        """Return the overall quality (OVRL), about 1 (bad) to 5 (excellent); none for an empty clip.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1].
            sample_rate: In Hz.
        """
        heard = np.clip(resample(wav, sample_rate, DNSMOS_SAMPLE_RATE), -1, 1)
        if heard.size == 0:
            return None
        while heard.size < _SEGMENT:
            heard = np.append(heard, heard)
        windows = _find_windows(heard.size)
        frames = np.lib.stride_tricks.sliding_window_view(heard, 2 * _HOP)[::_HOP]
        groups = [windows[start : start + _GROUP] for start in range(0, len(windows), _GROUP)]
        return float(np.mean(_OVERALL([raw for group in groups for raw in self._hear(frames, group)])))

    def _hear(self, frames: NDArray[np.float32], windows: Sequence[int]) -> list[float]:
        """Return the network's output for the windows that begin at these seconds, in order."""
        frames = frames[windows[0] * _FRAMES_PER_S : windows[-1] * _FRAMES_PER_S + _WINDOW_FRAMES]
        whole = _run(self._shared, frames[None])[0]
        raw = []
        for window in windows:
            first = (window - windows[0]) * _FRAMES_PER_S
            last = first + _WINDOW_FRAMES
            # Twice the reach: the half that is kept must not feel where the piece ends within the window.
            edges = np.stack([frames[first : first + 2 * _REACH], frames[last - 2 * _REACH : last]])
            left, right = _run(self._shared, edges)
            inner = whole[:, first:last].copy()
            inner[:, :_REACH], inner[:, -_REACH:] = left[:, :_REACH], right[:, -_REACH:]
            raw.append(float(_run(self._rest, inner[None])[0, 2]))
        return raw


def _find_windows(n_samples: int) -> list[int]:
    """Return the seconds at which the published script's windows begin, in a clip of at least one window."""
    n_windows = int(n_samples // DNSMOS_SAMPLE_RATE - _WINDOW_S) + 1
    # A window that rounding leaves one sample short is passed over there.
    return [
        start
        for start in range(n_windows)
        if int((start + _WINDOW_S) * DNSMOS_SAMPLE_RATE) - start * DNSMOS_SAMPLE_RATE == _SEGMENT
    ]


def _run(session: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(values)})[0])


def _cut(onnx: Any, model: Any, start: str, end: str) -> Any:
    """Return a session for a part of the network that takes any number of clips and frames."""
    onnxruntime = require("evaluate", "onnxruntime")
    part = onnx.utils.Extractor(model).extract_model([start], [end])
    # The shapes noted in the graph are those of one window.
    del part.graph.value_info[:]
    for value in (*part.graph.input, *part.graph.output):
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if axis == 0 or size.dim_value == _WINDOW_FRAMES:
                size.dim_param = f"{value.name}_{axis}"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
