"""Where a long recording pauses, told from the power of its frames: an hour of sound is a few megabytes of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import Waveform
from ttsd.data.cutting import find_threshold

FRAME_MS = 10.0
"""Length of the frames: a pause is found to this precision."""
_BLOCK_S = 20.0
"""Level and noise are those of the surroundings: a speaker moves, and a fan starts."""
_WINDOW_S = 0.2
"""Where there is no silence, a window is cut where it is quietest for this long."""
_KEPT_SILENCE_S = 0.3
"""Silence that a window keeps at its ends."""
_SHORTEST_SOUND_S = 0.03
"""A shorter sound between two silences is a click and no speech."""


@dataclass(frozen=True)
class Pauses:
    """Sound and silence of a recording, frame by frame of `FRAME_MS`."""

    power: NDArray[np.float32]
    """Mean square of every frame, float32 [n_frames]."""
    sounding: NDArray[np.bool_]
    """bool [n_frames]."""

    @property
    def duration_s(self) -> float:
        """Length of the recording in seconds, to a frame."""
        return self.power.size * FRAME_MS / 1000

    def silences_s(self, start_s: float, end_s: float, min_pause_s: float) -> list[tuple[float, float]]:
        """Return every silence that lies at least in part between two times, with its whole length, in seconds."""
        runs = find_runs(~self.sounding) * FRAME_MS / 1000
        long = runs[(runs[:, 1] - runs[:, 0] >= min_pause_s) & (runs[:, 1] > start_s) & (runs[:, 0] < end_s)]
        return [(float(start), float(end)) for start, end in long]

    def sounding_s(self, start_s: float, end_s: float) -> float:
        """Return how long it sounds between two times, in seconds."""
        first, last = (max(round(time_s * 1000 / FRAME_MS), 0) for time_s in (start_s, end_s))
        return float(self.sounding[first:last].sum()) * FRAME_MS / 1000


def measure_power(chunks: Iterable[Waveform], sample_rate: int) -> NDArray[np.float32]:
    """Measure the power of every frame of `FRAME_MS`, without a constant offset.

    Args:
        chunks: The recording, float32 [n_samples] each.
        sample_rate: In Hz; a multiple of 100.

    Returns:
        Mean squares, float32 [n_frames]; samples behind the last whole frame are left out.
    """
    hop = round(sample_rate * FRAME_MS / 1000)
    powers: list[NDArray[np.float32]] = []
    rest: Waveform = np.zeros(0, dtype=np.float32)
    for chunk in chunks:
        wav = np.concatenate([rest, chunk])
        whole = wav.size // hop * hop
        frames = wav[:whole].reshape(-1, hop).astype(np.float64)
        if whole:
            centred = frames - frames.mean()
            powers.append(np.square(centred).mean(axis=1).astype(np.float32))
        rest = wav[whole:]
    return np.concatenate(powers) if powers else np.zeros(0, dtype=np.float32)


def find_pauses(power: NDArray[np.float32], min_pause_ms: float, silence_db: float) -> Pauses:
    """Tell sound from silence, each block of the recording by its own level and noise.

    Args:
        power: Of `measure_power`.
        min_pause_ms: Shortest pause, in milliseconds.
        silence_db: Quieter than this, relative to the speech around, counts as silence; in dB.
    """
    n_block = round(_BLOCK_S * 1000 / FRAME_MS)
    n_pause = max(round(min_pause_ms / FRAME_MS), 1)
    sounding = np.zeros(power.size, dtype=np.bool_)
    for start in range(0, power.size, n_block):
        # Half a block on both sides, so that one which is nearly all pause is still told by speech.
        around = power[max(start - n_block // 2, 0) : start + n_block * 3 // 2].astype(np.float64)
        threshold = find_threshold(around, n_pause, silence_db)
        if threshold is not None:
            sounding[start : start + n_block] = power[start : start + n_block] > threshold
    for start, end in find_runs(sounding):
        if (end - start) * FRAME_MS / 1000 < _SHORTEST_SOUND_S:
            sounding[start:end] = False
    return Pauses(power, sounding)


def find_runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return first index and the one behind the last of every run of true values, int64 [n_runs, 2]."""
    changes = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return changes.reshape(-1, 2)


def plan_windows(
    pauses: Pauses, max_window_s: float, start_s: float = 0.0, end_s: float | None = None
) -> list[tuple[float, float]]:
    """Cut a recording at its pauses into windows that a recogniser hears in one piece; silence between is left out.

    Args:
        pauses: Of the recording.
        max_window_s: Longest window, in seconds.
        start_s: Where to begin.
        end_s: Where to end; none is the end of the recording.

    Returns:
        Start and end of every window that sounds, in seconds.
    """
    frame_s = FRAME_MS / 1000
    n_last = pauses.power.size if end_s is None else min(round(end_s / frame_s), pauses.power.size)
    n_max, n_kept = round(max_window_s / frame_s), round(_KEPT_SILENCE_S / frame_s)
    place = round(start_s / frame_s)
    windows: list[tuple[float, float]] = []
    while place < n_last:
        sound = np.flatnonzero(pauses.sounding[place:n_last])
        if sound.size == 0:
            break
        first = max(place + int(sound[0]) - n_kept, place)
        last = place + int(sound[-1]) + 1 + n_kept
        end = min(last, n_last) if last - first <= n_max else _find_cut(pauses, first, first + n_max)
        inside = np.flatnonzero(pauses.sounding[first:end])
        if inside.size:
            stop = min(first + int(inside[-1]) + 1 + n_kept, end)
            windows.append((round(first * frame_s, 3), round(stop * frame_s, 3)))
        place = end
    return windows


def _find_cut(pauses: Pauses, first: int, last: int) -> int:
    """Return the frame to cut at: inside the longest pause of the later half, else where it is quietest."""
    earliest = first + (last - first) // 2
    runs = find_runs(~pauses.sounding[earliest:last]) + earliest
    n_window = round(_WINDOW_S * 1000 / FRAME_MS)
    if runs.size:
        start, end = runs[np.argmax(runs[:, 1] - runs[:, 0])]
        if end - start >= n_window:
            return int(start + end) // 2
    power = np.convolve(pauses.power[earliest:last], np.ones(n_window), mode="valid")
    return earliest + int(np.argmin(power)) + n_window // 2
