"""What is measured of one sentence, once each system has spoken it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ttsd.config import AsrConfig
from ttsd.metrics.cepstral import ALPHAS, common_rate, compare_cepstra, mel_cepstrum
from ttsd.metrics.intelligibility import Recognizer, align_words, char_errors, normalize_text, word_errors
from ttsd.metrics.similarity import VoiceEmbedder

TEACHER = "teacher"


@dataclass(frozen=True)
class Clip:
    """A sentence as one system spoke it."""

    wav: NDArray[np.float32]
    """Waveform, float32 [n_samples] in [-1, 1]; empty where the system failed."""
    sample_rate: int
    """In Hz."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.wav.size / self.sample_rate


@dataclass(frozen=True)
class Measurement:
    """The figures of one system's clip; JSON-able as it stands."""

    duration_s: float
    heard: str
    """The recogniser's text."""
    word_errors: int
    n_words: int
    char_errors: int
    n_chars: int
    differences: list[tuple[str, str, str]] = field(default_factory=list)
    """Operation, words meant and words heard, in order, after normalisation."""
    mcd_db: float | None = None
    """Mel-cepstral distortion against the teacher's clip; none where it could not be measured."""
    path_stretch: float | None = None
    """Share of the alignment where one clip waits for the other."""
    embedding: list[float] | None = None
    """The voice, 256 figures; none where no speech was found."""


@dataclass(frozen=True)
class Sentence:
    """One sentence, measured for every system."""

    id: str
    transcript: str
    systems: dict[str, Measurement]


class Meter:
    """The instruments, loaded once: the recogniser and the speaker encoder.

    Args:
        asr: The recogniser's settings.

    Raises:
        ConfigError: The recogniser cannot be loaded.
        MissingExtraError: A package is missing.
    """

    def __init__(self, asr: AsrConfig) -> None:
        self._language = asr.language
        self._recognizer = Recognizer(asr)
        self._embedder = VoiceEmbedder()

    def measure(self, transcript: str, clips: Mapping[str, Clip]) -> dict[str, Measurement]:
        """Measure one sentence as every system spoke it.

        Args:
            transcript: What was to be said; at least one word is left of it once it is normalized.
            clips: The clip of every system, by name; `teacher` is among them.

        Returns:
            The figures by name, in the order of the clips.

        Raises:
            CorpusError: The transcript has no word.
        """
        reference = normalize_text(transcript, self._language)
        spectra = self._compare_spectra(clips)
        results = {}
        for name, clip in clips.items():
            heard = self._recognizer.transcribe(clip.wav, clip.sample_rate)
            hypothesis = normalize_text(heard, self._language)
            words, chars = word_errors(reference, hypothesis), char_errors(reference, hypothesis)
            embedding = self._embedder.embed(clip.wav, clip.sample_rate)
            mcd_db, path_stretch = spectra[name]
            results[name] = Measurement(
                duration_s=clip.duration_s,
                heard=heard,
                word_errors=words.n_errors,
                n_words=words.n_reference,
                char_errors=chars.n_errors,
                n_chars=chars.n_reference,
                differences=[(d.operation, d.reference, d.hypothesis) for d in align_words(reference, hypothesis)],
                mcd_db=mcd_db,
                path_stretch=path_stretch,
                embedding=None if embedding is None else [float(value) for value in embedding],
            )
        return results

    @staticmethod
    def _compare_spectra(clips: Mapping[str, Clip]) -> dict[str, tuple[float | None, float | None]]:
        lowest = min(clip.sample_rate for clip in clips.values())
        if lowest < min(ALPHAS):
            return dict.fromkeys(clips, (None, None))
        # One rate for all systems, so that their figures can be set side by side.
        rate = common_rate(lowest, lowest)
        cepstra = {name: mel_cepstrum(clip.wav, clip.sample_rate, rate) for name, clip in clips.items()}
        reference = cepstra[TEACHER]
        results: dict[str, tuple[float | None, float | None]] = {}
        for name, cepstrum in cepstra.items():
            if reference is None or cepstrum is None:
                results[name] = (None, None)
            else:
                distortion = compare_cepstra(reference, cepstrum)
                results[name] = (round(distortion.mcd_db, 6), round(distortion.path_stretch, 6))
        return results
