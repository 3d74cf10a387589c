"""Transcripts of recordings, whatever they were written with."""

import pytest

from ttsd.errors import TranscriptError
from ttsd.transcripts.manuscript import decode_text, read_manuscript

LATIN = ("LATIN", "GREEK")


def read(tmp_path, name, data, language="en"):
    (tmp_path / name).write_bytes(data)
    return read_manuscript(tmp_path / name, name, language, LATIN)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_every_encoding_and_line_end_gives_the_same_sentences(tmp_path, name, encoding, told, newline):
    text = newline.join(["The café is open. It closes", "at ten.", "", "“Come in,” he said."])
    text = text.replace("“", '"').replace("”", '"') if encoding == "cp1252" else text
    manuscript = read(tmp_path, name, text.encode(encoding))
    assert [line.text.replace("“", '"').replace("”", '"') for line in manuscript.lines] == [
        "The café is open.",
        "It closes at ten.",
        '"Come in," he said.',
    ]
    assert manuscript.encoding == told
    assert (
        len({line.source["paragraph"] if name == "a.md" else line.source["section"] for line in manuscript.lines}) == 2
    )


def test_markdown_is_read_as_a_guide_and_what_is_not_spoken_keeps_its_reason(tmp_path):
    text = "# Cells\n\nA cell divides. See $x_{ij}^{k+1} \\oplus y$ there.\n\n```\ncode\n```\n\nВода. Ice.\n"
    lines = read(tmp_path, "a.md", text.encode()).lines
    assert [line.reason for line in lines] == ["heading", None, "formula", "code", "foreign_script", None]
    assert lines[0].source["section"] == "a.md#cells"


def test_long_sentences_stay_whole(tmp_path):
    sentence = "This sentence goes on, " * 30 + "and ends."
    assert [line.text for line in read(tmp_path, "a.md", sentence.encode()).lines] == [sentence]


def test_another_language_keeps_its_script(tmp_path):
    lines = read(tmp_path, "a.md", "Вода кипит. Лёд плавает.".encode(), "ru").lines
    assert [(line.text, line.reason) for line in lines] == [("Вода кипит.", None), ("Лёд плавает.", None)]


@pytest.mark.parametrize("data", [bytes(range(256)), b"\x89PNG\r\n\0\0\0abc\0\0"])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(TranscriptError, match=r"a\.txt: is no text"):
        decode_text(data, "a.txt")
