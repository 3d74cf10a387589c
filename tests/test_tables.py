"""The tables of a report, as they are printed."""

import json
from pathlib import Path

import pytest

from tests.evaluations import SPEED, make_measurement, make_report, make_sentence
from tests.pseudo_terminal import run_in_terminal
from ttsd import terminal
from ttsd.report import StageReport
from ttsd.tables import report_tables

EVALUATION, _ = make_report([make_sentence(f"s{i}", errors=i % 2) for i in range(62)])
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
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for line in (
        "in 63",
        "dropped: no_words 1",
        "speech 4.1 min",
        "metric teacher student start delta 95 % interval verdict",
        "similarity 1.000 0.214 0.214 −0.786 −0.786…−0.786 worse",
        "MCD dB, ttsd-2 0.00 5.00 9.00 – not enough data",
        "DNSMOS 3.00 3.00 3.00 0.00 0.00…0.00 equivalent",
        "student not yet",
        "voice parameters MB, 32 bits RTF, 1 thread RTF, 2 threads memory MB",
        "student 15 651 841 62.6 0.102 0.0571 812",
        f"evaluate: {out_dir}",
    ):
        assert line in lines, shown
    assert any(line.startswith("WER % 0.0 25.0 50.0 +25.0") for line in lines)


def test_without_a_start_or_timings_there_are_no_empty_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, _ = make_report([make_sentence(f"s{i}", start=False) for i in range(5)], speed={})
    terminal.print_report(report, tmp_path, as_json=False)
    shown = capsys.readouterr().out
    assert "teacher  student   delta" in shown
    assert "way there" not in shown
    assert "parameters" not in shown


def test_with_a_second_take_it_is_told_how_many_times_as_far_a_student_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentences = [make_sentence(f"s{i}", start=False, take2=make_measurement(mcd_db=4.0)) for i in range(60)]
    report, _ = make_report(sentences, speed={})
    terminal.print_report(report, tmp_path, as_json=False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any("95 % interval times as far verdict" in line for line in lines)
    (mcd,) = (line for line in lines if line.startswith("MCD dB"))
    assert mcd.endswith("+1.00…+1.00 1.25 worse")


def test_several_students_have_a_table_each_and_a_rank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentences = [make_sentence(f"s{i}", other=make_sentence("x", errors=2).systems["student"]) for i in range(5)]
    report, _ = make_report(sentences, speed={})
    terminal.print_report(report, tmp_path, as_json=False)
    shown = capsys.readouterr().out
    assert shown.count("WER %") == 2
    ranked = shown[shown.rindex("rank") :].split()
    assert ranked.index("student") < ranked.index("other")


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
    assert ["length", "1.00", "1.00", "1.00", "0.00", "0.00…0.00", "equivalent"] in lines


def test_what_was_left_empty_has_no_row() -> None:
    report = StageReport(stage="generate", details={"rights": {"notes": "", "terms_acknowledged": True}})
    ((_, facts),) = report_tables(report)
    assert [row[0] for row in facts] == ["in", "out", "rights.terms_acknowledged"]
