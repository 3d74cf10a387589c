"""Where speech begins and ends in a clip: a voice activity detector finds it, its sound tells the exact edges.

The detector is Silero VAD, run by onnxruntime from the model that the package silero-vad carries.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import Waveform, block_length, block_levels_db, resample
from ttsd.errors import MissingExtraError
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file

VAD_SAMPLE_RATE = 16000
"""Sample rate that the detector hears, in Hz."""
_HOP = 512
_CONTEXT = 64
_MODEL = "silero_vad_16k_sequence.onnx"
_SPEECH = 0.5
# Speech goes on in what the detector leaves out where the gap is short: a stop before its burst, a breathy end.
_MAX_GAP_MS = 120.0
_MAX_REACH_MS = 500.0


def detect_speech(wav: Waveform, sample_rate: int) -> NDArray[np.float32]:
    """Return how likely each 32 ms of a clip are speech.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.

    Returns:
        Probabilities, float32 [n_hops]; the last hop is padded with silence.

    Raises:
        MissingExtraError: silero-vad or onnxruntime is not installed.
    """
    heard = resample(wav, sample_rate, VAD_SAMPLE_RATE)
    n_hops = -(-heard.size // _HOP)
    if n_hops == 0:
        return np.zeros(0, np.float32)
    padded = np.zeros(_CONTEXT + n_hops * _HOP, np.float32)
    padded[_CONTEXT : _CONTEXT + heard.size] = heard
    windows = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + _HOP)[::_HOP]
    state = np.zeros((1, 1, 128), np.float32)
    found = _session().run(None, {"input": np.ascontiguousarray(windows), "h": state, "c": state})[0]
    return np.asarray(found, dtype=np.float32)


def find_speech(wav: Waveform, sample_rate: int, silence_db: float) -> tuple[int, int] | None:
    """Find where speech begins and ends, to a block of 10 ms.

    The detector says which sound is speech, so that a click or a breath far from it is left out; from there the sound
    is followed outwards to where it ends, so that no soft consonant is lost.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
        silence_db: Blocks this far below the loudest one of the speech count as silence; negative, in dB.

    Returns:
        First sample of the speech and the one behind its last, or none where the detector hears no speech.

    Raises:
        MissingExtraError: silero-vad or onnxruntime is not installed.
    """
    spoken = np.flatnonzero(detect_speech(wav, sample_rate) > _SPEECH)
    if spoken.size == 0:
        return None
    length = block_length(sample_rate)
    per_hop = _HOP / VAD_SAMPLE_RATE * sample_rate / length
    first, last = int(spoken[0] * per_hop), int((spoken[-1] + 1) * per_hop)
    levels = block_levels_db(wav, sample_rate)
    last = min(last, levels.size - 1)
    sounding = levels > levels[first : last + 1].max() + silence_db
    inside = np.flatnonzero(sounding[first : last + 1])
    if inside.size == 0:
        return None
    start = _follow(sounding[::-1], levels.size - 1 - (first + int(inside[0])))
    end = _follow(sounding, first + int(inside[-1]))
    return (levels.size - 1 - start) * length, min((end + 1) * length, wav.size)


def _follow(sounding: NDArray[np.bool_], at: int) -> int:
    """Go on from a sounding block over gaps that are short, to the last block of that sound."""
    gap, reach = int(_MAX_GAP_MS / 10), at + int(_MAX_REACH_MS / 10)
    while True:
        ahead = np.flatnonzero(sounding[at + 1 : min(at + 1 + gap, reach + 1)])
        if ahead.size == 0:
            return at
        at += 1 + int(ahead[-1])


@functools.cache
def find_vad() -> Path:
    """Return the detector's model, without importing its package, which would load torch.

    Raises:
        MissingExtraError: silero-vad is not installed.
    """
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None or not (path := Path(spec.origin).parent / "data" / _MODEL).is_file():
        raise MissingExtraError(
            "preprocess.trim=vad needs silero-vad 6.2: pip install 'ttsd[curate]', or set preprocess.trim=energy"
        )
    return path


@functools.cache
def hash_vad() -> str:
    """Return the SHA-256 of the detector's model."""
    return sha256_file(find_vad())


@functools.cache
def _session() -> Any:
    onnxruntime = require("curate", "onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(find_vad()), options, providers=["CPUExecutionProvider"])
