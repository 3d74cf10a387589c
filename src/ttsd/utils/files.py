"""Files that are whole or absent: written under a temporary name, flushed, then renamed."""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ttsd.errors import StageError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_CURES = {
    **dict.fromkeys(_NO_ROOM, "free some space and run the same command again to go on"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make it writable or name another output"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "a file stands where a directory is needed; name another output"),
    errno.EFBIG: "raise the limit on the size of files (ulimit -f) and run the same command again to go on",
    errno.EISDIR: "a directory stands there; name another output",
    errno.ENAMETOOLONG: "name a shorter output",
}


def explain_write(path: Path, error: OSError) -> StageError:
    """Return what to tell a user whose disk does not take a file."""
    cure = _CURES.get(error.errno or 0, "check the disk and run the same command again to go on")
    return StageError(f"{path}: cannot be written ({error.strerror or error}); {cure}")


def is_disk_error(error: OSError) -> bool:
    """Tell whether it is the disk that refused, full or read-only, and not the program that asked for a wrong file."""
    return error.errno in (*_NO_ROOM, errno.EROFS, errno.EFBIG, errno.EIO)


_awaiting: ContextVar[list[Path] | None] = ContextVar("awaiting", default=None)


@contextlib.contextmanager
def flushed_together() -> Iterator[None]:
    """Flush the files that the block writes to the disk once, when it succeeds, in place of each by itself.

    Until then a file may be there and lose its contents with the power: whoever needs it afterwards, such as a note
    that it is done, is written behind the block.

    Raises:
        StageError: The disk is full or read-only.
    """
    paths: list[Path] = []
    token = _awaiting.set(paths)
    try:
        yield
    finally:
        _awaiting.reset(token)
    if paths:
        # One call for all: each fsync by itself waits for the journal of the file system.
        os.sync()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` when the block succeeds.

    Args:
        path: The file to write; its folder is made where it is missing. The temporary name keeps the suffix, for
            writers that choose a format by it.

    Raises:
        StageError: The folder cannot be made, or the disk is full or read-only.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}")
        os.close(handle)
    except OSError as error:
        raise explain_write(path, error) from None
    temporary = Path(name)
    try:
        yield temporary
        awaiting = _awaiting.get()
        if awaiting is None:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        else:
            awaiting.append(path)
        # mkstemp makes files that only their owner may read; a corpus is shared like any other file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        # A block may read other files: what is wrong with those is not ours to explain.
        if is_disk_error(error) or error.filename == name:
            raise explain_write(path, error) from None
        raise
    finally:
        # On a disk that has become read-only this fails as well, and would hide the reason.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    r"""Write UTF-8 text atomically, with `\n` line ends on every system."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON atomically; the same data give the same bytes."""
    write_text(path, json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(data: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON: sorted keys, no spaces."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
