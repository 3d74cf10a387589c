"""Work per utterance: over processes, resumable, and with the same result whatever the number of workers."""

import contextlib
import functools
import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from ttsd.errors import TtsdError
from ttsd.utils.files import flushed_together, write_json

Item = TypeVar("Item")
PARTIAL_NAME = ".partial"
# Items whose files and result are flushed to the disk together, where there are enough of them to keep others busy.
_BATCH = 32
_LEAST_BATCHES = 40


def count_workers(requested: int) -> int:
    """Return the number of processes: the one requested, or for 0 one for each core this process may use."""
    # macOS cannot tell which cores a process may use.
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return requested or available


def map_resumable(
    work: Callable[[Item], Any],
    items: Sequence[tuple[str, Item]],
    out_dir: Path,
    *,
    n_workers: int,
    progress: Callable[[int, int, str], None],
    note: str,
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
) -> list[Any]:
    """Apply a function to every item, keeping each result on disk until the stage is finished.

    Args:
        work: A picklable function of one item; returns JSON-able data and may write files of its own atomically.
        items: Id and item; ids are unique.
        out_dir: The stage's output; results are kept below its `.partial/<note>/` and found there by the next run, in
            batches: a killed run loses at most one for each worker.
        n_workers: Processes; 0 means one for each core, 1 works in this process.
        progress: Told how many are done.
        note: Name of the work, a single word: shown in the progress and used as the folder's name.
        initializer: Run once in every worker before the first item.
        initargs: Its arguments.

    Returns:
        The results in the order of the items.

    Raises:
        TtsdError: A worker process died, or `work` or `initializer` raised this.
    """
    folder = out_dir / PARTIAL_NAME / note
    size = max(1, min(_BATCH, len(items) // _LEAST_BATCHES))
    batches = [(f"{start:06d}", items[start : start + size]) for start in range(0, len(items), size)]
    results: dict[str, Any] = {}
    for name, _ in batches:
        path = folder / f"{name}.json"
        if path.is_file():
            results |= json.loads(path.read_text(encoding="utf-8"))
    todo = [(name, batch) for name, batch in batches if batch[0][0] not in results]
    n_workers = min(count_workers(n_workers), max(len(todo), 1))
    progress(len(results), len(items), note)

    def keep(name: str, done: dict[str, Any]) -> None:
        write_json(folder / f"{name}.json", done)
        results.update(done)
        progress(len(results), len(items), note)

    map_each(functools.partial(_work_batch, work), todo, n_workers, keep, initializer, initargs)
    # Through JSON either way, so that a resumed run sees exactly what an undisturbed one does.
    return [json.loads(json.dumps(results[key])) for key, _ in items]


def _work_batch(work: Callable[[Item], Any], batch: Sequence[tuple[str, Item]]) -> dict[str, Any]:
    # A result is noted once the files that it speaks of are on the disk.
    with flushed_together():
        return {key: work(item) for key, item in batch}


def map_each(
    work: Callable[[Item], Any],
    todo: Sequence[tuple[str, Item]],
    n_workers: int,
    keep: Callable[[str, Any], None],
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
) -> None:
    """Apply a function to items, in this process for one worker and in others for more; as `map_processes` does.

    Args:
        work: A picklable function of one item.
        todo: Key and item.
        n_workers: Processes, at least one.
        keep: Told the key and the result, as it comes.
        initializer: Run once in every worker before the first item.
        initargs: Its arguments.

    Raises:
        TtsdError: A worker process died, or `work` or `initializer` raised this.
    """
    if n_workers > 1:
        map_processes(work, todo, n_workers, keep, initializer, initargs)
        return
    if initializer is not None and todo:
        initializer(*initargs)
    for key, item in todo:
        keep(key, work(item))


def map_processes(
    work: Callable[[Item], Any],
    todo: Iterable[tuple[str, Item]],
    n_workers: int,
    keep: Callable[[str, Any], None],
    initializer: Callable[..., None] | None,
    initargs: tuple[Any, ...],
) -> None:
    """Apply a function to items in processes, and give each result to `keep` in this one as it comes.

    Args:
        work: A picklable function of one item.
        todo: Key and item.
        n_workers: Processes.
        keep: Told the key and the result.
        initializer: Run once in every worker before the first item.
        initargs: Its arguments.

    Raises:
        TtsdError: A worker process died, or `work` or `initializer` raised this.
    """
    # spawn: a fork would inherit the threads of onnxruntime and torch, and hang.
    context = multiprocessing.get_context("spawn")
    start = (initializer, initargs)
    pool = ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start_worker, initargs=start)
    try:
        with _interrupts_held():
            futures: dict[Future[Any], str] = {pool.submit(_call, work, item): key for key, item in todo}
        for future in as_completed(futures):
            keep(futures[future], future.result())
    except BrokenProcessPool:
        raise TtsdError(
            "a worker process died, perhaps for want of memory; run again with fewer: --set n_workers=1"
        ) from None
    finally:
        # Not `with`: that would wait for every item still queued. A second Ctrl-C in the middle of it would leave the
        # pool waiting for ever.
        with _interrupts_held():
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    # Submitting starts the workers, and they inherit what is held: Ctrl-C cannot reach one that is still importing, and
    # has not come to ignore it. This process answers it once all are started.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


_start_error: TtsdError | None = None


def _start_worker(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    global _start_error
    # Ctrl-C reaches the whole group; the parent alone answers it, and the workers end with the clip at hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if initializer is not None:
            initializer(*initargs)
    except TtsdError as error:
        # An error in an initializer breaks the pool and loses its message; the first item tells it instead.
        _start_error = error


def _call(work: Callable[[Item], Any], item: Item) -> Any:
    if _start_error is not None:
        raise _start_error
    return work(item)


def _end_with_parent() -> None:
    # A worker of a killed parent would wait for work for ever: it holds the other end of its own queue.
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def clear_partial(out_dir: Path) -> None:
    """Remove the results kept for resuming; call it once the stage's own files are written."""
    shutil.rmtree(out_dir / PARTIAL_NAME, ignore_errors=True)
