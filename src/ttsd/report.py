"""What a stage says it did, and how a finished, half-done or foreign output directory is told apart.

A stage writes `stage.json` (what it was asked to do) first and `report.json` last. A directory with `report.json` is
finished; with `stage.json` it is resumed, or claimed anew where the stage failed before it had made anything; a
directory without either belongs to somebody else and is left alone.
"""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ttsd import __version__
from ttsd.config import Config
from ttsd.errors import StageError
from ttsd.utils.files import sha256_file, sha256_json, write_json
from ttsd.utils.locks import LOCK_NAME, hold_folder

REPORT_NAME = "report.json"
STAGE_NAME = "stage.json"
# What is there before a stage has made anything, or when it found that it could make nothing.
_NO_WORK = {STAGE_NAME, "config.yaml", "rejected.csv", "scores.jsonl", "report.html"}
# Of settings that differ, in a message of one line.
_MOST_SHOWN = 3
_LONGEST_SHOWN = 40
# What every stage writes beside its own files: the report, and the results kept for resuming.
_COMMON = (REPORT_NAME, ".partial/*/*")


class Progress(Protocol):
    """How a stage tells how far it is."""

    def __call__(self, done: int, total: int, note: str = "", detail: str = "") -> None:
        """Say that `done` of `total` pieces of the work called `note` are done, and what else there is to say."""


def no_progress(done: int, total: int, note: str = "", detail: str = "") -> None:
    """Say nothing."""


class StageReport(BaseModel):
    """What a stage did; the same work gives the same report, so it holds no times and no absolute paths."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    version: str = __version__
    fingerprint: str = ""
    """Hash of the settings and of the input; a finished directory is reused where it is the same."""
    n_in: int = Field(default=0, ge=0)
    n_out: int = Field(default=0, ge=0)
    dropped: dict[str, int] = {}
    """Utterances dropped, by reason."""
    unmeasured: dict[str, int] = {}
    """Figures that could not be measured, by name: neither a pass nor a fail."""
    duration_s: float = Field(default=0.0, ge=0)
    """Speech in the output, in seconds."""
    seed: int = 0
    config: dict[str, Any] = {}
    """The settings the stage used."""
    details: dict[str, Any] = {}
    """What only this stage has to say."""

    @property
    def n_dropped(self) -> int:
        """Utterances dropped, for any reason."""
        return sum(self.dropped.values())


class Run(Protocol):
    """A stage's `run`, as `as_stage` makes it."""

    def __call__(
        self, in_dir: Path, out_dir: Path, config: Config, progress: Progress = ..., *, overwrite: bool = False
    ) -> StageReport:
        """Do the stage's work; with `overwrite`, other work of the same stage in `out_dir` gives way to it."""


@dataclass(frozen=True)
class _Running:
    """What `begin_stage` has to know of the stage that is running."""

    writes: tuple[str, ...] = ()
    overwrite: bool = False
    held: ExitStack | None = None
    """Takes the lock on the output directory, and gives it up when the stage ends."""


_NOT_RUNNING = _Running()
_running: ContextVar[_Running] = ContextVar("running", default=_NOT_RUNNING)


def as_stage(*writes: str) -> Callable[[Callable[[Path, Path, Config, Progress], StageReport]], Run]:
    """Make a function a stage: it can be told to replace earlier output, and has its output directory to itself.

    Args:
        writes: The files it writes, as patterns relative to its output directory; `*` stays within a folder. These
            alone are removed when the output is replaced.
    """

    def decorate(run: Callable[[Path, Path, Config, Progress], StageReport]) -> Run:
        @functools.wraps(run)
        def stage(
            in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress, *, overwrite: bool = False
        ) -> StageReport:
            with ExitStack() as held:
                token = _running.set(_Running(writes, overwrite, held))
                try:
                    return run(in_dir, out_dir, config, progress)
                finally:
                    _running.reset(token)

        return stage

    return decorate


class Fingerprint(str):
    """A hash of work that also knows what it was made of, to tell later what differs."""

    parts: dict[str, Any]
    """Version, settings by dotted name, and one hash of all inputs."""


def fingerprint(stage: str, config: Mapping[str, Any], inputs: Mapping[str, str]) -> Fingerprint:
    """Hash everything the output of a stage depends on.

    Args:
        stage: Name of the stage.
        config: The settings it reads, JSON-able.
        inputs: SHA-256 of every input, by relative name.
    """
    mark = Fingerprint(sha256_json({"stage": stage, "version": __version__, "config": config, "inputs": dict(inputs)}))
    mark.parts = {"version": __version__, "settings": dict(_flatten(config)), "inputs": sha256_json(dict(inputs))}
    return mark


