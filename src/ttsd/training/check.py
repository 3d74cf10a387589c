"""What is wrong with a corpus for a student, found before anything is trained."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ttsd.config import Config
from ttsd.data.corpus import Corpus, Utterance
from ttsd.data.split import split_of
from ttsd.data.symbols import SymbolTable
from ttsd.model.vits import Vits
from ttsd.training.batch import TrainingUtterance

_OUTLIER_DEVIATIONS = 6.0
"""A clip whose frames per symbol are so many robust deviations off the median was cut off, or says something else."""
_BYTES = {"float32": 4, "int16": 2}
_COPIES = 5
"""Of the generator's weights in `last.ckpt`: raw, averaged, and AdamW's two moments, and the voice of `best.ckpt`."""


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    check: str
    """What was looked at."""
    verdict: Literal["ok", "look", "fail"]
    """Whether it is fine, worth a look, or keeps the training from starting."""
    told: str
    """In one line, with the file, the id and the cure."""


def find_misfits(utterances: Sequence[TrainingUtterance], config: Config) -> list[str]:
    """Return what keeps utterances from being trained on, one line each with the clip, the id and the cure.

    Args:
        utterances: What is trained on.
        config: Reads `train.segment_frames` and `train.batch_frames`.
    """
    train, found = config.train, []
    for utterance in utterances:
        n_symbols, n_frames = len(utterance.symbol_ids), utterance.n_frames
        told = f"{utterance.clip}: {utterance.id} has {n_frames} frames"
        # Alignment gives every symbol at least one frame.
        if n_symbols > n_frames:
            found.append(f"{told} for {n_symbols} symbols; delete its row or set qc.min_frames_per_token=1")
        elif n_frames < train.segment_frames:
            found.append(
                f"{told}, and a segment takes {train.segment_frames}; delete its row or raise qc.min_duration_s"
            )
        elif train.batch_frames is not None and n_frames > train.batch_frames:
            found.append(
                f"{told}, and train.batch_frames is {train.batch_frames}; delete its row, lower qc.max_duration_s or "
                "raise train.batch_frames"
            )
    return found


def find_outliers(utterances: Sequence[TrainingUtterance]) -> list[str]:
    """Return the utterances that are far slower or faster than the speaker, one line each."""
    if not utterances:
        return []
    rates = np.log([utterance.n_frames / len(utterance.symbol_ids) for utterance in utterances])
    median = np.median(rates)
    # A normal distribution's deviation is 1.4826 times its median absolute deviation.
    deviation = max(1.4826 * float(np.median(np.abs(rates - median))), 0.02)
    return [
        f"{utterance.clip}: {utterance.id} has {np.exp(rate):.1f} frames a symbol, the corpus {np.exp(median):.1f}; "
        "listen to it"
        for utterance, rate in zip(utterances, rates, strict=True)
        if abs(rate - median) > _OUTLIER_DEVIATIONS * deviation
    ]


def find_unknown_symbols(corpus: Corpus, config: Config, symbols: SymbolTable) -> list[str]:
    """Return the utterances with phonemes that the student cannot say, one line each."""
    return [
        f"{corpus.root}: {utterance.id} has {', '.join(unknown)}, which the voice has no symbol for; reword it, or set "
        "qc.max_unknown_symbols=0"
        for utterance in corpus.utterances
        if _is_used(utterance, config) and (unknown := symbols.unknown_symbols(utterance.phonemes or ""))
    ]


def check_disk(run_dir: Path, student: Vits, n_samples: int, config: Config) -> Finding:
    """Compare what a run will write with the room on its disk.

    Args:
        run_dir: The run's directory; it need not exist.
        student: What is trained.
        n_samples: Samples of all clips.
        config: Reads `train.keep_checkpoints`.
    """
    weights = _BYTES["float32"] * sum(p.numel() for p in student.parameters())
    # While a checkpoint is written, the one before is still there.
    needed = weights * (2 * _COPIES + config.train.keep_checkpoints) + _BYTES["int16"] * n_samples
    folder = next(parent for parent in (run_dir.absolute(), *run_dir.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    told = f"{needed / 1e9:.1f} GB for checkpoints and decoded clips, {free / 1e9:.1f} GB free"
    if needed < 0.9 * free:
        return Finding("disk", "ok", told)
    return Finding("disk", "fail", f"{told}; free some, or name a run directory and paths.cache on another disk")


def _is_used(utterance: Utterance, config: Config) -> bool:
    return split_of(utterance, config.split) != "test"
