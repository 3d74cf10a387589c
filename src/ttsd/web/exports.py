"""An evaluation for programs: a table, a summary in Markdown, and JUnit XML for continuous integration."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ttsd.utils.files import write_text
from ttsd.web.figures import write_figure
from ttsd.web.scores import ANSWERS

METRICS_NAME = "metrics.csv"
MARKDOWN_NAME = "summary.md"
JUNIT_NAME = "junit.xml"
_COLUMNS = ("value", "delta", "lo", "hi", "ratio", "ratio_lo", "ratio_hi", "n", "detectable", "verdict")


def write_metrics(out_dir: Path, details: Mapping[str, Any]) -> None:
    """Write `metrics.csv`: a line for every metric and system, and for those of every category."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["category", "metric", "system", "teacher", *_COLUMNS])
    tables = {"": details["metrics"]} | {name: one["metrics"] for name, one in details["categories"].items()}
    for category, metrics in tables.items():
        for key, metric in metrics.items():
            for name, entry in metric["systems"].items():
                writer.writerow([category, key, name, metric["teacher"], *(entry[column] for column in _COLUMNS)])
    write_text(out_dir / METRICS_NAME, text.getvalue())


def write_markdown(out_dir: Path, details: Mapping[str, Any]) -> None:
    """Write `summary.md`: one table for each student, as a pull request or a job's summary shows it."""
    write_text(out_dir / MARKDOWN_NAME, "\n".join(_write_markdown(details)) + "\n")


def _write_markdown(details: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Evaluation on {len(details['utterances'])} sentences"
    if details["ranking"]:
        yield ""
        yield "Ranked: " + ", ".join(f"{one['name']} ({one['score']:g})" for one in details["ranking"])
    has_take2 = any(system["role"] == "take2" for system in details["systems"])
    for system in details["systems"]:
        if system["role"] != "student":
            continue
        name = system["name"]
        yield f"\n## {name}\n"
        decision = details["decisions"][name]
        stands = "; ".join(f"{question} {stand}" for _, question, stand in decision["reasons"])
        yield f"May it take the teacher's place? **{ANSWERS[decision['answer']]}** ({stands})\n"
        take2 = ["second take"] if has_take2 else []
        titles = ["measure", "teacher", *take2, "student", "difference", "95 % interval", "times as far", "sentences"]
        yield f"| {' | '.join([*titles, 'they would show', 'verdict'])} |"
        yield f"|---|{'---:|' * len(titles)}---|"
        for metric in details["catalogue"]:
            row = details["metrics"][metric["key"]]
            entry = row["systems"][name]
            bounds = [write_figure(entry[end], metric["unit"], signed=True, bare=True) for end in ("lo", "hi")]
            cells = [
                metric["name"],
                write_figure(row["teacher"], metric["unit"]),
                *([write_figure(row["systems"]["take2"]["value"], metric["unit"])] if has_take2 else []),
                write_figure(entry["value"], metric["unit"]),
                write_figure(entry["delta"], metric["unit"], signed=True),
                "" if entry["lo"] is None else " to ".join(bounds),
                write_figure(entry["ratio"], "ratio"),
                str(entry["n"]),
                write_figure(entry["detectable"], metric["unit"], signed=True).lstrip("+"),
                entry["verdict"],
            ]
            yield f"| {' | '.join(cells)} |"
        failed = {kind: len(ids) for kind, ids in details["failures"][name].items()}
        if failed:
            yield ""
            yield "Failures: " + ", ".join(f"{kind.replace('_', ' ')} {n}" for kind, n in failed.items())
    if details["notes"]:
        yield ""
        yield from (f"- {note}" for note in details["notes"])


def write_junit(out_dir: Path, details: Mapping[str, Any], outcomes: Sequence[tuple[str, str, bool]]) -> None:
    """Write `junit.xml`: a test for every condition and student, and one for every metric, which never fails.

    Args:
        out_dir: Where it goes.
        details: Of the report.
        outcomes: Student, condition, and whether it holds, which is a failure.
    """
    suite = ElementTree.Element("testsuite", name="ttsd evaluate")
    for name, text, holds in outcomes:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=text)
        if holds:
            ElementTree.SubElement(case, "failure", message=f"{text} holds")
    for metric in details["catalogue"]:
        for name, entry in details["metrics"][metric["key"]]["systems"].items():
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=metric["key"])
            value, delta = (
                write_figure(entry["value"], metric["unit"]),
                write_figure(entry["delta"], metric["unit"], True),
            )
            ElementTree.SubElement(case, "system-out").text = f"{value} (difference {delta}, {entry['verdict']})"
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(sum(holds for _, _, holds in outcomes)))
    text = ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
    path = out_dir / JUNIT_NAME
    # A finished evaluation can be asked again where nothing can be written.
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
