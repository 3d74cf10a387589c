"""`utils.files`: a file is whole or absent."""

import contextlib
import errno
import json
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ttsd.errors import StageError
from ttsd.utils.files import atomic_path, sha256_file, sha256_json, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "wavs" / "a.wav"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.wav"]


@contextlib.contextmanager
def limited_file_size(n_bytes: int) -> Iterator[None]:
    """Let no file of this process grow longer: the system then refuses a write as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_system_refuses_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    message = r"a\.txt: cannot be written \(File too large\); raise the limit"
    with pytest.raises(StageError, match=message), limited_file_size(100):
        write_text(tmp_path / "a.txt", "new" * 1000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.parametrize(
    ("number", "cure"),
    [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "free some space"), (errno.EROFS, "writable")],
)
def test_a_full_or_read_only_disk_is_told_with_its_cure(
    number: int, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("ttsd.utils.files.os.fsync", refuse)
    with pytest.raises(StageError, match=rf"a\.txt: cannot be written .*{cure}"):
        write_text(tmp_path / "a.txt", "text")
    assert not list(tmp_path.iterdir())


def test_a_file_or_a_directory_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a.txt", tmp_path / "file" / "deep" / "a.txt"):
        with pytest.raises(StageError, match=r"a\.txt: cannot be written .*a file stands where"):
            write_text(path, "text")
    with pytest.raises(StageError, match=r"folder: cannot be written .*a directory stands there"):
        write_text(tmp_path / "folder", "text")


def test_what_is_wrong_with_another_file_keeps_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_bytes((tmp_path / "nowhere").read_bytes())


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.wav") as temporary:
        assert temporary.suffix == ".wav"
        assert temporary.parent == tmp_path


def test_files_have_the_permissions_of_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "ours", "text")
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")}
    assert modes["ours"] == modes["plain"]


def test_text_has_plain_line_ends_and_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\nß\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\nß\n".encode()


def test_json_refuses_what_no_other_reader_takes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"wer": float("nan")})
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "a.json", {"word": "é"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"word": "é"}


def test_hashes_are_those_of_the_bytes_and_of_the_value(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_json({"a": 1, "b": [2]}) == sha256_json({"b": [2], "a": 1})
    assert sha256_json({"a": 1}) != sha256_json({"a": 2})
