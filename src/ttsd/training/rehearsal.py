"""The longest batch first: how much memory and time a step takes, before hours are spent on finding out."""

import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import lightning
import torch
from torch.utils.data import DataLoader

from ttsd.config import Config, TrainConfig
from ttsd.errors import ConfigError
from ttsd.model.vits import Vits
from ttsd.training.batch import Batch, TrainingUtterance, UtteranceDataset, collate
from ttsd.training.phase import find_precision
from ttsd.training.quiet import quiet_lightning
from ttsd.training.sampler import epoch_batches
from ttsd.training.store import AudioStore
from ttsd.training.vits_module import VitsModule

_MB = 2**20
_SHARE = 0.9
"""Of the memory that a suggested budget may take."""


@dataclass
class Rehearsal:
    """What steps on the longest batch took."""

    n_clips: int
    n_frames: int
    """Padding included."""
    step_s: float = 0.0
    peak_mb: float = 0.0
    available_mb: float = 0.0
    suggested_frames: int = 0
    """Frames in a batch that would take 90 % of the memory, by a straight line through two sizes."""
    peaks: list[tuple[int, float]] = field(default_factory=list)
    """Frames and peak memory in MB of every size that was tried."""


def rehearse(student: Vits, utterances: Sequence[TrainingUtterance], store: AudioStore, config: Config) -> Rehearsal:
    """Train on half of the batch with the most frames, then on all of it; the student is used up.

    Args:
        student: What is trained.
        utterances: The training utterances.
        store: Their clips.
        config: As for the training.
    """
    train, hop = config.train, config.audio.hop_length
    longest = longest_batch(utterances, config)
    dataset = UtteranceDataset(utterances, store, hop)
    sizes = [longest[: max(1, len(longest) // 2)], longest]
    told = Rehearsal(len(longest), len(longest) * utterances[longest[0]].n_frames)
    # With everything that the run will have, the discriminator first of all.
    everything = {"adversarial_start_step": 0} if train.adversarial_start_step is not None else {}
    tried = config.model_copy(update={"train": train.model_copy(update=everything | {"max_steps": 1000})})
    module = VitsModule(student, tried)
    for size in sizes:
        batch = collate([dataset[i] for i in size], hop)
        told.step_s, told.peak_mb, told.available_mb = _run(module, batch, tried)
        told.peaks.append((len(size) * int(batch.frame_lengths.max()), told.peak_mb))
    (few, low), (many, high) = told.peaks
    per_frame = max((high - low) / max(many - few, 1), 1e-6)
    told.suggested_frames = max(int(many + (_SHARE * told.available_mb - high) / per_frame), few)
    return told


def longest_batch(utterances: Sequence[TrainingUtterance], config: Config) -> list[int]:
    """Return the utterances of an epoch's batch with the most frames, padding included; the longest one first."""
    lengths = [utterance.n_frames for utterance in utterances]
    batches = epoch_batches(lengths, config.train.batch_size, config.train.batch_frames, config.seed, 0)
    longest = max(batches, key=lambda batch: len(batch) * max(lengths[i] for i in batch))
    return sorted(longest, key=lambda i: -lengths[i])


def _run(module: VitsModule, batch: Batch, config: Config) -> tuple[float, float, float]:
    """Return seconds of a second step, and the most memory so far and all there is, in MB."""
    times: list[float] = []

    class Clock(lightning.Callback):
        def on_train_batch_start(self, *_: object) -> None:
            times.append(time.perf_counter())

        def on_train_batch_end(self, *_: object) -> None:
            if module.device.type == "cuda":
                torch.cuda.synchronize(module.device)
            times.append(time.perf_counter())

    with quiet_lightning():
        lightning.Trainer(
            accelerator=config.train.accelerator, devices=1, precision=find_precision(config.train), max_epochs=1,
            limit_train_batches=2, logger=False, callbacks=[Clock()], enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        ).fit(module, DataLoader([batch, batch], batch_size=None))  # type: ignore[arg-type]  # fmt: skip
    peak_mb, available_mb = measure_memory_mb(module.device)
    return times[-1] - times[-2], peak_mb, available_mb


def check_strategy(name: str) -> None:
    """Check that Lightning knows a strategy.

    Raises:
        ConfigError: It does not.
    """
    from lightning.pytorch.strategies import StrategyRegistry

    known = ("auto", *StrategyRegistry.available_strategies())
    if name not in known:
        raise ConfigError(f"train.strategy: Lightning has no `{name}`; it has {', '.join(known)}")


def check_gpu(train: TrainConfig) -> None:
    """Check that there is a GPU that Lightning would train on, where one is asked for.

    Raises:
        ConfigError: There is none.
    """
    if train.accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise ConfigError("train.accelerator gpu: torch finds no GPU here; set train.accelerator=auto or cpu")


def measure_memory_mb(device: torch.device) -> tuple[float, float]:
    """Return the most memory that this process has used on a device, and all that it has, in MB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / _MB, torch.cuda.get_device_properties(device).total_memory / _MB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, Linux kilobytes.
    peak_mb = peak / _MB if sys.platform == "darwin" else peak / 1024
    return peak_mb, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _MB
