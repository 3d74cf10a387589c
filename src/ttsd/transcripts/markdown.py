"""Study guides in Markdown: found, read, and taken apart into sections of plain text.

What is read aloud, and what is left out with its reason, so that markup is never spoken:

- A heading names its section (`heading`); it is read only where it is a sentence itself, ending in `.`, `?` or `!`.
- Paragraphs, quotations and list items are read, each item as a sentence of its own, without its number or mark.
  Footnotes are read where they are written, their marks are not. A defined term is read before its definition.
- Emphasis is dropped, and struck text with it. A link is read as its text; a bare address takes its sentence with it
  (`url`).
- A table is read row by row, "Header: cell, header: cell."; empty cells are skipped. One without a row is left out
  (`empty_table`).
- Code blocks are left out (`code`). Inline code is read where it is a name or plain value, else its
  sentence is left out.
- An image is read as its description where that has three words or more, else left out (`image`).
- A formula is read where `formula.py` has words for it; else its sentence is left out, or the displayed formula
  (`formula`).
- Front matter (`front_matter`), HTML blocks and comments (`html`) are left out; inline tags are dropped, their content
  is read.
- A sentence with signs that no rule speaks, such as a stray backslash, is left out (`markup`).
"""

import functools
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsd.errors import StageError, TranscriptError
from ttsd.transcripts.formula import speak_formula
from ttsd.transcripts.inline import HOLES, MARKUP, blank_private, speak_inline

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_SUFFIXES = (".md", ".markdown")
_MAX_NESTING = 60
# The parser's time grows with the square of what it looks at in one piece.
_MAX_INLINE_CHARS = 2000
_MAX_BRACKETS = 100
_LINE_END = re.compile(r"\r\n|\r|\n")
_EMPTY_LINES = re.compile(r"(?:[^\S\r\n]*[\r\n])*")


@dataclass(frozen=True)
class Block:
    """A paragraph, list item or table row as plain text, or what was left out in its place."""

    text: str
    """Plain text with `inline.HOLES` for what cannot be spoken; where `reason` is set, what is not read aloud."""
    span: tuple[int, int]
    """Characters of the guide's text that it comes from: start and end, whole lines."""
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
    """Where there is a trail, the first one is the heading."""
    span: tuple[int, int]
    """Characters of the guide's text, from the heading or from behind the front matter up to the next heading."""
    markdown: str
    """Those characters: the section as it was written, without empty lines at its ends."""


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
        StageError: It holds no study guide.
    """
    if folder.is_file():
        raise TranscriptError(f"{folder}: a file, where a folder of study guides is read; name the folder it lies in")
    if not folder.is_dir():
        raise TranscriptError(f"{folder}: no such folder of study guides; name one that holds .md files")
    found: list[Path] = []
    entered: set[str] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = (name for name in files if name.lower().endswith(_SUFFIXES) and not name.startswith("."))
        found += [path for path in (Path(where, name) for name in visible) if path.is_file()]
    if not found:
        raise StageError(f"{folder}: holds no study guide; name a folder with .md or .markdown files")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def read_guide(path: Path, root: Path) -> Guide:
    """Read a study guide.

    Args:
        path: The Markdown file.
        root: The folder of guides, which the guide's name is relative to.

    Returns:
        The guide; its spans count characters of the decoded text, behind a byte order mark. An empty file has no
        section.

    Raises:
        TranscriptError: The file is unreadable, binary, or not UTF-8; the stage rejects this one and goes on.
    """
    name = printable(path.relative_to(root).as_posix())
    if name != path.relative_to(root).as_posix():
        raise TranscriptError(f"{name}: its name is not UTF-8; rename it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TranscriptError(
            f"{name}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from None
    if b"\0" in data:
        raise TranscriptError(
            f"{name}: holds NUL bytes, so it is no UTF-8 text; convert it or take it out of the folder"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TranscriptError(f"{name}:{line}: is not UTF-8; convert it (iconv -t UTF-8 does it)") from None
    return parse_guide(text, name)


def printable(name: str) -> str:
    r"""Return a file's name as text: what is not UTF-8 in it becomes escapes such as `\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode()


