"""What each threshold of `qc` costs: clips and hours, at its present value and at others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from ttsd.config import QcConfig
from ttsd.data.limits import LIMITS
from ttsd.metrics.judging import Score

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
"""Shares of the clips for which the threshold that would drop so many is told."""


class Step(BaseModel):
    """A threshold, and what it would drop by itself."""

    threshold: float
    n: int
    hours: float


class Cost(BaseModel):
    """What one check costs."""

    check: str
    setting: str
    threshold: float | None
    n: int
    """Clips that fail the check, whatever the other checks say."""
    hours: float
    n_first: int
    """Clips that the check is the first to drop."""
    hours_first: float
    n_unmeasured: int
    ladder: list[Step]
    """Other thresholds that would drop about `SHARES` of the clips by themselves."""


class Costs(BaseModel):
    """What all thresholds cost together, and each by itself."""

    n_in: int
    hours_in: float
    n_kept: int
    hours_kept: float
    dropped: dict[str, int]
    """Clips by the reason that drops them, those without usable audio included."""
    checks: list[Cost]


def tell_costs(scores: Sequence[Score], config: QcConfig) -> Costs:
    """Tell what the thresholds cost.

    Args:
        scores: The verdicts at the thresholds in force.
        config: These thresholds.
    """
    hours = [_hours(score) for score in scores]
    kept = [score.is_kept for score in scores]
    reasons = [score.reason or "" for score in scores if not score.is_kept]
    return Costs(
        n_in=len(scores),
        hours_in=round(sum(hours), 4),
        n_kept=sum(kept),
        hours_kept=round(sum(h for h, k in zip(hours, kept, strict=True) if k), 4),
        dropped={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        checks=[_tell(name, scores, hours, config) for name in LIMITS],
    )


def _tell(name: str, scores: Sequence[Score], hours: Sequence[float], config: QcConfig) -> Cost:
    limit = LIMITS[name]
    fails = [score.results.get(name) == "fail" for score in scores]
    first = [_is_first(score, name) for score in scores]
    sign = 1 if limit.side == "max" else -1
    badness, spent = [], []
    for score, h in zip(scores, hours, strict=True):
        value: Any = score.figures.get(limit.figure)
        if isinstance(value, int | float):
            badness.append(sign * (abs(value) if limit.is_two_sided else value))
            spent.append(h)
    return Cost(
        check=name,
        setting=f"qc.{limit.setting}",
        threshold=getattr(config, limit.setting),
        n=sum(fails),
        hours=round(sum(h for h, f in zip(hours, fails, strict=True) if f), 4),
        n_first=sum(first),
        hours_first=round(sum(h for h, f in zip(hours, first, strict=True) if f), 4),
        n_unmeasured=sum(score.results.get(name) == "unmeasured" for score in scores),
        ladder=_climb(np.array(badness), np.array(spent), sign),
    )


def _is_first(score: Score, name: str) -> bool:
    failed = [check for check, result in score.results.items() if result == "fail"]
    return bool(failed) and failed[0] == name


def _climb(badness: "np.ndarray[Any, Any]", spent: "np.ndarray[Any, Any]", sign: int) -> list[Step]:
    steps: dict[float, Step] = {}
    for share in SHARES:
        if badness.size * share < 1:
            continue
        # A threshold that a reader would write: three digits, on the strict side.
        threshold = float(f"{np.quantile(badness, 1 - share, method='higher'):.3g}")
        gone = badness > threshold
        if gone.any():
            steps[threshold] = Step(
                threshold=sign * threshold, n=int(gone.sum()), hours=round(float(spent[gone].sum()), 4)
            )
    return list(steps.values())


def _hours(score: Score) -> float:
    return float(score.figures.get("duration_s") or 0.0) / 3600
