"""What a listening test tells: how students stand against the teacher, and how many more answers it would take.

Listeners differ, and so do sentences: an interval that takes each answer for a draw of its own is too narrow. The
bootstrap here draws listeners, and sentences, each with all that belongs to them. Who is left out is decided by rules
that were written down before the first answer, and everything is told with and without them.

Sources: ITU-T P.808 for comparison ratings and hidden checks; Owen, The pigeonhole bootstrap (2007), for two ways of
clustering at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.data.hearing_test import Answer, Key
from ttsd.metrics.comparison import NOT_ENOUGH
from ttsd.metrics.measurement import TEACHER
from ttsd.metrics.statistics import settle

DEGRADED = "degraded"
N_RESAMPLES = 4000
MIN_LISTENERS = 5
"""Of fewer, nobody can tell how much listeners differ, and there is no verdict."""
LIKED_POINTS = 2
"""A clip that is preferred to itself by so much was not listened to."""


@dataclass(frozen=True)
class Rated:
    """An answer, with the key turned."""

    listener: str
    utterance: str
    kind: str
    system: str
    rating: float
    """Of `compare` the system's against the teacher's: above 0 where the system is better."""


def unseal(answers: Sequence[Answer], key: Key) -> list[Rated]:
    """Tell of each answer what was heard, and turn its sign to the system's side."""
    trials = {trial.id: trial for trial in key.test.trials}
    rated = []
    for answer in answers:
        trial = trials[answer.trial]
        clip = trial.clips[-1]
        if trial.kind == "compare":
            # The clip that is held against the teacher's; of two of the teacher's own it does not matter which.
            teachers = next(one for one in trial.clips if key.samples[one].system == TEACHER)
            clip = next(one for one in trial.clips if one != teachers)
        sample = key.samples[clip]
        turned = trial.kind == "compare" and answer.clips[0] == clip
        rating = -answer.rating if turned else answer.rating
        rated.append(Rated(answer.listener, sample.utterance, trial.kind, sample.system, float(rating)))
    return rated


def find_failed_checks(rated: Sequence[Rated]) -> dict[str, int]:
    """Return how many checks each listener failed: a clip preferred to itself, or a degraded one not liked less."""
    failed = {one.listener: 0 for one in rated}
    for one in rated:
        if one.kind == "compare":
            is_itself = one.system == TEACHER and abs(one.rating) >= LIKED_POINTS
            is_degraded = one.system == DEGRADED and one.rating >= 0
            failed[one.listener] += is_itself or is_degraded
    return failed


def analyse(answers: Sequence[Answer], key: Key, seed: int = 0) -> dict[str, Any]:
    """Return what the answers tell.

    Args:
        answers: Of all listeners.
        key: Of the test, with the rules.
        seed: Of the bootstrap.

    Returns:
        `listeners` with those left out and why, and `kept` and `all`: for every student `preference` and `comparison`,
        and for every system `speaker` and `quality`, each with `value`, `lo`, `hi`, `n` answers and, of `comparison`,
        the `verdict`, and how many answers (`n_needed`) and listeners (`listeners_needed`) it takes.
    """
    rated = unseal(answers, key)
    failed = find_failed_checks(rated)
    left_out = sorted(name for name, count in failed.items() if count > key.max_failed_checks)
    kept = [one for one in rated if one.listener not in left_out]
    return {
        "listeners": {"n": len(failed), "left_out": left_out, "failed_checks": failed},
        "rules": {"max_failed_checks": key.max_failed_checks, "margin": key.margin},
        "kept": _describe(kept, key, seed),
        "all": _describe(rated, key, seed),
    }


