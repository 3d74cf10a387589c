"""All that an evaluation found, and what a report says of it."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.errors import EvaluationError
from ttsd.metrics.catalogue import METRICS, margin_of
from ttsd.metrics.categories import CATEGORIES
from ttsd.metrics.comparison import (
    BASELINE,
    LANE,
    MIN_SENTENCES,
    START,
    STUDENT,
    TAKE2,
    Comparer,
    Row,
)
from ttsd.metrics.decision import decide
from ttsd.metrics.failures import FAILURES
from ttsd.metrics.formula import Formula
from ttsd.metrics.measurement import TEACHER, Measurement
from ttsd.metrics.speed import Timings
from ttsd.utils.seeds import derive_seed

VERSION = 2
"""Of a report's details; another one cannot be compared with."""
_BY_CATEGORY = ("wer", "cer", "duration_ratio")
_BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Args:
        rows: Every sentence.
        dropped: Id, reason and value of every utterance that could not be evaluated.
        systems: Those compared with the teacher, as `describe_systems` gives them.
        speed: Timings by voice.
    """

    rows: list[Row]
    dropped: list[tuple[str, str, str]]
    systems: list[dict[str, Any]]
    speed: Timings

    @property
    def students(self) -> list[str]:
        """Names of the students."""
        return [system["name"] for system in self.systems if system["role"] == STUDENT]

    @property
    def names(self) -> list[str]:
        """Names of all that are compared with the teacher."""
        return [system["name"] for system in self.systems]

    def count_dropped(self) -> dict[str, int]:
        """Return the utterances dropped, by reason."""
        reasons = [reason for _, reason, _ in self.dropped]
        return {reason: reasons.count(reason) for reason in sorted(set(reasons))}

    def count_unmeasured(self) -> dict[str, int]:
        """Return the figures that could not be measured, as `<metric>.<system>`."""
        counts: dict[str, int] = {}
        for row in self.rows:
            for name in row.systems:
                for metric in METRICS:
                    if any(row.read(name, field) is None for field in metric.fields):
                        counts[f"{metric.key}.{name}"] = counts.get(f"{metric.key}.{name}", 0) + 1
        return counts

    def describe(self, config: Config, earlier: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the `details` of the report.

        Args:
            config: Reads `evaluate` and `seed`.
            earlier: The details of an earlier report, to compare with.

        Raises:
            EvaluationError: The earlier report has no sentence in common.
            UsageError: `evaluate.rank` is no formula.
            FigureError: It asks for a figure that is unknown or could not be measured.
        """
        settings = config.evaluate
        comparer = Comparer(settings.n_bootstrap, derive_seed(config.seed, "evaluate", "bootstrap"), settings.margins)
        details: dict[str, Any] = {
            "version": VERSION,
            "systems": self.systems,
            # So that a reader of the file needs no other.
            "catalogue": [asdict(metric) | {"margin": margin_of(metric, settings.margins)} for metric in METRICS],
            "meanings": {"failures": FAILURES, "categories": CATEGORIES},
            "metrics": comparer.compare(self.rows, self.names),
            "toolkits_mcd_db": self._average_toolkits(settings.mcd_presets),
            "gap_closed": {name: comparer.close_gap(self.rows, name) for name in self.students},
            "categories": self._compare_categories(comparer),
            "failures": self._list_failures(),
            "sizes": {
                name: {"parameters": one["n_parameters"], "size_bytes": _BYTES_PER_WEIGHT * one["n_parameters"]}
                for name, one in self.speed.items()
            },
            "baseline": None if earlier is None else self._compare_earlier(comparer, earlier),
            "notes": [],
            "utterances": [_describe_row(row) for row in self.rows],
            "dropped": [dict(zip(("id", "reason", "value"), entry, strict=True)) for entry in self.dropped],
        }
        details["decisions"] = {name: asdict(decide(details, name)) for name in self.students}
        details["ranking"] = rank(details, self.students, settings.rank)
        details["notes"] = list(self._note(config))
        # As a reader of the file finds it, who knows of lists alone.
        found: dict[str, Any] = json.loads(json.dumps(details))
        return found

    def _average_toolkits(self, presets: Sequence[str]) -> dict[str, dict[str, float | None]]:
        averages: dict[str, dict[str, float | None]] = {}
        for preset in presets:
            averages[preset] = {}
            for name in self.names:
                values = [row.systems[name].toolkits_mcd_db.get(preset) for row in self.rows]
                known = [value for value in values if value is not None]
                averages[preset][name] = round(sum(known) / len(known), 4) if known else None
        return averages

    def _compare_categories(self, comparer: Comparer) -> dict[str, Any]:
        result = {}
        for category in CATEGORIES:
            rows = [row for row in self.rows if category in row.categories]
            if rows:
                result[category] = {"n": len(rows), "metrics": comparer.compare(rows, self.names, _BY_CATEGORY)}
        return result

    def _list_failures(self) -> dict[str, dict[str, list[str]]]:
        return {
            name: {
                kind: ids
                for kind in FAILURES
                if (ids := [row.id for row in self.rows if name in row.systems and kind in row.systems[name].failures])
            }
            for name in (TEACHER, *self.names)
        }

    def _compare_earlier(self, comparer: Comparer, earlier: Mapping[str, Any]) -> dict[str, Any]:
        """Compare every student with that of an earlier report, on the sentences that both have."""
        before = {one["id"]: one for one in earlier["utterances"]}
        name = next(one["name"] for one in earlier["systems"] if one["role"] == STUDENT)
        rows = []
        for row in self.rows:
            old = before.get(row.id)
            if old is not None and old["transcript"] == row.transcript:
                figures = dict(old["systems"][name])
                similarity = {key: figures.pop(key) for key in ("similarity", "similarity_rank")}
                rows.append(_add_system(row, BASELINE, Measurement(**figures), similarity))
        if not rows:
            raise EvaluationError(
                "evaluate.baseline: the earlier report has none of these sentences; evaluate the same corpus and split"
            )
        return {
            metric.key: {one: comparer.describe(metric, rows, one, BASELINE) for one in self.students}
            | {BASELINE: comparer.describe(metric, rows, BASELINE)["value"]}
            for metric in METRICS
        }

    def _note(self, config: Config) -> Iterator[str]:
        if len(self.rows) < MIN_SENTENCES:
            yield (
                f"{len(self.rows)} sentences: with fewer than {MIN_SENTENCES} nothing is called better or equivalent, "
                f"and worse only what is so by more than its margin"
            )
        takes = [row.systems for row in self.rows if TAKE2 in row.systems]
        if not takes:
            yield (
                "no second take of the teacher: how far it is from itself is not known, so distances have no verdict "
                "(ttsd generate --takes 2 makes one, unless the teacher says a text in one way alone)"
            )
        elif all(systems[TAKE2].mcd_db == 0 for systems in takes):
            yield "the second take is the first: this teacher says a text in one way alone, so distances have no floor"
        for reason, count in self.count_dropped().items():
            if "_of_" in reason:
                yield f"left out {count} sentences ({reason}): who lacks the bad ones looks better"
        if any(system["role"] == LANE for system in self.systems):
            yield (
                "teacher_latents: the teacher's latents through the student's decoder, which alone is at fault there; "
                "student_latents: the student's latents, timed by the teacher, through the teacher's decoder"
            )
        if config.evaluate.with_start and START not in self.names:
            yield "no starting voice: there is no start.ckpt beside the student's checkpoint"
        for name in self.names:
            silent = sum(row.systems[name].duration_s == 0 for row in self.rows if name in row.systems)
            if silent:
                yield f"the {name} gave no sound for {silent} sentences; every word of them counts as missed"

    def to_csv(self) -> str:
        """Return one line for every utterance and system."""
        fields = dict.fromkeys(field for metric in METRICS for field in metric.fields)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "system", "transcript", "heard", "failures", *fields])
        for row in self.rows:
            for name, one in row.systems.items():
                figures = [row.read(name, field) for field in fields]
                writer.writerow([row.id, name, row.transcript, one.heard, " ".join(one.failures), *figures])
        return text.getvalue()


