"""How close a student in training comes to its teacher: one score that tells which checkpoint to keep.

The student speaks sentences that it was not trained on, through its whole path from text to speech, and is compared
with the teacher's clips of them. Losses on random slices cannot tell which checkpoint people would keep; what is
understood, how it sounds, how long it takes and whose voice it is can. The score is

    100 * (max(0, CER - teacher's CER) + mel / 4 + duration / 2 + 1 - similarity)

and lower is better: 1 is a character more in a hundred that is not understood, 0.04 nats of log-mel, 2 % of duration,
or 0.01 of the cosine between the voices.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.config import AsrConfig, AudioConfig
from ttsd.data.audio import resample
from ttsd.metrics.cepstral import warp
from ttsd.metrics.intelligibility import ASR_SAMPLE_RATE, char_errors, normalize_text, sum_edits
from ttsd.metrics.listening import Listener
from ttsd.metrics.similarity import VoiceEmbedder, similarities
from ttsd.utils.extras import require

_MEL_SHARE, _DURATION_SHARE = 1 / 4, 1 / 2
Waveform = NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """A sentence and the teacher's clip of it."""

    text: str
    """As it is spoken."""
    wav: Waveform
    """float32 [n_samples] in [-1, 1]."""


class Judge:
    """Compares a student's sentences with the teacher's.

    Args:
        references: Two sentences or more.
        audio: Samples and frames, of teacher and student.
        asr: The recogniser.

    Raises:
        ConfigError: The recogniser's model is missing.
        MissingExtraError: The extra `evaluate` is not installed.
    """

    def __init__(self, references: Sequence[Reference], audio: AudioConfig, asr: AsrConfig) -> None:
        self._references = list(references)
        self._audio = audio
        self._language = asr.language
        self._listener = _load_listener(asr)
        self._embedder = VoiceEmbedder()
        self._cdist = require("evaluate", "scipy.spatial.distance").cdist

    def judge(self, wavs: Sequence[Waveform]) -> dict[str, float]:
        """Score the student.

        Args:
            wavs: What it makes of every reference's text, float32 [n_samples], in order.

        Returns:
            `score`, and what it is made of: `cer` and `teacher_cer`, `mel` in nats, `duration` as the mean absolute
            difference of logarithms, `similarity` as a mean cosine. What says nothing at all has the worst of each.
        """
        own, teacher_cer, teacher_voices = self._teacher
        cer = self._hear(wavs)
        mels = [self._measure_mel(wav) for wav in wavs]
        pairs = list(zip(own, mels, strict=True))
        mel = float(np.mean([self._compare_mels(*pair) for pair in pairs]))
        ratios = [max(len(mel), 1) / max(len(reference), 1) for reference, mel in pairs]
        duration = float(np.mean(np.abs(np.log(ratios))))
        similarity = self._compare_voices(teacher_voices, wavs)
        score = max(0.0, cer - teacher_cer) + _MEL_SHARE * mel + _DURATION_SHARE * duration + 1 - similarity
        figures = {"score": 100 * score, "cer": cer, "teacher_cer": teacher_cer, "mel": mel}
        # Rounded, so that a resumed run finds what an undisturbed one does whatever it is read back from.
        figures |= {"duration": duration, "similarity": similarity}
        return {name: round(value, 6) for name, value in figures.items()}

    @functools.cached_property
    def _teacher(self) -> tuple[list[NDArray[np.float32]], float, list[NDArray[np.float32] | None]]:
        wavs = [reference.wav for reference in self._references]
        rate = self._audio.sample_rate
        voices = [self._embedder.embed(wav, rate) for wav in wavs]
        return [self._measure_mel(wav) for wav in wavs], self._hear(wavs), voices

    def _hear(self, wavs: Sequence[Waveform]) -> float:
        clips = [np.clip(resample(wav, self._audio.sample_rate, ASR_SAMPLE_RATE), -1, 1) for wav in wavs]
        heard = self._listener.hear(clips)
        edits = [
            char_errors(normalize_text(reference.text, self._language), normalize_text(one.text, self._language))
            for reference, one in zip(self._references, heard, strict=True)
        ]
        # A recogniser that loops writes more than there is to hear.
        return min(sum_edits(edits).rate, 1.0)

    def _measure_mel(self, wav: Waveform) -> NDArray[np.float32]:
        import torch

        from ttsd.model.mel import compute_mel, compute_spectrogram

        if wav.size <= self._audio.n_fft:
            return np.zeros((0, self._audio.n_mels), dtype=np.float32)
        samples = torch.from_numpy(np.ascontiguousarray(wav)).unsqueeze(0)
        return np.asarray(compute_mel(compute_spectrogram(samples, self._audio), self._audio)[0].T.numpy())

    def _compare_mels(self, reference: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        if len(other) == 0 or len(reference) == 0:
            return float(-np.log(1e-5))
        cost = self._cdist(reference, other, "cityblock") / self._audio.n_mels
        path = warp(cost)
        return float(cost[path[:, 0], path[:, 1]].mean())

    def _compare_voices(self, teacher: Sequence[NDArray[np.float32] | None], wavs: Sequence[Waveform]) -> float:
        voices = [self._embedder.embed(wav, self._audio.sample_rate) for wav in wavs]
        known = [one for one in teacher if one is not None]
        if len(known) < 2:
            return 0.0
        own = [voice for one, voice in zip(teacher, voices, strict=True) if one is not None]
        # Where nothing is heard the teacher's vector holds the place, and its cosine does not count.
        heard = [one if voice is None else voice for one, voice in zip(known, own, strict=True)]
        cosines = similarities(np.stack(known), np.stack(heard))
        return float(np.mean([0.0 if voice is None else cosine for voice, cosine in zip(own, cosines, strict=True)]))


def _load_listener(asr: AsrConfig) -> Listener:
    """Load the recogniser, and leave torch the threads it had: CTranslate2 sets those of the whole process to one."""
    import torch

    n_threads = torch.get_num_threads()
    try:
        return Listener(asr)
    finally:
        torch.set_num_threads(n_threads)
