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
from ttsd.data.wording import TimedWord, is_number, normalize_heard
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
    written: Sequence[str],
    heard: Sequence[str],
    context: str,
    language: str,
) -> Verdict:
    """Decide whether a clip says what is written.

    Args:
        recognizer: Who listens.
        wav: The clip, float32 [n_samples], of at most `MAX_CLIP_S`.
        sample_rate: In Hz.
        written: The words of the sentence, as `split_words` gives them.
        heard: What was heard of it in its surroundings, in the same form.
        context: Sentences around it, without itself: the recogniser is told what it is all about.
        language: Code of the language.
    """
    words = recognizer.transcribe_words(wav, sample_rate)
    again = [word.text for word in normalize_heard([TimedWord(w.text, w.start_s, w.end_s) for w in words], language)]
    hearings = [list(heard), again] if again else [list(heard)]
    score = recognizer.score_texts(wav, sample_rate, context)
    sentence = " ".join(written)
    (own, *others) = score([sentence, *(" ".join(hearing) for hearing in hearings)])
    likeliest = hearings[int(np.argmax(others))]
    told = " ".join(likeliest)
    differences = find_differences(written, likeliest)
    replaced = [_replace(written, difference) for difference in differences]
    losses = [other - own for other in score(replaced)] if replaced else []
    for difference, loss in zip(differences, losses, strict=True):
        limit = _DECISIVE_LIMIT if difference.is_decisive else _LIMITS[difference.kind]
        if difference.kind == "wrong" and loss > 0 and difference.distance > _MOST_DIFFERENT:
            limit = min(limit, _LIMITS["missing"])
        if loss > limit:
            return Verdict(*judge_difference(difference), told)
    if sum(loss for loss in losses if loss > 0) > _TOTAL_LIMIT:
        return Verdict("wrong_words", f"`{told}` was heard", told)
    return Verdict(None, "", told)


def _replace(written: Sequence[str], difference: Difference) -> str:
    end = difference.start + len(difference.written)
    return " ".join([*written[: difference.start], *difference.heard, *written[end:]])


def _has_number(difference: Difference) -> bool:
    return any(map(is_number, difference.written)) and any(map(is_number, difference.heard))
