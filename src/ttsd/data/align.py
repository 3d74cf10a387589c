"""Which heard words are which sentence: read in order, skipped, said twice, said in part, or not in the text at all.

The heard words are explained one after the other by a path through the text, as in dynamic time warping with jumps:
inside a sentence words may be misheard, missing or added; behind a sentence the next one follows, or a later one
(the speaker skipped), or an earlier one (the speaker said it again); and any number of words may belong to no sentence.
The cheapest path is found by dynamic programming, its state kept for a block of heard words at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.wording import TimedWord, sound_distances

# Costs of a path, in words. A foreign word is dearer than one in a row of foreign words, and cheaper than a pair of
# words that have nothing in common.
_MISHEARD = 1.5
_MOST_MISHEARD = 1.3
_MISSING = 1.0
_MISSING_SHORT = 0.7
_ADDED = 0.9
_FOREIGN = 0.8
_SKIP = 0.5
_SKIP_EACH = 0.02
_BACK = 1.5
_BACK_EACH = 0.02
_SHORT_WORD = 3
_INF = 1e9
_FAR = 1e6


@dataclass(frozen=True)
class Take:
    """One time that a sentence was said, whole or in part."""

    sentence: int
    """Number of the sentence."""
    first: int
    """Its first heard word."""
    last: int
    """The heard word behind its last."""
    places: tuple[int | None, ...]
    """For each of its heard words the word of the sentence that it stands for; none for an added one."""


def align_sentences(sentences: Sequence[Sequence[str]], heard: Sequence[TimedWord]) -> list[Take]:
    """Find every take of every sentence among the heard words.

    Args:
        sentences: The words of each sentence, as `split_words` gives them; a sentence without words is never found.
        heard: All that was heard, as `normalize_heard` gives it.

    Returns:
        The takes in the order they were said; they share no word. What is in none of them belongs to no sentence.
    """
    spoken = [number for number, words in enumerate(sentences) if words]
    if not spoken or not heard:
        return []
    path = _Path([sentences[number] for number in spoken], [word.text for word in heard])
    takes: list[Take] = []
    for first, last, sentence, places in _group(path.trace(), path):
        takes.append(Take(spoken[sentence], first, last, places))
    return takes


def _group(
    states: Sequence[tuple[int, bool, bool]], path: "_Path"
) -> list[tuple[int, int, int, tuple[int | None, ...]]]:
    """Join the words of a path into takes: first and last heard word, sentence, places in it."""
    groups: list[tuple[int, int, int, tuple[int | None, ...]]] = []
    start = None
    for j, (state, enters, _) in enumerate([*states, (-1, True, False)]):
        if start is not None and (state < 0 or enters):
            sentence = int(path.sentence_of[states[start][0]])
            begin = int(path.first[sentence])
            places = tuple(None if added else place - begin for place, _, added in states[start:j])
            groups.append((start, j, sentence, places))
            start = None
        if state >= 0 and start is None:
            start = j
    return groups


class _Path:
    """The cheapest explanation of heard words; `n` text words in `m` sentences."""

    def __init__(self, sentences: Sequence[Sequence[str]], heard: Sequence[str]) -> None:
        text = [word for words in sentences for word in words]
        lengths = np.array([len(words) for words in sentences])
        self.first = np.cumsum(lengths) - lengths
        self.sentence_of = np.repeat(np.arange(len(sentences)), lengths)
        missing = np.array([_MISSING_SHORT if len(word) <= _SHORT_WORD else _MISSING for word in text])
        self._total = np.concatenate([[0.0], np.cumsum(missing)])
        self._n, self._m, self._n_heard = len(text), len(sentences), len(heard)
        # What it costs to leave a sentence behind a word, and to enter it at a word.
        ends = self._total[(self.first + lengths)[self.sentence_of]]
        self._leave = ends - self._total[1:]
        self._enter = self._total[:-1] - self._total[self.first[self.sentence_of]]
        kinds, self._text_kind = np.unique(text, return_inverse=True)
        heard_kinds, self._heard_kind = np.unique(heard, return_inverse=True)
        distances = sound_distances([str(kind) for kind in kinds], [str(kind) for kind in heard_kinds])
        self._misheard = np.minimum(distances * _MISHEARD, _MOST_MISHEARD)
        self._order = np.arange(self._m + 1)

    def trace(self) -> list[tuple[int, bool, bool]]:
        """Return for every heard word its text word or -1, whether a take begins with it, and whether it is added."""
        block = max(int(np.sqrt(self._n_heard)), 16)
        words, foreign = np.full(self._n, _INF), np.full(self._m + 1, _INF)
        foreign[0] = 0.0
        checkpoints = []
        for j in range(self._n_heard):
            if j % block == 0:
                checkpoints.append((words, foreign))
            words, foreign = self._step(j, words, foreign)
        finished = self._finished(words, foreign)
        state, is_word = int(np.argmin(finished)), False
        if state > 0 and finished[state] < foreign[state]:
            state, is_word = self._best_end(words, state - 1), True
        path: list[tuple[int, bool, bool]] = []
        for number in reversed(range(len(checkpoints))):
            start = number * block
            history = [checkpoints[number]]
            for j in range(start, min(start + block, self._n_heard) - 1):
                history.append(self._step(j, *history[-1]))
            for j in reversed(range(start, start + len(history))):
                step, state, is_word = self._back(j, *history[j - start], state, is_word)
                path.append(step)
        return path[::-1]

    def _step(
        self, j: int, words: NDArray[np.float64], foreign: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        finished = self._finished(words, foreign)
        entered = self._entries(finished)[self.sentence_of] + self._enter
        matched = np.minimum(entered, self._inside(words)) + self._misheard[self._text_kind, self._heard_kind[j]]
        return np.minimum(matched, words + _ADDED), finished + _FOREIGN

    def _finished(self, words: NDArray[np.float64], foreign: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cost of being behind each sentence, [m + 1]; place 0 is before the first."""
        finished: NDArray[np.float64] = foreign.copy()
        finished[1:] = np.minimum(finished[1:], np.minimum.reduceat(words + self._leave, self.first))
        return finished

    def _entries(self, finished: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cost of being about to say each sentence, [m]."""
        skip, back = finished - _SKIP_EACH * self._order, finished + _BACK_EACH * self._order
        before = np.minimum.accumulate(skip)[:-1] + _SKIP_EACH * self._order[:-1] + _SKIP
        after = np.minimum.accumulate(back[::-1])[::-1][1:] - _BACK_EACH * self._order[:-1] + _BACK
        entries: NDArray[np.float64] = np.minimum(finished[:-1], np.minimum(before, after))
        return entries

    def _inside(self, words: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cost of going on inside a sentence to each word, with the words between missing, [n]."""
        # An offset that falls from sentence to sentence keeps the running minimum from leaking into the next one.
        offset = self.sentence_of * _FAR
        costs = np.concatenate([[_INF], np.minimum.accumulate(words - self._total[1:] - offset)[:-1]])
        result: NDArray[np.float64] = costs + offset + self._total[:-1]
        result[self.first] = _INF
        result[result > _FAR / 2] = _INF
        return result

    def _best_end(self, words: NDArray[np.float64], sentence: int) -> int:
        start = int(self.first[sentence])
        end = int(self.first[sentence + 1]) if sentence + 1 < self._m else self._n
        return start + int(np.argmin(words[start:end] + self._leave[start:end]))

    def _back(
        self, j: int, words: NDArray[np.float64], foreign: NDArray[np.float64], state: int, is_word: bool
    ) -> tuple[tuple[int, bool, bool], int, bool]:
        """Undo the step of one heard word: what it was, and the state before it."""
        finished = self._finished(words, foreign)
        if not is_word:
            return (-1, False, False), *self._behind(words, foreign, finished, state)
        costs = self._misheard[self._text_kind[state], self._heard_kind[j]]
        sentence = int(self.sentence_of[state])
        entered = self._entries(finished)[sentence] + self._enter[state] + costs
        inside = self._inside(words)[state] + costs
        added = words[state] + _ADDED
        best = min(entered, inside, added)
        if inside == best:
            start = int(self.first[sentence])
            return (state, False, False), start + int(np.argmin((words - self._total[1:])[start:state])), True
        if added == best:
            return (state, False, True), state, True
        return (state, True, False), *self._behind(words, foreign, finished, self._came_from(finished, sentence))

    def _came_from(self, finished: NDArray[np.float64], sentence: int) -> int:
        costs = finished.copy()
        costs[:sentence] += _SKIP + _SKIP_EACH * (sentence - self._order[:sentence])
        costs[sentence + 1 :] += _BACK + _BACK_EACH * (self._order[sentence + 1 :] - sentence)
        return int(np.argmin(costs))

    def _behind(
        self, words: NDArray[np.float64], foreign: NDArray[np.float64], finished: NDArray[np.float64], place: int
    ) -> tuple[int, bool]:
        if place > 0 and finished[place] < foreign[place]:
            return self._best_end(words, place - 1), True
        return place, False
