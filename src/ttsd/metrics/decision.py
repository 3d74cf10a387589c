"""The question of an evaluation in one answer: may the student take the teacher's place?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ttsd.metrics.catalogue import BY_KEY
from ttsd.metrics.comparison import NOT_ENOUGH

DECISIVE = {"wer": "what it says is understood", "similarity": "it is the same voice", "dnsmos": "it sounds as clean"}
"""Metrics that answer it, with what each stands for. Melody and pauses are for the ear."""


@dataclass(frozen=True)
class Decision:
    """An answer with its reasons."""

    answer: str
    """`yes`, `no` or `unknown`."""
    reasons: list[tuple[str, str, str]]
    """Metric, what it stands for, and its verdict."""


def decide(details: Mapping[str, Any], student: str) -> Decision:
    """Say whether a student may take its teacher's place: yes if nothing decisive is worse, and all of it is known.

    Args:
        details: Of a report.
        student: Its name.
    """
    verdicts = {key: details["metrics"][key]["systems"][student]["verdict"] for key in DECISIVE}
    measured = {key: details["metrics"][key]["systems"][student]["value"] is not None for key in DECISIVE}
    reasons = [(BY_KEY[key].name, DECISIVE[key], verdicts[key]) for key in DECISIVE if measured[key]]
    known = [verdict for _, _, verdict in reasons]
    if "worse" in known:
        return Decision("no", reasons)
    return Decision("unknown" if NOT_ENOUGH in known or not all(measured.values()) else "yes", reasons)
