"""Who is evaluated: the teacher's corpus, a second take of it, students, and the voice a student started from."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.corpus import METADATA_NAME, Corpus, read_corpus
from ttsd.errors import CheckpointError, CorpusError
from ttsd.metrics.comparison import BASELINE, LANE, START, STUDENT, TAKE2
from ttsd.metrics.measurement import TEACHER
from ttsd.metrics.speaking import Loader
from ttsd.metrics.speed import Speaker
from ttsd.report import hash_tree
from ttsd.utils.files import sha256_file, sha256_json

START_CHECKPOINT = "start.ckpt"
TAKE2_SUFFIX = "-take2"
"""Where `generate --takes 2` puts the second takes, and what is made of them: beside the corpus, with this behind its
name."""
_TAKEN = {TEACHER, TAKE2, START, BASELINE, "delta", "ratio", "n", "detectable"}


@dataclass(frozen=True)
class System:
    """One that is compared with the teacher."""

    name: str
    """A word, for formulas and folders."""
    role: str
    """`take2`, `student`, `lane` or `start`."""
    path: Path
    """A checkpoint, or a corpus of what it has spoken."""
    loader: Loader
    """How it is loaded, if it is a voice."""

    @property
    def is_voice(self) -> bool:
        """Whether it can speak."""
        return self.path.is_file()

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of what it is made of: a checkpoint, or texts and clips."""
        return sha256_file(self.path) if self.is_voice else sha256_json(hash_tree(self.path))


def find_systems(
    in_dir: Path, config: Config, load: Callable[[Path], Speaker], lanes: Mapping[str, Callable[[Path], Speaker]]
) -> list[System]:
    """Return those to be compared with the teacher, in the order of the report.

    Args:
        in_dir: The teacher's corpus.
        config: Reads `evaluate`.
        load: Loads a checkpoint; picklable.
        lanes: Load a student's lanes, by name.

    Raises:
        CheckpointError: No student is named, or one is neither a checkpoint nor a corpus.
        CorpusError: `evaluate.take2` is no corpus.
    """
    settings = config.evaluate
    if not settings.ckpt:
        raise CheckpointError("evaluate.ckpt: no student is named; add --ckpt checkpoints/<run>/last.ckpt")

    def make(name: str, role: str, path: Path) -> System:
        return System(name, role, path, functools.partial(load, path))

    take2 = settings.take2 or _find_take2(in_dir)
    systems = []
    if take2 is not None:
        if not (take2 / METADATA_NAME).is_file():
            raise CorpusError(f"{take2}: no corpus of second takes; make one with ttsd generate --takes 2")
        systems.append(make(TAKE2, TAKE2, take2))
    for path in settings.ckpt:
        if not path.is_file() and not (path / METADATA_NAME).is_file():
            raise CheckpointError(
                f"{path}: no such checkpoint or corpus; `ttsd train` writes last.ckpt into its run directory"
            )
    names = [STUDENT] if len(settings.ckpt) == 1 else _name(settings.ckpt)
    systems += [make(name, STUDENT, path) for name, path in zip(names, settings.ckpt, strict=True)]
    if settings.lanes:
        if len(settings.ckpt) > 1 or not settings.ckpt[0].is_file():
            raise CheckpointError("evaluate.lanes: they are those of one checkpoint; name one")
        for name, load_lane in lanes.items():
            load_lane_of = functools.partial(load_lane, settings.ckpt[0])
            systems.append(System(name, LANE, settings.ckpt[0], load_lane_of))
    starts = {path.with_name(START_CHECKPOINT) for path in settings.ckpt if path.is_file()}
    starts = {path for path in starts if path.is_file()}
    # With students of several starts there is no one way that each has gone.
    if settings.with_start and len(starts) == 1:
        systems.append(make(START, START, starts.pop()))
    return systems


def read_recordings(systems: Sequence[System]) -> dict[str, Corpus]:
    """Return the corpora of those that have spoken already, by name.

    Raises:
        CorpusError: One is no corpus.
    """
    return {system.name: read_corpus(system.path) for system in systems if not system.is_voice}


def describe_systems(systems: Sequence[System]) -> list[dict[str, Any]]:
    """Return what a report keeps of them: no paths, which belong to a machine."""
    return [{"name": one.name, "role": one.role, "is_voice": one.is_voice, "sha256": one.sha256} for one in systems]


def _find_take2(in_dir: Path) -> Path | None:
    beside = in_dir.with_name(in_dir.name + TAKE2_SUFFIX)
    return beside if (beside / METADATA_NAME).is_file() else None


def _name(paths: Sequence[Path]) -> list[str]:
    """Return a word for each path, told apart by as many of its parents as it takes."""
    for n_parts in range(1, max(len(path.resolve().parts) for path in paths) + 1):
        names = ["_".join(path.resolve().with_suffix("").parts[-n_parts:]) for path in paths]
        names = [re.sub(r"\W+", "_", name) for name in names]
        names = [f"_{name}" if name[0].isdigit() or name in _TAKEN else name for name in names]
        if len(set(names)) == len(names):
            return names
    twice = next(path for path in paths if paths.count(path) > 1)
    raise CheckpointError(f"{twice}: named twice; name every student once")
