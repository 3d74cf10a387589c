"""Many short clips heard at once, with the time of every word.

Whisper hears windows of 30 s, and a short clip by itself pays for a whole one. Here several clips share a window, with
silence between them; windows are decoded in batches; and the words are given back to their clips by the times that the
decoder's cross-attention tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.config import AsrConfig
from ttsd.data.pauses import find_pauses, measure_power, plan_windows
from ttsd.metrics.hearing import hear_window
from ttsd.metrics.intelligibility import ASR_SAMPLE_RATE, HeardWord, Recognizer

WINDOW_S = 30.0
GAP_S = 0.6
"""Silence between two clips of a window, in seconds: shorter gaps join sentences, longer ones lose them."""
_LONGEST_S = 29.4
_WINDOW_OF_LONG_S = 28.0
_MIN_PAUSE_MS, _SILENCE_DB = 80.0, -40.0
_BATCH = 4
_MAX_TOKENS = 448


@dataclass(frozen=True)
class Heard:
    """What a recogniser heard in a clip."""

    text: str
    words: tuple[HeardWord, ...]


class Listener:
    """A recogniser that hears many clips in shared windows, on one thread of the CPU.

    Args:
        config: Which model, its arithmetic and its beam.

    Raises:
        ConfigError: The model is missing, damaged, or does not know the language.
        MissingExtraError: The recogniser is not installed.
    """

    def __init__(self, config: AsrConfig) -> None:
        self.recognizer = Recognizer(config)
        self._beam_size = config.beam_size
        self._model: Any = self.recognizer.model
        self._tokenizer = self.recognizer.tokenizer

    def hear(self, clips: Sequence[NDArray[np.float32]]) -> list[Heard]:
        """Write down what is said in clips; which clips share a window depends on this sequence alone.

        Args:
            clips: Waveforms at 16 kHz, float32 [n_samples] in [-1, 1].

        Returns:
            What was heard of each; silence gives an empty text.
        """
        lengths_s = [clip.size / ASR_SAMPLE_RATE for clip in clips]
        heard = [Heard("", ())] * len(clips)
        windows = pack_windows(lengths_s)
        for start in range(0, len(windows), _BATCH):
            batch = windows[start : start + _BATCH]
            for window, words in zip(batch, self._hear_windows([[clips[i] for i in w] for w in batch]), strict=True):
                shared = share_words(words, [lengths_s[index] for index in window])
                for index, own in zip(window, shared, strict=True):
                    heard[index] = Heard(" ".join("".join(word.text for word in own).split()), _strip(own))
        for index, length_s in enumerate(lengths_s):
            if length_s > _LONGEST_S:
                heard[index] = self._hear_long(clips[index])
        return heard

    def hear_alone(self, clip: NDArray[np.float32]) -> Heard:
        """Write down what is said in a clip at 16 kHz, float32 [n_samples], that has a window to itself."""
        return self.hear([clip])[0]

    def _hear_windows(self, windows: Sequence[Sequence[NDArray[np.float32]]]) -> list[list[HeardWord]]:
        gap = np.zeros(round(GAP_S * ASR_SAMPLE_RATE), np.float32)
        features, n_frames = [], []
        for window in windows:
            parts = [part for clip in window for part in (clip, gap)][:-1]
            mel = self._model.feature_extractor(np.concatenate(parts), padding=160)
            whole = round(WINDOW_S * ASR_SAMPLE_RATE) // self._model.feature_extractor.hop_length
            n_frames.append(min(mel.shape[-1], whole))
            features.append(np.pad(mel[:, :whole], ((0, 0), (0, max(whole - mel.shape[-1], 0)))))
        encoded = self._model.encode(np.stack(features))
        prompt = self._model.get_prompt(self._tokenizer, [], without_timestamps=True)
        results = self._model.model.generate(
            encoded,
            [prompt] * len(windows),
            beam_size=self._beam_size,
            max_length=_MAX_TOKENS,
            suppress_blank=True,
            suppress_tokens=[-1],
        )
        texts = [[token for token in result.sequences_ids[0] if token < self._tokenizer.eot] for result in results]
        aligned = self._model.find_alignment(self._tokenizer, texts, encoded, n_frames)
        return [[HeardWord(w["word"], float(w["start"]), float(w["end"])) for w in words] for words in aligned]

    def _hear_long(self, clip: NDArray[np.float32]) -> Heard:
        # Window by window, cut in pauses: in one long decoding the recogniser loops.
        pauses = find_pauses(measure_power([clip], ASR_SAMPLE_RATE), _MIN_PAUSE_MS, _SILENCE_DB)

        def read(start_s: float, end_s: float) -> NDArray[np.float32]:
            return clip[round(start_s * ASR_SAMPLE_RATE) : round(end_s * ASR_SAMPLE_RATE)]

        timed = [
            word
            for start_s, end_s in plan_windows(pauses, _WINDOW_OF_LONG_S)
            for word in hear_window(self.recognizer, read, ASR_SAMPLE_RATE, pauses, start_s, end_s)
        ]
        words = [HeardWord(word.text, word.start_s, word.end_s) for word in timed]
        return Heard(" ".join(word.text for word in words), _strip(words))


def pack_windows(lengths_s: Sequence[float]) -> list[list[int]]:
    """Share windows among clips: the longest first, each into the first window with room for it.

    Source: first-fit decreasing, Johnson, Near-optimal bin packing algorithms (1973).

    Args:
        lengths_s: Length of every clip, in seconds.

    Returns:
        Indices of the clips of every window, in order; empty clips and those too long for a window are in none.
    """
    filled_s: list[float] = []
    windows: list[list[int]] = []
    for index in sorted(range(len(lengths_s)), key=lambda index: (-lengths_s[index], index)):
        length_s = lengths_s[index]
        if not 0 < length_s <= _LONGEST_S:
            continue
        for number, used_s in enumerate(filled_s):
            if used_s + GAP_S + length_s <= _LONGEST_S:
                filled_s[number] += GAP_S + length_s
                windows[number].append(index)
                break
        else:
            filled_s.append(length_s)
            windows.append([index])
    return [sorted(window) for window in windows]


def share_words(words: Sequence[HeardWord], lengths_s: Sequence[float]) -> list[list[HeardWord]]:
    """Give the words of a window back to its clips, by their middle; those in a gap go to the nearer clip.

    Args:
        words: What was heard in the window, timed from its beginning.
        lengths_s: Lengths of its clips, in seconds; `GAP_S` lies between any two.

    Returns:
        The words of every clip, timed from the clip's beginning and within it.
    """
    starts_s = np.cumsum([0.0, *(length_s + GAP_S for length_s in lengths_s[:-1])])
    middles_s = starts_s[1:] - GAP_S / 2
    shared: list[list[HeardWord]] = [[] for _ in lengths_s]
    number = 0
    for word in words:
        # A mark by itself belongs to the word that it follows.
        if any(character.isalnum() for character in word.text):
            number = int(np.searchsorted(middles_s, (word.start_s + word.end_s) / 2, side="right"))
        start_s, length_s = float(starts_s[number]), lengths_s[number]
        begin_s, end_s = (min(round(max(time_s - start_s, 0.0), 3), length_s) for time_s in (word.start_s, word.end_s))
        shared[number].append(HeardWord(word.text, begin_s, end_s))
    return shared


def _strip(words: Sequence[HeardWord]) -> tuple[HeardWord, ...]:
    return tuple(HeardWord(word.text.strip(), word.start_s, word.end_s) for word in words if word.text.strip())
