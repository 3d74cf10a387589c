"""From sentences to utterances: what every writer of transcripts does the same way."""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ttsd.config import VerbatimConfig
from ttsd.data.corpus import Utterance, clean_text
from ttsd.data.scripts import foreign_letter
from ttsd.data.sentences import cut_clauses, split_sentences
from ttsd.transcripts.inline import HOLES
from ttsd.transcripts.markdown import Guide

_MAX_SLUG_CHARS = 40
_MAX_SHOWN_CHARS = 120
_CLOSERS = "\"'”’»)]"
_OPENING_JUNK = re.compile(r"^[^\w\"'“‘«(¿¡$£€−-]+|^[−-]+(?!\d)")
_ASCII_LETTERS = "A-Za-z"


@dataclass(frozen=True)
class LeftOut:
    """A piece of a guide that is not read aloud."""

    id: str
    """`<NNNN>_<guide>_out<NNN>`; never an utterance's id."""
    reason: str
    """Short snake_case code, such as `formula`."""
    text: str
    """What was left out, shortened to one line."""
    source: dict[str, Any]
    """Where it stands, as in an utterance's `source`."""


@dataclass(frozen=True)
class Transcripts:
    """What a writer made of one guide."""

    utterances: tuple[Utterance, ...]
    """Id, transcript and `source` (file, heading, section, span, paragraph) are set."""
    left_out: tuple[LeftOut, ...]
    ends: tuple[tuple[int, int], ...] = ()
    """For every section, how many utterances and pieces left out there are up to its end."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of a section, or a piece of one; where `reason` is set, what is left out."""

    text: str
    span: tuple[int, int]
    paragraph: int
    """Number of its paragraph in the section, from 1."""
    reason: str | None = None
    writer: Mapping[str, Any] | None = None
    """Who wrote it, for its `source`; none where it is the guide's own."""
    edited: bool = False
    """A person changed what was written."""


def write_utterances(
    guide: Guide, number: int, sections: Iterable[Sequence[Sentence]], config: VerbatimConfig
) -> Transcripts:
    """Turn the sentences of a guide's sections into utterances.

    Short sentences are joined to their neighbour in the section. A sentence is left out where it was said before in the
    same guide (`repeated`: in two sections it would stand in the training and the test set at once) or is too short
    with no neighbour to join (`too_short`).

    Args:
        guide: The study guide.
        number: Place of the guide among its folder's, from 1: the first part of the ids, so that they are unique.
        sections: The sentences of the guide's first sections, in order.
        config: Lengths of utterances, in characters.
    """
    prefix = f"{number:04d}_{slug(PurePosixPath(guide.name).stem)}"
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    ends: list[tuple[int, int]] = []
    said: set[str] = set()
    for section, sentences in zip(guide.sections, sections, strict=False):
        for sentence in _joined(sentences, config):
            source: dict[str, Any] = {
                "file": guide.name,
                "heading": section.heading,
                "section": section.id,
                "span": list(sentence.span),
                "paragraph": sentence.paragraph,
            }
            if sentence.writer:
                source["transcript"] = {**sentence.writer, "edited": sentence.edited}
            key = sentence.text.casefold()
            reason = sentence.reason or ("repeated" if key in said else None)
            if reason:
                name = f"{prefix}_out{len(left_out) + 1:03d}"
                left_out.append(LeftOut(name, reason, shorten(sentence.text), source))
                continue
            said.add(key)
            name = f"{prefix}_{len(utterances) + 1:03d}"
            utterances.append(Utterance(id=name, transcript=sentence.text, source=source))
        ends.append((len(utterances), len(left_out)))
    return Transcripts(tuple(utterances), tuple(left_out), tuple(ends))


def split_paragraph(text: str) -> list[str]:
    """Return the sentences of a paragraph; a list item without a full stop is a sentence too."""
    return split_sentences(clean_text(_ended(text)))


