"""The tables of a report, as they are printed."""

import json
from pathlib import Path

import pytest

from tests.pseudo_terminal import run_in_terminal
from ttsd import terminal
from ttsd.report import StageReport
from ttsd.tables import report_tables


def metric(teacher, student, start, delta, lo, hi, verdict):
    figures = {"teacher": teacher, "student": student, "start": start, "delta": delta, "lo": lo, "hi": hi}
    return {**figures, "n": 62, "verdict": verdict}


EVALUATION = StageReport(
    stage="evaluate",
    n_in=63,
    n_out=62,
    dropped={"no_words": 1},
    duration_s=245.5,
    details={
        "metrics": {
            "wer": metric(0.0472, 0.116, 0.081, 0.0688, 0.0411, 0.0979, "worse"),
            "cer": metric(0.0201, 0.0502, 0.0333, 0.0301, 0.0111, 0.0522, "worse"),
            "mcd_db": metric(0.0, 5.13, 8.41, 5.13, 5.01, 5.27, "a distance"),
            "similarity": metric(0.964, 0.9163, 0.494, -0.0477, -0.0581, -0.0372, "worse"),
            "gap_closed": {"value": 0.8985, "lo": 0.8711, "hi": 0.9213, "n": 62},
            "duration_ratio": metric(1.0, 1.0131, 1.08, 0.0131, -0.0101, 0.0388, "no difference shown"),
            "parameters": {"teacher": None, "student": 15651841, "start": 15651841},
            "size_bytes": {"teacher": None, "student": 62607364, "start": 62607364},
        },
        "notes": ["the student gave no sound for 1 sentences; every word of them counts as missed"],
        "utterances": [{"id": "a"}],
        "provenance": {"recognizer": {"model": "tiny.en"}},
    },
)
SPEED = {name: [{"rtf": 0.10212, "n_threads": 1}, {"rtf": 0.0571, "n_threads": 2}] for name in ("student", "start")}
PARTS = [
    {"part": "text_encoder", "n_loaded": 104, "n_new": 0, "n_skipped": 0, "why": ""},
    {"part": "posterior_encoder", "n_loaded": 0, "n_new": 99, "n_skipped": 0, "why": "no such part"},
]


@pytest.fixture
def out_dir(tmp_path: Path) -> Path:
    (tmp_path / "speed.json").write_text(json.dumps(SPEED))
    return tmp_path


def test_an_evaluation_is_printed_with_every_column_named(out_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_report(EVALUATION, out_dir, as_json=False)
    shown = capsys.readouterr().out
    assert shown == (
        "evaluate\n"
        "in                 63\n"
        "out                62\n"
        "dropped: no_words  1\n"
        "speech             4.1 min\n"
        "note               the student gave no sound for 1 sentences; every word of them counts as missed\n"
        "sentences          62\n"
        "\n"
        "metric        teacher  student  start   delta  95 % interval  verdict\n"
        "WER %             4.7     11.6    8.1    +6.9      +4.1…+9.8  worse\n"
        "CER %             2.0      5.0    3.3    +3.0      +1.1…+5.2  worse\n"
        "similarity      0.964    0.916  0.494  −0.048  −0.058…−0.037  worse\n"
        "MCD dB           0.00     5.13   8.41   +5.13    +5.01…+5.27  a distance\n"
        "length ratio     1.00     1.01   1.08   +0.01    −0.01…+0.04  no difference shown\n"
        "gap closed %              89.8                     87.1…92.1\n"
        "\n"
        "voice    parameters    MB  RTF, 1 thread  RTF, 2 threads\n"
        "student  15\u202f651\u202f841  62.6          0.102          0.0571\n"
        "start    15\u202f651\u202f841  62.6          0.102          0.0571\n"
        "\n"
        f"evaluate: {out_dir}\n"
    )


def test_without_a_start_or_timings_there_are_no_empty_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {name: {**entry, "start": None} for name, entry in EVALUATION.details["metrics"].items()}
    metrics["gap_closed"] = {"value": None, "lo": None, "hi": None, "n": 0}
    report = EVALUATION.model_copy(update={"details": {**EVALUATION.details, "metrics": metrics, "notes": []}})
    terminal.print_report(report, tmp_path, as_json=False)
    shown = capsys.readouterr().out
    assert "metric        teacher  student   delta" in shown
    assert "gap closed" not in shown
    assert "voice    parameters    MB\n" in shown


def test_training_shows_what_was_loaded_of_every_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    details = {"steps": 600, "parts": PARTS, "validation": [{"step": 600, "mel": 0.5}]}
    terminal.print_report(StageReport(stage="train", n_in=3, n_out=3, details=details), tmp_path, as_json=False)
    assert (
        "part               loaded  new  skipped  why\n"
        "text_encoder          104    0        0\n"
        "posterior_encoder       0   99        0  no such part\n"
    ) in capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_an_evaluation_without_breaking_a_row(columns: int, out_dir: Path) -> None:
    code = (
        "from pathlib import Path\nfrom tests.test_tables import EVALUATION\nfrom ttsd import terminal\n"
        f"terminal.print_report(EVALUATION, Path({str(out_dir)!r}), False)"
    )
    shown = run_in_terminal(code, term="dumb", columns=columns)
    lines = [line.split() for line in shown.splitlines()]
    assert ["metric", "teacher", "student", "start", "delta", "95", "%", "interval", "verdict"] in lines
    (length,) = (line for line in lines if line[:2] == ["length", "ratio"])
    assert length[2:8] == ["1.00", "1.01", "1.08", "+0.01", "−0.01…+0.04", "no"]
    assert ["similarity", "0.964", "0.916", "0.494", "−0.048", "−0.058…−0.037", "worse"] in lines


def test_what_was_left_empty_has_no_row() -> None:
    report = StageReport(stage="generate", details={"rights": {"notes": "", "terms_acknowledged": True}})
    ((_, facts),) = report_tables(report)
    assert [row[0] for row in facts] == ["in", "out", "rights.terms_acknowledged"]
