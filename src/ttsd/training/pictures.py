"""What can be heard and seen of a training: clips of teacher and student, spectrograms, alignments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """A sentence as teacher and student speak it."""

    id: str
    teacher: NDArray[np.float32]
    student: NDArray[np.float32]
    mels: tuple[NDArray[np.float32], NDArray[np.float32]]
    """Log-mel spectrograms of both, float32 [n_mels, n_frames]."""
    symbols: NDArray[np.int64]
    """Symbol of every frame of the teacher's clip, as the student aligns it, int64 [n_frames]."""


def show(loggers: Sequence[Logger], samples: Sequence[Sample], sample_rate: int, step: int) -> None:
    """Add samples to TensorBoard and Weights & Biases.

    Args:
        loggers: Where to.
        samples: What is heard and seen.
        sample_rate: Of the clips, in Hz.
        step: Number of batches so far.
    """
    for logger in loggers:
        for sample in samples:
            clips = {"teacher": sample.teacher, "student": sample.student}
            figures = {"mel": draw_mels(sample.mels), "alignment": draw_alignment(sample.mels[0], sample.symbols)}
            if isinstance(logger, TensorBoardLogger):
                for name, wav in clips.items():
                    logger.experiment.add_audio(f"{sample.id}/{name}", wav, step, sample_rate)
                for name, figure in figures.items():
                    logger.experiment.add_figure(f"{sample.id}/{name}", figure, step)
            elif isinstance(logger, WandbLogger):
                for name, wav in clips.items():
                    logger.log_audio(f"{sample.id}/{name}", [wav], step=step, sample_rate=[sample_rate])
                for name, figure in figures.items():
                    logger.log_image(f"{sample.id}/{name}", [figure], step=step)


def draw_mels(mels: Sequence[NDArray[np.float32]]) -> Figure:
    """Draw the teacher's mel spectrogram above the student's, on one colour scale.

    Args:
        mels: Two log-mel spectrograms, float32 [n_mels, n_frames].
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    low, high = float(mels[0].min()), float(mels[0].max())
    image: Any = None
    for axes, mel, title in zip(figure.subplots(2, 1, sharex=True), mels, ("teacher", "student"), strict=True):
        image = axes.imshow(mel, origin="lower", aspect="auto", vmin=low, vmax=high, interpolation="none")
        axes.set_title(title, loc="left")
        axes.set_ylabel("mel band")
    figure.axes[1].set_xlabel("frame")
    figure.colorbar(image, ax=figure.axes, label="log magnitude")
    return figure


def draw_alignment(mel: NDArray[np.float32], symbols: NDArray[np.int64]) -> Figure:
    """Draw which symbol every frame of the teacher's clip belongs to, below its spectrogram.

    Args:
        mel: Log-mel spectrogram, float32 [n_mels, n_frames].
        symbols: int64 [n_frames].
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.imshow(mel, origin="lower", aspect="auto", interpolation="none")
    above.set_ylabel("mel band")
    below.step(np.arange(len(symbols)), symbols, where="post")
    below.set_ylabel("symbol")
    below.set_xlabel("frame")
    below.margins(x=0)
    return figure
