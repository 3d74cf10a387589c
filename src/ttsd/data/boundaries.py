"""Where a take begins and ends: in the pauses around it, which the recogniser's times only point at."""

from collections.abc import Sequence
from dataclasses import dataclass

from ttsd.data.align import Take
from ttsd.data.pauses import Pauses
from ttsd.data.wording import TimedWord

_UNHEARD_S = 0.35
"""More sound than this between a pause and the word it belongs to is speech that nobody wrote down."""
_LEAST_PAUSE_AT_END_S = 0.02
"""Silence that a recording must have at its own ends, for nothing to be cut off there."""


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


def find_boundaries(take: Take, heard: Sequence[TimedWord], pauses: Pauses, min_pause_s: float) -> Boundaries | str:
    """Find the pauses before and behind a take.

    Args:
        take: Which of the heard words it is.
        heard: Everything that was heard, in order.
        pauses: Of the recording.
        min_pause_s: Shortest pause, in seconds.

    Returns:
        Its boundaries, or what is wrong, for a person to read.
    """
    first, last = heard[take.first], heard[take.last - 1]
    earlier_s = heard[take.first - 1].middle_s if take.first else 0.0
    later_s = heard[take.last].middle_s if take.last < len(heard) else pauses.duration_s
    before = _choose(
        [
            (start_s, end_s, pauses.sounding_s(end_s, first.start_s))
            for start_s, end_s in pauses.silences_s(
                earlier_s, first.middle_s, min_pause_s if take.first else _LEAST_PAUSE_AT_END_S
            )
        ]
    )
    after = _choose(
        [
            (start_s, end_s, pauses.sounding_s(last.end_s, start_s))
            for start_s, end_s in pauses.silences_s(
                last.middle_s, later_s, min_pause_s if take.last < len(heard) else _LEAST_PAUSE_AT_END_S
            )
        ]
    )
    if before is None or after is None:
        side = "before" if before is None else "behind"
        return (
            f"no pause of {min_pause_s * 1000:g} ms {side} it, near {(first if before is None else last).start_s:.1f} s"
        )
    if after[0] <= before[1]:
        return f"no sound of its own near {first.start_s:.1f} s"
    return Boundaries(before[1], after[0], before[1] - before[0], after[1] - after[0], max(before[2], after[2]))


def _choose(silences: Sequence[tuple[float, float, float]]) -> tuple[float, float, float] | None:
    """Return the longest silence with no speech between it and the word; where there is none, that with the least."""
    near = [silence for silence in silences if silence[2] <= _UNHEARD_S]
    if near:
        return max(near, key=lambda silence: silence[1] - silence[0])
    return min(silences, key=lambda silence: silence[2], default=None)
