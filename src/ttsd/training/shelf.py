"""The voices of a run that are kept: the best one, and the best few to hear side by side."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ttsd.config import Config
from ttsd.data.symbols import SymbolTable
from ttsd.training.checkpoint import save_checkpoint
from ttsd.utils.files import atomic_path

BEST_NAME = "best.ckpt"
_LOSSES = ("loss_mel", "loss_kl", "loss_duration")


class Shelf:
    """Keeps `best.ckpt` and the `train.keep_checkpoints` best `step-<step>.ckpt` of a run.

    Args:
        run_dir: The run directory.
        symbols: The student's.
        config: What the voices are saved with.
        history: Step and figures of every validation so far; a resumed run goes on from the earlier ones.
        teacher_sha256: Of the file that a small voice learns from.
    """

    def __init__(
        self,
        run_dir: Path,
        symbols: SymbolTable,
        config: Config,
        history: list[dict[str, float]],
        teacher_sha256: str | None = None,
    ) -> None:
        self.run_dir = run_dir
        self.symbols = symbols
        self.config = config
        self.history = history
        self.teacher_sha256 = teacher_sha256

    def add(self, step: int, figures: dict[str, float], voice: dict[str, Tensor]) -> None:
        """Take a voice in, and put out the one that is no longer among the best.

        Args:
            step: Its number of steps.
            figures: What validation told; `duration_scale` among it.
            voice: The weights that speak.
        """
        # Killed between this and the checkpoint that goes on, a run validates the same step again.
        self.history[:] = [row for row in self.history if row["step"] < step]
        self.history.append({"step": step, **figures})
        best = rank(self.history)[: self.config.train.keep_checkpoints]
        if step in best:
            save_checkpoint(
                self._path(step), self.config, self.symbols, voice, figures["duration_scale"],
                teacher_sha256=self.teacher_sha256,
            )  # fmt: skip
        # The best one first: killed here, the run still has one.
        if best[0] == step:
            with atomic_path(self.run_dir / BEST_NAME) as temporary:
                shutil.copyfile(self._path(step), temporary)
        kept = {self._path(step) for step in best}
        for path in self.run_dir.glob("step-*.ckpt"):
            if path not in kept:
                path.unlink()

    def _path(self, step: int) -> Path:
        return self.run_dir / f"step-{step:07d}.ckpt"


def rank(history: Sequence[dict[str, float]]) -> list[int]:
    """Return the steps of a run's validations, the best first, the later one of equals before."""
    return [int(entry["step"]) for entry in sorted(history, key=lambda entry: (score(entry), -entry["step"]))]


def is_over(history: Sequence[dict[str, float]], patience: int | None) -> bool:
    """Tell whether so many validations in a row were no better than the best before them.

    Where nothing is held out, none is better than another, and none is worse.
    """
    if patience is None or len(history) <= patience or not is_measured(history[-1]):
        return False
    before, late = history[:-patience], history[-patience:]
    return min(map(score, late)) >= min(map(score, before))


def score(entry: dict[str, float]) -> float:
    """Return the figure of a validation that counts, lower is better: without a judge the sum of its losses."""
    if "score" in entry:
        return entry["score"]
    return sum(entry.get(name, 0.0) for name in _LOSSES)


def describe(history: Sequence[dict[str, float]]) -> str:
    """Return the latest validation and the best one in a few words, for a line of progress; nothing without one."""
    if not history or not is_measured(history[-1]):
        return ""
    last, (best, *_) = history[-1], rank(history)
    told = f"score {score(last):.1f} at {int(last['step'])}"
    if "cer" in last:
        told += f" (CER {100 * last['cer']:.1f} %)"
    return f"{told}, the best so far" if best == last["step"] else f"{told}; the best is {best}"


def is_measured(entry: dict[str, float]) -> bool:
    """Tell whether a validation had something to measure by."""
    return any(name in entry for name in ("score", *_LOSSES))
