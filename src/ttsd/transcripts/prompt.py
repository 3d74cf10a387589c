"""What Gemini is asked: the packaged prompt, a section in parts that one answer can hold, and the answer's key."""

import functools
import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from importlib import resources

from ttsd.config import GeminiConfig
from ttsd.transcripts.markdown import Section
from ttsd.utils.files import sha256_json

PROMPT_VERSION = "spoken_v1"
CHARS_PER_TOKEN = 4
"""About as many characters as a token of English text has."""

_NOT_WRITTEN = frozenset(("heading", "front_matter", "html", "image", "no_words", "nested_too_deep", "empty_table"))
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")


@functools.cache
def load_prompt() -> str:
    """Return the instructions that go with every section."""
    return (resources.files("ttsd.transcripts") / "prompts" / f"{PROMPT_VERSION}.md").read_text(encoding="utf-8")


def is_writable(section: Section) -> bool:
    """Tell whether a section has anything to write a transcript of: more than its heading, pictures and markup."""
    return any(block.reason not in _NOT_WRITTEN for block in section.blocks[1 if section.trail else 0 :])


def section_key(section: Section, config: GeminiConfig) -> str:
    """Return the hash of all that decides what is written of a section; where the guide lies is not part of it."""
    prompt_hash = hashlib.sha256(load_prompt().encode()).hexdigest()
    return sha256_json(
        {
            "prompt": PROMPT_VERSION,
            "prompt_sha256": prompt_hash,
            "model": config.model,
            "temperature": config.temperature,
            "markdown": section.markdown,
            "trail": list(section.trail),
        }
    )


def request_text(trail: Sequence[str], markdown: str) -> str:
    """Return what stands in a request besides the instructions.

    Args:
        trail: The headings above the section and its own.
        markdown: The section, or a part of it.
    """
    # A guide on HTML may hold the closing line itself.
    markdown = re.sub(r"</(?=section>)", "&lt;/", markdown)
    return f"Headings: {' > '.join(filter(None, trail)) or 'none'}\n\n<section>\n{markdown}\n</section>\n"


def estimate_tokens(trail: Sequence[str], markdown: str) -> int:
    """Return about how many tokens of input a request costs."""
    return (len(load_prompt()) + len(request_text(trail, markdown))) // CHARS_PER_TOKEN


def cut_section(section: Section, max_chars: int) -> tuple[str, ...]:
    """Cut a section's Markdown into parts, between paragraphs where that is possible.

    Args:
        section: The section.
        max_chars: Longest part, in characters.
    """
    start = section.span[0]
    # A blank line inside a block, such as one of code, is no place to cut.
    blocks = [(first - start, last - start) for first, last in (block.span for block in section.blocks)]
    text = section.markdown
    if len(text) <= max_chars:
        return (text,)
    inside = _Inside(blocks)
    breaks = [match.end() for match in _BLANK_LINES.finditer(text)]
    paragraphs = [place for place in breaks if not inside(place)]
    ends = _ends(text, paragraphs, max_chars)
    return tuple(part for first, last in itertools.pairwise([0, *ends]) if (part := text[first:last].strip("\n")))


class _Inside:
    """Tells whether a place lies within a block."""

    def __init__(self, blocks: Sequence[tuple[int, int]]) -> None:
        self._blocks = sorted(blocks)
        self._next = 0

    def __call__(self, place: int) -> bool:
        # Asked in rising order, so that blocks that ended before are never looked at again.
        while self._next < len(self._blocks) and self._blocks[self._next][1] <= place:
            self._next += 1
        return any(first < place < last for first, last in self._blocks[self._next : self._next + 2])


def _ends(text: str, paragraphs: Sequence[int], max_chars: int) -> Iterator[int]:
    start, index = 0, 0
    while len(text) - start > max_chars:
        best = 0
        while index < len(paragraphs) and paragraphs[index] <= start + max_chars:
            best = paragraphs[index]
            index += 1
        start = best if best > start else _end_within(text, start, start + max_chars)
        yield start
    yield len(text)


def _end_within(text: str, start: int, end: int) -> int:
    for mark in ("\n", ". ", " "):
        place = text.rfind(mark, start, end)
        if place > start:
            return place + len(mark)
    return end
