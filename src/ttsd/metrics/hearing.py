"""What a recogniser hears in a long recording, window by window, with the time of every word.

Each window is heard by itself, without the text before: one long decoding loops, skips and makes things up. A window
that came out as too little or as a loop is cut in two at a pause, and its halves are heard.
"""

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ttsd.data.pauses import Pauses, plan_windows
from ttsd.data.wording import TimedWord
from ttsd.metrics.intelligibility import Recognizer

MAX_COMPRESSION = 2.4
"""Text that zlib makes smaller than by this ratio repeats itself. Source: the threshold of Radford et al. (2022)."""
MIN_CHARS_PER_S = 5.0
"""Fewer letters than this for each second of sound: something was skipped."""
_SHORTEST_S = 4.0
"""A window is not cut further below twice this."""

Slice = Callable[[float, float], NDArray[np.float32]]
"""Gives the waveform between two times of a recording, in seconds."""


def hear_window(
    recognizer: Recognizer, read: Slice, sample_rate: int, pauses: Pauses, start_s: float, end_s: float
) -> list[TimedWord]:
    """Hear one window.

    Args:
        recognizer: Who listens.
        read: Gives the recording's waveform between two times.
        sample_rate: Of that waveform, in Hz.
        pauses: Of the recording.
        start_s: Where the window starts in the recording, in seconds.
        end_s: Where it ends; at most 30 s later.

    Returns:
        The words with their times in the recording.
    """
    words = [
        TimedWord(word.text, round(start_s + word.start_s, 3), round(start_s + word.end_s, 3))
        for word in recognizer.transcribe_words(read(start_s, end_s), sample_rate)
    ]
    if end_s - start_s < 2 * _SHORTEST_S or not _is_doubtful(words, pauses.sounding_s(start_s, end_s)):
        return words
    halves = plan_windows(pauses, max((end_s - start_s) * 2 / 3, _SHORTEST_S), start_s, end_s)
    if len(halves) < 2:
        return words
    again = [word for half in halves for word in hear_window(recognizer, read, sample_rate, pauses, *half)]
    # Speech that is no speech, such as music, is as doubtful in halves: the shorter text is the more honest one.
    text = " ".join(word.text for word in words)
    return again if _compression(text) > MAX_COMPRESSION or len(again) > len(words) else words


def _is_doubtful(words: list[TimedWord], sounding_s: float) -> bool:
    text = " ".join(word.text for word in words)
    return len(text) < MIN_CHARS_PER_S * sounding_s or _compression(text) > MAX_COMPRESSION


def _compression(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0
