"""From the figures of every sentence to those of the systems, each with its paired interval and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttsd.metrics.catalogue import METRICS, Metric, margin_of
from ttsd.metrics.categories import find_categories
from ttsd.metrics.measurement import DECIMALS, TEACHER, Measurement, Sentence
from ttsd.metrics.similarity import rank_among_pairs, similarities
from ttsd.metrics.statistics import Interval, Statistic, gap_closed, paired_bootstrap, rate, rate_difference, settle

TAKE2 = "take2"
"""The teacher's second take of every sentence: how far the teacher is from itself."""
START = "start"
LANE = "lane"
"""The voice that the student started from."""
BASELINE = "baseline"
"""The student of an earlier report."""
STUDENT = "student"
MIN_SENTENCES = 50
"""With fewer nothing is better or equivalent: the interval is too wide and too often wrong."""
FEWEST_SENTENCES = 10
"""With fewer no verdict is given at all."""
NOT_ENOUGH = "not enough data"


@dataclass(frozen=True)
class Row:
    """One sentence, measured for every system and compared with the others."""

    id: str
    transcript: str
    categories: tuple[str, ...]
    systems: dict[str, Measurement]
    similarity: dict[str, float]
    """Cosine with the centroid of the teacher's other sentences; a system without speech is left out."""
    similarity_rank: dict[str, float]
    """Share of the pairs of the teacher's own clips that are less alike than the system's clip and the teacher's."""

    def read(self, system: str, name: str) -> float | None:
        """Return a figure of a system's clip, or none where there is none."""
        if name in ("similarity", "similarity_rank"):
            return getattr(self, name).get(system)  # type: ignore[no-any-return]
        value: float | None = getattr(self.systems[system], name) if system in self.systems else None
        return value


def add_similarity(sentences: Sequence[Sentence]) -> list[Row]:
    """Compare every system's voice with the teacher's, which takes all sentences together."""
    scores: list[dict[str, float]] = [{} for _ in sentences]
    ranks: list[dict[str, float]] = [{} for _ in sentences]
    voiced = [i for i, one in enumerate(sentences) if one.systems[TEACHER].embedding is not None]
    if len(voiced) >= 2:
        for name in sentences[0].systems:
            # A missing embedding keeps its place, so that sentence i still meets the centroid without sentence i.
            systems = [sentences[i].systems for i in voiced]
            pairs = [(one[TEACHER].embedding, one[name].embedding) for one in systems]
            teacher = np.array([own for own, _ in pairs], dtype=np.float32)
            system = np.array([own if other is None else other for own, other in pairs], dtype=np.float32)
            cosines, shares = similarities(teacher, system), rank_among_pairs(teacher, system)
            for i, (_, other), cosine, share in zip(voiced, pairs, cosines, shares, strict=True):
                if other is not None:
                    scores[i][name] = round(float(cosine), DECIMALS)
                    ranks[i][name] = round(float(share), DECIMALS)
    return [
        Row(one.id, one.transcript, find_categories(one.written), one.systems, score, share)
        for one, score, share in zip(sentences, scores, ranks, strict=True)
    ]


