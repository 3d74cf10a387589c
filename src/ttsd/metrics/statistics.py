"""How sure a figure is: the paired bootstrap over sentences.

Each resample draws sentences with replacement, and every system's figures of a drawn sentence go with it, so what makes
a sentence hard for all of them cancels. Rates are resampled as numerator and denominator together. Sources: Efron and
Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; Bisani and Ney, Bootstrap estimates for confidence
intervals in ASR performance evaluation (2004).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
Statistic = Callable[[Table], Table]
"""From column sums, float64 [..., n_columns], to the figure, float64 [...]."""

CONFIDENCE = 0.95
CHUNK = 1000
DETECTABLE = 1.959964 + 0.841621
"""A difference of so many standard errors is found in four of five repetitions, at 5 % on two sides."""


@dataclass(frozen=True)
class Interval:
    """A figure and the percentile interval of its resamples."""

    estimate: float | None
    """None where it is not defined, such as a ratio with nothing below the line."""
    lo: float | None
    hi: float | None
    n: int
    """Sentences."""
    detectable: float | None = None
    """The smallest difference that so many sentences would have shown in four of five cases."""


def paired_bootstrap(
    columns: Table, statistic: Statistic, *, n_resamples: int, seed: int, confidence: float = CONFIDENCE
) -> Interval:
    """Return a figure of all sentences with its percentile interval.

    Args:
        columns: One row for each sentence, float64 [n_sentences, n_columns], such as errors and words of two systems.
        statistic: The figure, as a function of the columns' sums; called on many resamples at once.
        n_resamples: Resamples.
        seed: Seed of the draws; the same columns and seed give the same interval.
        confidence: Share of the resamples that the interval holds, in (0, 1).

    Returns:
        The interval; its ends are none where the figure is undefined in any resample or there are no two sentences.
    """
    columns = np.asarray(columns, dtype=np.float64)
    n = len(columns)
    if n == 0:
        return Interval(None, None, None, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(statistic(columns.sum(axis=0)))
        if not np.isfinite(estimate) or n < 2:
            return Interval(estimate if np.isfinite(estimate) else None, None, None, n)
        figures = np.concatenate([statistic(times_drawn @ columns) for times_drawn in _draw(n, n_resamples, seed)])
    if not np.isfinite(figures).all():
        return Interval(estimate, None, None, n)
    tail = 50 * (1 - confidence)
    lo, hi = np.percentile(figures, [tail, 100 - tail])
    return Interval(estimate, float(lo), float(hi), n, DETECTABLE * float(figures.std()))


# The draws do not depend on the figures, and one evaluation has dozens of these.
@functools.lru_cache(maxsize=4)
def _draw(n: int, n_resamples: int, seed: int) -> list[NDArray[np.uint16]]:
    """Return how often each sentence is drawn in each resample, in chunks of uint16 [n_resamples, n]."""
    rng = np.random.default_rng(seed)
    sizes = (min(CHUNK, n_resamples - start) for start in range(0, n_resamples, CHUNK))
    return [rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.uint16) for size in sizes]


def settle(lo: float, hi: float, margin: float) -> str | None:
    """Tell what an interval of a difference shows, or none where it shows nothing.

    Args:
        lo: Its lower end.
        hi: Its upper end.
        margin: Differences up to this do not matter.

    Returns:
        `equivalent` where the whole interval lies within the margin, else `above` or `below` where it leaves out zero.
    """
    if -margin <= lo and hi <= margin:
        return "equivalent"
    return "above" if lo > 0 else "below" if hi < 0 else None


def rate(sums: Table) -> Table:
    """Return a rate from (numerator, denominator)."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def rate_difference(sums: Table) -> Table:
    """Return a rate minus another, from (numerator, denominator, other numerator, other denominator)."""
    return np.asarray(sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3])


def gap_closed(sums: Table) -> Table:
    """Return the share of the way from a start to a goal, from sums of (figure, start's, goal's); 1 is the goal.

    Undefined where the start is at the goal or beyond it, for figures of which more is better.
    """
    figure, start, goal = sums[..., 0], sums[..., 1], sums[..., 2]
    return np.asarray(np.where(goal > start, (figure - start) / (goal - start), np.nan))
