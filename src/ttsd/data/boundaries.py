"""Where a take begins and ends: in the pauses around it, which the recogniser's times only point at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttsd.data.align import Take
from ttsd.data.pauses import Pauses
from ttsd.data.wording import TimedWord

_UNHEARD_S = 0.35
"""More sound than this between a pause and the word it belongs to is speech that nobody wrote down."""
_ASTRAY_S = 0.5
"""How far a recogniser's times may lie beside the pause that they mean."""
_LONG_PAUSE_S = 0.6
"""A longer pause is no surer sign of the end of a sentence."""
_SOUND_WEIGHT = 0.7
"""So much shorter a pause is taken, for each second of sound that the other would add or cut off."""
_LEAST_SENTENCE_S = 0.8
"""Less sound than this between two pauses is a word whose time was told wrongly, and no sentence."""
_EDGE_DISTANCE_S = 0.2
"""An end of the recording is a worse boundary than a pause that lies so far beside the times."""


@dataclass(frozen=True)
class Boundaries:
    """A take between its pauses, in seconds of the recording."""

    start_s: float
    """Where its sound begins."""
    end_s: float
    """Where its sound ends."""
    before_s: float
    """Silence before it."""
    after_s: float
    """Silence behind it."""
    unheard_s: float
    """The longer of two stretches of sound: before its first heard word and behind its last."""
    is_astray: bool
    """A pause lies beside the place where the times say that it is."""


@dataclass(frozen=True)
class _Found:
    silence: tuple[float, float]
    unheard_s: float
    """Sound between it and the word."""
    distance_s: float
    """How far it lies from where the times say that it is."""
    cut_s: float = 0.0
    """Sound of the take's own first or last word that would be cut off."""

    @property
    def score(self) -> float:
        length_s = min(self.silence[1] - self.silence[0], _LONG_PAUSE_S)
        return length_s - 2 * self.distance_s - _SOUND_WEIGHT * (self.unheard_s + self.cut_s)


def find_boundaries(
    takes: Sequence[Take],
    n_words: Sequence[int],
    heard: Sequence[TimedWord],
    pauses: Pauses,
    min_pause_s: float,
    ends_whole: bool,
) -> list[Boundaries | str]:
    """Find the pauses before and behind every take.

    Args:
        takes: Which of the heard words they are, in order.
        n_words: Length of each take's sentence, in words.
        heard: Everything that was heard, in order.
        pauses: Of the recording.
        min_pause_s: Shortest pause, in seconds.
        ends_whole: The recording is not cut off: its last take may end with it.

    Returns:
        The boundaries of each take, or what is wrong, for a person to read.
    """
    before = [_find_before(take, heard, pauses, min_pause_s) for take in takes]
    after = [_find_after(take, heard, pauses, min_pause_s, ends_whole) for take in takes]
    for i in range(len(takes)):
        last = takes[i].last
        if i + 1 < len(takes) and last == takes[i + 1].first:
            lacks = _lacks_last(takes[i], n_words[i]), _lacks_first(takes[i + 1])
            after[i], before[i + 1] = _agree(after[i], before[i + 1], lacks, pauses, min_pause_s)
            continue
        # Beside a take there is no other, but words of no sentence, or the end.
        found = after[i]
        if found is not None and last < len(heard):
            after[i] = _doubt(found, pauses.sounding_s(found.silence[1], heard[last].start_s))
        if i + 1 < len(takes):
            first = takes[i + 1].first
            found = before[i + 1]
            if found is not None and first > 0:
                before[i + 1] = _doubt(found, pauses.sounding_s(heard[first - 1].end_s, found.silence[0]))
    return [
        _join(start, end, heard[take.first], heard[take.last - 1], min_pause_s)
        for start, end, take in zip(before, after, takes, strict=True)
    ]


def _join(
    before: _Found | None, after: _Found | None, first: TimedWord, last: TimedWord, min_pause_s: float
) -> Boundaries | str:
    if before is None or after is None:
        side, near_s = ("before", first.start_s) if before is None else ("behind", last.end_s)
        return f"no pause of {min_pause_s * 1000:g} ms {side} it, near {near_s:.1f} s"
    start_s, end_s = before.silence[1], after.silence[0]
    if end_s <= start_s:
        return f"no sound of its own near {first.start_s:.1f} s"
    return Boundaries(
        start_s,
        end_s,
        start_s - before.silence[0],
        after.silence[1] - end_s,
        max(before.unheard_s, after.unheard_s),
        before.distance_s > 0 or after.distance_s > 0,
    )


