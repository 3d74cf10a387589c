"""Which words of a text were not heard, and which were heard that are not in it."""

from dataclasses import dataclass

from ttsd.errors import CorpusError
from ttsd.metrics.intelligibility import align_words, char_errors, normalize_text


@dataclass(frozen=True)
class Wording:
    """How a recogniser's transcript differs from the text."""

    cer: float
    """Character error rate, both sides normalized."""
    missing_words: int
    """The longest run of words not heard, between two that were or at an end."""
    wrong_start: int
    """1 where the first word was not heard, or heard as another."""
    wrong_end: int
    """1 where the last word was not heard, or heard as another."""
    extra_words: int
    """The longest run of words heard and not written, between two that were written or at an end."""


def compare_words(reference: str, heard: str, language: str) -> Wording | None:
    """Compare what was to be said with what was heard; none where nothing is left of the text once normalized.

    A word that is heard as another is neither missing nor extra: a small recogniser mishears names, and the character
    error rate counts that already. Runs beside a misheard word are not counted for the same reason.

    Args:
        reference: What was to be said.
        heard: The recogniser's transcript.
        language: As Whisper names it.
    """
    wanted, got = normalize_text(reference, language), normalize_text(heard, language)
    try:
        rate = char_errors(wanted, got).rate
        differences = align_words(wanted, got)
    except CorpusError:
        return None
    runs = {"delete": 0, "insert": 0}
    for index, difference in enumerate(differences):
        neighbours = [differences[place].operation for place in (index - 1, index + 1) if 0 <= place < len(differences)]
        if difference.operation in runs and all(operation == "equal" for operation in neighbours):
            words = difference.reference if difference.operation == "delete" else difference.hypothesis
            runs[difference.operation] = max(runs[difference.operation], len(words.split()))
    ends = [difference.operation for difference in differences if difference.operation != "insert"]
    wrong_start, wrong_end = (int(operation != "equal") for operation in (ends[0], ends[-1]))
    return Wording(rate, runs["delete"], wrong_start, wrong_end, runs["insert"])