def collect_figures(details: Mapping[str, Any], student: str, speed: Timings | None = None) -> dict[str, float | None]:
    """Return every figure that a formula may ask for, by dotted name, as seen from one student.

    Args:
        details: Of a report.
        student: Its name; `wer.student` and `wer.delta` are its own.
        speed: Timings by voice, where they are known.
    """
    figures: dict[str, float | None] = {}
    for key, metric in details["metrics"].items():
        figures[f"{key}.{TEACHER}"] = metric["teacher"]
        for name, entry in metric["systems"].items():
            figures[f"{key}.{name}"] = entry["value"]
        figures[f"{key}.{STUDENT}"] = metric["systems"][student]["value"]
        figures |= _name_entry(key, metric["systems"][student])
    for key, entries in (details["baseline"] or {}).items():
        figures[f"{key}.{BASELINE}"] = entries[BASELINE]
        figures |= _name_entry(f"{BASELINE}.{key}", entries[student])
    gap = details["gap_closed"][student]
    figures |= {"gap_closed": gap["value"], "gap_closed.lo": gap["lo"], "gap_closed.hi": gap["hi"]}
    failures = details["failures"][student]
    figures |= {f"fail.{kind}": float(len(failures.get(kind, []))) for kind in FAILURES}
    figures["fail.count"] = float(len({name for ids in failures.values() for name in ids}))
    figures["n"] = float(len(details["utterances"]))
    figures["dropped"] = float(len(details["dropped"]))
    for name in ("parameters", "size_bytes"):
        figures[name] = details["sizes"].get(student, {}).get(name)
    measured = (speed or {}).get(student)
    figures["rtf"] = measured["timings"][0]["rtf"] if measured else None
    figures["first_sample_s"] = measured["timings"][0]["first_sample_s"] if measured else None
    figures["peak_memory_mb"] = measured["peak_memory_mb"] if measured else None
    return figures


