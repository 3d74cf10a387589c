"""The local writer of transcripts: a guide's own sentences, word for word."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ttsd.config import VerbatimConfig
from ttsd.data.corpus import Utterance, clean_text
from ttsd.data.scripts import foreign_letter
from ttsd.data.sentences import cut_clauses, split_sentences
from ttsd.transcripts.inline import HOLES
from ttsd.transcripts.markdown import Block, Guide

_MAX_SLUG_CHARS = 40
_MAX_SHOWN_CHARS = 120
_CLOSERS = "\"'”’»)]"
_OPENING_JUNK = re.compile(r"^[^\w\"'“‘«(¿¡$£€−-]+|^[−-]+(?!\d)")


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
    """Id, transcript and `source` (file, heading, section, span) are set."""
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class _Sentence:
    text: str
    span: tuple[int, int]
    block: int
    reason: str | None = None


def write_transcripts(guide: Guide, config: VerbatimConfig, number: int) -> Transcripts:
    """Write a guide's sentences as utterances.

    A sentence is left out where it holds what no rule speaks (`formula`, `code`, `url`, `markup`), a letter of a script
    the teacher does not read (`foreign_script`), no letter or digit (`no_words`), was said before in the same guide
    (`repeated`: in two sections it would stand in the training and the test set at once), is one overlong word
    (`too_long`), or is too short with no neighbour to join (`too_short`).

    Args:
        guide: The study guide.
        config: Lengths of utterances in characters, and the scripts the teacher reads.
        number: Place of the guide among its folder's, from 1: the first part of the ids, so that they are unique.
    """
    prefix = f"{number:04d}_{slug(PurePosixPath(guide.name).stem)}"
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    said: set[str] = set()
    for section in guide.sections:
        sentences = [
            sentence for index, block in enumerate(section.blocks) for sentence in _sentences(block, index, config)
        ]
        for sentence in _joined(sentences, config):
            source = {
                "file": guide.name,
                "heading": section.heading,
                "section": section.id,
                "span": list(sentence.span),
            }
            key = sentence.text.casefold()
            reason = sentence.reason or ("repeated" if key in said else None)
            if reason:
                name = f"{prefix}_out{len(left_out) + 1:03d}"
                left_out.append(LeftOut(name, reason, _shown(sentence.text), source))
                continue
            said.add(key)
            name = f"{prefix}_{len(utterances) + 1:03d}"
            utterances.append(Utterance(id=name, transcript=sentence.text, source=source))
    return Transcripts(tuple(utterances), tuple(left_out))


def slug(name: str) -> str:
    """Return a name in lower-case ASCII letters, digits and hyphens; one in another script becomes a short hash."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = "-".join(re.findall(r"[a-z0-9]+", ascii_name.lower()))[:_MAX_SLUG_CHARS].strip("-")
    return words or hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _sentences(block: Block, index: int, config: VerbatimConfig) -> Iterator[_Sentence]:
    if block.reason:
        yield _Sentence(block.text, block.span, index, block.reason)
        return
    for text in split_sentences(clean_text(_ended(block.text))):
        if reason := _reason_against(text, config.scripts):
            yield _Sentence(text, block.span, index, reason)
            continue
        for piece in cut_clauses(_OPENING_JUNK.sub("", text), config.max_chars):
            if len(piece) > config.max_chars:
                yield _Sentence(piece, block.span, index, "too_long")
            elif any(character.isalnum() for character in piece):
                yield _Sentence(piece, block.span, index)


def _ended(text: str) -> str:
    """Return the text with an end mark, so that a list item is spoken as a sentence."""
    text = text.rstrip().rstrip(",;")
    return text if text.rstrip(_CLOSERS).endswith((".", "!", "?", ":", "…", "。", "！", "？", "؟", "।")) else f"{text}."


def _reason_against(text: str, scripts: tuple[str, ...]) -> str | None:
    for character in text:
        if character in HOLES:
            return HOLES[character]
        if foreign_letter(character, scripts):
            return "foreign_script"
    return None if any(character.isalnum() for character in text) else "no_words"


def _joined(sentences: list[_Sentence], config: VerbatimConfig) -> list[_Sentence]:
    """Join what is too short to its neighbour in the section: to the one before it in its block, else to the next."""
    done: list[_Sentence] = []
    waiting: _Sentence | None = None
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
        elif not (done and done[-1].block == sentence.block and _join_last(done, sentence, config.max_chars)):
            waiting = sentence
    if waiting is not None and not _join_last(done, waiting, config.max_chars):
        done.append(replace(waiting, reason="too_short"))
    return done


def _join_last(done: list[_Sentence], short: _Sentence, max_chars: int) -> bool:
    if not done or done[-1].reason:
        return False
    joined = _join(done[-1], short, max_chars)
    if joined is not None:
        done[-1] = joined
    return joined is not None


def _join(first: _Sentence, second: _Sentence, max_chars: int) -> _Sentence | None:
    text = f"{first.text} {second.text}"
    span = (min(first.span[0], second.span[0]), max(first.span[1], second.span[1]))
    return _Sentence(text, span, second.block) if len(text) <= max_chars else None


def _shown(text: str) -> str:
    text = clean_text(
        "".join(f"[{HOLES[character]}]" if character in HOLES else character for character in text[:1000])
    )
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[: _MAX_SHOWN_CHARS - 1]}…"