@dataclass(frozen=True)
class Comparer:
    """Compares systems over sentences.

    Args:
        n_resamples: Resamples of the bootstrap.
        seed: Their seed.
        margins: Differences that do not matter, by metric, where they are not those of the catalogue.
    """

    n_resamples: int
    seed: int
    margins: Mapping[str, float]

    def compare(self, rows: Sequence[Row], systems: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Any]:
        """Sum the sentences up.

        Args:
            rows: Every sentence.
            systems: Those to be compared with the teacher.
            keys: Names of the metrics; all by default.

        Returns:
            By metric: `teacher`, and `systems` with one entry for each. An entry has `value`, the difference from the
            teacher `delta` with its 95 % interval `lo`, `hi`, the sentences `n`, `detectable` (the smallest difference
            that so many sentences would have shown), and the `verdict`. Where a distance has a second take of the
            teacher to be held against, `delta` is the difference from that, and `ratio` with `ratio_lo`, `ratio_hi` how
            many times as far the system is; without one it has a value and no more.
        """
        wanted = [metric for metric in METRICS if keys is None or metric.key in keys]
        return {
            metric.key: {
                "teacher": _tidy(_sum_up(metric, rows, TEACHER)),
                "systems": {name: self.describe(metric, rows, name) for name in systems},
            }
            for metric in wanted
        }

    def describe(self, metric: Metric, rows: Sequence[Row], name: str, against: str = TEACHER) -> dict[str, Any]:
        """Compare a system with another in one metric; an entry as in `compare`."""
        floor = against
        if metric.kind == "distance" and against == TEACHER:
            floor = TAKE2 if name != TAKE2 and any(TAKE2 in row.systems for row in rows) else ""
        interval = ratio = Interval(None, None, None, 0)
        if floor:
            columns = [terms for row in rows if (terms := _terms(metric, row, name, floor)) is not None]
            interval = self._bootstrap(columns, rate_difference)
            if floor == TAKE2 and metric.kind == "distance" and metric.aim == "lower":
                ratio = self._bootstrap([[one[0], one[2]] for one in columns], rate)
        n = interval.n if floor else sum(_terms(metric, row, name) is not None for row in rows)
        entry = {
            "value": _sum_up(metric, rows, name), "delta": interval.estimate, "lo": interval.lo, "hi": interval.hi,
            "detectable": interval.detectable, "ratio": ratio.estimate, "ratio_lo": ratio.lo, "ratio_hi": ratio.hi,
        }  # fmt: skip
        return {key: _tidy(value) for key, value in entry.items()} | {"n": n, "verdict": self._judge(metric, interval)}

    def close_gap(self, rows: Sequence[Row], name: str) -> dict[str, Any]:
        """Return the share of the way from the start's similarity to the teacher's own: `value`, `lo`, `hi`, `n`."""
        columns = []
        for row in rows:
            figures = [row.similarity.get(one) for one in (name, START, TEACHER)]
            if None not in figures:
                columns.append(figures)
        interval = self._bootstrap(columns, gap_closed)
        return {"value": _tidy(interval.estimate), "lo": _tidy(interval.lo), "hi": _tidy(interval.hi), "n": interval.n}

    def _bootstrap(self, columns: Sequence[Sequence[float | None]], statistic: Statistic) -> Interval:
        table = np.array(columns, dtype=np.float64).reshape(len(columns), len(columns[0]) if columns else 0)
        return paired_bootstrap(table, statistic, n_resamples=self.n_resamples, seed=self.seed)

    def _judge(self, metric: Metric, delta: Interval) -> str:
        if delta.lo is None or delta.hi is None or delta.n < FEWEST_SENTENCES:
            return NOT_ENOUGH
        margin = margin_of(metric, self.margins)
        if delta.n < MIN_SENTENCES:
            # Intervals of so few are a little too narrow; what lies beyond the margin as a whole is worse all the same.
            beyond = {"lower": delta.lo > margin, "higher": delta.hi < -margin}
            return "worse" if beyond.get(metric.aim, delta.lo > margin or delta.hi < -margin) else NOT_ENOUGH
        shown = settle(delta.lo, delta.hi, margin)
        if shown is None or shown == "equivalent":
            return shown or NOT_ENOUGH
        return "better" if shown == {"higher": "above", "lower": "below"}.get(metric.aim) else "worse"


def _terms(metric: Metric, row: Row, *names: str) -> list[float] | None:
    """Return what a sentence adds above and below the line of each system's figure, or none where one is missing."""
    figures: list[float | None] = []
    for name in names:
        if metric.kind == "ratio":
            figures += [row.read(name, metric.fields[0]), row.read(TEACHER, metric.fields[0])]
        elif len(metric.fields) == 1:
            figures += [row.read(name, metric.fields[0]), 1.0]
        else:
            figures += [row.read(name, field) for field in metric.fields]
    known = [figure for figure in figures if figure is not None]
    return known if len(known) == len(figures) else None


def _sum_up(metric: Metric, rows: Sequence[Row], name: str) -> float | None:
    terms = [one for row in rows if (one := _terms(metric, row, name)) is not None]
    below = sum(one[1] for one in terms)
    return sum(one[0] for one in terms) / below if below else None


def _tidy(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
