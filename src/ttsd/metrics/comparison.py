"""From the figures of every sentence to those of the systems, each with its paired interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttsd.metrics.measurement import TEACHER, Measurement, Sentence
from ttsd.metrics.similarity import similarities
from ttsd.metrics.statistics import Interval, Statistic, gap_closed, paired_bootstrap, rate, rate_difference

STUDENT = "student"
START = "start"
MIN_SENTENCES = 50
"""With fewer no verdict is given: the interval is too wide and too often wrong."""
DECIMALS = 6
# More of these is worse, for a reader of the difference student - teacher.
LOWER_IS_BETTER = {"wer", "cer"}


@dataclass(frozen=True)
class Row:
    """One sentence, measured for every system and compared with the others."""

    id: str
    transcript: str
    systems: dict[str, Measurement]
    similarity: dict[str, float]
    """Cosine with the centroid of the teacher's other sentences; a system without speech is left out."""


def add_similarity(sentences: Sequence[Sentence]) -> list[Row]:
    """Compare every system's voice with the teacher's, which takes all sentences together."""
    scores: list[dict[str, float]] = [{} for _ in sentences]
    voiced = [i for i, one in enumerate(sentences) if one.systems[TEACHER].embedding is not None]
    if len(voiced) >= 2:
        for name in sentences[0].systems:
            # A missing embedding keeps its place, so that sentence i still meets the centroid without sentence i.
            systems = [sentences[i].systems for i in voiced]
            pairs = [(one[TEACHER].embedding, one[name].embedding) for one in systems]
            teacher = np.array([own for own, _ in pairs], dtype=np.float32)
            system = np.array([own if other is None else other for own, other in pairs], dtype=np.float32)
            for i, (_, other), cosine in zip(voiced, pairs, similarities(teacher, system), strict=True):
                if other is not None:
                    scores[i][name] = round(float(cosine), DECIMALS)
    return [Row(one.id, one.transcript, one.systems, score) for one, score in zip(sentences, scores, strict=True)]


def compare(rows: Sequence[Row], *, n_resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Sum the sentences up.

    Args:
        rows: Every sentence; `teacher` and `student` are among its systems, `start` may be.
        n_resamples: Resamples of the bootstrap.
        seed: Its seed.

    Returns:
        By metric: `teacher`, `student`, `start` (none where there is none), `delta` = student - teacher with its 95 %
        interval `lo`, `hi`, the sentences `n`, and the `verdict`. `gap_closed` has `value` with `lo`, `hi` and `n`: the
        share of the way from the start's similarity to the teacher's own.
    """
    boot = _Bootstrap(n_resamples, seed)
    return {
        "wer": _error_rate(rows, "word_errors", "n_words", "wer", boot),
        "cer": _error_rate(rows, "char_errors", "n_chars", "cer", boot),
        "mcd_db": _distortion(rows, boot),
        "similarity": _similarity(rows, boot),
        "gap_closed": _gap_closed(rows, boot),
        "duration_ratio": _duration_ratio(rows, boot),
    }


@dataclass(frozen=True)
class _Bootstrap:
    n_resamples: int
    seed: int

    def __call__(self, columns: Sequence[Sequence[float]], statistic: Statistic) -> Interval:
        table = np.array(columns, dtype=np.float64).reshape(len(columns), len(columns[0]) if columns else 0)
        return paired_bootstrap(table, statistic, n_resamples=self.n_resamples, seed=self.seed)


def _error_rate(rows: Sequence[Row], errors: str, units: str, metric: str, boot: _Bootstrap) -> dict[str, Any]:
    def figure(name: str) -> float | None:
        there = [row.systems[name] for row in rows if name in row.systems]
        n_units = sum(getattr(one, units) for one in there)
        return sum(getattr(one, errors) for one in there) / n_units if n_units else None

    columns = [
        [getattr(row.systems[name], column) for name in (STUDENT, TEACHER) for column in (errors, units)]
        for row in rows
    ]
    return _entry(figure(TEACHER), figure(STUDENT), figure(START), boot(columns, rate_difference), metric)


def _distortion(rows: Sequence[Row], boot: _Bootstrap) -> dict[str, Any]:
    def values(name: str) -> list[float]:
        found = (row.systems[name].mcd_db for row in rows if name in row.systems)
        return [value for value in found if value is not None]

    student = boot([[value, 1] for value in values(STUDENT)], rate)
    # The teacher's distance to itself is 0, so the student's own figure is the difference.
    entry = _entry(0.0 if student.n else None, student.estimate, _mean(values(START)), student, "mcd_db")
    return entry | {"verdict": "a distance" if student.n else "unmeasured"}


def _similarity(rows: Sequence[Row], boot: _Bootstrap) -> dict[str, Any]:
    paired = [row.similarity for row in rows if {STUDENT, TEACHER} <= row.similarity.keys()]
    interval = boot([[one[STUDENT], 1, one[TEACHER], 1] for one in paired], rate_difference)
    start = _mean([row.similarity[START] for row in rows if START in row.similarity])
    teacher, student = (_mean([one[name] for one in paired]) for name in (TEACHER, STUDENT))
    return _entry(teacher, student, start, interval, "similarity")


def _gap_closed(rows: Sequence[Row], boot: _Bootstrap) -> dict[str, Any]:
    names = (STUDENT, START, TEACHER)
    columns = [[row.similarity[name] for name in names] for row in rows if set(names) <= row.similarity.keys()]
    interval = boot(columns, gap_closed)
    return {"value": _tidy(interval.estimate), "lo": _tidy(interval.lo), "hi": _tidy(interval.hi), "n": interval.n}


def _duration_ratio(rows: Sequence[Row], boot: _Bootstrap) -> dict[str, Any]:
    def columns(name: str) -> list[list[float]]:
        there = [row.systems for row in rows if name in row.systems]
        return [[systems[name].duration_s, systems[TEACHER].duration_s] for systems in there]

    interval = boot([[*pair, pair[1], pair[1]] for pair in columns(STUDENT)], rate_difference)
    student = None if interval.estimate is None else 1 + interval.estimate
    start = _ratio(columns(START))
    return _entry(1.0 if interval.n else None, student, start, interval, "duration_ratio")


def _entry(
    teacher: float | None, student: float | None, start: float | None, delta: Interval, metric: str
) -> dict[str, Any]:
    figures = {"teacher": teacher, "student": student, "start": start}
    figures |= {"delta": delta.estimate, "lo": delta.lo, "hi": delta.hi}
    return {name: _tidy(value) for name, value in figures.items()} | {"n": delta.n, "verdict": _judge(metric, delta)}


def _judge(metric: str, delta: Interval) -> str:
    if delta.lo is None or delta.hi is None:
        return "unmeasured"
    if delta.n < MIN_SENTENCES:
        return "too few sentences"
    if delta.lo <= 0 <= delta.hi:
        return "no difference shown"
    if metric == "duration_ratio":
        return "longer" if delta.lo > 0 else "shorter"
    return "worse" if (delta.lo > 0) == (metric in LOWER_IS_BETTER) else "better"


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _ratio(pairs: Sequence[Sequence[float]]) -> float | None:
    below = sum(pair[1] for pair in pairs)
    return sum(pair[0] for pair in pairs) / below if below else None


def _tidy(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