def name_figures(systems: Sequence[str], student: str, *, with_baseline: bool) -> set[str]:
    """Return the name of every figure that an evaluation of these systems will have.

    Args:
        systems: Names of all that are compared with the teacher.
        student: The one that it is seen from.
        with_baseline: Whether it is compared with an earlier report.
    """
    entry = dict.fromkeys(("value", "delta", "lo", "hi", "detectable", "n", "ratio", "ratio_lo", "ratio_hi"))
    empty: dict[str, Any] = {
        "metrics": {one.key: {TEACHER: None, "systems": dict.fromkeys(systems, entry)} for one in METRICS},
        "baseline": {one.key: {BASELINE: None, student: entry} for one in METRICS} if with_baseline else None,
        "gap_closed": {student: entry},
        "failures": {student: {}},
        "utterances": [],
        "dropped": [],
        "sizes": {},
    }
    return set(collect_figures(empty, student))


def rank(details: Mapping[str, Any], students: Sequence[str], formula: str) -> list[dict[str, Any]]:
    """Return the students with their figure by a formula, the lowest first.

    Raises:
        UsageError: It is no formula.
        FigureError: It asks for a figure that is unknown or could not be measured.
    """
    if len(students) < 2:
        return []
    read = Formula(formula, is_condition=False)
    scores = {name: read.compute(collect_figures(details, name)) for name in students}
    return [{"name": name, "score": round(score, 4)} for name, score in sorted(scores.items(), key=lambda one: one[1])]


def read_earlier(path: Path) -> dict[str, Any]:
    """Return the details of an earlier report.

    Raises:
        EvaluationError: The file is missing, is no report of an evaluation, or is of another version.
    """
    try:
        details: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["details"]
        version = details["version"]
    except FileNotFoundError:
        raise EvaluationError(f"{path}: no such file; name the report.json of an earlier evaluation") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EvaluationError(f"{path}: is no report of an evaluation; name its report.json") from None
    if version != VERSION:
        raise EvaluationError(f"{path}: is of another version ({version}, not {VERSION}); evaluate that student again")
    return details


def _name_entry(key: str, entry: Mapping[str, Any]) -> dict[str, float | None]:
    names = {"delta": "delta", "lo": "delta.lo", "hi": "delta.hi", "detectable": "detectable", "n": "n"}
    names |= {"ratio": "ratio", "ratio_lo": "ratio.lo", "ratio_hi": "ratio.hi"}
    return {f"{key}.{name}": entry[field] for field, name in names.items()}


def _describe_row(row: Row) -> dict[str, Any]:
    systems = {}
    for name, one in row.systems.items():
        figures = {key: value for key, value in asdict(one).items() if key != "embedding"}
        figures["duration_s"] = round(one.duration_s, 3)
        systems[name] = figures | {
            "similarity": row.similarity.get(name),
            "similarity_rank": row.similarity_rank.get(name),
        }
    return {"id": row.id, "transcript": row.transcript, "categories": list(row.categories), "systems": systems}


def _add_system(row: Row, name: str, one: Measurement, similarity: Mapping[str, float | None]) -> Row:
    return Row(
        row.id,
        row.transcript,
        row.categories,
        row.systems | {name: one},
        row.similarity | ({name: value} if (value := similarity["similarity"]) is not None else {}),
        row.similarity_rank | ({name: value} if (value := similarity["similarity_rank"]) is not None else {}),
    )
