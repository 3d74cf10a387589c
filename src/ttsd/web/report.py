"""The page that `evaluate` leaves: the answer, the figures, and every sentence to listen to, the worst first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttsd.report import StageReport
from ttsd.utils.files import write_text
from ttsd.web.clips import BUDGET_BYTES, HALF_HEIGHT, N_BARS, make_players
from ttsd.web.figures import write_count, write_figure
from ttsd.web.pages import render_page

ROLES = {
    "teacher": "the voice to be learnt",
    "take2": "the teacher once more: as far as it is from itself",
    "student": "what was learnt",
    "lane": "a part of the student with the other part of its teacher",
    "start": "the voice the student started from",
}
Timings = Mapping[str, Mapping[str, Any]]
_MEL = {"n_fft": 1024, "hop": 256, "n_mels": 80, "f_min": 0, "f_max": 8000}


def write_report(
    path: Path,
    report: StageReport,
    wavs_name: str,
    speed: Timings,
    budget_bytes: int = BUDGET_BYTES,
) -> None:
    """Write the page of an evaluation; it needs nothing but itself.

    Args:
        path: The HTML file; the clips lie beside it.
        report: What `evaluate` found.
        wavs_name: Folder of the clips beside the page: `<wavs_name>/<system>/<id>.wav`.
        speed: Timings by voice, which no report holds.
        budget_bytes: Most audio inside the page, as base64.

    Raises:
        CorpusError: A clip is missing or unreadable.
    """
    details = report.details
    roles = {"teacher": "teacher"} | {one["name"]: one["role"] for one in details["systems"]}
    students = [name for name, role in roles.items() if role == "student"]
    best = details["ranking"][0]["name"] if details["ranking"] else students[0]
    rows = sort_worst_first(details["utterances"], best)
    names = [f"{wavs_name}/{system}/{row['id']}.wav" for row in rows for system in roles]
    players = make_players(path.parent, names, budget_bytes)
    text = render_page(
        "report.html.j2",
        {"figure": write_figure, "count": write_count},
        report=report,
        details=details,
        roles=roles,
        hints=ROLES,
        students=students,
        lanes=[name for name, role in roles.items() if role == "lane"],
        best=best,
        tables={name: [_summarize(details, metric, name) for metric in details["catalogue"]] for name in students},
        gaps={name: _draw_gap(details["gap_closed"][name]) for name in students},
        categories=details["meanings"]["categories"],
        failures=details["meanings"]["failures"],
        speed=speed,
        rows=rows,
        players=players.by_name,
        kept_as=players.kept_as,
        wavs_name=wavs_name,
        n_bars=N_BARS,
        half_height=HALF_HEIGHT,
        mel=_MEL,
    )
    write_text(path, text)


def sort_worst_first(utterances: Sequence[Mapping[str, Any]], student: str) -> list[Mapping[str, Any]]:
    """Sort by a student's failures, its word errors, then its distance to the teacher; unmeasured counts as far."""

    def badness(row: Mapping[str, Any]) -> tuple[int, int, float, str]:
        one = row["systems"][student]
        mcd_db = one["mcd_db"]
        far = float("inf") if mcd_db is None else mcd_db
        return (-len(one["failures"]), -one["word_errors"], -far, row["id"])

    return sorted(utterances, key=badness)


def _summarize(details: Mapping[str, Any], metric: Mapping[str, Any], student: str) -> dict[str, Any]:
    row = details["metrics"][metric["key"]]
    entry = row["systems"][student]
    lo, hi, delta = entry["lo"], entry["hi"], entry["delta"]
    summary = {"metric": metric, "row": row, "entry": entry, "bar": None}
    if lo is not None and hi is not None and delta is not None:
        # Zero in the middle, the farther end near the edge, and the margin that does not matter behind it.
        margin = metric["margin"]
        reach = 1.15 * max(abs(lo), abs(hi), margin) or 1.0
        ends = {"lo": lo, "hi": hi, "at": delta, "from": -margin, "to": margin}
        places = {place: round(50 + 50 * value / reach, 2) for place, value in ends.items()}
        places["width"] = round(places["hi"] - places["lo"], 2)
        summary["bar"] = places | {"harmless": round(places["to"] - places["from"], 2)}
    return summary


def _draw_gap(gap: Mapping[str, Any]) -> dict[str, Any] | None:
    value, lo, hi = gap["value"], gap["lo"], gap["hi"]
    if value is None:
        return None
    left, right = min(0.0, lo or 0.0, value), max(1.0, hi or 1.0, value)
    places = {name: round(100 * (figure - left) / (right - left), 2) for name, figure in (("start", 0), ("teacher", 1))}
    places["at"] = round(100 * (value - left) / (right - left), 2)
    if lo is not None and hi is not None:
        places["lo"] = round(100 * (lo - left) / (right - left), 2)
        places["width"] = round(100 * (hi - lo) / (right - left), 2)
    return {"gap": gap, "places": places}
