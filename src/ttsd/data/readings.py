"""What becomes of each sentence of a recording: one whole take, or a reason; and what was said beside the sentences."""

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttsd.data.align import Take, align_sentences
from ttsd.data.boundaries import Boundaries, find_boundaries
from ttsd.data.differences import find_differences
from ttsd.data.pauses import FRAME_MS, Pauses, find_runs
from ttsd.data.wording import TimedWord

LEAST_COVERED = 0.5
"""A take in which less of the sentence's words was heard is a part of it."""
MAX_UNHEARD_S = 0.35
"""Sound beside the heard words that a clip may hold without a second look, in seconds."""
MAX_CHARS_PER_S = 30.0
"""Nobody speaks faster, in letters a second of sound."""
_SOUND_OF_WORD_S = 0.04
"""A word with less sound than this under it was made up."""
_AROUND_WORD_S = 0.05
_LEAST_PART = 3
"""So many words of a sentence in a row are a part of it, and no accident."""
_UNHEARD_STRETCH_S = 1.0
"""A shorter sound that nobody wrote down is a breath or a cough, and not listed."""


@dataclass(frozen=True)
class Candidate:
    """A take of a sentence, before anybody listened to it by itself."""

    sentence: int
    start_s: float
    """Where its sound begins, in the recording."""
    end_s: float
    before_s: float
    """Silence before it."""
    after_s: float
    """Silence behind it."""
    heard: tuple[TimedWord, ...]
    reason: str | None
    """Why it cannot be used, whatever it says; none where it can."""
    value: str
    in_doubt: bool
    """What was heard is not what is written."""


@dataclass(frozen=True)
class Reading:
    """A recording as it was read."""

    candidates: tuple[Candidate, ...]
    """In the order they were said."""
    stretches: tuple[tuple[float, float, str], ...]
    """Speech or sound that belongs to no sentence: start and end in seconds, and what was heard."""
    parts: dict[int, tuple[float, float, str]]
    """Sentences of which only so much was said, with its times."""


def read_recording(
    sentences: Sequence[Sequence[str]],
    heard: Sequence[TimedWord],
    pauses: Pauses,
    *,
    min_pause_s: float,
    max_duration_s: float,
    ends_whole: bool = True,
) -> Reading:
    """Find the takes of every sentence, their boundaries and their doubts.

    Args:
        sentences: The words of each sentence, as `split_words` gives them; none for what is not read aloud.
        heard: All that was heard, as `normalize_heard` gives it.
        pauses: Of the recording.
        min_pause_s: Shortest pause to cut in, in seconds.
        max_duration_s: Longest take, in seconds.
        ends_whole: The recording is not cut off at its end.
    """
    real = [word for word in heard if _sounds(word, pauses)]
    takes = align_sentences(sentences, real)
    # Recognisers fill silence with phrases of their own.
    made_up = {
        place
        for first, last in _between(takes, len(real))
        if sum(len(word.text) for word in real[first:last])
        > MAX_CHARS_PER_S * pauses.sounding_s(real[first].start_s, real[last - 1].end_s)
        for place in range(first, last)
    }
    if made_up:
        real = [word for place, word in enumerate(real) if place not in made_up]
        takes = align_sentences(sentences, real)
    n_words = [len(sentences[take.sentence]) for take in takes]
    found = find_boundaries(takes, n_words, real, pauses, min_pause_s, ends_whole)
    candidates = [
        _judge(take, sentences[take.sentence], real, pauses, boundaries, max_duration_s)
        for take, boundaries in zip(takes, found, strict=True)
    ]
    said = {take.sentence for take in takes}
    rest = {number: words for number, words in enumerate(sentences) if words and number not in said}
    parts: dict[int, tuple[float, float, str]] = {}
    for first, last in _between(takes, len(real)):
        parts = _find_parts(rest, real[first:last]) | parts
    return Reading(tuple(candidates), tuple(_find_stretches(takes, candidates, real, pauses)), parts)


def _find_parts(
    sentences: Mapping[int, Sequence[str]], heard: Sequence[TimedWord]
) -> dict[int, tuple[float, float, str]]:
    """Return what was said of sentences that were not said: a run of their words, to the letter."""
    texts = [word.text for word in heard]
    parts: dict[int, tuple[float, float, str]] = {}
    for number, words in sentences.items():
        match = difflib.SequenceMatcher(None, words, texts, autojunk=False).find_longest_match()
        if match.size >= min(_LEAST_PART, len(words)):
            run = heard[match.b : match.b + match.size]
            parts[number] = run[0].start_s, run[-1].end_s, " ".join(word.text for word in run)
    return parts


