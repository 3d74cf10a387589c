"""`utils.parallel`: same results whatever the number of workers, resuming, and no process left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ttsd.errors import MissingExtraError, TtsdError
from ttsd.report import no_progress
from ttsd.utils import parallel
from ttsd.utils.parallel import clear_partial, count_workers, map_resumable

ROOT = Path(__file__).parents[2]
ITEMS = [(f"clip_{number}", number) for number in range(12)]


def square(number: int) -> dict[str, int]:
    return {"square": number * number}


def record(argument: tuple[int, str]) -> int:
    number, folder = argument
    Path(folder, f"{number}.{os.getpid()}").touch()
    return number


def record_slowly(argument: tuple[int, str]) -> int:
    time.sleep(0.15)
    return record(argument)


def refuse(number: int) -> int:
    raise TtsdError(f"clip_{number}: unreadable; restore it")


def die(number: int) -> int:
    os._exit(3 + number)


def miss_an_extra() -> None:
    raise MissingExtraError("pip install 'ttsd[local]'")


def run_slowly(out_dir: str, folder: str, n_items: int) -> None:
    """Run by the child processes below."""
    items = [(str(number), (number, folder)) for number in range(n_items)]
    map_resumable(record_slowly, items, Path(out_dir), n_workers=2, progress=no_progress, note="slow")


def start_child(out_dir: Path, folder: Path, n_items: int) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    # A shell starts its background jobs with Ctrl-C ignored, and what they start inherits that.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"from tests.utils.test_parallel import run_slowly; run_slowly({str(out_dir)!r}, {str(folder)!r}, {n_items})"
    )
    command = [sys.executable, "-c", code]
    child = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(list(out_dir.glob(".partial/slow/*.json"))) < 3:
        assert child.poll() is None, child.stderr and child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return child


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody has reaped yet is dead all the same.
    status = Path(f"/proc/{pid}/status")
    return not (status.is_file() and "State:\tZ" in status.read_text())


@pytest.mark.parametrize("n_workers", [1, 2])
def test_results_are_the_same_for_any_number_of_workers(n_workers: int, tmp_path: Path) -> None:
    results = map_resumable(square, ITEMS, tmp_path, n_workers=n_workers, progress=no_progress, note="square")
    assert results == [{"square": number * number} for _, number in ITEMS]


def test_finished_items_are_not_done_again(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    items = [(str(number), (number, str(marks))) for number in range(4)]
    for count in (2, 4, 4):
        map_resumable(record, items[:count], tmp_path, n_workers=1, progress=no_progress, note="record")
    assert sorted(path.stem for path in marks.iterdir()) == ["0", "1", "2", "3"]


def test_the_kept_results_are_removed_on_request(tmp_path: Path) -> None:
    map_resumable(square, ITEMS, tmp_path, n_workers=1, progress=no_progress, note="square")
    assert len(list(tmp_path.glob(".partial/square/*.json"))) == len(ITEMS)
    clear_partial(tmp_path)
    assert not list(tmp_path.iterdir())


def test_progress_counts_what_was_done_before(tmp_path: Path) -> None:
    map_resumable(square, ITEMS[:5], tmp_path, n_workers=1, progress=no_progress, note="square")
    told: list[tuple[int, int, str]] = []
    map_resumable(square, ITEMS, tmp_path, n_workers=1, progress=lambda *facts: told.append(facts), note="square")
    assert told[0] == (5, 12, "square")
    assert told[-1] == (12, 12, "square")


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_mistake_keeps_its_message(n_workers: int, tmp_path: Path) -> None:
    with pytest.raises(TtsdError, match=r"clip_\d+: unreadable; restore it"):
        map_resumable(refuse, ITEMS, tmp_path, n_workers=n_workers, progress=no_progress, note="refuse")


def test_a_missing_extra_in_a_workers_start_keeps_its_message(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'ttsd\[local\]'"):
        map_resumable(
            square, ITEMS, tmp_path, n_workers=2, progress=no_progress, note="square", initializer=miss_an_extra
        )


def test_a_worker_that_dies_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TtsdError, match="a worker process died"):
        map_resumable(die, ITEMS, tmp_path, n_workers=2, progress=no_progress, note="die")


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(parallel.os, "sched_getaffinity", raising=False)
    assert count_workers(0) == os.cpu_count()
    assert count_workers(3) == 3


def test_work_killed_in_the_middle_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out_dir, marks = tmp_path / "out", tmp_path / "marks"
    child = start_child(out_dir, marks, 200)
    child.kill()
    child.communicate()
    # Not a file that was still being written, whose name has a dot in front.
    parts = [json.loads(path.read_text()) for path in out_dir.glob(".partial/slow/[!.]*.json")]
    kept = {key for part in parts for key in part}
    assert 3 <= len(kept) < 200
    again = tmp_path / "again"
    again.mkdir()
    items = [(str(number), (number, str(again))) for number in range(200)]
    assert map_resumable(record, items, out_dir, n_workers=1, progress=no_progress, note="slow") == list(range(200))
    assert {path.stem for path in again.iterdir()} == {key for key, _ in items} - kept


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_stopped_run(number: signal.Signals, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    child = start_child(tmp_path / "out", marks, 200)
    workers = {int(path.suffix[1:]) for path in marks.iterdir()}
    assert workers
    assert child.pid not in workers
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode != 0
    deadline = time.monotonic() + 60
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline, "a worker is still there"
        time.sleep(0.05)


START = """
import os, signal, sys
from pathlib import Path
import tests.utils.test_parallel as module
signal.signal(signal.SIGINT, signal.default_int_handler)
module.interrupt_at_start(sys.argv[1], *map(float, sys.argv[2:]))
"""


def interrupt_at_start(out_dir: str, *delays_s: float) -> None:
    """Run by the child process below: Ctrl-C comes, once or more, while the workers are still importing."""

    def progress(done: int, _total: int, _note: str) -> None:
        if done == 0:
            for delay_s in delays_s:
                threading.Timer(delay_s, os.killpg, (os.getpgrp(), signal.SIGINT)).start()

    try:
        map_resumable(square, ITEMS, Path(out_dir), n_workers=2, progress=progress, note="square")
        time.sleep(10)
    except KeyboardInterrupt:
        sys.exit(130)


@pytest.mark.parametrize("delays_s", [("0.05",), ("0.05", "0.2")])
def test_ctrl_c_while_the_workers_start_is_answered_by_the_parent_alone(
    delays_s: tuple[str, ...], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", START, str(tmp_path), *delays_s]
    child = subprocess.run(command, cwd=ROOT, start_new_session=True, capture_output=True, timeout=60, check=False)
    assert child.returncode == 130
    assert child.stderr == b""
