"""A look at a compact student in training: it speaks what was held out, and is compared with the teacher."""

from collections.abc import Sequence
from typing import Any

import torch

from ttsd.config import Config
from ttsd.model.compact import CompactVoice, locate_frames, whole_frames
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.vits import Synthesis
from ttsd.training.distillation import speak_latents
from ttsd.training.pictures import Sample, show
from ttsd.training.rendering import Rendering
from ttsd.training.validator import Judge, choose_sentences
from ttsd.utils.seeds import derive_seed

_N_SAMPLES = 3
_N_TRIALS = 14
"""They halve an interval of 1.5 to a ten-thousandth."""


class CompactValidator:
    """Validates a compact student, the same way every time.

    Args:
        ids: Ids of the held-out sentences.
        renderings: What the teacher does when it speaks them.
        config: Reads `audio`, `train.validation` and `seed`.
        judge: Who compares the student with the teacher's clips, if anybody.
    """

    def __init__(
        self, ids: Sequence[str], renderings: Sequence[Rendering], config: Config, judge: Judge | None
    ) -> None:
        self._ids = list(ids)
        self._renderings = list(renderings)
        self._config = config
        self._judge = judge

    @torch.no_grad()
    def validate(self, student: CompactVoice, step: int, loggers: Sequence[Any]) -> dict[str, float]:
        """Return a student's error, its stretch of the durations, and what the judge says; logs them, and clips.

        Args:
            student: In evaluation mode.
            step: Number of steps so far.
            loggers: Lightning's.
        """
        device = next(student.parameters()).device
        errors = [
            float((speak_latents(student.front_end, one, device) - one.z).abs().mean()) for one in self._renderings
        ]
        # Where nothing is held out there is no figure, and the last voice is the best.
        figures = {"loss_latents": sum(errors) / len(errors)} if errors else {}
        scale = self._find_scale(student)
        chosen = choose_sentences(len(self._renderings), self._config.train.validation.n_sentences)
        spoken = [self._speak(student, i, scale) for i in chosen]
        if self._judge is not None:
            figures |= self._judge([one.wav.cpu().numpy() for one in spoken])
        elif errors:
            figures["score"] = figures["loss_latents"]
        for logger in loggers:
            logger.log_metrics({f"val/{name}": value for name, value in figures.items()}, step=step)
        pairs = list(zip(chosen, spoken, strict=True))[:_N_SAMPLES]
        show(loggers, [self._sample(i, one) for i, one in pairs], self._config.audio.sample_rate, step)
        return figures | {"duration_scale": scale}

    def _speak(self, student: CompactVoice, number: int, scale: float) -> Synthesis:
        torch.manual_seed(derive_seed(self._config.seed, "validation", number))
        symbol_ids = self._renderings[number].symbol_ids.to(next(student.parameters()).device)
        return student.synthesize(symbol_ids, noise_scale=0.0, noise_scale_duration=0.0, length_scale=scale)

    def _find_scale(self, student: CompactVoice) -> float:
        """Return the factor that makes the durations as long as the teacher's on average."""
        if not self._renderings:
            return 1.0
        device = next(student.parameters()).device
        predicted = [student.front_end.read(one.symbol_ids.to(device)[None])[1] for one in self._renderings]
        teacher = sum(int(one.durations.sum()) for one in self._renderings)
        # Symbols last whole frames and one at least, so a stretch of all gives less than it says: it takes trials.
        # Outside these bounds the front end has learnt nothing yet.
        low, high = 0.5, 2.0
        for _ in range(_N_TRIALS):
            middle = (low + high) / 2
            is_short = sum(int(whole_frames(one, middle).sum()) for one in predicted) < teacher
            low, high = (middle, high) if is_short else (low, middle)
        return (low + high) / 2

    def _sample(self, number: int, spoken: Synthesis) -> Sample:
        audio, teacher = self._config.audio, self._renderings[number].wav
        wavs = [wav.cpu() for wav in (teacher, spoken.wav)]
        mels = [compute_mel(compute_spectrogram(wav.unsqueeze(0), audio), audio)[0].numpy() for wav in wavs]
        symbols, _ = locate_frames(spoken.durations.long().cpu().unsqueeze(0))
        return Sample(self._ids[number], wavs[0].numpy(), wavs[1].numpy(), (mels[0], mels[1]), symbols[0].numpy())
