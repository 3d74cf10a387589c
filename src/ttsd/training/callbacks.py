"""What happens between steps: progress, validation, checkpoints, and an end where one is asked for."""

import json
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from ttsd.data.symbols import SymbolTable
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.vits import voice_state
from ttsd.report import Progress
from ttsd.training.batch import Batch
from ttsd.training.checkpoint import save_checkpoint
from ttsd.training.pictures import Sample, show
from ttsd.training.validation import duration_scale, validation_losses
from ttsd.training.vits_module import VitsModule
from ttsd.utils.files import atomic_path
from ttsd.utils.seeds import derive_seed

N_SAMPLES = 3
Judge = Callable[[Sequence[NDArray[np.float32]]], dict[str, float]]
"""Scores what a student makes of the sentences it is watched by; `score` is the one that counts, lower is better."""


class ProgressLine(lightning.Callback):
    """Tells the stage's progress after every step."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_batch_end(self, _: lightning.Trainer, pl_module: lightning.LightningModule, *__: Any) -> None:
        """Report the step."""
        assert isinstance(pl_module, VitsModule)
        self.progress(pl_module.step, pl_module.config.train.max_steps, "training")


class StopSignals(lightning.Callback):
    """Ctrl-C and SIGTERM: the step at hand is finished, `last.ckpt` written, and the run ends; a second one ends it."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def on_train_start(self, *_: Any) -> None:
        """Listen; after Lightning, which would end the run without a checkpoint."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)

    def on_train_end(self, *_: Any) -> None:
        """Listen no longer."""
        self.teardown()

    def on_exception(self, *_: Any) -> None:
        """Listen no longer."""
        self.teardown()

    def teardown(self, *_: Any, **__: Any) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self.teardown()
            signal.default_int_handler(number, frame)
        self.received = number


class Checkpoints(lightning.Callback):
    """Every so many steps and at the end: validates the averaged weights, then writes the checkpoints.

    `last.ckpt` goes on; `best.ckpt` is the voice with the best score so far, and `step-<step>.ckpt` are the few best.
    Without a judge the losses over whole held-out utterances take the score's place, and without validation utterances
    the last one is the best.
    """

    def __init__(
        self,
        run_dir: Path,
        symbols: SymbolTable,
        batches: Sequence[Batch],
        history: list[dict[str, float]],
        judge: Judge | None,
        signals: StopSignals,
    ) -> None:
        self.run_dir = run_dir
        self.symbols = symbols
        self.batches = batches
        """The validation utterances, one in a batch."""
        self.history = history
        """Step and figures of every validation so far; a resumed run goes on from the earlier ones."""
        self.judge = judge
        self.signals = signals

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any) -> None:
        """Validate and save where it is due."""
        assert isinstance(pl_module, VitsModule)
        train = pl_module.config.train
        if pl_module.step % train.accumulate_batches:
            # Gradients that are added up are in no checkpoint.
            return
        if pl_module.step % train.checkpoint_every_steps == 0 or pl_module.step == train.max_steps:
            self._validate(trainer, pl_module)
        elif self.signals.received is not None and trainer.is_global_zero:
            scale = self.history[-1]["duration_scale"] if self.history else 1.0
            self._save_last(pl_module, self._voice(pl_module), scale)
        if self.signals.received is not None or is_over(self.history, train.validation.patience):
            trainer.should_stop = True

    @torch.no_grad()
    def _validate(self, trainer: lightning.Trainer, module: VitsModule) -> None:
        config, student = module.config, module.student
        batches = [batch.to(module.device) for batch in self.batches]
        chosen = choose_sentences(len(batches), config.train.validation.n_sentences)
        with module.averaged():
            figures = _mean([validation_losses(student, batch, config) for batch in batches])
            scale = duration_scale(student, batches, config)
            wavs = [self._speak(module, batches[i], i, scale) for i in chosen]
            samples = [
                self._make_sample(module, batches[i], wav) for i, wav in zip(chosen[:N_SAMPLES], wavs, strict=False)
            ]
        if self.judge is not None and trainer.is_global_zero:
            figures |= self.judge(wavs)
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            logger.log_metrics({f"val/{name}": value for name, value in figures.items()}, step=module.step)
        show(trainer.loggers, samples, config.audio.sample_rate, module.step)
        self.history.append({"step": module.step, **figures, "duration_scale": scale})
        self._save(module, scale)

    def _speak(self, module: VitsModule, batch: Batch, number: int, scale: float) -> NDArray[np.float32]:
        """Speak a sentence as `synth` would, with noise that is the same every time."""
        config = module.config
        torch.manual_seed(derive_seed(config.seed, "validation", number))
        synthesis = module.student.synthesize(
            batch.symbol_ids[0],
            noise_scale=config.synth.noise_scale,
            noise_scale_duration=config.synth.noise_scale_duration,
            length_scale=scale,
        )
        return np.asarray(synthesis.wav.float().cpu().numpy())

    def _make_sample(self, module: VitsModule, batch: Batch, wav: NDArray[np.float32]) -> Sample:
        audio, student = module.config.audio, module.student
        spec = compute_spectrogram(batch.wav, audio)
        text = student.text_encoder(batch.symbol_ids, batch.symbol_lengths)
        _, m_q, _, mask = student.posterior_encoder(spec, batch.frame_lengths)
        aligned = student.align(text, batch.symbol_lengths, student.flow(m_q, mask), mask, batch.frame_lengths)
        own = compute_spectrogram(torch.from_numpy(wav).to(spec.device).unsqueeze(0), audio)
        mels = [compute_mel(one, audio)[0].cpu().numpy() for one in (spec, own)]
        teacher = batch.wav[0].cpu().numpy()
        return Sample(batch.ids[0], teacher, wav, (mels[0], mels[1]), aligned.symbols[0].cpu().numpy())

    def _voice(self, module: VitsModule) -> dict[str, torch.Tensor]:
        # Only the floating-point parameters are averaged; the rest of the state is the student's own.
        return voice_state(module.student.state_dict()) | module.averages

    def _save(self, module: VitsModule, scale: float) -> None:
        voice, best = self._voice(module), rank(self.history)[: module.config.train.keep_checkpoints]
        if module.step in best:
            save_checkpoint(_step_path(self.run_dir, module.step), module.config, self.symbols, voice, scale)
        # The best one first: killed here, the run still has one.
        if best[0] == module.step:
            with atomic_path(self.run_dir / "best.ckpt") as temporary:
                shutil.copyfile(_step_path(self.run_dir, best[0]), temporary)
        self._save_last(module, voice, scale)
        kept = {_step_path(self.run_dir, step) for step in best}
        for path in self.run_dir.glob("step-*.ckpt"):
            if path not in kept:
                path.unlink()

    def _save_last(self, module: VitsModule, voice: dict[str, torch.Tensor], scale: float) -> None:
        run = {
            "step": module.step,
            "student": module.student.state_dict(),
            "optimizers": module.optimizer_states(),
            "history": json.dumps(self.history),
        }
        save_checkpoint(self.run_dir / "last.ckpt", module.config, self.symbols, voice, scale, run)


def _step_path(run_dir: Path, step: int) -> Path:
    return run_dir / f"step-{step:07d}.ckpt"


def choose_sentences(n_available: int, n_wanted: int) -> list[int]:
    """Return which validation utterances are spoken: as many as are wanted, spread over all, the same every time."""
    n_chosen = min(n_available, n_wanted)
    return [i * n_available // n_chosen for i in range(n_chosen)]


def rank(history: Sequence[dict[str, float]]) -> list[int]:
    """Return the steps of a run's validations, the best first, the later one of equals before."""
    return [int(entry["step"]) for entry in sorted(history, key=lambda entry: (_judge(entry), -entry["step"]))]


def is_over(history: Sequence[dict[str, float]], patience: int | None) -> bool:
    """Tell whether so many validations in a row were no better than the best before them."""
    if patience is None or len(history) <= patience:
        return False
    before, late = history[:-patience], history[-patience:]
    return min(map(_judge, late)) >= min(map(_judge, before))


def _judge(entry: dict[str, float]) -> float:
    return (
        entry["score"]
        if "score" in entry
        else sum(entry.get(name, 0.0) for name in ("loss_mel", "loss_kl", "loss_duration"))
    )


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {f"loss_{name}": sum(row[name] for row in rows) / len(rows) for name in (rows[0] if rows else ())}
