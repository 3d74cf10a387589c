"""Study guides in Markdown: found, read, and taken apart into sections of plain, speakable text."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ttsd.errors import TranscriptError


@dataclass(frozen=True)
class Block:
    """A paragraph, list item or table row as plain text, or what was left out in its place."""

    text: str
    """Plain text; where `reason` is set, what is not read aloud."""
    span: tuple[int, int]
    """Characters of the guide's text that it comes from: start and end."""
    reason: str | None = None
    """Why it is left out, in snake_case; none where it is read aloud."""


@dataclass(frozen=True)
class Section:
    """A heading and the text up to the next one."""

    id: str
    """`<guide name>#<heading trail>`: unique in the folder and stable when other sections come and go."""
    heading: str
    trail: tuple[str, ...]
    """The headings above it and its own; empty before the first heading."""
    blocks: tuple[Block, ...]
    span: tuple[int, int]


@dataclass(frozen=True)
class Guide:
    """A study guide as it was read."""

    name: str
    """Path below the folder of guides, with `/`."""
    sections: tuple[Section, ...]


def find_guides(folder: Path) -> list[Path]:
    """Return every `*.md` and `*.markdown` file below a folder, sorted by its POSIX path below it.

    Hidden files and folders are left out; a folder that links lead back to is entered once.

    Raises:
        TranscriptError: There is no such folder.
    """
    if not folder.is_dir():
        raise TranscriptError(f"{folder}: no such folder of study guides; name one that holds .md files")
    found: list[Path] = []
    entered: set[str] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if real not in entered else []
        if real in entered:
            continue
        entered.add(real)
        found += [
            Path(where, name)
            for name in files
            if not name.startswith(".") and name.lower().endswith((".md", ".markdown")) and Path(where, name).is_file()
        ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def read_guide(path: Path, root: Path) -> Guide:
    """Read a study guide.

    Args:
        path: The Markdown file.
        root: The folder of guides, which the guide's name is relative to.

    Raises:
        TranscriptError: The file is unreadable, binary, or not UTF-8; the stage rejects this one and goes on.
    """
    name = path.relative_to(root).as_posix()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise TranscriptError(f"{name}: is not UTF-8 text; convert it (iconv -t UTF-8 does it)") from None
    blocks = tuple(Block(" ".join(m[0].split()), m.span()) for m in re.finditer(r"(?:[^\n]+\n?)+", text))
    return Guide(name, (Section(f"{name}#", "", (), blocks, (0, len(text))),) if blocks else ())
