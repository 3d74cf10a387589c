"""What the commands say: progress on standard error, reports on standard output, texts from standard input."""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttsd.errors import TtsdError
from ttsd.report import Progress, StageReport

SECONDS_BETWEEN_LINES = 5.0
Table = tuple[list[str], list[list[str]]]


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
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True), redirect_stdout=False) as bars:

        def progress(done: int, total: int, note: str = "") -> None:
            if note not in tasks:
                tasks[note] = bars.add_task(note or "working")
            bars.update(tasks[note], completed=done, total=total)

        yield progress


class ProgressLines:
    """Progress as plain lines: the first, the last, and one every few seconds between, with rate and time left."""

    def __init__(self) -> None:
        self._note: str | None = None
        self._finished = False
        self._start = self._last = 0.0
        self._first_done = 0

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Say that `done` of `total` pieces of the work called `note` are done."""
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
            each = f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
            line += f" ({100 * done // max(total, 1)} %), {each}, {_clock((total - done) / rate)} left"
        print(line, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def print_report(report: StageReport, out_dir: Path, as_json: bool) -> None:
    """Print a stage's report on standard output: as JSON, or as tables with the place of the output."""
    if as_json:
        _print(json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    tables = report_tables(report)
    _print_tables([(report.stage, tables[0]), *(("", table) for table in tables[1:])])
    speed = out_dir / "speed.json"
    if report.stage == "evaluate" and speed.is_file():
        # Timings are in a file of their own: two runs never share them, and a report must not differ.
        timings = json.loads(speed.read_text(encoding="utf-8"))
        rows = [[name, f"{run['rtf']:.3g}", str(run["n_threads"])] for name, runs in timings.items() for run in runs]
        _print_tables([("", (["real-time factor", "rtf", "threads"], rows))])
    page = out_dir / "report.html"
    _print(f"{report.stage}: {page if page.is_file() else out_dir}")


def print_clip(path: Path, duration_s: float, as_json: bool) -> None:
    """Print where one spoken text went."""
    fact = {"path": str(path), "duration_s": round(duration_s, 3)}
    _print(json.dumps(fact, ensure_ascii=False) if as_json else f"synth: {path}, {duration_s:.1f} s")


def report_tables(report: StageReport) -> list[Table]:
    """Return a report as tables of text: the counts and single facts first, then every table among its details.

    Returns:
        Header and rows of each table.
    """
    facts = [["in", str(report.n_in)], ["out", str(report.n_out)]]
    facts += [[f"dropped: {reason}", str(count)] for reason, count in report.dropped.items()]
    facts += [[f"unmeasured: {figure}", str(count)] for figure, count in report.unmeasured.items()]
    if report.duration_s:
        facts.append(["speech", f"{report.duration_s / 60:.1f} min"])
    tables: list[Table] = [(["", ""], facts)]
    _collect(report.details, "", facts, tables)
    return tables


def _collect(node: dict[str, Any], prefix: str, facts: list[list[str]], tables: list[Table]) -> None:
    for key, value in node.items():
        if isinstance(value, dict) and len(value) > 1 and all(_is_row(row) for row in value.values()):
            columns = list(dict.fromkeys(name for row in value.values() for name in row))
            rows = [[name, *(_show(row.get(column, "")) for column in columns)] for name, row in value.items()]
            tables.append(([prefix + key, *columns], rows))
        elif isinstance(value, dict):
            _collect(value, f"{prefix}{key}.", facts, tables)
        elif not isinstance(value, list):
            facts.append([prefix + key, _show(value)])
        elif value and len(value) <= 8 and not any(isinstance(part, dict | list) for part in value):
            facts.append([prefix + key, ", ".join(map(_show, value))])


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and not any(isinstance(cell, dict) for cell in value.values())


def _show(value: Any) -> str:
    if isinstance(value, list):
        return " … ".join(map(_show, value))
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print_tables(tables: list[tuple[str, Table]]) -> None:
    if sys.stdout.isatty():
        from rich.box import SIMPLE
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table as RichTable

        for title, (header, rows) in tables:
            drawn = RichTable(box=SIMPLE, show_header=any(header), title=title or None, title_justify="left")
            for index, name in enumerate(header):
                drawn.add_column(name, justify="right" if index and len(header) > 2 else "left")
            for row in rows:
                drawn.add_row(*map(escape, row))
            Console().print(drawn)
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
        raise TtsdError(f"{text or 'the text'}: nothing to speak; give a text, a file of text, or - for standard input")
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
        raise TtsdError(f"{text}: no such file; a corpus is made of a file of lines, or of standard input with -")


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
