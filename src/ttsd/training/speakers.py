"""Any voice of ours, by its file."""

from pathlib import Path
from typing import TYPE_CHECKING

from ttsd.data.onnx_voice import OnnxVoice, load_voice
from ttsd.errors import CheckpointError
from ttsd.utils.extras import require

if TYPE_CHECKING:
    from ttsd.training.checkpoint import Student

ONNX_SUFFIX = ".onnx"


def load_speaker(path: Path) -> "OnnxVoice | Student":
    """Load a voice on one thread: an ONNX file of `ttsd export` by onnxruntime alone, a checkpoint by torch.

    Args:
        path: The file.

    Raises:
        CheckpointError: It is missing, or not one of ours.
        MissingExtraError: What it needs is not installed.
    """
    if path.suffix == ONNX_SUFFIX:
        return load_voice(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give a .ckpt file that `ttsd train` wrote")
    torch = require("train", "torch")
    require("train", "TTS")
    from ttsd.training.checkpoint import load_student

    # One thread wherever the work runs: the same sums, and processes that do not fight for the cores.
    torch.set_num_threads(1)
    return load_student(path)