def cut_sentence(sentence: Sentence, config: VerbatimConfig) -> Iterator[Sentence]:
    """Yield a sentence as pieces that can be spoken, or with the reason why it cannot.

    Args:
        sentence: One of `split_paragraph`, with `inline.HOLES` for what no rule speaks.
        config: Lengths of utterances in characters, and the scripts the teacher reads.
    """
    if reason := _reason_against(sentence.text, config.scripts):
        yield replace(sentence, reason=reason)
        return
    for piece in cut_clauses(_OPENING_JUNK.sub("", sentence.text), config.max_chars):
        if len(piece) > config.max_chars:
            yield replace(sentence, text=piece, reason="too_long")
        elif any(character.isalnum() for character in piece):
            yield replace(sentence, text=piece)


def slug(name: str) -> str:
    """Return a name in lower-case ASCII letters, digits and hyphens; one in another script becomes a short hash."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = "-".join(re.findall(r"[a-z0-9]+", ascii_name.lower()))[:_MAX_SLUG_CHARS].strip("-")
    return words or hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def shorten(text: str) -> str:
    """Return the beginning of a text as one line, with its holes named."""
    text = clean_text(
        "".join(f"[{HOLES[character]}]" if character in HOLES else character for character in text[:1000])
    )
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[: _MAX_SHOWN_CHARS - 1]}…"


def _ended(text: str) -> str:
    """Return the text with an end mark, so that a list item is spoken as a sentence."""
    text = text.rstrip().rstrip(",;")
    return text if text.rstrip(_CLOSERS).endswith((".", "!", "?", ":", "…", "。", "！", "？", "؟", "।")) else f"{text}."


def _reason_against(text: str, scripts: tuple[str, ...]) -> str | None:
    for character in _suspects(scripts).findall(text):
        if character in HOLES:
            return HOLES[character]
        if foreign_letter(character, scripts):
            return "foreign_script"
    return None if any(character.isalnum() for character in text) else "no_words"


@functools.cache
def _suspects(scripts: tuple[str, ...]) -> re.Pattern[str]:
    # Most sentences are ASCII alone, and are not looked at letter by letter.
    return re.compile(r"[^\x00-\x7f]" if "LATIN" in scripts else rf"[^\x00-\x7f]|[{_ASCII_LETTERS}]")


def _joined(sentences: Iterable[Sentence], config: VerbatimConfig) -> list[Sentence]:
    """Join what is too short to its neighbour in the section: to the one before it in its paragraph, else to the next.

    What is joined over paragraphs belongs to the last of them, so that a paragraph's utterances follow one another.
    """
    done: list[Sentence] = []
    waiting: Sentence | None = None
    for sentence in sentences:
        if sentence.reason:
            done.append(sentence)
            continue
        if waiting is not None:
            joined = _join(waiting, sentence, config.max_chars)
            if joined is None:
                done.append(replace(waiting, reason="too_short"))
            sentence, waiting = joined or sentence, None
        if len(sentence.text) >= config.min_chars:
            done.append(sentence)
        elif not (done and done[-1].paragraph == sentence.paragraph and _join_last(done, sentence, config.max_chars)):
            waiting = sentence
    if waiting is not None and not _join_last(done, waiting, config.max_chars):
        done.append(replace(waiting, reason="too_short"))
    return done


def _join_last(done: list[Sentence], short: Sentence, max_chars: int) -> bool:
    if not done or done[-1].reason:
        return False
    joined = _join(done[-1], short, max_chars)
    if joined is not None:
        done[-1] = joined
    return joined is not None


def _join(first: Sentence, second: Sentence, max_chars: int) -> Sentence | None:
    text = f"{first.text} {second.text}"
    span = (min(first.span[0], second.span[0]), max(first.span[1], second.span[1]))
    edited = first.edited or second.edited
    return replace(second, text=text, span=span, edited=edited) if len(text) <= max_chars else None
