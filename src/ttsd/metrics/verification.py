"""A second look at a doubtful clip: is what is written what is said, or did the recogniser mishear?

The clip is heard once more by itself. Then two judges compare the sentence with what was heard for it: the recogniser
tells how likely it finds either, and in English an acoustic model how well the sound fits either. A word that is
misheard is nearly as likely as what was heard for it, and sounds like it; one that was not said is far from both.
docs/ingest.md lists the limits.
"""

import itertools
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.differences import Difference, find_differences
from ttsd.data.phonemes import phonemize
from ttsd.data.wording import TimedWord, edit_distance, is_number, join_surfaces, normalize_heard
from ttsd.metrics.intelligibility import Recognizer
from ttsd.metrics.phonetics import Part, SoundMatcher

_RECOGNIZER_WEIGHT = 8.0
"""A nat of the recogniser counts like so many of the acoustic model, which takes neighbouring frames for independent
and so is far too sure of itself."""
_LIMIT = 125.0
"""In nats of the acoustic model, like the next five."""
_DECISIVE_LIMIT = 10.0
"""For another number or a negation, which sound alike and mean something else."""
_GARBLED_LIMIT = 300.0
"""For several words that are written otherwise and sound alike: names, which few recognisers know."""
_EXTRA_LIMIT = 80.0
"""For words that are not written, by the acoustic model alone: the recogniser leaves out what makes no sense."""
_TOTAL_LIMIT = 300.0
_MISFIT_LIMIT = 95.0
"""For words and pauses of the alignment, one after the other, whatever was heard: speech that the recogniser passed
over."""
_GARBLED_DISTANCE = 0.45
_GARBLED_LENGTH = 7
_ALONE_LIMITS = {"wrong": 6.5, "missing": 2.5, "extra": 0.0}
"""For the recogniser alone, in its own nats, and so the next one."""
_ALONE_DECISIVE_LIMIT = 0.5
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
    matcher: SoundMatcher | None,
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
        matcher: Who compares sounds; none in languages that it does not know.
        wav: The clip, float32 [n_samples], of at most `MAX_CLIP_S`.
        sample_rate: In Hz.
        written: The words of the sentence, as `write_words` gives them.
        heard: What was heard of it in its surroundings, as `normalize_heard` gives it.
        context: Sentences around it, without itself: the recogniser is told what it is all about.
        language: Code of the language.
        voice: espeak-ng voice that tells how words sound; none compares them by their letters alone.
    """
    told, losses = measure_losses(recognizer, matcher, wav, sample_rate, written, heard, context, language)
    audible = [loss for loss in losses if not _sounds_the_same(loss.difference, voice)]
    worst = max(audible, key=lambda loss: (loss.evidence - _limit(loss, voice), loss.nats), default=None)
    if worst is not None and worst.evidence > _limit(worst, voice):
        return Verdict(*judge_difference(worst.difference), told)
    total = sum(max(loss.evidence, 0.0) for loss in audible)
    if matcher is not None and total > _TOTAL_LIMIT:
        return Verdict("wrong_words", f"`{told}` was heard", told)
    return Verdict(None, "", told)


@dataclass(frozen=True)
class Loss:
    """A difference, and how much likelier what was heard is than what is written."""

    difference: Difference
    nats: float
    """Natural logarithm of the ratio, by the recogniser."""
    sound_nats: float | None
    """The same by the acoustic model; infinite where what is written cannot be aligned with the clip at all, minus
    infinity where what was heard cannot; none in languages that it does not know."""

    @property
    def evidence(self) -> float:
        """Both together, for what was heard."""
        if self.sound_nats is None:
            return self.nats
        if self.difference.kind == "extra":
            return self.sound_nats
        return _RECOGNIZER_WEIGHT * self.nats + self.sound_nats


def _limit(loss: Loss, voice: str | None) -> float:
    difference = loss.difference
    if loss.sound_nats is None:
        return _ALONE_DECISIVE_LIMIT if difference.is_decisive else _ALONE_LIMITS[difference.kind]
    if difference.is_decisive:
        return _DECISIVE_LIMIT
    if difference.kind == "extra":
        return _EXTRA_LIMIT
    return _GARBLED_LIMIT if _is_garbled(difference, voice) else _LIMIT


def _is_garbled(difference: Difference, voice: str | None) -> bool:
    if difference.kind != "wrong" or len(difference.written) + len(difference.heard) <= 2:
        return False
    if len(_pronounce(difference.written, voice)) < _GARBLED_LENGTH:
        return False
    return _sound_apart(difference, voice) <= _GARBLED_DISTANCE


def _sounds_the_same(difference: Difference, voice: str | None) -> bool:
    """Tell whether two runs differ in spelling alone, as `recognised` and `recognized` do."""
    return difference.kind == "wrong" and _sound_apart(difference, voice) == 0


def _sound_apart(difference: Difference, voice: str | None) -> float:
    return edit_distance(_pronounce(difference.written, voice), _pronounce(difference.heard, voice))


def _pronounce(words: Sequence[str], voice: str | None) -> str:
    if voice is None:
        return "".join(words)
    # Without stress and length, which are modifier letters.
    return "".join(s for s in phonemize(" ".join(words), voice) if unicodedata.category(s) == "Ll")


def measure_losses(
    recognizer: Recognizer,
    matcher: SoundMatcher | None,
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
    again = normalize_heard([TimedWord(word.text, word.start_s, word.end_s) for word in words], language)
    hearings = [list(heard), again] if again else [list(heard)]
    score = recognizer.score_texts(wav, sample_rate, context)
    own, *others = score([join_surfaces(written), *map(join_surfaces, hearings)])
    texts = [word.text for word in written]
    told = [find_differences(texts, [word.text for word in hearing]) for hearing in hearings]
    best = int(np.argmax(others))
    # An added word may come out as one with its neighbours: then it is one in the other hearing.
    compared = [(difference, hearings[best]) for difference in told[best]]
    known = {(difference.start, difference.heard) for difference in told[best]}
    compared += [
        (difference, hearings[i])
        for i, differences in enumerate(told)
        for difference in differences
        if difference.kind == "extra" and (difference.start, difference.heard) not in known
    ]
    replaced = score([_replace(written, hearing, difference) for difference, hearing in compared])
    sounds = _compare_sounds(matcher, wav, sample_rate, _spell(written), [difference for difference, _ in compared])
    return " ".join(word.text for word in hearings[best]), [
        Loss(difference, other - own, sound)
        for (difference, _), other, sound in zip(compared, replaced, sounds, strict=True)
    ]


def check_sound(
    matcher: SoundMatcher, wav: NDArray[np.float32], sample_rate: int, written: Sequence[TimedWord]
) -> Verdict:
    """Decide whether a clip sounds like what is written from its start to its end, whatever was heard.

    Args:
        matcher: Who compares sounds.
        wav: The clip, float32 [n_samples].
        sample_rate: In Hz.
        written: The words of the sentence, as `write_words` gives them.
    """
    fit = matcher.listen(wav, sample_rate)(_spell(written))
    if fit is None:
        return Verdict("wrong_words", "it sounds nothing like what is written", "")
    runs = [list(run) for fits, run in itertools.groupby(fit.parts, lambda part: part.misfit_nats == 0) if not fits]
    worst = max(runs, key=_misfit, default=[])
    if _misfit(worst) <= _MISFIT_LIMIT:
        return Verdict(None, "", "")
    if words := [part.word for part in worst if part.word]:
        return Verdict("wrong_words", f"something else sounds where `{' '.join(words)}` is written", "")
    before = [part.word for part in fit.parts if part.word and part.end_s <= worst[0].start_s]
    place = f"behind `{before[-1]}`" if before else "before the first word"
    return Verdict("extra_words", f"something sounds {place} that is not written", "")


def _misfit(parts: Sequence[Part]) -> float:
    return sum(part.misfit_nats for part in parts)


def _spell(words: Sequence[TimedWord]) -> list[str]:
    """Return words as the matcher takes them: in capitals where they are written so and may be spelt out."""
    texts = []
    for word in words:
        letters = "".join(filter(str.isalnum, word.surface))
        texts.append(word.text.upper() if letters.isupper() and letters.casefold() == word.text else word.text)
    return texts


def _compare_sounds(
    matcher: SoundMatcher | None,
    wav: NDArray[np.float32],
    sample_rate: int,
    texts: list[str],
    differences: Sequence[Difference],
) -> list[float | None]:
    if matcher is None or not differences:
        return [None] * len(differences)
    align = matcher.listen(wav, sample_rate)
    own = align(texts)
    if own is None:
        return [math.inf] * len(differences)
    heard = [align([*texts[: d.start], *d.heard, *texts[d.start + len(d.written) :]]) for d in differences]
    return [-math.inf if other is None else other.nats - own.nats for other in heard]


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
