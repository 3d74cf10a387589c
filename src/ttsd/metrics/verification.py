"""A second look at a doubtful clip: is what is written what is said, or did the recogniser mishear?

The clip is heard once more by itself, and then the recogniser is asked how likely it finds the sentence, compared with
what it heard. A word that is misheard is nearly as likely as what was heard for it; one that was not said is far less.
The thresholds are natural logarithms of that ratio for one run of words; docs/ingest.md lists them.
"""

import itertools
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.differences import Difference, Kind, find_differences
from ttsd.data.phonemes import phonemize
from ttsd.data.wording import TimedWord, edit_distance, is_number, join_surfaces, normalize_heard
from ttsd.metrics.intelligibility import Recognizer

_LIMITS = {"wrong": 6.5, "missing": 2.5, "extra": 0.0}
_DECISIVE_LIMIT = 0.5
"""For another number or a negation, which sound alike and mean something else."""
_OTHER_SOUND = 0.5
"""Numbers this far apart in their phonemes are not taken for one another twice."""
_ENDING_LIMIT = 5.0
"""For a word that was heard both times with another ending: speakers make such slips."""
_SHARED_BEGINNING = 0.6
"""Words that begin alike for so much of the longer one differ in their endings."""
_DISAGREED_LIMIT = 8.0
"""For a word that was heard otherwise the other time, or one that sounds like it but for a single phoneme."""
_AGREED_EXTRA_LIMIT = -2.0
"""For short words that were heard both times and are not written. Longer ones are certain where they were heard in
their surroundings: alone, the recogniser leaves out what does not fit."""
_SHORT_WORD = 3
_GARBLED_LIMIT = 17.0
"""For several words that are written otherwise and sound alike: names that the recogniser does not know."""
_GARBLED_DISTANCE = 0.45
_GARBLED_LENGTH = 7
_SAME_SOUND = 0.1
"""Words this near in their phonemes, over the longer length, are homophones."""
_OTHER_LENGTH = 4
_OTHER_LENGTH_RATIO = 1.7
"""By so many letters, and so many times longer, is what was heard more than the written words misheard."""
_TOTAL_LIMIT = 18.0
_MADE_UP = (("thank", "you"), ("thank", "you", "very", "much"), ("thanks", "for", "watching"))
"""Whisper writes these where a clip ends in silence: it learnt from subtitles."""
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
    n_numbers = sum(map(is_number, (*difference.written, *difference.heard)))
    if difference.kind == "wrong":
        reason = "wrong_number" if n_numbers else "wrong_words"
    elif difference.is_decisive and n_numbers:
        reason = "wrong_number"
    elif difference.kind == "extra":
        reason = "extra_words"
    else:
        reason = "partly_spoken" if len(difference.written) >= _PARTLY_SPOKEN else "wrong_words"
    return reason, difference.describe()


