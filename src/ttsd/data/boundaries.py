"""Where a take begins and ends: in the pauses around it, which the recogniser's times only point at."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def find_boundaries(
    take: Take, heard: Sequence[TimedWord], pauses: Pauses, min_pause_s: float, ends_whole: bool
) -> Boundaries | str:
    """Find the pauses before and behind a take.

    Args:
        take: Which of the heard words it is.
        heard: Everything that was heard, in order.
        pauses: Of the recording.
        min_pause_s: Shortest pause, in seconds.
        ends_whole: The recording is not cut off: its last take may end with it.

    Returns:
        Its boundaries, or what is wrong, for a person to read.
    """
    first, last = heard[take.first], heard[take.last - 1]
    is_first, is_last = take.first == 0, take.last == len(heard)
    earlier_s = -np.inf if is_first else heard[take.first - 1].middle_s
    later_s = np.inf if is_last else heard[take.last].middle_s
    before = _choose(
        [
            _Found(silence, pauses.sounding_s(silence[1], first.start_s), _distance(silence, earlier_s, first.middle_s))
            for silence in pauses.silences_s(earlier_s - _ASTRAY_S, first.middle_s + _ASTRAY_S, min_pause_s)
        ]
        # A recording that begins with the first word may be whole all the same.
        + [_Found((0.0, 0.0), pauses.sounding_s(0.0, first.start_s), _EDGE_DISTANCE_S)] * is_first
    )
    end_s = pauses.duration_s
    after = _choose(
        [
            _Found(silence, pauses.sounding_s(last.end_s, silence[0]), _distance(silence, last.middle_s, later_s))
            for silence in pauses.silences_s(last.middle_s - _ASTRAY_S, later_s + _ASTRAY_S, min_pause_s)
        ]
        + [_Found((end_s, end_s), pauses.sounding_s(last.end_s, end_s), _EDGE_DISTANCE_S)] * (is_last and ends_whole)
    )
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


@dataclass(frozen=True)
class _Found:
    silence: tuple[float, float]
    unheard_s: float
    """Sound between it and the word."""
    distance_s: float
    """How far it lies from where the times say that it is."""

    @property
    def score(self) -> float:
        return min(self.silence[1] - self.silence[0], _LONG_PAUSE_S) - 2 * self.distance_s


def _distance(silence: tuple[float, float], start_s: float, end_s: float) -> float:
    return max(silence[0] - end_s, start_s - silence[1], 0.0)


def _choose(found: Sequence[_Found]) -> _Found | None:
    """Return the longest silence with no speech between it and the word; where there is none, that with the least."""
    near = [silence for silence in found if silence.unheard_s <= _UNHEARD_S]
    if near:
        return max(near, key=lambda silence: silence.score)
    return min(found, key=lambda silence: silence.unheard_s, default=None)
