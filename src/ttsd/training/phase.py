"""A phase of training beside the full steps of VITS: one loss over some parts, saved as it goes, resumed exactly."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ttsd.errors import StageError
from ttsd.training.checkpoint import load_tensors, save_tensors
from ttsd.training.schedule import learning_rate_at

_SAVE_EVERY_STEPS = 100
_BETAS = (0.8, 0.99)


def minimize(
    part: nn.Module,
    loss_at: Callable[[int], Tensor],
    *,
    max_steps: int,
    learning_rate: float,
    setting: str,
    kept: Path,
    progress: Callable[[int, int], None],
) -> list[float]:
    """Minimise a loss over a part of a student; stopped in the middle, it goes on from what it saved.

    Args:
        part: The part; trained in place.
        loss_at: The loss of a step, a function of the step's number and of the part's weights alone.
        max_steps: Steps in all.
        learning_rate: Peak of AdamW's learning rate, which rises over 20 steps and falls by half a cosine.
        setting: Name of the setting that the learning rate comes from.
        kept: File that the part and AdamW's moments are saved in every 100 steps and at the end.
        progress: Told how many steps are done, and of how many.

    Returns:
        The mean loss of each hundred steps.

    Raises:
        StageError: The loss is not finite; what was saved before stays.
    """
    state: dict[str, Any] = load_tensors(kept) if kept.is_file() else {"step": 0, "losses": []}
    optimizer = torch.optim.AdamW(part.parameters(), lr=learning_rate, betas=_BETAS, eps=1e-9, fused=True)
    if state["step"]:
        optimizer.load_state_dict(state["optimizer"])
        part.load_state_dict(state["part"])
    means: list[float] = state["losses"]
    recent: list[Tensor] = []
    for step in range(state["step"], max_steps):
        optimizer.param_groups[0]["lr"] = learning_rate_at(step, peak=learning_rate, max_steps=max_steps)
        loss = loss_at(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        recent.append(loss.detach())
        done = step + 1
        if done % _SAVE_EVERY_STEPS == 0 or done == max_steps:
            means.append(float(torch.stack(recent).mean()))
            recent = []
            if not math.isfinite(means[-1]):
                raise StageError(f"{kept.stem}: the loss is not finite by step {done}; lower {setting}")
            state = {"step": done, "losses": means, "optimizer": optimizer.state_dict(), "part": part.state_dict()}
            save_tensors(kept, state)
        progress(done, max_steps)
    return means
