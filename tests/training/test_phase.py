"""A phase of training: it learns, and a stopped one goes on as if it had not been."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ttsd.errors import StageError
from ttsd.training.checkpoint import load_tensors
from ttsd.training.phase import minimize


def fit(kept: Path, stop_at: int | None = None) -> tuple[nn.Linear, list[float], list[int]]:
    torch.manual_seed(0)
    part = nn.Linear(4, 1)
    told: list[int] = []

    def loss_at(step: int) -> Tensor:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return nn.functional.mse_loss(part(x), x.sum(1, keepdim=True))

    def progress(done: int, total: int) -> None:
        told.append(done)
        assert total == 250
        if done == stop_at:
            raise KeyboardInterrupt

    losses = minimize(part, loss_at, max_steps=250, learning_rate=0.05, setting="a.b", kept=kept, progress=progress)
    return part, losses, told


def test_a_phase_learns_and_tells_the_mean_of_every_hundred_steps(tmp_path: Path) -> None:
    _, losses, told = fit(tmp_path / "whole.ckpt")
    assert len(losses) == 3
    assert losses[-1] < 0.01 * losses[0]
    assert told == list(range(1, 251))


def test_a_stopped_phase_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    whole, losses, _ = fit(tmp_path / "whole.ckpt")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "stopped.ckpt", stop_at=150)
    resumed, resumed_losses, told = fit(tmp_path / "stopped.ckpt")
    assert told[0] == 101
    assert torch.equal(whole.weight, resumed.weight)
    assert resumed_losses == losses


def test_a_finished_phase_is_not_done_again(tmp_path: Path) -> None:
    whole, losses, _ = fit(tmp_path / "kept.ckpt")
    again, same, told = fit(tmp_path / "kept.ckpt")
    assert (same, told) == (losses, [])
    assert torch.equal(whole.weight, again.weight)


def test_a_loss_that_is_not_finite_ends_the_phase(tmp_path: Path) -> None:
    part, kept = nn.Linear(4, 1), tmp_path / "decoder.ckpt"

    def loss_at(step: int) -> Tensor:
        return part.weight.sum() * (float("nan") if step == 150 else 1.0)

    with pytest.raises(StageError, match=r"decoder: the loss is not finite by step 200; lower a\.b"):
        minimize(part, loss_at, max_steps=250, learning_rate=1e-3, setting="a.b", kept=kept, progress=lambda *_: None)
    assert load_tensors(kept)["step"] == 100
