"""How fast a voice speaks and how large it is, each in a process of its own, as a user would meet it.

These are the figures that two runs do not share: they depend on the machine and on what else it does.
"""

import contextlib
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ttsd.report import Progress
from ttsd.utils.extras import require
from ttsd.utils.files import write_json
from ttsd.utils.parallel import count_workers, map_processes

SPEED_NAME = "speed.json"
Timings = dict[str, dict[str, Any]]
"""By voice: `load_s`, `peak_memory_mb`, `n_parameters`, and `timings` by number of threads."""


class Speaker(Protocol):
    """A voice that can be evaluated: a student of ours, or anything that speaks alike."""

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def n_parameters(self) -> int:
        """Weights of the voice."""

    def speak(self, text: str, *, seed: int) -> NDArray[np.float32]:
        """Speak a text: float32 [n_samples] in [-1, 1]; the same text and seed give the same samples."""


@dataclass(frozen=True)
class Speed:
    """What one timing saw."""

    rtf: float
    """Seconds of work for a second of speech; below 1 is faster than speech."""
    first_sample_s: float
    """Median of the seconds until a sentence's first sample can be played."""
    n_threads: int
    n_sentences: int


def measure_speed(speaker: Speaker, texts: Sequence[str], *, seed: int, n_threads: int) -> Speed:
    """Time a voice, after one sentence to warm up.

    Args:
        speaker: The voice; it gives a sentence as a whole, so the first sample comes with the last.
        texts: Sentences to speak one after another; at least one.
        seed: Seed of the noise.
        n_threads: Threads that torch may use, where the voice has loaded it.
    """
    with torch_threads(n_threads) if "torch" in sys.modules else contextlib.nullcontext():
        speaker.speak(texts[0], seed=seed)
        n_samples, took_s = 0, []
        for text in texts:
            start_s = time.perf_counter()
            n_samples += speaker.speak(text, seed=seed).size
            took_s.append(time.perf_counter() - start_s)
    rtf = sum(took_s) * speaker.sample_rate / max(n_samples, 1)
    return Speed(rtf, statistics.median(took_s), n_threads, len(texts))


def time_speakers(
    loaders: Mapping[str, Callable[[], Speaker]],
    texts: Sequence[str],
    out_dir: Path,
    *,
    seed: int,
    n_workers: int,
    progress: Progress,
) -> Timings:
    """Time every voice on one thread and on as many as there are workers, once: `speed.json` then stands.

    A voice without torch has one thread, whatever is asked.

    Args:
        loaders: How every voice is loaded, by name; picklable.
        texts: Sentences to speak.
        out_dir: Where `speed.json` is written, or found from an earlier run.
        seed: Seed of the noise.
        n_workers: As in the settings; 0 means one for each core.
        progress: Told how many voices are timed.
    """
    path = out_dir / SPEED_NAME
    if not path.is_file():
        threads = sorted({1, count_workers(n_workers)})
        speed: Timings = {}
        for i, (name, loader) in enumerate(loaders.items()):
            progress(i, len(loaders), "speed")
            # One after another, each alone with the machine.
            map_processes(_time, [(name, (loader, list(texts), seed, threads))], 1, speed.__setitem__, None, ())
        progress(len(loaders), len(loaders), "speed")
        write_json(path, speed)
    return read_speed(out_dir)


def read_speed(out_dir: Path) -> Timings:
    """Return what `speed.json` holds."""
    timings: Timings = json.loads((out_dir / SPEED_NAME).read_text(encoding="utf-8"))
    return timings


def _time(item: tuple[Callable[[], Speaker], list[str], int, list[int]]) -> dict[str, Any]:
    loader, texts, seed, threads = item
    start_s = time.perf_counter()
    speaker = loader()
    load_s = time.perf_counter() - start_s
    # Loading torch to set its threads would count as the memory of a voice that onnxruntime speaks with.
    threads = threads if "torch" in sys.modules else [1]
    timings = [asdict(measure_speed(speaker, texts, seed=seed, n_threads=n)) for n in threads]
    return {
        "load_s": round(load_s, 3),
        "peak_memory_mb": round(_measure_peak_mb(), 1),
        "n_parameters": speaker.n_parameters,
        "timings": timings,
    }


def _measure_peak_mb() -> float:
    """Return the most memory this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        # The kernel's own figure for getrusage is that of the parent where that one was larger at the start.
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    # macOS counts bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@contextlib.contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch use this many threads inside the block; sums then do not depend on the machine's cores."""
    torch = require("train", "torch")
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
