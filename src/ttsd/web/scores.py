"""An evaluation as tables of text, for a reader of the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from ttsd.web.figures import NOTHING, write_count, write_figure

Table = tuple[list[str], list[list[str]]]
TAKE2 = "take2"
ANSWERS = {"yes": "yes, by these figures", "no": "not yet", "unknown": "these figures cannot tell"}


def evaluation_tables(details: Mapping[str, Any], timings: Mapping[str, Mapping[str, Any]]) -> Iterator[Table]:
    """Yield the tables of an evaluation: for every student its figures and the answer; then failures and speed.

    Args:
        details: Of the report.
        timings: Speed by voice, as `speed.json` has it.
    """
    names = [one["name"] for one in details["systems"]]
    students = [one["name"] for one in details["systems"] if one["role"] == "student"]
    for student in students:
        columns = [name for name in names if name == student or name not in students]
        far = ["times as far"] if TAKE2 in columns else []
        yield (
            ["metric", "teacher", *columns, "delta", "95 % interval", *far, "verdict"],
            list(_rows(details, student, columns)),
        )
    if details["ranking"]:
        yield ["rank", "score", ""], [[one["name"], f"{one['score']:.2f}", ""] for one in details["ranking"]]
    yield (
        ["takes the teacher's place?", ""],
        [[name, ANSWERS[details["decisions"][name]["answer"]]] for name in students],
    )
    everyone = ["teacher", *names]
    kinds = sorted({kind for name in everyone for kind in details["failures"][name]})
    if kinds:
        rows = [[kind, *(str(len(details["failures"][name].get(kind, []))) for name in everyone), ""] for kind in kinds]
        yield ["failures", *everyone, ""], rows
    voices = [name for name in names if name in details["sizes"]]
    if voices:
        threads = sorted({run["n_threads"] for voice in timings.values() for run in voice["timings"]})
        header = [
            "voice",
            "parameters",
            "MB, 32 bits",
            *(f"RTF, {n} thread{'s' if n > 1 else ''}" for n in threads),
            "memory MB",
            "",
        ]
        yield header, [_speed_row(name, details["sizes"][name], timings.get(name), threads) for name in voices]


def _rows(details: Mapping[str, Any], student: str, columns: list[str]) -> Iterator[list[str]]:
    for metric in details["catalogue"]:
        row = details["metrics"][metric["key"]]
        entry = row["systems"][student]
        if entry["value"] is None:
            continue
        figures = [row["teacher"], *(row["systems"][name]["value"] for name in columns)]
        delta, lo, hi = (
            write_figure(entry[one], metric["unit"], signed=True, bare=True) for one in ("delta", "lo", "hi")
        )
        interval = "" if entry["lo"] is None else f"{lo}\u2026{hi}"
        cells = [write_figure(value, metric["unit"], bare=True) for value in figures]
        ratio = "" if entry["ratio"] is None else write_figure(entry["ratio"], "ratio")
        far = [ratio] if TAKE2 in columns else []
        yield [metric["short"], *cells, delta, interval, *far, entry["verdict"]]
    gap = details["gap_closed"][student]
    if gap["value"] is not None:
        bounds = (
            "" if gap["lo"] is None else "\u2026".join(write_figure(gap[b], "percent", bare=True) for b in ("lo", "hi"))
        )
        share = write_figure(gap["value"], "percent", bare=True)
        yield [
            "way there %",
            "",
            *(share if name == student else "" for name in columns),
            "",
            bounds,
            *[""][: TAKE2 in columns],
            "",
        ]


def _speed_row(name: str, size: Mapping[str, Any], speed: Mapping[str, Any] | None, threads: list[int]) -> list[str]:
    by_threads = {run["n_threads"]: f"{run['rtf']:.3g}" for run in speed["timings"]} if speed else {}
    memory = f"{speed['peak_memory_mb']:.0f}" if speed else NOTHING
    cells = [write_count(size["parameters"]), f"{size['size_bytes'] / 1e6:.1f}"]
    return [name, *cells, *(by_threads.get(n, NOTHING) for n in threads), memory, ""]
