"""What the header of a WAV promises: libsndfile reads a file that was cut off as a shorter, whole one."""

import io
import struct
from pathlib import Path
from typing import BinaryIO

# A writer that cannot go back, such as one into a pipe, declares about the largest size that it can.
_UNKNOWN_SIZES = (0, 0x7FFFF000)


def endless_header(sample_rate: int) -> bytes:
    """Return the header of a mono PCM-16 WAV whose length is not known yet, for a pipe.

    Args:
        sample_rate: In Hz.
    """
    size = _UNKNOWN_SIZES[1]
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", size, b"WAVE", b"fmt ", len(form)) + form + struct.pack("<4sI", b"data", size)
    )


def missing_bytes(path: Path) -> int:
    """Return how many bytes of sound a WAV lacks of those that its header declares.

    Args:
        path: Any file.

    Returns:
        0 where the sound is whole, where its length is not declared, and where the file is no readable WAV.
    """
    try:
        with path.open("rb") as file:
            return _compare(file, path.stat().st_size)
    except OSError:
        return 0


def missing_bytes_in(data: bytes) -> int:
    """Return how many bytes of sound a WAV in memory lacks of those that its header declares; see `missing_bytes`."""
    return _compare(io.BytesIO(data), len(data))


def _compare(file: BinaryIO, size: int) -> int:
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
        return 0
    order = "<" if head[:4] == b"RIFF" else ">"
    while len(chunk := file.read(8)) == 8:
        (declared,) = struct.unpack(f"{order}I", chunk[4:])
        if chunk[:4] == b"data":
            shortest, longest = _UNKNOWN_SIZES
            return max(declared - (size - file.tell()), 0) if shortest < declared < longest else 0
        # Chunks begin at even places.
        file.seek(declared + declared % 2, 1)
    return 0
