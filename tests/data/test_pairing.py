"""Which transcript belongs to which recording."""

import pytest

from ttsd.data.pairing import pair_files
from ttsd.errors import ConfigError, StageError


def pair(tmp_path, *names, **kwargs):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return pair_files(tmp_path, **kwargs)


@pytest.mark.parametrize(
    ("text", "audio"),
    [
        ("a/cells.md", "a/cells.mp3"),
        ("a/Cells.MD", "a/cells.WAV"),
        ("a/cells_transcript.txt", "a/Cells-narration.m4a"),
        ("a/01 Cells (text).md", "a/01_cells_audio.flac"),
        # The only ones in their folder, and the same name elsewhere.
        ("a/transcript.md", "a/REC 0001.mp3"),
        ("text/cells.md", "audio/cells.opus"),
        ("Клетки.md", "клетки_audio.ogg"),
    ],
)
def test_a_pair_is_found_by_its_names(tmp_path, text, audio):
    other = pair(tmp_path, text, audio, "z/other.md", "z/other.mp3")
    assert (text, audio) in other.pairs
    assert ("z/other.md", "z/other.mp3") in other.pairs
    assert other.lone_texts == other.lone_recordings == {}


def test_the_exact_name_goes_before_a_similar_one(tmp_path):
    pairing = pair(tmp_path, "cells.md", "cells_transcript.md", "cells.mp3", "cells_audio.mp3")
    assert ("cells.md", "cells.mp3") in pairing.pairs


@pytest.mark.parametrize("names", [("cells.md", "cells.mp3", "cells.wav"), ("cells.md", "cells.txt", "cells.mp3")])
def test_a_name_that_two_files_share_pairs_nothing_and_is_told(tmp_path, names):
    pairing = pair(tmp_path, *names)
    assert pairing.pairs == ()
    told = {**pairing.lone_texts, **pairing.lone_recordings}
    assert set(told) == set(names)
    assert all("--map" in why for why in told.values())


def test_two_of_a_kind_in_a_folder_are_not_guessed_at(tmp_path):
    pairing = pair(tmp_path, "one.md", "two.md", "three.mp3", "sub/four.md")
    assert pairing.pairs == ()
    assert set(pairing.lone_texts) == {"one.md", "two.md", "sub/four.md"}


def test_hidden_and_other_files_are_left_out(tmp_path):
    pairing = pair(tmp_path, "a.md", "a.mp3", ".b.md", ".git/c.md", "a.pdf")
    assert pairing.texts == ("a.md",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("map.csv", "text,audio\r\nsub/a.md, b.mp3\r\n\r\n"),
        ("map.yaml", "sub/a.md: b.mp3\n"),
        ("map.yml", "- text: sub/a.md\n  audio: b.mp3\n"),
        ("map.csv", "\ufefftext,audio\nsub\\a.md,b.mp3\n"),
    ],
)
def test_a_mapping_file_goes_before_names(tmp_path, name, content):
    (tmp_path / "maps").mkdir()
    path = tmp_path / "maps" / name
    path.write_text(content, encoding="utf-8", newline="")
    pairing = pair(tmp_path, "sub/a.md", "sub/a.mp3", "b.mp3", map_file=path)
    assert pairing.pairs == (("sub/a.md", "b.mp3"),)
    assert set(pairing.lone_recordings) == {"sub/a.mp3"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("map.csv", "text,audio\na.md,b.mp3\n", r"map\.csv:2: no recording b\.mp3"),
        ("map.csv", "text,audio\n../a.md,a.mp3\n", r"map\.csv:2: no transcript \.\./a\.md"),
        ("map.csv", "text,audio\na.md\n", r"map\.csv:2: has not one transcript and one recording"),
        ("map.csv", "a.md,a.mp3\n", r"map\.csv:1: no mapping file"),
        ("map.csv", "text,audio\na.md,a.mp3\na.md,c.mp3\n", r"map\.csv:3: a\.md is named twice"),
        ("map.yaml", "a.md: [a.mp3]\n", r"map\.yaml: pair 1 has not one"),
        ("map.yaml", "a.md: 'x\n", r"map\.yaml: no mapping file"),
        ("gone.csv", None, r"gone\.csv: this mapping file cannot be read"),
    ],
)
def test_a_wrong_mapping_file_is_told_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=message):
        pair(tmp_path, "a.md", "a.mp3", "c.mp3", map_file=tmp_path / name)


@pytest.mark.parametrize(
    ("names", "missing"), [(("a.md",), "recording"), (("a.mp3",), "transcript"), ((), "transcript")]
)
def test_a_folder_that_lacks_a_kind_is_refused(tmp_path, names, missing):
    with pytest.raises(StageError, match=f"holds no {missing}"):
        pair(tmp_path, *names)
