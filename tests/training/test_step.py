"""The step: what it passes over, when it moves, what learns alone, and that many processes make one step."""

import functools
import itertools
import logging
import subprocess
import sys
from pathlib import Path

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from tests.training.one_step import SETTINGS, make_batch
from ttsd.config import Config, load_config
from ttsd.errors import ConfigError, StageError
from ttsd.model.vits import build_vits
from ttsd.training.batch import Batch
from ttsd.training.guard import Guard
from ttsd.training.vits_module import VitsModule

# Lightning against its own torch version; and advice that is of no use here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
]


def train(config: Config, batches: list[Batch]) -> tuple[VitsModule, list[dict[str, torch.Tensor]]]:
    """Train on batches; returns the module and its weights before and after each."""
    torch.manual_seed(0)
    discriminator = config.train.adversarial_start_step is not None
    module = VitsModule(build_vits(config.model, config.audio, 40, discriminator=discriminator), config)
    weights: list[dict[str, torch.Tensor]] = []

    class Watch(lightning.Callback):
        def on_train_batch_start(self, *_: object) -> None:
            weights.append({name: p.detach().clone() for name, p in module.student.named_parameters()})

    lightning.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, limit_train_batches=len(batches), logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[Watch()],
    ).fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]  # fmt: skip
    weights.append({name: p.detach().clone() for name, p in module.student.named_parameters()})
    return module, weights


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], part: str) -> bool:
    names = [name for name in before if name.startswith("disc.") == (part == "discriminator")]
    return any(not torch.equal(before[name], after[name]) for name in names)


def test_gradients_that_are_not_finite_are_passed_over_and_the_clips_named(caplog: pytest.LogCaptureFixture) -> None:
    config = load_config(None, [*SETTINGS, "train.max_steps=3", "train.log_every_steps=3"])
    good, bad = make_batch([0]), make_batch([1])
    bad.wav[0, 5000] = torch.nan
    with caplog.at_level(logging.WARNING, "ttsd"):
        module, weights = train(config, [good, bad, good])
    assert module.guard.skipped == [1]
    assert "step 1 is passed over" in caplog.text
    assert "10, 11" in caplog.text
    for part in ("generator", "discriminator"):
        assert [moved(*pair, part) for pair in itertools.pairwise(weights)] == [True, False, True]
    assert all(bool(torch.isfinite(value).all()) for value in (*weights[-1].values(), *module.averages.values()))


def test_a_run_whose_gradients_are_never_finite_stops_and_says_what_to_do() -> None:
    config = load_config(None, [*SETTINGS, "train.max_steps=9", "train.log_every_steps=3", "train.max_skipped_steps=3"])
    bad = make_batch([1])
    bad.wav[0, 5000] = torch.inf
    with pytest.raises(StageError, match=r"3 steps in a row; the last saw the clips 10, 11.*train\.learning_rate"):
        train(config, [bad] * 9)


def test_a_good_step_ends_a_row_of_bad_ones() -> None:
    guard = Guard(max_in_a_row=2)
    for step, norm in enumerate((1.0, torch.nan, 1.0, torch.inf, 2.0)):
        assert float(guard.watch(torch.tensor(norm), step, ["a"])) == (step in (1, 3))
    guard.check()
    assert guard.skipped == [1, 3]
    guard.watch(torch.tensor(torch.nan), 5, ["a"])
    guard.check()
    guard.watch(torch.tensor(torch.nan), 6, ["b"])
    with pytest.raises(StageError, match="step 6"):
        guard.check()


def test_accumulated_batches_move_the_weights_once() -> None:
    config = load_config(None, [*SETTINGS, "train.max_steps=4", "train.accumulate_batches=2"])
    _, weights = train(config, [make_batch([rank]) for rank in (0, 1, 0, 1)])
    for part in ("generator", "discriminator"):
        assert [moved(*pair, part) for pair in itertools.pairwise(weights)] == [False, True, False, True]