def verify_clip(
    recognizer: Recognizer,
    wav: NDArray[np.float32],
    sample_rate: int,
    written: Sequence[TimedWord],
    heard: Sequence[TimedWord],
    context: str,
    language: str,
    voice: str | None,
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
        voice: espeak-ng voice that tells how names sound; none compares them by their letters alone, more strictly.
    """
    told, losses = measure_losses(recognizer, wav, sample_rate, written, heard, context, language)
    for loss in losses:
        if loss.nats > _limit(loss, voice):
            return Verdict(*judge_difference(loss.difference), told)
    audible = [loss for loss in losses if not _sounds_the_same(loss.difference, voice)]
    if sum(max(loss.nats, 0.0) for loss in audible) > _TOTAL_LIMIT:
        return Verdict("wrong_words", f"`{told}` was heard", told)
    return Verdict(None, "", told)


@dataclass(frozen=True)
class Loss:
    """A difference, and how much likelier the recogniser finds what it heard than what is written."""

    difference: Difference
    nats: float
    """Natural logarithm of the ratio."""
    agreed: bool
    """It was heard both times."""
    in_context: bool
    """It was heard the first time, in its surroundings."""


def _limit(loss: Loss, voice: str | None) -> float:
    difference = loss.difference
    if difference.is_decisive:
        are_numbers = all(map(is_number, (*difference.written, *difference.heard)))
        is_certain = loss.agreed and are_numbers and _sound_apart(difference, voice) >= _OTHER_SOUND
        return -math.inf if is_certain else _DECISIVE_LIMIT
    kind = _kind(difference)
    if difference.kind == "extra" and loss.in_context and len("".join(difference.heard)) > _SHORT_WORD:
        return -math.inf
    if difference.kind == "extra" and loss.agreed:
        return _AGREED_EXTRA_LIMIT
    if kind == "wrong" and voice is not None:
        written, heard = (_phonemes(words, voice) for words in (difference.written, difference.heard))
        distance = edit_distance(written, heard)
        is_name = len(difference.written) + len(difference.heard) > 2 and len(written) >= _GARBLED_LENGTH
        if distance <= _SAME_SOUND or (is_name and distance <= _GARBLED_DISTANCE):
            return _GARBLED_LIMIT
    if kind == "wrong" and not loss.agreed:
        return _DISAGREED_LIMIT
    if kind == "wrong" and _is_other_ending(difference):
        return _ENDING_LIMIT
    return _DISAGREED_LIMIT if kind == "wrong" and _is_one_phoneme(difference, voice) else _LIMITS[kind]


def _is_other_ending(difference: Difference) -> bool:
    if len(difference.written) != 1 or len(difference.heard) != 1:
        return False
    (written,), (heard,) = difference.written, difference.heard
    n_shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(written, heard, strict=False)))
    return n_shared >= _SHARED_BEGINNING * max(len(written), len(heard))


def _kind(difference: Difference) -> Kind:
    """Return the kind of a difference, with words that stand for far more or far fewer as extra or missing."""
    n_written, n_heard = (sum(map(len, words)) for words in (difference.written, difference.heard))
    if difference.kind != "wrong" or abs(n_heard - n_written) < _OTHER_LENGTH:
        return difference.kind
    if max(n_written, n_heard) < _OTHER_LENGTH_RATIO * min(n_written, n_heard):
        return "wrong"
    return "extra" if n_heard > n_written else "missing"


def _sound_apart(difference: Difference, voice: str | None) -> float:
    if voice is None:
        return difference.distance
    return edit_distance(_phonemes(difference.written, voice), _phonemes(difference.heard, voice))


def _is_one_phoneme(difference: Difference, voice: str | None) -> bool:
    """Tell whether two words differ in a single phoneme, as `accept` and `except` do."""
    if voice is None or len(difference.written) != 1 or len(difference.heard) != 1:
        return False
    written, heard = (_phonemes(words, voice) for words in (difference.written, difference.heard))
    return round(edit_distance(written, heard) * max(len(written), len(heard))) <= 1


def _sounds_the_same(difference: Difference, voice: str | None) -> bool:
    """Tell whether two runs differ in spelling alone, as `recognised` and `recognized` do."""
    return difference.kind == "wrong" and voice is not None and _sound_apart(difference, voice) == 0


def _phonemes(words: Sequence[str], voice: str) -> str:
    # Without stress and length, which are modifier letters.
    return "".join(s for s in phonemize(" ".join(words), voice) if unicodedata.category(s) == "Ll")


def measure_losses(
    recognizer: Recognizer,
    wav: NDArray[np.float32],
    sample_rate: int,
    written: Sequence[TimedWord],
    heard: Sequence[TimedWord],
    context: str,
    language: str,
) -> tuple[str, list[Loss]]:
    """Hear a clip once more, and measure how much likelier the recogniser finds what it heard than what is written.

    Args are those of `verify_clip`.

    Returns:
        What was heard, the likelier of both times, and its differences, with the words that were added the other time.
        The sentence is compared with itself in which the heard words take the place of the written ones.
    """
    words = recognizer.transcribe_words(wav, sample_rate)
    again = _drop_made_up(
        normalize_heard([TimedWord(word.text, word.start_s, word.end_s) for word in words], language), heard
    )
    hearings = [list(heard), again] if again else [list(heard)]
    score = recognizer.score_texts(wav, sample_rate, context)
    own, *others = score([join_surfaces(written), *map(join_surfaces, hearings)])
    texts = [word.text for word in written]
    told = [find_differences(texts, [word.text for word in hearing]) for hearing in hearings]
    places = [{(d.start, d.written, d.heard) for d in differences} for differences in told]
    shared = set.intersection(*places)
    best = int(np.argmax(others))
    # An added word may come out as one with its neighbours: then it is one in the other hearing.
    compared = [
        (difference, hearings[i])
        for i, differences in enumerate(told)
        for difference in differences
        if i == best or (difference.kind == "extra" and (difference.start, (), difference.heard) not in shared)
    ]
    replaced = score([_replace(written, hearing, difference) for difference, hearing in compared])
    keys = [(difference.start, difference.written, difference.heard) for difference, _ in compared]
    return " ".join(word.text for word in hearings[best]), [
        Loss(difference, other - own, key in shared, key in places[0])
        for (difference, _), other, key in zip(compared, replaced, keys, strict=True)
    ]


def _drop_made_up(again: list[TimedWord], heard: Sequence[TimedWord]) -> list[TimedWord]:
    """Return a hearing without the phrase of its own that a recogniser ends a clip with."""
    for phrase in _MADE_UP:
        n_words = len(phrase)
        ends = [tuple(word.text for word in words[-n_words:]) for words in (again, heard)]
        if ends[0] == phrase != ends[1]:
            return again[:-n_words]
    return again


def _replace(written: Sequence[TimedWord], heard: Sequence[TimedWord], difference: Difference) -> str:
    first, place = difference.start, difference.place
    last, behind = first + len(difference.written), place + len(difference.heard)
    # The words beside the difference go with it, since their full stops and capitals do.
    if first > 0 and place > 0:
        first, place = first - 1, place - 1
    if last < len(written) and behind < len(heard):
        last, behind = last + 1, behind + 1
    # A number is written as one: it goes as a whole.
    while first > 0 and place > 0 and (_is_inside(written, first) or _is_inside(heard, place)):
        first, place = first - 1, place - 1
    while last < len(written) and behind < len(heard) and (_is_inside(written, last) or _is_inside(heard, behind)):
        last, behind = last + 1, behind + 1
    return join_surfaces([*written[:first], *heard[place:behind], *written[last:]])


def _is_inside(words: Sequence[TimedWord], place: int) -> bool:
    return place < len(words) and not words[place].surface
