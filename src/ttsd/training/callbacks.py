"""What happens between steps: progress, validation, checkpoints, and an end where one is asked for."""

import json
import signal
from types import FrameType
from typing import Any

import lightning
import torch

from ttsd.model.vits import voice_state
from ttsd.report import Progress
from ttsd.training.checkpoint import save_checkpoint
from ttsd.training.shelf import Shelf, describe, is_over
from ttsd.training.validator import Validator
from ttsd.training.vits_module import VitsModule

LAST_NAME = "last.ckpt"


class ProgressLine(lightning.Callback):
    """Tells the stage's progress after every step, and the latest validation."""

    def __init__(self, progress: Progress, shelf: Shelf) -> None:
        self.progress = progress
        self.shelf = shelf

    def on_train_batch_end(self, _: lightning.Trainer, pl_module: lightning.LightningModule, *__: Any) -> None:
        """Report the step."""
        assert isinstance(pl_module, VitsModule)
        self.progress(pl_module.step, pl_module.config.train.max_steps, "training", describe(self.shelf.history))


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

    `last.ckpt` goes on; the others are the voices of the shelf. Without a judge the losses over whole held-out
    utterances take the score's place, and without validation utterances the last one is the best.
    """

    def __init__(self, shelf: Shelf, validator: Validator | None, signals: StopSignals) -> None:
        self.shelf = shelf
        self.validator = validator
        """Where this process is the one that validates."""
        self.signals = signals

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any) -> None:
        """Validate and save where it is due."""
        assert isinstance(pl_module, VitsModule)
        train, history = pl_module.config.train, self.shelf.history
        step, every, n_added = pl_module.step, train.checkpoint_every_steps, train.accumulate_batches
        is_last = step == train.max_steps
        if step % n_added and not is_last:
            # Gradients that are added up are in no checkpoint.
            return
        # At the first step of the optimisers that reaches a multiple.
        if is_last or step // every > (step - n_added) // every:
            if self.validator is not None:
                with pl_module.averaged():
                    figures = self.validator.validate(pl_module.student, step, trainer.loggers)
                self.shelf.add(step, figures, _voice(pl_module))
                self._save(pl_module)
            trainer.strategy.barrier()
        elif self.signals.received is not None and self.validator is not None:
            self._save(pl_module)
        over = self.signals.received is not None or is_over(history, train.validation.patience)
        # One process that leaves alone would let the others wait for it.
        trainer.should_stop = trainer.strategy.reduce_boolean_decision(over, all=False)

    def _save(self, module: VitsModule) -> None:
        shelf = self.shelf
        run = {
            "step": module.step,
            "student": module.student.state_dict(),
            "optimizers": module.optimizer_states(),
            "history": json.dumps(shelf.history),
        }
        scale = shelf.history[-1]["duration_scale"] if shelf.history else 1.0
        save_checkpoint(shelf.run_dir / LAST_NAME, module.config, shelf.symbols, _voice(module), scale, run)


def _voice(module: VitsModule) -> dict[str, torch.Tensor]:
    # Only the floating-point parameters are averaged; the rest of the state is the student's own.
    return voice_state(module.student.state_dict()) | module.averages
