"""What Gemini wrote: a text file for each section, which a person may edit and which is then what is spoken.

    ---
    section: "physics/circuits.md#electric-circuits/voltage"
    heading: "Voltage"
    model: gemini-3.8-flash
    prompt: spoken_v1
    key: 64 hexadecimal digits     of the prompt, the model and the section; the file's name ends in the first 16
    sha256: 64 hexadecimal digits  of the text below, as it was written
    sentences: 3f2a90c1 77b0d2e4   the beginnings of the hash of every sentence, as it was written
    response_id: abc
    input_tokens: 812
    output_tokens: 640
    ---

    A paragraph.

    Another paragraph.

A file is found by its key, wherever it lies below the folder: a guide that is renamed or moved keeps its transcripts.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ttsd.errors import TranscriptError
from ttsd.transcripts.answers import Answer, Usage
from ttsd.transcripts.inline import blank_private, clean_plain
from ttsd.transcripts.spoken import slug, split_paragraph
from ttsd.utils.files import write_text
from ttsd.utils.folders import find_file_in_place

_KEY_CHARS = 16
_DIGEST_CHARS = 8
_NAME = re.compile(rf"-([0-9a-f]{{{_KEY_CHARS}}})\.txt")
_LINE = re.compile(r"([a-z0-9_]+):(?: (.*))?")
_NAMES = ("section", "heading", "model", "prompt", "key", "sha256", "sentences", "input_tokens", "output_tokens")
_BLANK = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Origin:
    """What a written section is a transcript of, and who wrote it."""

    key: str
    """Hash of all that decides what is written."""
    section: str
    heading: str
    model: str
    prompt: str


@dataclass(frozen=True)
class WrittenSection:
    """A transcript as it lies on the disk."""

    origin: Origin
    paragraphs: tuple[str, ...]
    """Cleaned of markup, with `inline.HOLES` for what cannot be spoken."""
    edited: bool
    """The text is another one than was written."""
    sentences: frozenset[str]
    """Beginnings of the hashes of the sentences that were written."""
    usage: Usage

    def is_edited(self, sentence: str) -> bool:
        """Tell whether a sentence, as `spoken.split_paragraph` gives it, is another one than was written."""
        return self.edited and _digest(sentence) not in self.sentences


class WrittenStore:
    """The files of a folder, by key."""

    def __init__(self, folder: Path) -> None:
        """Look through the names in a folder; no file is opened.

        Args:
            folder: Made when the first file is written.

        Raises:
            TranscriptError: A file stands in its place.
        """
        if (standing := find_file_in_place(folder)) is not None:
            raise TranscriptError(
                f"{folder}: transcripts cannot be kept there ({standing} is a file); set paths.transcripts to a folder"
            )
        self._folder = folder
        self._paths: dict[str, list[str]] = {}
        for where, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                # A temporary file that a killed run left begins with a full stop.
                if (match := _NAME.search(name)) and match.end() == len(name) and not name.startswith("."):
                    self._paths.setdefault(match[1], []).append(str(Path(where, name)))

    def __contains__(self, key: str) -> bool:
        return key[:_KEY_CHARS] in self._paths

    def __iter__(self) -> Iterator[str]:
        """Yield the beginnings of all keys, in order."""
        yield from sorted(self._paths)

    def read(self, key: str) -> WrittenSection:
        """Read a section's file, by its key or the beginning of it that is in the file's name.

        Raises:
            TranscriptError: It is damaged, or there are two of it; nothing is written anew for money.
        """
        paths = self._paths[key[:_KEY_CHARS]]
        if len(paths) > 1:
            raise TranscriptError(
                f"{paths[0]}: {paths[1]} is a transcript of the same section; delete the one you do not want"
            )
        return read_written(Path(paths[0]), key)

    def write(self, guide: str, number: int, origin: Origin, text: Answer) -> Path:
        """Keep what was written of a section; safe from several threads where each has a key of its own.

        Args:
            guide: Path of the guide below its folder, with `/`.
            number: Place of the section in its guide, from 1.
            origin: What it is a transcript of.
            text: The transcript as it came.

        Returns:
            The file.

        Raises:
            StageError: The disk does not take it.
        """
        folder = self._folder / PurePosixPath(guide).with_suffix("")
        path = folder / f"{number:02d}-{slug(origin.heading or 'start')}-{origin.key[:_KEY_CHARS]}.txt"
        write_text(path, _dump(origin, text))
        self._paths[origin.key[:_KEY_CHARS]] = [str(path)]
        return path


def read_written(path: Path, key: str) -> WrittenSection:
    """Read a transcript's file.

    Args:
        path: The file.
        key: The key it must have.

    Raises:
        TranscriptError: It cannot be read, or what stands above the text is damaged.
    """
    cure = "mend it, or move it away to have the section written anew"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problem = f"{path}: cannot be read ({reason}); {cure}"
    else:
        try:
            return _parse(text, key)
        except ValueError as error:
            problem = f"{path}: the lines between --- are damaged ({error}); {cure}"
    raise TranscriptError(problem)


def _dump(origin: Origin, text: Answer) -> str:
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.paragraphs]
    sentences = [sentence for paragraph in paragraphs for sentence in split_paragraph(clean_paragraph(paragraph))]
    head = {
        "section": json.dumps(origin.section, ensure_ascii=False),
        "heading": json.dumps(origin.heading, ensure_ascii=False),
        "model": origin.model,
        "prompt": origin.prompt,
        "key": origin.key,
        "sha256": _hash(paragraphs),
        "sentences": " ".join(dict.fromkeys(map(_digest, sentences))),
        "response_id": " ".join(filter(None, text.response_ids)),
        "input_tokens": str(text.usage.input),
        "output_tokens": str(text.usage.output),
    }
    lines = "".join(f"{name}: {value}".rstrip() + "\n" for name, value in head.items())
    return f"---\n{lines}---\n\n" + "\n\n".join(paragraphs) + "\n"


def _parse(text: str, key: str) -> WrittenSection:
    head, body = _split(text)
    if not head["key"].startswith(key):
        raise ValueError("`key` is another one than in the file's name")
    raw = [" ".join(paragraph.split()) for paragraph in _BLANK.split(body)]
    # Line ends and indents are no edit.
    edited = _hash(list(filter(None, raw))) != head["sha256"]
    paragraphs = tuple(filter(None, map(clean_paragraph, raw)))
    return WrittenSection(
        Origin(head["key"], _string(head, "section"), _string(head, "heading"), head["model"], head["prompt"]),
        paragraphs,
        edited,
        frozenset(head["sentences"].split()),
        Usage(_count(head, "input_tokens"), _count(head, "output_tokens")),
    )


def _split(text: str) -> tuple[dict[str, str], str]:
    first, *lines = text.split("\n")
    if first.strip() != "---":
        raise ValueError("the first line is not ---")
    head: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip() == "---":
            break
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"line {number + 1} is not `name: value`")
        head[match[1]] = match[2] or ""
    else:
        raise ValueError("the closing --- is missing")
    if missing := [name for name in _NAMES if name not in head]:
        raise ValueError(f"`{missing[0]}` is missing")
    return head, "\n".join(lines[number:])


def _string(head: dict[str, str], name: str) -> str:
    try:
        string: Any = json.loads(head[name])
    except ValueError:
        string = None
    if not isinstance(string, str):
        raise ValueError(f"`{name}` is no text in double quotes")
    return string


def _count(head: dict[str, str], name: str) -> int:
    if not (head[name].isascii() and head[name].isdigit()):
        raise ValueError(f"`{name}` is no number")
    return int(head[name])


def clean_paragraph(paragraph: str) -> str:
    """Return a paragraph without the signs that nobody speaks; an editor or a model may have put some there."""
    return clean_plain(blank_private(paragraph))


def _hash(paragraphs: list[str]) -> str:
    return hashlib.sha256("\n\n".join(paragraphs).encode("utf-8", "surrogatepass")).hexdigest()


def _digest(sentence: str) -> str:
    return hashlib.sha256(sentence.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARS]


def hash_edits(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every transcript that a person has edited, by the beginning of its key.

    Raises:
        TranscriptError: A file is damaged.
    """
    store = WrittenStore(folder)
    written = {key: store.read(key) for key in store}
    return {key: _hash(list(section.paragraphs)) for key, section in written.items() if section.edited}
