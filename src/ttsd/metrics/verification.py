"""A second look at a doubtful clip: is what is written what is said, or did the recogniser mishear?

The clip is heard once more by itself, and then the recogniser is asked how likely it finds the sentence, compared with
what it heard. A word that is misheard is nearly as likely as what was heard for it; one that was not said is far less.
The thresholds are natural logarithms of that ratio for one run of words; docs/ingest.md says how they were found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.differences import Difference, find_differences
from ttsd.data.wording import TimedWord, is_number, join_surfaces, normalize_heard
from ttsd.metrics.intelligibility import Recognizer

MAX_CLIP_S = 29.5
"""The recogniser hears no more at once."""
_LIMITS = {"wrong": 4.5, "missing": 2.5, "extra": 2.5}
_DECISIVE_LIMIT = 0.5
"""For another number or a negation, which sound alike and mean something else."""
_TOTAL_LIMIT = 10.0
_MOST_DIFFERENT = 0.85
"""No mishearing is further from the word than this."""
_PARTLY_SPOKEN = 3
"""So many words in a row are a part of the sentence, and no slip."""


@dataclass(frozen=True)
class Verdict:
    """Whether a clip says its sentence."""

    reason: str | None
    """Short snake_case code of why it does not, or none."""
    value: str
    """What was heard instead, for a person to read."""
    heard: str
    """What the recogniser made of the clip."""


def judge_difference(difference: Difference) -> tuple[str, str]:
    """Return reason and value of a difference that is no mishearing."""
    if difference.kind == "missing":
        reason = "partly_spoken" if len(difference.written) >= _PARTLY_SPOKEN else "wrong_words"
    elif difference.kind == "extra":
        reason = "extra_words"
    else:
        reason = "wrong_number" if difference.is_decisive and _has_number(difference) else "wrong_words"
    return reason, difference.describe()


def verify_clip(
    recognizer: Recognizer,
    wav: NDArray[np.float32],
    sample_rate: int,
    written: Sequence[TimedWord],
    heard: Sequence[TimedWord],
    context: str,
    language: str,
) -> Verdict:
    """Decide whether a clip says what is written.

    Args:
        recognizer: Who listens.
        wav: The clip, float32 [n_samples], of at most `MAX_CLIP_S`.
        sample_rate: In Hz.
        written: The words of the sentence, as `write_words` gives them.
        heard: What was heard of it in its surroundings, as `normalize_heard` gives it.
        context: Sentences around it, without itself: the recogniser is told what it is all about.
        language: Code of the language.
    """
    told, losses = measure_losses(recognizer, wav, sample_rate, written, heard, context, language)
    for difference, loss in losses:
        if loss > _limit(difference, loss):
            return Verdict(*judge_difference(difference), told)
    if sum(loss for _, loss in losses if loss > 0) > _TOTAL_LIMIT:
        return Verdict("wrong_words", f"`{told}` was heard", told)
    return Verdict(None, "", told)


def _limit(difference: Difference, loss: float) -> float:
    limit = _DECISIVE_LIMIT if difference.is_decisive else _LIMITS[difference.kind]
    if difference.kind == "wrong" and loss > 0 and difference.distance > _MOST_DIFFERENT:
        return min(limit, _LIMITS["missing"])
    return limit


def measure_losses(
    recognizer: Recognizer,
    wav: NDArray[np.float32],
    sample_rate: int,
    written: Sequence[TimedWord],
    heard: Sequence[TimedWord],
    context: str,
    language: str,
) -> tuple[str, list[tuple[Difference, float]]]:
    """Hear a clip once more, and measure how much likelier the recogniser finds what it heard than what is written.

    Args are those of `verify_clip`.

    Returns:
        What was heard, the likelier of both times, and for each of its differences the natural logarithm by which the
        sentence becomes likelier when the heard words take the place of the written ones.
    """
    words = recognizer.transcribe_words(wav, sample_rate)
    again = normalize_heard([TimedWord(word.text, word.start_s, word.end_s) for word in words], language)
    hearings = [list(heard), again] if again else [list(heard)]
    score = recognizer.score_texts(wav, sample_rate, context)
    own, *others = score([join_surfaces(written), *map(join_surfaces, hearings)])
    likeliest = hearings[int(np.argmax(others))]
    differences = find_differences([word.text for word in written], [word.text for word in likeliest])
    replaced = score([_replace(written, likeliest, difference) for difference in differences])
    told = " ".join(word.text for word in likeliest)
    return told, [(difference, other - own) for difference, other in zip(differences, replaced, strict=True)]


def _replace(written: Sequence[TimedWord], heard: Sequence[TimedWord], difference: Difference) -> str:
    start, place = difference.start, difference.place
    words = heard[place : place + len(difference.heard)]
    return join_surfaces([*written[:start], *words, *written[start + len(difference.written) :]])


def _has_number(difference: Difference) -> bool:
    return any(map(is_number, difference.written)) and any(map(is_number, difference.heard))