def _describe(rated: Sequence[Rated], key: Key, seed: int) -> dict[str, Any]:
    students: dict[str, Any] = {}
    for student in key.students:
        compared = [one for one in rated if one.kind == "compare" and one.system == student]
        comparison = _summarize(compared, [one.rating for one in compared], seed)
        preferred = [(np.sign(one.rating) + 1) / 2 for one in compared]
        students[student] = {
            "comparison": comparison | _judge(comparison, key.margin),
            "preference": _summarize(compared, preferred, seed),
        }
    scales: dict[str, Any] = {}
    for kind in ("speaker", "quality"):
        for system in sorted({one.system for one in rated if one.kind == kind}):
            of = [one for one in rated if one.kind == kind and one.system == system]
            scales.setdefault(kind, {})[system] = _summarize(of, [one.rating for one in of], seed)
    return {"students": students} | scales


def _summarize(rated: Sequence[Rated], values: Sequence[float], seed: int) -> dict[str, Any]:
    n = len(values)
    if n == 0:
        return {"value": None, "lo": None, "hi": None, "n": 0, "n_listeners": 0}
    figures = np.array(values, dtype=np.float64)
    listeners, sentences = (
        np.unique(column, return_inverse=True)[1]
        for column in ([one.listener for one in rated], [one.utterance for one in rated])
    )
    summary: dict[str, Any] = {"value": float(figures.mean()), "n": n, "n_listeners": int(listeners.max()) + 1}
    means = clustered_bootstrap(figures, listeners, sentences, seed)
    lo, hi = (None, None) if means is None else (float(bound) for bound in np.percentile(means, [2.5, 97.5]))
    return summary | {"lo": lo, "hi": hi}


def clustered_bootstrap(
    figures: NDArray[np.float64], listeners: NDArray[np.int64], sentences: NDArray[np.int64], seed: int
) -> NDArray[np.float64] | None:
    """Return means of resamples that draw listeners and sentences, each with all that belongs to them.

    Args:
        figures: float64 [n].
        listeners: Number of each figure's listener, int64 [n].
        sentences: Number of its sentence, int64 [n].
        seed: Of the draws.

    Returns:
        float64 [N_RESAMPLES]; none where there is one answer. With one listener only sentences are drawn.
    """
    if figures.size < 2:
        return None
    rng = np.random.default_rng(seed)
    weights = np.ones((N_RESAMPLES, figures.size))
    for groups in (listeners, sentences):
        n_groups = int(groups.max()) + 1
        if n_groups > 1:
            weights *= rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=N_RESAMPLES)[:, groups]
    totals = weights.sum(axis=1)
    # Where no drawn listener heard a drawn sentence nothing was drawn.
    drawn = totals > 0
    return np.asarray((weights[drawn] @ figures) / totals[drawn])


def _judge(summary: dict[str, Any], margin: float) -> dict[str, Any]:
    value, lo, hi, n = summary["value"], summary["lo"], summary["hi"], summary["n"]
    if lo is None or hi is None:
        return {"verdict": NOT_ENOUGH, "n_needed": None, "listeners_needed": MIN_LISTENERS}
    told = _judge_interval(value, lo, hi, n, margin)
    per_listener = n / summary["n_listeners"]
    needed = None if told["n_needed"] is None else max(MIN_LISTENERS, int(np.ceil(told["n_needed"] / per_listener)))
    if summary["n_listeners"] < MIN_LISTENERS:
        told["verdict"] = NOT_ENOUGH
    return told | {"listeners_needed": needed}


def _judge_interval(value: float, lo: float, hi: float, n: int, margin: float) -> dict[str, Any]:
    if (shown := settle(lo, hi, margin)) is not None:
        return {"verdict": {"above": "better", "below": "worse"}.get(shown, shown), "n_needed": n}
    half = (hi - lo) / 2
    # Either zero or the margin has to lie outside, whichever takes less; the interval shrinks with the root of n.
    reach = max(abs(value), margin - abs(value))
    n_needed = max(int(np.ceil(n * (half / reach) ** 2)), n + 1) if reach > 0 else None
    return {"verdict": NOT_ENOUGH, "n_needed": n_needed}
