"""A look at a student in training: it speaks what was held out, and is compared with the teacher."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ttsd.config import Config
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.vits import Vits
from ttsd.training.batch import Batch
from ttsd.training.pictures import Sample, show
from ttsd.training.validation import duration_scale, validation_losses
from ttsd.utils.seeds import derive_seed

_N_SAMPLES = 3
Judge = Callable[[Sequence[NDArray[np.float32]]], dict[str, float]]
"""Scores what a student makes of the sentences it is watched by; `score` is the one that counts, lower is better."""


class Validator:
    """Validates a student, the same way every time.

    Args:
        batches: The validation utterances, one in a batch.
        config: Reads `audio`, `model`, `synth`, `train.validation` and `seed`.
        judge: Who compares it with the teacher, if anybody.
    """

    def __init__(self, batches: Sequence[Batch], config: Config, judge: Judge | None) -> None:
        self._batches = list(batches)
        self._config = config
        self._judge = judge

    @torch.no_grad()
    def validate(self, student: Vits, step: int, loggers: Sequence[Any]) -> dict[str, float]:
        """Return a student's losses, its stretch of the durations, and what the judge says; logs them, and clips.

        Args:
            student: In evaluation mode, with the weights that speak.
            step: Number of steps so far.
            loggers: Lightning's.
        """
        config, device = self._config, next(student.parameters()).device
        batches = [batch.to(device) for batch in self._batches]
        chosen = choose_sentences(len(batches), config.train.validation.n_sentences)
        torch.manual_seed(derive_seed(config.seed, "validation"))
        figures = _mean([validation_losses(student, batch, config) for batch in batches])
        scale = duration_scale(student, batches, config)
        wavs = [self._speak(student, batches[i], i, scale) for i in chosen]
        if self._judge is not None:
            figures |= self._judge(wavs)
        for logger in loggers:
            logger.log_metrics({f"val/{name}": value for name, value in figures.items()}, step=step)
        samples = [self._sample(student, batches[i], wav) for i, wav in zip(chosen[:_N_SAMPLES], wavs, strict=False)]
        show(loggers, samples, config.audio.sample_rate, step)
        return figures | {"duration_scale": scale}

    def _speak(self, student: Vits, batch: Batch, number: int, scale: float) -> NDArray[np.float32]:
        """Speak a sentence as `synth` would, with noise that is the same every time."""
        synth = self._config.synth
        torch.manual_seed(derive_seed(self._config.seed, "validation", number))
        synthesis = student.synthesize(
            batch.symbol_ids[0],
            noise_scale=synth.noise_scale,
            noise_scale_duration=synth.noise_scale_duration,
            length_scale=scale,
        )
        return np.asarray(synthesis.wav.float().cpu().numpy())

    def _sample(self, student: Vits, batch: Batch, wav: NDArray[np.float32]) -> Sample:
        audio = self._config.audio
        spec = compute_spectrogram(batch.wav, audio)
        text = student.text_encoder(batch.symbol_ids, batch.symbol_lengths)
        _, m_q, _, mask = student.posterior_encoder(spec, batch.frame_lengths)
        aligned = student.align(text, batch.symbol_lengths, student.flow(m_q, mask), mask, batch.frame_lengths)
        own = compute_spectrogram(torch.from_numpy(wav).to(spec.device).unsqueeze(0), audio)
        mels = [compute_mel(one, audio)[0].cpu().numpy() for one in (spec, own)]
        teacher = batch.wav[0].cpu().numpy()
        return Sample(batch.ids[0], teacher, wav, (mels[0], mels[1]), aligned.symbols[0].cpu().numpy())


def choose_sentences(n_available: int, n_wanted: int) -> list[int]:
    """Return which validation utterances are spoken: as many as are wanted, spread over all, the same every time."""
    n_chosen = min(n_available, n_wanted)
    return [i * n_available // n_chosen for i in range(n_chosen)]


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {f"loss_{name}": sum(row[name] for row in rows) / len(rows) for name in (rows[0] if rows else ())}
