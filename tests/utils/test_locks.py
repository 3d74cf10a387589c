"""`utils.locks`: one process at a time, and nothing left behind."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ttsd.errors import StageError
from ttsd.utils.locks import LOCK_NAME, hold_file, hold_folder, is_held

HOLD = """
import sys, time
from pathlib import Path
from ttsd.utils.locks import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(StageError, match="another ttsd writes here"), hold_folder(tmp_path):
        pass
    child.kill()
    child.communicate()
    assert (tmp_path / LOCK_NAME).exists()
    with hold_folder(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_made_for_the_lock_goes_with_it_where_it_stays_empty(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()
    with hold_folder(tmp_path / "new"):
        (tmp_path / "new" / "work").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["work"]
    (tmp_path / "empty").mkdir()
    with hold_folder(tmp_path / "empty"):
        pass
    assert (tmp_path / "empty").is_dir()


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    lock, calls = fcntl.flock, []

    def remove_first(handle: int, flags: int) -> None:
        if not calls:
            (tmp_path / LOCK_NAME).unlink()
        calls.append(handle)
        lock(handle, flags)

    monkeypatch.setattr("ttsd.utils.locks.fcntl.flock", remove_first)
    with hold_folder(tmp_path):
        assert len(calls) == 2
        with pytest.raises(StageError), hold_folder(tmp_path):
            pass


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StageError, match=r"out: cannot be written"), hold_folder(tmp_path / "file" / "out"):
        pass


def test_a_lock_that_cannot_be_opened_is_not_taken_for_that_of_a_dead_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    assert not is_held(path)
    with hold_file(path):
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", _refuse)
            with pytest.raises(
                StageError, match=r"run: this lock cannot be read \(Permission denied\).*make it readable"
            ):
                is_held(path)
        assert is_held(path)


def _refuse(path: Path, *_: object) -> int:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
