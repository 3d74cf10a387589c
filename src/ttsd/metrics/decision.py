"""The question of an evaluation in one answer: may the student take the teacher's place?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ttsd.metrics.catalogue import BY_KEY, Metric
from ttsd.metrics.comparison import MIN_SENTENCES, NOT_ENOUGH

DECISIVE = {"wer": "is it understood as well?", "similarity": "is it the same voice?", "dnsmos": "is it as clean?"}
"""Metrics that answer it, with what each asks. Melody and pauses are for the ear."""
NO_WORSE = "no worse"


@dataclass(frozen=True)
class Decision:
    """An answer with its reasons."""

    answer: str
    """`yes`, `no` or `unknown`."""
    reasons: list[tuple[str, str, str]]
    """Metric, what it would mean, and how it stands: `no worse`, `worse` or `not enough data`."""


def decide(details: Mapping[str, Any], student: str) -> Decision:
    """Say whether a student may take its teacher's place: yes if nothing decisive is worse by more than its margin.

    That it may be better is no reason to wait: the interval is asked for its worse end alone.

    Args:
        details: Of a report.
        student: Its name.
    """
    margins = {metric["key"]: metric["margin"] for metric in details["catalogue"]}
    entries = {key: details["metrics"][key]["systems"][student] for key in DECISIVE}
    measured = {key: entry for key, entry in entries.items() if entry["value"] is not None}
    reasons = [
        (BY_KEY[key].name, DECISIVE[key], _stand(BY_KEY[key], entry, margins[key])) for key, entry in measured.items()
    ]
    known = [stand for _, _, stand in reasons]
    if "worse" in known:
        return Decision("no", reasons)
    return Decision("unknown" if NOT_ENOUGH in known or len(measured) < len(entries) else "yes", reasons)


def _stand(metric: Metric, entry: Mapping[str, Any], margin: float) -> str:
    lo, hi = entry["lo"], entry["hi"]
    if entry["verdict"] == "worse":
        return "worse"
    if lo is None or hi is None or entry["n"] < MIN_SENTENCES:
        return NOT_ENOUGH
    is_no_worse = hi <= margin if metric.aim == "lower" else lo >= -margin
    return NO_WORSE if is_no_worse else NOT_ENOUGH