def _sounds(word: TimedWord, pauses: Pauses) -> bool:
    return pauses.sounding_s(word.start_s - _AROUND_WORD_S, word.end_s + _AROUND_WORD_S) >= _SOUND_OF_WORD_S


def _between(takes: Sequence[Take], n_heard: int) -> list[tuple[int, int]]:
    """Return the runs of heard words that are in no take: the first word and the one behind the last."""
    edges = [0, *(place for take in takes for place in (take.first, take.last)), n_heard]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def _judge(
    take: Take,
    written: Sequence[str],
    heard: Sequence[TimedWord],
    pauses: Pauses,
    found: Boundaries | str,
    max_duration_s: float,
) -> Candidate:
    words = tuple(heard[take.first : take.last])
    texts = [word.text for word in words]
    n_covered = len({place for place in take.places if place is not None})
    if n_covered < LEAST_COVERED * len(written):
        told = f"{n_covered} of {len(written)} words were heard: `{' '.join(texts)}`"
        return _reject(take, words, found, "partly_spoken", told)
    if isinstance(found, str):
        return _reject(take, words, found, "no_pause", found)
    duration_s = found.end_s - found.start_s
    if duration_s > max_duration_s:
        return _reject(take, words, found, "too_long", f"{duration_s:.1f} s")
    n_chars = sum(map(len, written))
    in_doubt = (
        bool(find_differences(written, texts))
        or found.unheard_s > MAX_UNHEARD_S
        or found.is_astray
        or n_chars > MAX_CHARS_PER_S * pauses.sounding_s(found.start_s, found.end_s)
    )
    return Candidate(
        take.sentence, found.start_s, found.end_s, found.before_s, found.after_s, words, None, "", in_doubt
    )


def _reject(take: Take, words: tuple[TimedWord, ...], found: Boundaries | str, reason: str, value: str) -> Candidate:
    if isinstance(found, str):
        start_s, end_s = words[0].start_s, words[-1].end_s
    else:
        start_s, end_s = found.start_s, found.end_s
    return Candidate(take.sentence, start_s, end_s, 0.0, 0.0, words, reason, value, False)


def _find_stretches(
    takes: Sequence[Take], candidates: Sequence[Candidate], heard: Sequence[TimedWord], pauses: Pauses
) -> list[tuple[float, float, str]]:
    """Return what was said between the takes, and what sounds without a word, in order."""
    found: list[tuple[float, float, str]] = []
    for start, end in _between(takes, len(heard)):
        words = heard[start:end]
        found.append((words[0].start_s, words[-1].end_s, " ".join(word.text for word in words)))
    free = pauses.sounding.copy()
    for start_s, end_s in [*((c.start_s, c.end_s) for c in candidates), *((s, e) for s, e, _ in found)]:
        free[max(round(start_s * 1000 / FRAME_MS), 0) : round(end_s * 1000 / FRAME_MS)] = False
    for first, last in find_runs(free) * FRAME_MS / 1000:
        if last - first >= _UNHEARD_STRETCH_S:
            found.append((float(first), float(last), ""))
    return sorted((round(start_s, 2), round(end_s, 2), words) for start_s, end_s, words in found)


def choose_takes(
    candidates: Sequence[Candidate], verdicts: Mapping[int, tuple[str, str]]
) -> tuple[dict[int, int], dict[int, list[tuple[int, str, str]]]]:
    """Choose for every sentence the last take that is whole and says it.

    Args:
        candidates: The takes, in the order they were said.
        verdicts: Reason and value of those that were looked at again and do not say their sentence, by place.

    Returns:
        The chosen take by sentence, and for every sentence that was said the takes not chosen: place, reason and value,
        in the order they were said. A whole take that gives way to a later one is `repeated`.
    """
    by_sentence: dict[int, list[int]] = defaultdict(list)
    for place, candidate in enumerate(candidates):
        by_sentence[candidate.sentence].append(place)
    chosen: dict[int, int] = {}
    others: dict[int, list[tuple[int, str, str]]] = {}
    for sentence, places in by_sentence.items():
        good = [place for place in places if candidates[place].reason is None and place not in verdicts]
        if good:
            chosen[sentence] = good[-1]
        others[sentence] = []
        for place in places:
            candidate = candidates[place]
            if place == chosen.get(sentence):
                continue
            if candidate.reason is not None:
                reason, value = candidate.reason, candidate.value
            elif place in verdicts:
                reason, value = verdicts[place]
            else:
                reason, value = "repeated", "said again later"
            others[sentence].append((place, reason, value))
    return chosen, others