def parse_guide(text: str, name: str) -> Guide:
    """Take Markdown apart into sections.

    Args:
        text: The guide, with any line ends.
        name: Its path below the folder of guides.
    """
    starts = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]

    def span_of(token: "Token") -> tuple[int, int]:
        first, last = token.map or (0, 0)
        return starts[min(first, len(starts) - 1)], starts[min(last, len(starts) - 1)]

    environment: dict[str, Any] = {}
    tokens = _parser().parse(blank_private(text), environment)
    outline: list[tuple[int, str]] = []
    groups: list[tuple[tuple[str, ...], list[Block]]] = [((), [])]
    begins = [0]
    for block, level in _walk(tokens, environment, span_of):
        if level:
            heading = _without_holes(block.text)
            outline = [above for above in outline if above[0] < level] + [(level, heading)]
            groups.append((tuple(title for _, title in outline), []))
            begins.append(block.span[0])
            if not heading.endswith((".", "?", "!")):
                block = Block(heading, block.span, "heading")
        elif block.reason == "front_matter":
            begins[-1] = block.span[1]
        groups[-1][1].append(block)
    seen: Counter[str] = Counter()
    spans = [_trim(text, *ends) for ends in itertools.pairwise([*begins, len(text)])]
    return Guide(
        name,
        tuple(
            _section(name, trail, blocks, span, text, seen)
            for (trail, blocks), span in zip(groups, spans, strict=True)
            if blocks
        ),
    )


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without the empty lines at its ends."""
    lines = _EMPTY_LINES.match(text, start, end)
    start = lines.end() if lines else start
    return start, start + len(text[start:end].rstrip())


def _section(
    name: str, trail: tuple[str, ...], blocks: Sequence[Block], span: tuple[int, int], text: str, seen: Counter[str]
) -> Section:
    place = "/".join("-".join(re.findall(r"\w+", heading.lower())) for heading in trail)
    identity = f"{name}#{place}"
    seen[identity] += 1
    if seen[identity] > 1:
        # No slug holds a tilde, so this cannot be another section's name.
        identity = f"{identity}~{seen[identity]}"
    return Section(identity, trail[-1] if trail else "", trail, tuple(blocks), span, text[slice(*span)])


def _without_holes(text: str) -> str:
    return " ".join("".join(" " if character in HOLES else character for character in text).split())


@functools.cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from mdit_py_plugins.deflist import deflist_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.front_matter import front_matter_plugin

    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable(["table", "strikethrough"])
    parser.use(front_matter_plugin).use(deflist_plugin).use(footnote_plugin, inline=False, move_to_end=False)
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
    # Paragraphs are parsed piece by piece below.
    parser.core.ruler.disable(["inline", "text_join"])
    return parser


def _walk(tokens: "Sequence[Token]", environment: dict[str, Any], span_of: Any) -> Iterator[tuple[Block, int]]:
    """Yield every block in order, with the level of the heading it is or 0."""
    level = 0
    headers: list[str] = []
    cells: list[str] = []
    in_head = False
    row_span = table_span = (0, 0)
    n_rows = 0
    term = ""
    kind_of_inline = ""
    for token in tokens:
        kind = token.type
        if kind.endswith("_open") and token.level >= _MAX_NESTING - 2:
            yield Block("deeper levels", span_of(token), "nested_too_deep"), 0
        if kind == "inline":
            text = _speak(token.content, environment)
            if kind_of_inline in ("th", "td"):
                cells.append(text)
            elif kind_of_inline == "dt":
                term = text
            elif level:
                yield Block(text, span_of(token), None), level
            elif text:
                yield Block(f"{term}: {text}" if term else text, span_of(token)), 0
                term = ""
            else:
                nothing = "image" if "![" in token.content else "html" if "<" in token.content else "no_words"
                yield Block(token.content, span_of(token), nothing), 0
        elif kind == "heading_open":
            level = int(token.tag[1:])
        elif kind == "heading_close":
            level = 0
        elif kind in ("th_open", "td_open", "dt_open"):
            kind_of_inline = kind.removesuffix("_open")
        elif kind in ("th_close", "td_close", "dt_close"):
            kind_of_inline = ""
        elif kind == "table_open":
            table_span, n_rows = span_of(token), 0
        elif kind == "table_close" and not n_rows:
            yield Block(" | ".join(filter(None, headers)), table_span, "empty_table"), 0
        elif kind == "thead_open":
            in_head = True
        elif kind == "thead_close":
            in_head, headers = False, cells
        elif kind == "tr_open":
            cells, row_span = [], span_of(token)
        elif kind == "tr_close" and not in_head and any(cells):
            n_rows += 1
            yield Block(_speak_row(headers, cells), row_span), 0
        elif kind in ("fence", "code_block"):
            yield Block(token.content, span_of(token), "code"), 0
        elif kind in ("html_block", "front_matter"):
            yield Block(token.content, span_of(token), kind.removesuffix("_block")), 0
        elif kind.startswith("math_block"):
            words = speak_formula(token.content.strip())
            yield Block(words or token.content, span_of(token), None if words else "formula"), 0


def _speak(content: str, environment: dict[str, Any]) -> str:
    parser = _parser()
    spoken: list[str] = []
    for piece in _pieces(content):
        if piece.count("[") > _MAX_BRACKETS:
            spoken.append(MARKUP)
            continue
        tokens: list[Token] = []
        parser.inline.parse(piece, parser, environment, tokens)
        spoken.append(speak_inline(tokens))
    return " ".join(filter(None, spoken))


def _pieces(content: str) -> Iterator[str]:
    start = 0
    while len(content) - start > _MAX_INLINE_CHARS:
        end = start + _MAX_INLINE_CHARS
        for mark in (". ", "\n", " "):
            place = content.rfind(mark, start + _MAX_INLINE_CHARS // 2, end)
            if place >= 0:
                end = place + 1
                break
        yield content[start:end]
        start = end
    yield content[start:]


def _speak_row(headers: Sequence[str], cells: Sequence[str]) -> str:
    titles = [*headers, *[""] * len(cells)]
    spoken = [
        f"{title.rstrip(':')}: {cell}" if title and not title.endswith("?") else f"{title} {cell}".strip()
        for title, cell in zip(titles, (cell.rstrip(".;, ") for cell in cells), strict=False)
        if cell
    ]
    # A comma inside a cell would hide where the cell ends.
    return ("; " if any("," in cell for cell in cells) else ", ").join(spoken)
