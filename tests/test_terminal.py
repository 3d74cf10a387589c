"""What the commands print: plain progress, and reports as tables."""

import os
from pathlib import Path

import pytest

from tests.pseudo_terminal import run_in_terminal
from ttsd import terminal
from ttsd.report import StageReport

REPORT = StageReport(
    stage="evaluate",
    n_in=10,
    n_out=9,
    dropped={"too_short": 1},
    unmeasured={"cer": 2},
    duration_s=90,
    details={
        "voice": "[bold]pico",
        "seed": {"of": {"noise": 3}},
        "metrics": {
            "wer": {"teacher": 0.05, "student": 0.071234, "interval": [0.01, 0.03]},
            "similarity": {"teacher": 0.97, "student": None},
        },
        "sentences": [{"id": "a"}],
    },
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def test_progress_lines_are_few_and_tell_rate_and_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = terminal.ProgressLines()
    for done in range(21):
        progress(done, 20, "speech")
        clock[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "speech: 0/20"
    assert lines[1] == "speech: 5/20 (25 %), 1.0/s, 0:15 left"
    assert lines[-1] == "speech: 20/20, 0:20"
    assert len(lines) == 5


def test_resumed_work_is_not_counted_into_the_rate(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = terminal.ProgressLines()
    progress(1000, 1200, "steps")
    clock[0] += 20
    progress(1010, 1200, "steps")
    assert capsys.readouterr().err.splitlines()[1] == "steps: 1010/1200 (84 %), 2.0 s each, 6:20 left"


def test_each_work_has_its_first_and_last_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = terminal.ProgressLines()
    for note in ("speech", "checks"):
        progress(0, 2, note)
        progress(2, 2, note)
        progress(2, 2, note)
    clock[0] += 60
    assert capsys.readouterr().err.splitlines() == [
        "speech: 0/2",
        "speech: 2/2, 0:00",
        "checks: 0/2",
        "checks: 2/2, 0:00",
    ]


def test_a_report_is_printed_as_aligned_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.html").touch()
    terminal.print_report(REPORT, tmp_path, as_json=False)
    assert capsys.readouterr().out == (
        "evaluate\n"
        "in                  10\n"
        "out                 9\n"
        "dropped: too_short  1\n"
        "unmeasured: cer     2\n"
        "speech              1.5 min\n"
        "voice               [bold]pico\n"
        "seed.of.noise       3\n"
        "\n"
        "metrics     teacher  student  interval\n"
        "wer         0.05     0.07123  0.01 … 0.03\n"
        "similarity  0.97     none\n"
        "\n"
        f"evaluate: {tmp_path / 'report.html'}\n"
    )


def test_json_is_the_report_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_report(REPORT, tmp_path, as_json=True)
    assert StageReport.model_validate_json(capsys.readouterr().out) == REPORT


def test_a_terminal_gets_bars_and_drawn_tables(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom tests.test_terminal import REPORT\nfrom ttsd import terminal\n"
        "with terminal.show_progress() as progress:\n    progress(0, 3, 'speech')\n    progress(3, 3, 'speech')\n"
        f"terminal.print_report(REPORT, Path({str(tmp_path)!r}), False)"
    )
    text = run_in_terminal(code, term="xterm-256color", columns=100)
    assert "3/3" in text
    assert "━" in text
    assert "[bold]pico" in text


def test_what_c_code_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with terminal.stdout_on_stderr():
        os.write(1, b"from C\n")
        print("from Python")
    print("the report")
    shown = capfd.readouterr()
    assert shown.out == "the report\n"
    assert shown.err == "from C\nfrom Python\n"
