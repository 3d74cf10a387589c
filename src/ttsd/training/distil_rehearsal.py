"""A step of every phase of a compact voice's training: how long it will take, before an hour is spent on it."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ttsd.config import Config
from ttsd.model.compact import GEOMETRIES, CompactVoice
from ttsd.training.batch import TrainingUtterance
from ttsd.training.compact_run import choose_decoder
from ttsd.training.distillation import make_phases, make_schedules
from ttsd.training.phase import Turns
from ttsd.training.rendering import WhiteBox, render

_LATER_STEP = 1000
"""The first steps of polish are the discriminator's alone."""


@dataclass(frozen=True)
class DistilRehearsal:
    """How long the parts of a training take."""

    rendering_s: float
    """For a sentence."""
    step_s: dict[str, float]
    """For a step, by the phase; without the optimisers."""
    total_s: float
    """For all sentences and steps."""


def rehearse_distillation(
    teacher: WhiteBox, utterances: Sequence[TrainingUtterance], config: Config
) -> DistilRehearsal:
    """Let the teacher speak a batch of sentences, and take steps of every phase with random weights.

    Args:
        teacher: From `load_compact`.
        utterances: The training utterances.
        config: As for the training.

    Raises:
        StageError: Every sentence is shorter than a window.
    """
    config = choose_decoder(config, teacher)
    n_sentences = min(config.train.distil.n_utterances, len(utterances))
    # As long as the others: the batches of a training are of all lengths.
    by_length = sorted(utterances, key=lambda one: len(one.symbol_ids))
    n_few = min(config.train.distil.batch_size, len(by_length))
    few = [by_length[(2 * i + 1) * len(by_length) // (2 * n_few)] for i in range(n_few)]
    with tempfile.TemporaryDirectory() as cache:
        begun_s = time.perf_counter()
        renderings = render(teacher, few, config, Path(cache), lambda *_: None)
        rendering_s = (time.perf_counter() - begun_s) / len(few)
    student = CompactVoice(
        GEOMETRIES[config.model.preset], config.audio, teacher.symbols.n_symbols, config.model.decoder
    )
    phases = make_phases(student, teacher.vits, renderings, config, lambda *_: None)
    schedules = {name: one.max_steps for name, one in make_schedules(config).items() if one.max_steps}
    step_s = {name: time_step_s(phases[name][1], 2) for name in schedules}
    total_s = rendering_s * n_sentences + sum(step_s[name] * n_steps for name, n_steps in schedules.items())
    return DistilRehearsal(rendering_s, step_s, total_s)


def time_step_s(turns: Turns, n_steps: int) -> float:
    """Return the seconds of a step without its optimisers, after two to warm up.

    Args:
        turns: Of a phase.
        n_steps: Steps to take the mean of; even, since some phases take two kinds of steps in turns.
    """
    for step in range(-2, n_steps):
        if step == 0:
            begun_s = time.perf_counter()
        for _, loss in turns(_LATER_STEP + step):
            loss.backward()  # type: ignore[no-untyped-call]
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - begun_s) / n_steps
