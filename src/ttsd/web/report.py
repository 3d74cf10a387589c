"""The page that `evaluate` leaves: the figures, and every sentence to listen to, the worst first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttsd.report import StageReport
from ttsd.utils.files import write_text
from ttsd.web.clips import BUDGET_BYTES, HALF_HEIGHT, N_BARS, make_players

TEMPLATES = Path(__file__).with_name("templates")
NOTHING = "\u2013"
SYSTEMS = {
    "teacher": "the voice to be learnt",
    "student": "what was learnt",
    "start": "the voice the student started from",
}
Metric = Mapping[str, Any]
Timings = Mapping[str, Sequence[Mapping[str, Any]]]

# Key, name, explanation, and how its figures are written.
METRICS = (
    ("wer", "Word error rate", "words the recogniser mishears, of all words; lower is better", "percent"),
    ("cer", "Character error rate", "the same by characters; lower is better", "percent"),
    (
        "similarity",
        "Similarity to the teacher",
        "cosine with the teacher's other sentences; higher is better",
        "cosine",
    ),
    ("mcd_db", "Mel-cepstral distortion", "distance to the teacher's spectra; lower is nearer", "db"),
    ("duration_ratio", "Length", "against the teacher's clips; 1 is as long", "ratio"),
)


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
        report: What `evaluate` found; its `details` hold metrics, notes, utterances, dropped and provenance.
        wavs_name: Folder of the clips beside the page: `<wavs_name>/<system>/<id>.wav`.
        speed: Timings by system, which no report holds.
        budget_bytes: Most audio inside the page, as base64.

    Raises:
        CorpusError: A clip is missing or unreadable.
    """
    import jinja2

    details = report.details
    rows = sort_worst_first(details["utterances"])
    systems = [name for name in SYSTEMS if rows and name in rows[0]["systems"]]
    names = [f"{wavs_name}/{system}/{row['id']}.wav" for row in rows for system in systems]
    players = make_players(path.parent, names, budget_bytes)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": write_figure, "count": write_count}
    text = environment.get_template("report.html.j2").render(
        report=report,
        details=details,
        systems={name: SYSTEMS[name] for name in systems},
        summary=[_summarize(details["metrics"][key], *names) for key, *names in METRICS],
        gap=_draw_gap(details["metrics"]["gap_closed"]),
        sizes=_describe_sizes(details["metrics"], speed, systems),
        rows=rows,
        players=players.by_name,
        kept_as=players.kept_as,
        wavs_name=wavs_name,
        n_bars=N_BARS,
        half_height=HALF_HEIGHT,
    )
    write_text(path, text)


def sort_worst_first(utterances: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort by the student's word errors, then by its distance to the teacher; unmeasured distances count as large."""

    def badness(row: Mapping[str, Any]) -> tuple[int, float, str]:
        student = row["systems"]["student"]
        mcd_db = student["mcd_db"]
        return (-student["word_errors"], -(float("inf") if mcd_db is None else mcd_db), row["id"])

    return sorted(utterances, key=badness)


def write_figure(value: float | None, kind: str, signed: bool = False, bare: bool = False) -> str:
    """Write a figure for a reader.

    Args:
        value: The figure, or none where there is none.
        kind: `percent`, `cosine`, `db` or `ratio`.
        signed: Show the sign of a difference; differences of percentages are points.
        bare: Leave the unit out.
    """
    if value is None:
        return NOTHING
    scale, decimals, unit = {
        "percent": (100, 1, "points" if signed else "%"),
        "cosine": (1, 3, ""),
        "db": (1, 2, "dB"),
        "ratio": (1, 2, ""),
    }[kind]
    number = f"{scale * value:{'+' if signed else ''}.{decimals}f}".replace("-", "\u2212")
    # A no-break space: the unit stays with its number.
    return f"{number}\u00a0{unit}" if unit and not bare else number


def write_count(value: float | None) -> str:
    """Write a large whole number with thin spaces between the thousands."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\u202f")


def _summarize(metric: Metric, name: str, hint: str, kind: str) -> dict[str, Any]:
    lo, hi, delta = metric["lo"], metric["hi"], metric["delta"]
    summary = {"name": name, "hint": hint, "kind": kind, "metric": metric, "bar": None}
    if lo is not None and hi is not None and delta is not None:
        # Zero in the middle, the farther end near the edge.
        reach = 1.15 * max(abs(lo), abs(hi)) or 1.0
        places = {place: round(50 + 50 * value / reach, 2) for place, value in (("lo", lo), ("hi", hi), ("at", delta))}
        summary["bar"] = places | {"width": round(places["hi"] - places["lo"], 2)}
    return summary


def _draw_gap(gap: Metric) -> dict[str, Any] | None:
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


def _describe_sizes(metrics: Mapping[str, Metric], speed: Timings, systems: Sequence[str]) -> list[dict[str, Any]]:
    """Describe speed and size of every system that is a voice of ours; of the teacher only clips are known."""
    sizes = []
    for name in systems:
        n_parameters, size_bytes = metrics["parameters"][name], metrics["size_bytes"][name]
        if n_parameters is not None:
            timings = list(speed.get(name, []))
            sizes.append({"system": name, "n_parameters": n_parameters, "size_bytes": size_bytes, "timings": timings})
    return sizes
