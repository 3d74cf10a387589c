"""The transcript of a recording, sentence by sentence, whatever it was written with."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsd.config import VerbatimConfig
from ttsd.errors import TranscriptError
from ttsd.transcripts.inline import HOLES
from ttsd.transcripts.markdown import Guide, parse_guide
from ttsd.transcripts.spoken import Sentence, cut_sentence, split_paragraph

_TEXT_SUFFIXES = (".txt", ".text")
_PARAGRAPH = re.compile(r"[^\r\n]+(?:(?:\r\n|\r|\n)[^\S\r\n]*[^\s][^\r\n]*)*")
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# A sentence stays whole, however long: it is spoken in one breath or two, but under one label.
_WHOLE = VerbatimConfig(max_chars=1_000_000, min_chars=1)


@dataclass(frozen=True)
class Line:
    """A sentence of a transcript, or what is not read aloud of it."""

    text: str
    source: dict[str, Any]
    """File, heading, section, span of characters and number of the paragraph, as in an utterance's `source`."""
    reason: str | None = None
    """Why nothing of it can be an utterance, such as `code`; a `heading` may have been read."""


@dataclass(frozen=True)
class Manuscript:
    """A transcript as it was read."""

    lines: tuple[Line, ...]
    """Every sentence in order."""
    encoding: str
    """How its bytes were taken for letters."""


def read_manuscript(path: Path, name: str, language: str, scripts: tuple[str, ...]) -> Manuscript:
    """Read a transcript: Markdown as a guide is read, plain text paragraph by paragraph.

    Args:
        path: The file, with any line ends; in UTF-8 or UTF-16, else it is taken for Windows-1252 (Latin-1).
        name: Its path below the folder, with `/`.
        language: Code of the language spoken.
        scripts: Scripts that are read in English, as `generate.verbatim.scripts` names them.

    Raises:
        TranscriptError: The file cannot be read, or is no text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TranscriptError(
            f"{name}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from None
    text, encoding = decode_text(data, name)
    if path.suffix.lower() in _TEXT_SUFFIXES:
        lines = _read_text(text, name, language, scripts)
    else:
        lines = _read_markdown(parse_guide(text, name), language, scripts)
    return Manuscript(tuple(lines), encoding)


def decode_text(data: bytes, name: str) -> tuple[str, str]:
    """Return the letters of a text file, and the name of the encoding they were taken to be in.

    Raises:
        TranscriptError: It is no text.
    """
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "")
    if not encoding and b"\0" in data:
        # Latin letters of UTF-16 have a NUL beside each of them.
        even, odd = data[0::2].count(0), data[1::2].count(0)
        encoding = "utf-16-le" if odd > 10 * even + 1 else "utf-16-be" if even > 10 * odd + 1 else "binary"
    candidates = [encoding] if encoding else ["utf-8", "cp1252", "latin-1"]
    for candidate in candidates:
        try:
            text = data.decode(candidate)
        except (UnicodeDecodeError, LookupError):
            continue
        if "\0" not in text:
            return text, candidate
    raise TranscriptError(f"{name}: is no text, or in an unknown encoding; save it as UTF-8")


def _read_markdown(guide: Guide, language: str, scripts: tuple[str, ...]) -> list[Line]:
    lines: list[Line] = []
    for section in guide.sections:
        for number, block in enumerate(section.blocks, start=1):
            source = {
                "file": guide.name,
                "heading": section.heading,
                "section": section.id,
                "span": list(block.span),
                "paragraph": number,
            }
            if block.reason and block.reason != "heading":
                lines.append(Line(block.text, source, block.reason))
            else:
                lines += _read_paragraph(block.text, source, language, scripts, block.reason)
    return lines


def _read_text(text: str, name: str, language: str, scripts: tuple[str, ...]) -> list[Line]:
    lines: list[Line] = []
    for number, match in enumerate(_PARAGRAPH.finditer(text), start=1):
        # A paragraph is a section of its own, so that the splits are fine enough.
        section = {"file": name, "heading": "", "section": f"{name}#{number}", "span": list(match.span())}
        lines += _read_paragraph(match.group(), {**section, "paragraph": 1}, language, scripts, None)
    return lines


def _read_paragraph(
    text: str, source: dict[str, Any], language: str, scripts: tuple[str, ...], kind: str | None
) -> list[Line]:
    lines: list[Line] = []
    for sentence in split_paragraph(text):
        if language.startswith("en"):
            config = _WHOLE.model_copy(update={"scripts": scripts})
            pieces = cut_sentence(Sentence(sentence, (0, 0), 1), config)
            lines += [Line(piece.text, source, piece.reason or kind) for piece in pieces]
        else:
            hole = next((HOLES[character] for character in sentence if character in HOLES), None)
            silent = None if any(character.isalnum() for character in sentence) else "no_words"
            lines.append(Line(sentence, source, hole or silent or kind))
    return lines