def _flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def hash_tree(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a directory, by relative POSIX path; hidden files are left out."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    relative = {path.relative_to(directory): path for path in files}
    return {
        name.as_posix(): sha256_file(path)
        for name, path in relative.items()
        if not any(part.startswith(".") for part in name.parts)
    }


def begin_stage(
    stage: str,
    in_dir: Path | None,
    out_dir: Path,
    mark: str,
    *,
    reads: Sequence[Path] = (),
    check: Callable[[], object] | None = None,
    cure: str = "",
) -> StageReport | None:
    """Claim `out_dir` for a stage, or find that the very same work is done already.

    A stage calls this once its input and settings are checked and before it writes: where it was told to overwrite,
    the earlier output goes here. Work of the same fingerprint that was interrupted is never removed, but gone on with.

    Args:
        stage: Name of the stage.
        in_dir: What the stage reads, if that is a directory.
        out_dir: What it writes; made where it is missing.
        mark: Fingerprint of the work.
        reads: Other files that the stage reads.
        check: Checks of the input that take their time: made where there is work to do, and before anything is removed.
        cure: What else can be done about other work there, as the beginning of a list.

    Returns:
        The report of the finished work, or none where there is work to do (from the start or from where it stopped).

    Raises:
        StageError: `out_dir` is the input, is a file, holds other work, holds files no stage wrote, or another process
            writes there.
    """
    running = _running.get()
    if in_dir is not None and in_dir.resolve() == out_dir.resolve():
        raise StageError(f"{out_dir}: {stage} cannot write into the directory it reads; name another output")
    if out_dir.exists() and not out_dir.is_dir():
        raise StageError(f"{out_dir}: a file stands where {stage} would write a directory; name another output")
    # Also before the lock: what is finished can be read in a place where nothing can be written.
    if not running.overwrite and _is_finished(out_dir) and _read_mark(out_dir) == (stage, mark):
        return load_report(out_dir)
    if running.held is not None:
        running.held.enter_context(hold_folder(out_dir))
    claimed, finished = _read_mark(out_dir), _is_finished(out_dir)
    replace = running.overwrite and (finished or claimed != (stage, mark))
    if claimed is not None and not _holds_work(out_dir):
        replace = True
    elif replace:
        _refuse_to_clear(stage, in_dir, out_dir, reads)
    elif claimed is None:
        _refuse_foreign(out_dir)
    elif claimed != (stage, mark):
        what = f"other input or settings{_explain(out_dir, mark)}" if claimed[0] == stage else f"the stage {claimed[0]}"
        raise StageError(
            f"{out_dir}: holds the work of {what}; {cure}name another output, or replace it with --overwrite"
        )
    elif finished:
        return load_report(out_dir)
    if check is not None:
        check()
    if replace:
        _remove_own(out_dir)
    parts = mark.parts if isinstance(mark, Fingerprint) else {}
    write_json(out_dir / STAGE_NAME, {"stage": stage, "fingerprint": mark, **parts})
    return None


def finish_stage(out_dir: Path, report: StageReport) -> StageReport:
    """Write `report.json`, the last file of a stage: from here on the directory is finished."""
    write_json(out_dir / REPORT_NAME, report.model_dump(mode="json"))
    return report


def load_report(directory: Path) -> StageReport:
    """Read the report of a finished stage.

    Raises:
        StageError: There is no report, or it is not one of ours.
    """
    path = directory / REPORT_NAME
    try:
        return StageReport.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StageError(f"{path}: missing; the stage that writes {directory} has not finished, run it again") from None
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise StageError(f"{path}: not a report of this version ({reason}); run the stage again") from None


def _refuse_to_clear(stage: str, in_dir: Path | None, out_dir: Path, reads: Sequence[Path]) -> None:
    if not out_dir.exists() or (out_dir.is_dir() and all(map(_is_temporary, out_dir.iterdir()))):
        return
    if in_dir is not None and in_dir.resolve().is_relative_to(out_dir.resolve()):
        raise StageError(f"{out_dir}: {stage} reads from here, so --overwrite leaves it alone; name another output")
    claimed = _read_mark(out_dir) if out_dir.is_dir() else None
    if claimed is None or claimed[0] != stage:
        raise StageError(f"{out_dir}: {stage} did not write this, so --overwrite leaves it alone; remove it yourself")
    needed = {path.resolve() for path in reads}
    for path in _own_files(out_dir):
        if path.resolve() in needed:
            raise StageError(f"{path}: {stage} reads this, so --overwrite leaves it alone; name another output")


def _remove_own(out_dir: Path) -> None:
    if not out_dir.is_dir():
        return
    own = _own_files(out_dir)
    # A kill in between must leave neither a report without its files nor files without their mark.
    for path in sorted(own, key=lambda path: (path.name == STAGE_NAME, path.name != REPORT_NAME)):
        path.unlink()
    folders = [path for path in out_dir.rglob("*") if path.is_dir() and not path.is_symlink()]
    for folder in [*sorted(folders, reverse=True), out_dir]:
        if not any(folder.iterdir()):
            folder.rmdir()


def _refuse_foreign(out_dir: Path) -> None:
    names = sorted(path.name for path in out_dir.iterdir() if not _is_temporary(path)) if out_dir.is_dir() else []
    if names:
        raise StageError(
            f"{out_dir}: holds files that no stage wrote, such as {names[0]}; name another output or empty it"
        )


def _is_finished(out_dir: Path) -> bool:
    return (out_dir / REPORT_NAME).is_file()


def _own_files(out_dir: Path) -> list[Path]:
    patterns = [f"/{pattern}" for pattern in (STAGE_NAME, *_COMMON, *_running.get().writes)]
    return [
        path
        for path in out_dir.rglob("*")
        if (path.is_file() or path.is_symlink())
        and path.name != LOCK_NAME
        and (_is_temporary(path) or any(map(PurePosixPath("/", path.relative_to(out_dir)).match, patterns)))
    ]


def _holds_work(out_dir: Path) -> bool:
    files = (path for path in out_dir.rglob("*") if path.is_file() and not _is_temporary(path))
    return any(path.relative_to(out_dir).as_posix() not in _NO_WORK for path in files)


def _is_temporary(path: Path) -> bool:
    # The lock, and what is not whole yet, as `utils.files` names it; a kill leaves both behind.
    return path.name == LOCK_NAME or (path.name.startswith(".") and ".tmp" in path.suffixes)


def adopt_settings(stage: str, out_dir: Path, mark: Fingerprint, fixed: Sequence[str]) -> str:
    """Let the work in a directory go on with other settings; it is unfinished from then on.

    Args:
        stage: Name of the stage.
        out_dir: Its output.
        mark: Fingerprint of the work with the new settings.
        fixed: How the names of settings begin that cannot change in the middle.

    Returns:
        What differs, in a line; empty where nothing does.

    Raises:
        StageError: There is no such work, or a fixed setting or the input is another.
    """
    claimed = _read_mark(out_dir)
    if claimed is None or claimed[0] != stage:
        raise StageError(f"{out_dir}: holds no work of {stage} to go on with; run it without --resume")
    there = json.loads((out_dir / STAGE_NAME).read_text(encoding="utf-8"))
    before, now = there.get("settings") or {}, json.loads(json.dumps(mark.parts["settings"]))
    barred = [n for n in {**before, **now} if n.startswith(tuple(fixed)) and before.get(n) != now.get(n)]
    if there.get("inputs") != mark.parts["inputs"]:
        barred.insert(0, "what it reads")
    if barred:
        raise StageError(
            f"{out_dir}: {', '.join(barred[:_MOST_SHOWN])} cannot change in the middle of a run; name another directory"
        )
    told = _explain(out_dir, mark)
    if claimed[1] != mark:
        write_json(out_dir / STAGE_NAME, {"stage": stage, "fingerprint": mark, **mark.parts})
        (out_dir / REPORT_NAME).unlink(missing_ok=True)
    return told.strip(" ()")


def _explain(out_dir: Path, mark: str) -> str:
    """Return what differs between the work in a directory and other work of the same stage; nothing if unknown."""
    there = json.loads((out_dir / STAGE_NAME).read_text(encoding="utf-8"))
    if not isinstance(mark, Fingerprint) or not isinstance(there.get("settings"), dict):
        return ""
    differences = []
    if there.get("version") != mark.parts["version"]:
        differences.append(f"ttsd {there.get('version')}, now {mark.parts['version']}")
    if there.get("inputs") != mark.parts["inputs"]:
        differences.append("what it reads has changed")
    before, now = there["settings"], json.loads(json.dumps(mark.parts["settings"]))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    differences += [f"{name}: {_show(before.get(name))}, now {_show(now.get(name))}" for name in names[:_MOST_SHOWN]]
    if len(names) > _MOST_SHOWN:
        differences.append(f"and {len(names) - _MOST_SHOWN} more")
    return f" ({'; '.join(differences)})" if differences else ""


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _read_mark(out_dir: Path) -> tuple[str, str] | None:
    try:
        mark = json.loads((out_dir / STAGE_NAME).read_text(encoding="utf-8"))
        return str(mark["stage"]), str(mark["fingerprint"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        raise StageError(
            f"{out_dir / STAGE_NAME}: damaged; take what you need out of {out_dir}, remove it and run the stage again"
        ) from None
