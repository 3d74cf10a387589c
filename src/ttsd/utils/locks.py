"""A lock on a folder: for one process at a time, and gone with it, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ttsd.errors import StageError
from ttsd.utils.files import explain_write

LOCK_NAME = ".lock"


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, and leave nothing there.

    The system drops the lock with the process that holds it; the file that a killed one leaves locks nothing.

    Args:
        folder: Made where it is missing, and removed again where it was and stays empty.

    Raises:
        StageError: Another process holds the folder, or it cannot be written.
    """
    path = folder / LOCK_NAME
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _lock(path)
    except OSError as error:
        raise explain_write(folder, error) from None
    try:
        yield
    finally:
        _give_up(handle, path)
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_the_file(handle, path):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise StageError(
                f"{path.parent}: another ttsd writes here at this moment; wait until it ends, or name another output"
            ) from None
        except OSError:
            # Some network file systems have no locks; the work can be done there all the same.
            return handle
        os.close(handle)


def _give_up(handle: int, path: Path) -> None:
    # The file first: afterwards it may be another process's. A failure may not hide why a stage ended.
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(handle)


def _is_the_file(handle: int, path: Path) -> bool:
    # The holder may have removed its file between our opening and our locking it.
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Hold a file of one's own for as long as the block runs; others ask with `is_held` whether this process lives.

    Raises:
        StageError: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Who asks between the two finds it held by nobody, and removes it.
            if _is_the_file(handle, path):
                break
            os.close(handle)
    except OSError as error:
        raise explain_write(path, error) from None
    try:
        yield
    finally:
        _give_up(handle, path)


def is_held(path: Path) -> bool:
    """Tell whether a living process holds a file by `hold_file`; one that a killed process left is removed.

    Raises:
        StageError: It is there and cannot be opened, so nobody knows.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StageError(
            f"{path}: this lock cannot be read ({error.strerror}), so nobody knows whether another ttsd runs; make it "
            "readable and writable, or remove it when none does"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(OSError):
            path.unlink()
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
