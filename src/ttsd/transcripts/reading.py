"""One guide, in whichever process: parsed, and written as utterances from its own words or from Gemini's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttsd.config import Config
from ttsd.data.corpus import Rejection, Utterance, clean_text
from ttsd.data.text import normalize_text
from ttsd.errors import TranscriptError
from ttsd.transcripts.answers import Failure, Usage
from ttsd.transcripts.asking import ToWrite
from ttsd.transcripts.markdown import Guide, Section, read_guide
from ttsd.transcripts.prompt import PROMPT_VERSION, cut_section, is_writable, section_key
from ttsd.transcripts.spoken import (
    Sentence,
    Transcripts,
    cut_sentence,
    split_paragraph,
    write_utterances,
)
from ttsd.transcripts.verbatim import read_section
from ttsd.transcripts.written import Origin, WrittenSection, WrittenStore

_KEPT_REASONS = ("heading", "front_matter")


@dataclass(frozen=True)
class Task:
    """What holds for every guide of a run."""

    root: Path
    """The folder of guides."""
    config: Config
    store: WrittenStore | None = None
    """What Gemini wrote; none where the guide's own words are spoken."""
    failures: Mapping[str, Failure] | None = None
    """Why sections could not be written, by key."""
    offline: bool = False
    """A section that is not written yet is taken word for word, as an estimate."""


@dataclass(frozen=True)
class SectionState:
    """How it stands with a section that Gemini writes."""

    key: str
    max_utterances: int
    """About the most utterances it can become."""
    to_write: ToWrite | None = None
    """What to ask for; none where it is written, or could not be."""
    failed: bool = False
    edited: bool = False
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class GuideText:
    """What became of a guide."""

    transcripts: Transcripts
    """Its sections up to the first one that is still to be written."""
    states: tuple[SectionState | None, ...] = ()
    """One for every section; none where it has nothing for Gemini."""
    problem: Rejection | None = None
    """Why the guide was not read at all."""


def read_guide_text(path: Path, number: int, task: Task) -> GuideText:
    """Read a guide and write it as utterances.

    Args:
        path: The Markdown file.
        number: Its place among the guides, from 1.
        task: What holds for every guide.

    Raises:
        TranscriptError: A file that Gemini wrote is damaged.
    """
    try:
        guide = read_guide(path, task.root)
    except TranscriptError as error:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)
        return GuideText(Transcripts((), ()), problem=Rejection(f"{number:04d}_{name}", "unreadable_guide", str(error)))
    verbatim = task.config.generate.verbatim
    states: list[SectionState | None] = []
    sections: list[list[Sentence]] = []
    is_whole = True
    for place, section in enumerate(guide.sections, start=1):
        if task.store is None:
            sections.append(read_section(section, verbatim))
            continue
        state, sentences = _read_written(guide, place, section, task, task.store)
        states.append(state)
        is_whole = is_whole and sentences is not None
        if is_whole and sentences is not None:
            sections.append(sentences)
    transcripts = write_utterances(guide, number, sections, verbatim)
    if task.config.preprocess.normalize_text and task.config.language.startswith("en"):
        transcripts = replace(transcripts, utterances=tuple(map(_normalized, transcripts.utterances)))
    return GuideText(transcripts, tuple(states))


def _read_written(
    guide: Guide, place: int, section: Section, task: Task, store: WrittenStore
) -> tuple[SectionState | None, list[Sentence] | None]:
    """Return how it stands with a section, and its sentences where they are known."""
    config = task.config.generate
    left_out = [
        Sentence(block.text, block.span, number, "heading" if number == 1 and section.trail else block.reason)
        for number, block in enumerate(section.blocks, start=1)
        if block.reason or (number == 1 and section.trail)
    ]
    if not is_writable(section):
        return None, left_out
    left_out = [sentence for sentence in left_out if sentence.reason in _KEPT_REASONS]
    key = section_key(section, config.gemini)
    # Twice what a guide's own sentences would be; a limit on the utterances is then never asked beyond.
    most = 1 + len(section.markdown) // min(40, config.verbatim.max_chars // 2)
    state = SectionState(key, most)
    failure = (task.failures or {}).get(key)
    if failure is not None:
        reason = Sentence(f"{section.heading}: {failure.detail}", section.span, len(section.blocks), failure.reason)
        return replace(state, failed=True), [*left_out, reason]
    if key in store:
        written = store.read(key)
        state = replace(state, edited=written.edited, usage=written.usage)
        spoken = _spoken(written, section, task.config)
        if not spoken:
            # Somebody took the text out of the file.
            told = f"{section.heading}: nothing stands in its transcript"
            spoken = [Sentence(told, section.span, len(section.blocks), "transcript_emptied")]
        return state, [*left_out, *spoken]
    origin = Origin(key, section.id, section.heading, config.gemini.model, PROMPT_VERSION)
    parts = cut_section(section, config.gemini.max_section_chars)
    state = replace(state, to_write=ToWrite(origin, guide.name, place, section.trail, parts))
    return state, read_section(section, config.verbatim) if task.offline else None


def _spoken(written: WrittenSection, section: Section, config: Config) -> list[Sentence]:
    origin = written.origin
    writer = {"writer": "gemini", "model": origin.model, "prompt": origin.prompt}
    sentences: list[Sentence] = []
    for number, paragraph in enumerate(written.paragraphs, start=1):
        for text in split_paragraph(paragraph):
            sentence = Sentence(text, section.span, number, None, writer, written.is_edited(text))
            sentences += cut_sentence(sentence, config.generate.verbatim)
    return sentences


def _normalized(utterance: Utterance) -> Utterance:
    return utterance.model_copy(update={"normalized_transcript": clean_text(normalize_text(utterance.transcript))})
