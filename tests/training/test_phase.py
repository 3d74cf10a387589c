"""A phase of training: it learns, and a stopped one goes on as if it had not been."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ttsd.config import TrainConfig
from ttsd.errors import StageError
from ttsd.training.checkpoint import load_tensors
from ttsd.training.phase import Schedule, find_precision, minimize


def fit(kept: Path, stop_at: int | None = None) -> tuple[nn.Linear, list[float], list[int]]:
    torch.manual_seed(0)
    part = nn.Linear(4, 1)
    told: list[int] = []

    def turns(step: int) -> Iterator[tuple[str, Tensor]]:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        yield "part", nn.functional.mse_loss(part(x), x.sum(1, keepdim=True))

    def progress(done: int, total: int, name: str) -> None:
        told.append(done)
        assert (total, name) == (250, kept.stem)
        if done == stop_at:
            raise KeyboardInterrupt

    losses = minimize({"part": part}, turns, Schedule(250, 0.05, "a.b"), kept, progress)
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

    def turns(step: int) -> Iterator[tuple[str, Tensor]]:
        yield "part", part.weight.sum() * (float("nan") if step == 150 else 1.0)

    with pytest.raises(StageError, match=r"decoder: the loss is not finite by step 200; lower a\.b"):
        minimize({"part": part}, turns, Schedule(250, 1e-3, "a.b"), kept, lambda *_: None)
    assert load_tensors(kept)["step"] == 100


def test_a_phase_of_two_turns_moves_both_parts_and_is_watched(tmp_path: Path) -> None:
    judge, speaker = nn.Linear(2, 1), nn.Linear(1, 2)
    before = [parameter.detach().clone() for parameter in (*judge.parameters(), *speaker.parameters())]

    def turns(_: int) -> Iterator[tuple[str, Tensor]]:
        spoken = speaker(torch.ones(1, 1))
        yield "judge", (judge(spoken.detach()) ** 2).sum()
        yield "speaker", ((judge(spoken) - 1) ** 2).sum()

    looked: list[int] = []

    def watch(step: int) -> dict[str, float]:
        looked.append(step)
        return {"step": float(step)}

    kept, schedule = tmp_path / "both.ckpt", Schedule(450, 1e-3, "a.b", watch_every_steps=150)
    minimize({"judge": judge, "speaker": speaker}, turns, schedule, kept, lambda *_: None, watch)
    assert looked == [200, 300, 450]
    assert [row["step"] for row in load_tensors(kept)["watched"]] == looked
    now = [*judge.parameters(), *speaker.parameters()]
    assert not any(torch.equal(one, other) for one, other in zip(before, now, strict=True))


def test_bfloat16_is_computed_in_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    auto = TrainConfig(precision="auto", accelerator="cpu")
    for has_it, precision in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has_it=has_it: has_it)
        assert find_precision(auto) == precision
        assert find_precision(TrainConfig(precision="bf16-mixed", accelerator="cpu")) == "bf16-mixed"
