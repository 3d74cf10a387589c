"""The local writer of transcripts: a guide's own sentences, word for word."""

from dataclasses import dataclass
from typing import Any

from ttsd.config import VerbatimConfig
from ttsd.data.corpus import Utterance, clean_text
from ttsd.transcripts.markdown import Guide


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


def write_transcripts(guide: Guide, config: VerbatimConfig, number: int) -> Transcripts:
    """Write a guide's sentences as utterances.

    Args:
        guide: The study guide.
        config: Lengths of utterances.
        number: Place of the guide among its folder's, from 1: the first part of the ids, so that they are unique.
    """
    utterances = []
    for section in guide.sections:
        for block in section.blocks:
            source = {"file": guide.name, "heading": section.heading, "section": section.id, "span": list(block.span)}
            name = f"{number:04d}_guide_{len(utterances) + 1:03d}"
            utterances.append(Utterance(id=name, transcript=clean_text(block.text), source=source))
    return Transcripts(tuple(utterances), ())
