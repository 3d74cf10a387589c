from pathlib import Path

import pytest

from ttsd.errors import TranscriptError
from ttsd.transcripts.answers import Answer, Usage
from ttsd.transcripts.spoken import split_paragraph
from ttsd.transcripts.written import Origin, WrittenStore

KEY = "0123456789abcdef" * 4
ORIGIN = Origin(KEY, 'bio/a "b".md#cells', 'On "cells": 1\u2028', "gemini-3.8-flash", "spoken_v1")
TEXT = Answer(("Cells are small. They divide.", "Most cells live in water."), ("r1", "r2"), Usage(812, 640))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return WrittenStore(tmp_path).write("bio/my.guide.md", 3, ORIGIN, TEXT)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_section_is_a_text_file_that_comes_back_as_it_was(tmp_path: Path, path: Path) -> None:
    assert path.relative_to(tmp_path).as_posix() == "bio/my.guide/03-on-cells-1-0123456789abcdef.txt"
    head, text = path.read_text(encoding="utf-8").split("\n---\n\n")
    assert text == "Cells are small. They divide.\n\nMost cells live in water.\n"
    assert head.startswith('---\nsection: "bio/a \\"b\\".md#cells"\nheading: ')
    read = WrittenStore(tmp_path).read(KEY)
    assert (read.origin, read.paragraphs, read.usage, read.edited) == (ORIGIN, TEXT.paragraphs, TEXT.usage, False)


def test_a_file_is_found_by_its_key_wherever_it_lies(tmp_path: Path, path: Path) -> None:
    (tmp_path / "moved").mkdir()
    path.rename(tmp_path / "moved" / "any-name-0123456789abcdef.txt")
    (tmp_path / "moved" / ".x-0123456789abcdef.tmp.txt").write_text("half of it")
    store = WrittenStore(tmp_path)
    assert KEY in store
    assert "f" * 64 not in store
    assert store.read(KEY).paragraphs == TEXT.paragraphs


def test_an_edit_is_spoken_and_only_its_sentence_is_called_edited(tmp_path: Path, path: Path) -> None:
    edit(path, "They divide.", "They split in two.")
    read = WrittenStore(tmp_path).read(KEY)
    assert read.edited
    sentences = [sentence for paragraph in read.paragraphs for sentence in split_paragraph(paragraph)]
    assert [(sentence, read.is_edited(sentence)) for sentence in sentences] == [
        ("Cells are small.", False),
        ("They split in two.", True),
        ("Most cells live in water.", False),
    ]


@pytest.mark.parametrize(
    ("old", "new"), [("\n", "\r\n"), ("divide.\n\n", "divide.\n \n\n"), ("are small. They", "are small.\n  They")]
)
def test_other_line_ends_and_spaces_are_no_edit(tmp_path: Path, path: Path, old: str, new: str) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text(encoding="utf-8").replace(old, new).encode())
    read = WrittenStore(tmp_path).read(KEY)
    assert (read.paragraphs, read.edited) == (TEXT.paragraphs, False)


def test_markup_that_an_editor_leaves_is_not_spoken(tmp_path: Path, path: Path) -> None:
    edit(path, "They divide.", "They *divide* \ue000 `often`.")
    assert WrittenStore(tmp_path).read(KEY).paragraphs[0] == "Cells are small. They divide often."


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("---\nsection", "section", "the first line is not ---"),
        ("\n---\n", "\n", "line 12 is not `name: value`"),
        ("sha256: ", "sha: ", "`sha256` is missing"),
        (f"key: {KEY}", f"key: {'0' * 64}", "`key` is another one than in the file's name"),
        ("heading: ", "heading: Cells ", "`heading` is no text in double quotes"),
        ("input_tokens: 812", "input_tokens: many", "`input_tokens` is no number"),
    ],
)
def test_a_damaged_file_is_one_line_with_its_name_and_the_cure(
    tmp_path: Path, path: Path, old: str, new: str, words: str
) -> None:
    edit(path, old, new)
    with pytest.raises(TranscriptError, match=words) as info:
        WrittenStore(tmp_path).read(KEY)
    assert str(info.value).startswith(f"{path}: ")
    assert "mend it, or move it away" in str(info.value)
    assert "\n" not in str(info.value)


def test_bytes_that_are_no_text_are_told_as_such(tmp_path: Path, path: Path) -> None:
    path.write_bytes(b"---\n\xff")
    with pytest.raises(TranscriptError, match="it is not UTF-8"):
        WrittenStore(tmp_path).read(KEY)


def test_two_files_of_one_section_are_for_a_person_to_choose_from(tmp_path: Path, path: Path) -> None:
    (tmp_path / "copy-0123456789abcdef.txt").write_bytes(path.read_bytes())
    with pytest.raises(TranscriptError, match="same section; delete the one you do not want"):
        WrittenStore(tmp_path).read(KEY)
