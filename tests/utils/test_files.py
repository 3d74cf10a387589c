"""`utils.files`: a file is whole or absent."""

import json
import stat
from pathlib import Path

import pytest

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
