"""What the commands say: progress on standard error, reports on standard output, texts from standard input."""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsd.errors import TtsdError
from ttsd.report import Progress, StageReport
from ttsd.tables import Table, analysis_tables, cost_tables, plan_tables, report_tables

if TYPE_CHECKING:
    from ttsd.metrics.costs import Costs
    from ttsd.stages.plan import Plan
    from ttsd.training.check import Finding
    from ttsd.web.hearing_server import HearingServer

SECONDS_BETWEEN_LINES = 5.0


@contextlib.contextmanager
def stdout_on_stderr() -> Iterator[None]:
    """Send what libraries and their C code print to standard error, so that standard output holds only the report."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


@contextlib.contextmanager
def show_progress() -> Iterator[Progress]:
    """Yield a progress function: bars on a terminal, otherwise a line every few seconds."""
    if not sys.stderr.isatty():
        yield ProgressLines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:>8}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[detail]}"),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True), redirect_stdout=False) as bars:

        def progress(done: int, total: int, note: str = "", detail: str = "") -> None:
            if note not in tasks:
                tasks[note] = bars.add_task(note or "working", speed="", detail="")
            rate = bars.tasks[tasks[note]].speed
            speed = "" if rate is None else _speed(rate)
            bars.update(tasks[note], completed=done, total=total, speed=speed, detail=detail)

        yield progress


class ProgressLines:
    """Progress as plain lines: the first, the last, and one every few seconds between, with rate and time left."""

    def __init__(self) -> None:
        self._note: str | None = None
        self._finished = False
        self._start = self._last = 0.0
        self._first_done = 0

    def __call__(self, done: int, total: int, note: str = "", detail: str = "") -> None:
        """Say that `done` of `total` pieces of the work called `note` are done, and what else there is to say."""
        now = time.monotonic()
        if note != self._note:
            self._note, self._finished, self._start, self._first_done = note, False, now, done
        elif self._finished or (done < total and now - self._last < SECONDS_BETWEEN_LINES):
            return
        self._last, self._finished = now, done >= total
        line = f"{note or 'working'}: {done}/{total}"
        rate = (done - self._first_done) / max(now - self._start, 1e-9)
        if done >= total:
            line += f", {_clock(now - self._start)}"
        elif rate > 0:
            line += f" ({100 * done // max(total, 1)} %), {_speed(rate)}, {_clock((total - done) / rate)} left"
        print(f"{line}, {detail}" if detail else line, file=sys.stderr, flush=True)


def _speed(rate: float) -> str:
    return f"{rate:.1f}/s" if rate >= 1 or rate <= 0 else f"{1 / rate:.1f} s each"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def print_report(report: StageReport, out_dir: Path, as_json: bool) -> None:
    """Print a stage's report on standard output: as JSON, or as tables with the place of the output."""
    if as_json:
        _print(json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    speed = out_dir / "speed.json"
    # Timings are in a file of their own: two runs never share them, and a report must not differ.
    timings = json.loads(speed.read_text(encoding="utf-8")) if report.stage == "evaluate" and speed.is_file() else {}
    tables = report_tables(report, timings)
    _print_tables([(report.stage, tables[0]), *(("", table) for table in tables[1:])])
    page = out_dir / "report.html"
    _print(f"{report.stage}: {page if page.is_file() else out_dir}")


def print_plan(plan: "Plan", as_json: bool) -> None:
    """Print what there is to buy: a line a guide, the total, the account, and what is in doubt."""
    if as_json:
        _print(json.dumps(plan.model_dump(), ensure_ascii=False, indent=2))
        return
    _print_tables([("", table) for table in plan_tables(plan)])


def print_costs(costs: "Costs", as_json: bool) -> None:
    """Print what each threshold of `qc` costs."""
    if as_json:
        _print(json.dumps(costs.model_dump(), ensure_ascii=False, indent=2))
        return
    _print_tables([("", table) for table in cost_tables(costs)])


def print_findings(findings: "Sequence[Finding]", as_json: bool) -> None:
    """Print what `train --check` found."""
    if as_json:
        _print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
        return
    rows = [[finding.check, finding.verdict, finding.told] for finding in findings]
    _print_tables([("", (["", "", ""], rows))])
    n_failed = sum(finding.verdict == "fail" for finding in findings)
    _print(f"train --check: {n_failed} to mend" if n_failed else "train --check: ready")


def print_clip(path: Path, duration_s: float, voice: Path, as_json: bool) -> None:
    """Print where one spoken text went, and who spoke."""
    fact = {"path": str(path), "duration_s": round(duration_s, 3), "voice": str(voice)}
    _print(json.dumps(fact, ensure_ascii=False) if as_json else f"synth: {path}, {duration_s:.1f} s, by {voice}")


def _print_tables(tables: list[tuple[str, Table]]) -> None:
    if sys.stdout.isatty():
        from rich.box import SIMPLE
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table as RichTable

        for title, (header, rows) in tables:
            named = any(header)
            drawn = RichTable(
                box=SIMPLE,
                show_header=named,
                show_edge=False,
                pad_edge=False,
                padding=(0, 1, 0, 0),
                title_justify="left",
            )
            drawn.title = title or None
            for index, name in enumerate(header):
                words = any(character.isalpha() for row in rows for character in row[index])
                # Where a terminal is narrow, the last column alone is broken into lines: it holds what has words.
                drawn.add_column(
                    name, justify="left" if words or not named else "right", no_wrap=index < len(header) - 1
                )
            for row in rows:
                drawn.add_row(*map(escape, row))
            Console().print(drawn)
            _print("")
        return
    for title, (header, rows) in tables:
        lines = [header, *rows] if any(header) else rows
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        if title:
            _print(title)
        for line in lines:
            _print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        _print("")


def _print(text: str) -> None:
    print(text, flush=True)


def read_text(text: str) -> str:
    """Return the text to speak: the argument itself, the contents of the file it names, or standard input for `-`.

    Raises:
        TtsdError: There is nothing to speak, the file is missing or not UTF-8.
    """
    data = _read_bytes(text)
    try:
        spoken = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TtsdError(f"{text}: not UTF-8 text; convert it (iconv -t UTF-8 does it)") from None
    if not spoken.strip():
        raise TtsdError(
            f"{text.strip() or 'the text'}: nothing to speak; give a text, a file of text, or - for standard input"
        )
    return spoken


@contextlib.contextmanager
def text_file(text: str) -> Iterator[Path]:
    """Yield a file of lines: the one named, or standard input for `-` in a temporary file.

    Raises:
        TtsdError: There is no such file.
    """
    path = _as_file(text)
    if path is not None:
        yield path
    elif text == "-":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stdin.txt"
            path.write_text(read_text(text), encoding="utf-8")
            yield path
    else:
        raise TtsdError(
            f"{text}: no such file; a corpus is made of a file of lines, or of standard input with -; for one WAV file "
            "--out ends in .wav"
        )


def _read_bytes(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    path = _as_file(text)
    if path is not None:
        return path.read_bytes()
    if text.endswith((".txt", ".md")) and not any(character.isspace() for character in text):
        raise TtsdError(f"{text}: no such file; check the path")
    return text.encode("utf-8", "surrogateescape")


def _as_file(text: str) -> Path | None:
    try:
        return Path(text) if text and Path(text).is_file() else None
    except (OSError, ValueError):
        # A long text is no valid path.
        return None


def serve_until_interrupted(server: "HearingServer") -> None:
    """Serve a listening test until Ctrl-C or SIGTERM, and tell where it is and how many answers there are."""
    import threading

    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    print(
        f"ttsd: the test is at {server.address}  (Ctrl-C ends it; {server.answers_path})", file=sys.stderr, flush=True
    )
    shown = -1
    try:
        while thread.is_alive():
            n_answers = server.per_listener.total()
            if n_answers != shown:
                of = f"{n_answers} answers of {len(server.per_listener)} listeners"
                print(f"ttsd: {of}", file=sys.stderr, flush=True)
                shown = n_answers
            thread.join(1)
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        server.server_close()


def print_analysis(found: Mapping[str, Any], as_json: bool) -> None:
    """Print what a listening test told, as tables or as JSON."""
    if as_json:
        _print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    _print_tables([("", table) for table in analysis_tables(found)])
