"""A phase of training beside the full steps of VITS: losses over some parts, saved as it goes, resumed exactly."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ttsd.config import TrainConfig
from ttsd.errors import StageError
from ttsd.model.vits import Voice
from ttsd.report import Progress
from ttsd.training.checkpoint import load_tensors, save_tensors
from ttsd.training.schedule import learning_rate_at
from ttsd.training.shelf import Shelf, describe

_SAVE_EVERY_STEPS = 100
_BETAS = (0.8, 0.99)
Turns = Callable[[int], Iterator[tuple[str, Tensor]]]
"""From the number of a step to the losses of its turns, each with the name of the part that then takes a step."""


@dataclass(frozen=True)
class Schedule:
    """How long a phase lasts and how fast it learns."""

    max_steps: int
    learning_rate: float
    """Peak of AdamW's learning rate, which rises over 20 steps and falls by half a cosine."""
    setting: str
    """Name of the setting that the learning rate comes from."""
    watch_every_steps: int = 0
    """Steps between two looks at what is learnt, the end included; 0 never looks."""


def minimize(
    parts: Mapping[str, nn.Module],
    turns: Turns,
    schedule: Schedule,
    kept: Path,
    progress: Callable[[int, int, str], None],
    watch: Callable[[int], dict[str, float]] | None = None,
) -> list[float]:
    """Minimise losses over parts of a student; stopped in the middle, it goes on from what it saved.

    Args:
        parts: The parts by name; trained in place, each by an AdamW of its own.
        turns: The losses of a step, functions of the step's number and of the parts' weights alone.
        schedule: Steps and learning rate.
        kept: File that the parts and AdamW's moments are saved in every 100 steps, where it is watched, and at the end.
        progress: Told how many steps are done, of how many, and the name of the file.
        watch: Looks at what is learnt, and returns its figures; they are kept as `watched`.

    Returns:
        The mean loss of each hundred steps, of each step's last turn.

    Raises:
        StageError: The loss is not finite; what was saved before stays.
    """
    state: dict[str, Any] = {"step": 0, "losses": [], "watched": []}
    optimizers = {
        name: torch.optim.AdamW(part.parameters(), lr=schedule.learning_rate, betas=_BETAS, eps=1e-9, fused=True)
        for name, part in parts.items()
    }
    if kept.is_file():
        state = load_tensors(kept)
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
            optimizers[name].load_state_dict(state["optimizers"][name])
    means: list[float] = state["losses"]
    watched: list[dict[str, float]] = state["watched"]
    recent: list[Tensor] = []
    for step in range(state["step"], schedule.max_steps):
        rate = learning_rate_at(step, peak=schedule.learning_rate, max_steps=schedule.max_steps)
        for name, loss in turns(step):
            optimizers[name].param_groups[0]["lr"] = rate
            optimizers[name].zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizers[name].step()
            last = loss.detach()
        recent.append(last)
        done = step + 1
        is_last = done == schedule.max_steps
        if done % _SAVE_EVERY_STEPS == 0 or is_last:
            means.append(float(torch.stack(recent).mean()))
            recent = []
            if not math.isfinite(means[-1]):
                raise StageError(f"{kept.stem}: the loss is not finite by step {done}; lower {schedule.setting}")
            if watch is not None and (is_last or _is_due(done, schedule.watch_every_steps)):
                watched.append(watch(done))
            save_tensors(
                kept,
                {
                    "step": done, "losses": means, "watched": watched,
                    "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
                    "parts": {name: part.state_dict() for name, part in parts.items()},
                },
            )  # fmt: skip
        progress(done, schedule.max_steps, kept.stem)
    return means


def minimize_watched(
    name: str,
    student: Voice,
    parts: Mapping[str, nn.Module],
    turns: Turns,
    schedule: Schedule,
    shelf: Shelf,
    before: int,
    progress: Progress,
    validate: Callable[[Voice, int], dict[str, float]] | None,
) -> list[float]:
    """Minimise losses over parts of a student, and keep the best voices on the way; see `minimize`.

    Args:
        name: Of the phase, which is saved in `<name>.ckpt` of the shelf's run.
        student: Left in evaluation mode.
        parts: As for `minimize`.
        turns: Likewise.
        schedule: Likewise.
        shelf: Takes the voices, and remembers those of the phase before it was stopped.
        before: Steps of the run before this phase.
        progress: As for `minimize`.
        validate: Tells how good the student is after so many steps of the run; none keeps no voice.
    """
    kept = shelf.run_dir / f"{name}.ckpt"
    shelf.history += load_tensors(kept)["watched"] if kept.is_file() else []
    watch = functools.partial(look, student, shelf, validate, before) if validate else None
    means = minimize(
        parts, turns, schedule, kept,
        lambda done, total, note: progress(done, total, note, describe(shelf.history)), watch,
    )  # fmt: skip
    student.eval()
    return means


def look(
    student: Voice, shelf: Shelf, validate: Callable[[Voice, int], dict[str, float]], before: int, step: int
) -> dict[str, float]:
    """Validate a student, put it on the shelf, and return its figures."""
    student.eval()
    shelf.add(before + step, validate(student, before + step), student.state_dict())
    return shelf.history[-1]


def _is_due(done: int, every: int) -> bool:
    """Tell whether a look is due at the first save of each interval."""
    return every > 0 and done // every > (done - _SAVE_EVERY_STEPS) // every


def find_device(train: TrainConfig) -> torch.device:
    """Return the device that a phase runs on: the one that Lightning would take for the full steps."""
    if train.accelerator != "cpu":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
    return torch.device("cpu")


def find_precision(train: TrainConfig) -> Literal["32-true", "bf16-mixed"]:
    """Return the arithmetic of the steps; `auto` is bfloat16 where the device has instructions for it.

    Without them a processor takes twenty times as long over it as over 32 bits, and with them half as long.
    """
    if train.precision != "auto":
        return train.precision
    kind = find_device(train).type
    if kind == "cuda":
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # PyTorch has no public question for processors that all of its releases since 2.9 answer.
        has_it = kind == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if has_it else "32-true"


def mixed_precision(train: TrainConfig, device: torch.device) -> torch.autocast:
    """Return the context in which a phase's networks run: bfloat16 where `train.precision` says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=find_precision(train) == "bf16-mixed")