def test_a_new_discriminator_warms_up_before_the_rest_moves() -> None:
    config = load_config(None, [*SETTINGS, "train.max_steps=3", "train.warmup.discriminator_steps=2"])
    _, weights = train(config, [make_batch([0])] * 3)
    pairs = list(itertools.pairwise(weights))
    assert [moved(*pair, "generator") for pair in pairs] == [False, False, True]
    assert [moved(*pair, "discriminator") for pair in pairs] == [True, True, True]


def test_a_small_discriminator_takes_the_place_of_the_papers() -> None:
    config = load_config(None, [*SETTINGS, "train.max_steps=2", "model.discriminator=small"])
    module, weights = train(config, [make_batch([0])] * 2)
    pairs = list(itertools.pairwise(weights))
    assert [moved(*pair, part) for pair in pairs for part in ("generator", "discriminator")] == [True] * 4
    n_small = sum(p.numel() for p in module.student.disc.parameters())
    papers = build_vits(load_config().model, config.audio, 40, discriminator=True).disc
    assert n_small < sum(p.numel() for p in papers.parameters()) / 100


def test_two_processes_have_the_gradients_of_the_joint_batch(tmp_path: Path) -> None:
    gradients = []
    for n_processes in (1, 2):
        path = tmp_path / f"{n_processes}.pt"
        subprocess.run(
            [sys.executable, "-m", "tests.training.one_step", str(n_processes), str(path)],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        gradients.append(torch.load(path, weights_only=True))
    one, two = gradients
    assert set(one) == set(two)
    assert any(name.startswith("student.disc.") for name in one)
    for name, value in one.items():
        scale = float(value.abs().max())
        # A bias on all keys of an attention changes nothing: its gradient is rounding alone.
        if scale > 1e-6:
            torch.testing.assert_close(two[name], value, rtol=0, atol=2e-4 * scale, msg=name)


def test_frozen_weights_stay_as_they_start() -> None:
    config = load_config(
        None, [*SETTINGS, 'train.frozen=["text_encoder", "waveform_decoder.ups.0"]', "train.max_steps=2"]
    )
    _, weights = train(config, [make_batch([0])] * 2)
    changed = {name for name in weights[0] if not torch.equal(weights[0][name], weights[-1][name])}
    frozen = ("text_encoder.", "waveform_decoder.ups.0.")
    assert not [name for name in changed if name.startswith(frozen)]
    assert any(name.startswith("waveform_decoder.ups.1.") for name in changed)
    assert any(name.startswith("flow.") for name in changed)


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (
            '["txt_encoder"]',
            r"no weight's name begins with txt_encoder; the parts are text_encoder, .*_decoder",
        ),
        (
            '["text_encoder", "posterior_encoder", "flow", "duration_predictor", "waveform_decoder"]',
            r"leaves nothing to learn",
        ),
    ],
)
def test_weights_that_cannot_be_frozen_are_answered_in_a_line(frozen: str, message: str) -> None:
    config = load_config(None, [*SETTINGS, f"train.frozen={frozen}"])
    with pytest.raises(ConfigError, match=message):
        VitsModule(build_vits(config.model, config.audio, 40), config)


# The compiler looks for gradients where it knows there are none, and hides the warning from everyone but pytest.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_a_compiled_step_is_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [*SETTINGS, "model.discriminator=small", "train.max_steps=1"]
    # The graphs are captured and run; to write machine code for them takes minutes.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    steps = []
    for compiled in (False, True):
        captured = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        module, weights = train(load_config(None, [*settings, f"train.compile={compiled}"]), [make_batch([0])])
        assert (torch._dynamo.utils.counters["stats"]["unique_graphs"] > captured) == compiled
        assert set(weights[0]) == {name for name, _ in module.student.named_parameters()}
        steps.append(weights[-1])
    for name, value in steps[0].items():
        torch.testing.assert_close(steps[1][name], value, rtol=1e-3, atol=1e-4, msg=name)
