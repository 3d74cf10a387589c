"""The local writer of transcripts: a guide's own sentences, word for word."""

from ttsd.config import VerbatimConfig
from ttsd.transcripts.markdown import Guide, Section
from ttsd.transcripts.spoken import Sentence, Transcripts, cut_sentence, split_paragraph, write_utterances


def write_transcripts(guide: Guide, config: VerbatimConfig, number: int) -> Transcripts:
    """Write a guide's sentences as utterances.

    A sentence is left out where it holds what no rule speaks (`formula`, `code`, `url`, `markup`), a letter of a script
    the teacher does not read (`foreign_script`), no letter or digit (`no_words`), was said before in the same guide
    (`repeated`), is one overlong word (`too_long`), or is too short with no neighbour to join (`too_short`).

    Args:
        guide: The study guide.
        config: Lengths of utterances in characters, and the scripts the teacher reads.
        number: Place of the guide among its folder's, from 1: the first part of the ids, so that they are unique.
    """
    return write_utterances(guide, number, (read_section(section, config) for section in guide.sections), config)


def read_section(section: Section, config: VerbatimConfig) -> list[Sentence]:
    """Return the sentences of a section, each of its blocks a paragraph, with what is left out in its place."""
    sentences: list[Sentence] = []
    for number, block in enumerate(section.blocks, start=1):
        if block.reason:
            sentences.append(Sentence(block.text, block.span, number, block.reason))
            continue
        for text in split_paragraph(block.text):
            sentences += cut_sentence(Sentence(text, block.span, number), config)
    return sentences