def _find_before(take: Take, heard: Sequence[TimedWord], pauses: Pauses, min_pause_s: float) -> _Found | None:
    first, is_first = heard[take.first], take.first == 0
    earlier_s = -np.inf if is_first else heard[take.first - 1].middle_s
    found = [
        _Found(
            silence,
            pauses.sounding_s(silence[1], first.start_s),
            _distance(silence, earlier_s, first.middle_s),
            pauses.sounding_s(first.start_s, silence[0]),
        )
        for silence in pauses.silences_s(earlier_s - _ASTRAY_S, first.middle_s + _ASTRAY_S, min_pause_s)
    ]
    # A recording that begins with the first word may be whole all the same.
    edge = [_Found((0.0, 0.0), pauses.sounding_s(0.0, first.start_s), _EDGE_DISTANCE_S)] * is_first
    return _choose(found + edge)


def _find_after(
    take: Take, heard: Sequence[TimedWord], pauses: Pauses, min_pause_s: float, ends_whole: bool
) -> _Found | None:
    last, is_last = heard[take.last - 1], take.last == len(heard)
    later_s, end_s = np.inf if is_last else heard[take.last].middle_s, pauses.duration_s
    found = [
        _Found(
            silence,
            pauses.sounding_s(last.end_s, silence[0]),
            _distance(silence, last.middle_s, later_s),
            pauses.sounding_s(silence[1], last.end_s),
        )
        for silence in pauses.silences_s(last.middle_s - _ASTRAY_S, later_s + _ASTRAY_S, min_pause_s)
    ]
    edge = [_Found((end_s, end_s), pauses.sounding_s(last.end_s, end_s), _EDGE_DISTANCE_S)] * (is_last and ends_whole)
    return _choose(found + edge)


def _lacks_first(take: Take) -> bool:
    """Tell whether the first word of its sentence was not heard."""
    return 0 not in take.places


def _lacks_last(take: Take, n_words: int) -> bool:
    return n_words - 1 not in take.places


def _agree(
    after: _Found | None, before: _Found | None, lacks: tuple[bool, bool], pauses: Pauses, min_pause_s: float
) -> tuple[_Found | None, _Found | None]:
    """Let two takes without a word between them share the pause between them.

    Sound between the pauses belongs to the take of which a word is lacking there; the longest pause decides where that
    is both or neither.
    """
    if after is None or before is None or after.silence == before.silence:
        return after or before, before or after
    start_s, end_s = after.silence[1], before.silence[0]
    if pauses.sounding_s(start_s, end_s) >= _LEAST_SENTENCE_S:
        # So much sound is a sentence that nobody heard.
        return _doubt(after, np.inf), _doubt(before, np.inf)
    ends = sorted((after.silence, before.silence))
    between = pauses.silences_s(ends[0][0], ends[1][1], min_pause_s)
    if lacks[0] == lacks[1]:
        chosen = max(between, key=lambda silence: silence[1] - silence[0])
    else:
        chosen = ends[1] if lacks[0] else ends[0]
    shared = _doubt(_Found(chosen, 0.0, 0.0), np.inf)
    return shared, shared


def _doubt(found: _Found, sounding_s: float) -> _Found:
    """Return a pause as one that is to be looked at, where sound beside it belongs to nobody."""
    if sounding_s <= _UNHEARD_S:
        return found
    return replace(found, distance_s=max(found.distance_s, _EDGE_DISTANCE_S))


def _distance(silence: tuple[float, float], start_s: float, end_s: float) -> float:
    return max(silence[0] - end_s, start_s - silence[1], 0.0)


def _choose(found: Sequence[_Found]) -> _Found | None:
    """Return the longest silence with no speech between it and the word; where there is none, that with the least."""
    near = [silence for silence in found if silence.unheard_s <= _UNHEARD_S]
    if near:
        return max(near, key=lambda silence: silence.score)
    return min(found, key=lambda silence: silence.unheard_s, default=None)
