"""What happens between steps: progress, validation, checkpoints, and clips and pictures for TensorBoard."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from ttsd.data.symbols import SymbolTable
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.vits import Vits, voice_state
from ttsd.report import Progress
from ttsd.training.batch import Batch
from ttsd.training.checkpoint import save_checkpoint
from ttsd.training.vits_module import VitsModule

N_SAMPLES = 3


class ProgressLine(lightning.Callback):
    """Tells the stage's progress after every step."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_batch_end(self, _: lightning.Trainer, pl_module: lightning.LightningModule, *__: Any) -> None:
        """Report the step."""
        assert isinstance(pl_module, VitsModule)
        self.progress(pl_module.step, pl_module.config.train.max_steps, "training")


class Checkpoints(lightning.Callback):
    """Every so many steps and at the end: validates the averaged weights, then writes `last.ckpt` and `best.ckpt`.

    `best.ckpt` has the lowest validation loss: mel, KL and duration over whole held-out utterances, without noise. With
    no validation utterances it is the last one.
    """

    def __init__(
        self, run_dir: Path, symbols: SymbolTable, batches: Sequence[Batch], history: list[dict[str, float]]
    ) -> None:
        self.run_dir = run_dir
        self.symbols = symbols
        self.batches = batches
        """The validation utterances, one in a batch."""
        self.history = history
        """Step and losses of every validation so far; a resumed run goes on from the earlier ones."""

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any) -> None:
        """Validate and save where it is due."""
        assert isinstance(pl_module, VitsModule)
        train = pl_module.config.train
        if pl_module.step % train.checkpoint_every_steps and pl_module.step != train.max_steps:
            return
        batches = [batch.to(pl_module.device) for batch in self.batches]
        with pl_module.averaged():
            losses = _mean([pl_module.validation_losses(batch) for batch in batches])
            duration_scale = pl_module.duration_scale(batches)
            if isinstance(trainer.logger, TensorBoardLogger):
                trainer.logger.log_metrics(
                    {f"val/{name}": value for name, value in losses.items()}, step=pl_module.step
                )
                log_samples(trainer.logger, pl_module, batches[:N_SAMPLES])
        if trainer.is_global_zero:
            self._save(pl_module, losses, duration_scale)

    def _save(self, module: VitsModule, losses: dict[str, float], duration_scale: float) -> None:
        self.history.append({"step": module.step, **losses})
        # Only the floating-point parameters are averaged; the rest of the state is the student's own.
        voice = voice_state(module.student.state_dict()) | module.averages
        totals = [_total(entry) for entry in self.history]
        if totals[-1] <= min(totals):
            save_checkpoint(self.run_dir / "best.ckpt", module.config, self.symbols, voice, duration_scale)
        run = {
            "step": module.step,
            "student": module.student.state_dict(),
            "optimizers": module.optimizer_states(),
            "history": json.dumps(self.history),
        }
        save_checkpoint(self.run_dir / "last.ckpt", module.config, self.symbols, voice, duration_scale, run)


def best_step(history: Sequence[dict[str, float]]) -> int:
    """Return the step of the lowest validation loss, the later one of equals."""
    return int(min(reversed(history), key=_total)["step"])


def log_samples(logger: TensorBoardLogger, module: VitsModule, batches: Sequence[Batch]) -> None:
    """Add the teacher's and the student's clip of some utterances, and their mel spectrograms, to TensorBoard."""
    audio = module.config.audio
    for batch in batches:
        name = batch.ids[0]
        student = speak(module.student, batch.symbol_ids[0])
        for speaker, wav in (("teacher", batch.wav[0]), ("student", student)):
            logger.experiment.add_audio(f"{name}/{speaker}", wav.cpu(), module.step, audio.sample_rate)
        mels = [compute_mel(compute_spectrogram(wav.unsqueeze(0), audio), audio)[0] for wav in (batch.wav[0], student)]
        logger.experiment.add_figure(f"{name}/mel", draw_mels(mels), module.step)


def speak(student: Vits, symbol_ids: Tensor) -> Tensor:
    """Return the waveform of one utterance without noise, float32 [n_samples]."""
    return student.synthesize(symbol_ids, noise_scale=0.0, noise_scale_duration=0.0, length_scale=1.0).wav


def draw_mels(mels: Sequence[Tensor]) -> Any:
    """Draw the teacher's mel spectrogram above the student's, on one colour scale.

    Args:
        mels: Two log-mel spectrograms, float32 [n_mels, n_frames].
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    low, high = float(mels[0].min()), float(mels[0].max())
    for axes, mel, title in zip(figure.subplots(2, 1, sharex=True), mels, ("teacher", "student"), strict=True):
        image = axes.imshow(mel.cpu().numpy(), origin="lower", aspect="auto", vmin=low, vmax=high, interpolation="none")
        axes.set_title(title, loc="left")
        axes.set_ylabel("mel band")
    axes.set_xlabel("frame")
    figure.colorbar(image, ax=figure.axes, label="log magnitude")
    return figure


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in (rows[0] if rows else ())}


def _total(entry: dict[str, float]) -> float:
    return sum(value for name, value in entry.items() if name != "step")
