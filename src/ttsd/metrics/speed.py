"""How fast a voice speaks and how large it is.

The real-time factor is the one figure that two runs do not share: it depends on the machine and on what else it does.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ttsd.report import Progress
from ttsd.utils.extras import require
from ttsd.utils.files import write_json
from ttsd.utils.parallel import count_workers

SPEED_NAME = "speed.json"
Timings = dict[str, list[dict[str, Any]]]


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
    n_threads: int
    n_sentences: int


def real_time_factor(speaker: Speaker, texts: Sequence[str], *, seed: int, n_threads: int) -> Speed:
    """Time a voice, after one sentence to warm up.

    Args:
        speaker: The voice.
        texts: Sentences to speak one after another; at least one.
        seed: Seed of the noise.
        n_threads: Threads that torch may use.
    """
    with torch_threads(n_threads):
        speaker.speak(texts[0], seed=seed)
        start_s = time.perf_counter()
        n_samples = sum(speaker.speak(text, seed=seed).size for text in texts)
        elapsed_s = time.perf_counter() - start_s
    return Speed(elapsed_s * speaker.sample_rate / max(n_samples, 1), n_threads, len(texts))


def time_speakers(
    speakers: Mapping[str, Speaker],
    texts: Sequence[str],
    out_dir: Path,
    *,
    seed: int,
    n_workers: int,
    progress: Progress,
) -> Timings:
    """Time every voice on one thread and on as many as there are workers, once: `speed.json` then stands.

    Args:
        speakers: The voices, by name.
        texts: Sentences to speak.
        out_dir: Where `speed.json` is written, or found from an earlier run.
        seed: Seed of the noise.
        n_workers: As in the settings; 0 means one for each core.
        progress: Told how many voices are timed.

    Returns:
        Timings (`rtf`, `n_threads`, `n_sentences`), by voice.
    """
    path = out_dir / SPEED_NAME
    if not path.is_file():
        speed: Timings = {}
        for i, (name, speaker) in enumerate(speakers.items()):
            progress(i, len(speakers), "speed")
            runs = sorted({1, count_workers(n_workers)})
            speed[name] = [asdict(real_time_factor(speaker, texts, seed=seed, n_threads=n)) for n in runs]
        progress(len(speakers), len(speakers), "speed")
        write_json(path, speed)
    return read_speed(out_dir)


def read_speed(out_dir: Path) -> Timings:
    """Return what `speed.json` holds."""
    timings: Timings = json.loads((out_dir / SPEED_NAME).read_text(encoding="utf-8"))
    return timings


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
