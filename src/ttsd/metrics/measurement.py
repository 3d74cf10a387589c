"""What is measured of one sentence, once each system has spoken it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.config import Config
from ttsd.data.levels import count_clipped_samples, measure_silence
from ttsd.data.loudness import measure_loudness
from ttsd.data.spectrum import measure_bandwidth_hz
from ttsd.metrics.cepstral import ALPHAS, Analysis, analyse, common_rate, compare_cepstra
from ttsd.metrics.distillmos import DistillMos
from ttsd.metrics.failures import find_failures
from ttsd.metrics.intelligibility import (
    Recognizer,
    align_words,
    char_errors,
    identify_recognizer,
    normalize_text,
    word_errors,
)
from ttsd.metrics.naturalness import Dnsmos
from ttsd.metrics.prosody import compare_pitch, measure_spread_semitones
from ttsd.metrics.similarity import VoiceEmbedder
from ttsd.metrics.toolkits import TOOLKITS
from ttsd.utils.cache import Cache
from ttsd.utils.files import sha256_json

TEACHER = "teacher"
DECIMALS = 6


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
    """The figures of one system's clip; JSON-able as it stands, and none where something could not be measured."""

    duration_s: float
    heard: str
    """The recogniser's text."""
    word_errors: int
    n_words: int
    char_errors: int
    n_chars: int
    differences: list[tuple[str, str, str]] = field(default_factory=list)
    """Operation, words meant and words heard, in order, after normalisation."""
    failures: list[str] = field(default_factory=list)
    """How the speech went wrong as a whole; keys of `ttsd.metrics.failures.FAILURES`."""
    articulation_s: float | None = None
    """Without the silences at its ends and within."""
    pause_s: float | None = None
    """Silence between its first and last sound."""
    loudness_lufs: float | None = None
    bandwidth_hz: float | None = None
    clipped: int = 0
    """1 where peaks are cut off."""
    f0_spread_semitones: float | None = None
    dnsmos: float | None = None
    distillmos: float | None = None
    embedding: list[float] | None = None
    """The voice, 256 figures; none where no speech was found."""
    mcd_db: float | None = None
    """Mel-cepstral distortion against the teacher's clip."""
    path_stretch: float | None = None
    """Share of the alignment where one clip waits for the other."""
    f0_rmse_cents: float | None = None
    f0_correlation: float | None = None
    voicing_error: float | None = None
    toolkits_mcd_db: dict[str, float | None] = field(default_factory=dict)
    """The distortion as other toolkits give it, by preset."""

    @property
    def failed(self) -> int:
        """1 where the speech went wrong as a whole."""
        return int(bool(self.failures))


@dataclass(frozen=True)
class Sentence:
    """One sentence, measured for every system."""

    id: str
    transcript: str
    """As it was to be spoken."""
    written: str
    """As it was written, with its figures and abbreviations."""
    systems: dict[str, Measurement]


class Meter:
    """The instruments, loaded once: the recogniser, the speaker encoder, and the networks that predict opinions.

    Args:
        config: Reads `asr`, `evaluate` and `qc.silence_db`.
        cache: Results of the instruments by what they heard, so that no clip is heard twice.

    Raises:
        ConfigError: The recogniser cannot be loaded.
        MissingExtraError: A package is missing.
    """

    def __init__(self, config: Config, cache: Cache) -> None:
        self._config = config
        self._cache = cache
        self._recognizer = Recognizer(config.asr)
        self._embedder = VoiceEmbedder()
        self._dnsmos = Dnsmos() if config.evaluate.dnsmos else None
        self._distillmos = DistillMos() if config.evaluate.distillmos else None
        self._identity = identify_instruments(config)

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
        language = self._config.asr.language
        reference = normalize_text(transcript, language)
        rate = _common_rate(clips)
        analyses = {
            name: None if rate is None else analyse(clip.wav, clip.sample_rate, rate) for name, clip in clips.items()
        }
        results = {}
        for name, clip in clips.items():
            alone = self._hear(clip)
            hypothesis = normalize_text(alone["heard"], language)
            words, chars = word_errors(reference, hypothesis), char_errors(reference, hypothesis)
            differences = align_words(reference, hypothesis)
            results[name] = Measurement(
                duration_s=clip.duration_s,
                word_errors=words.n_errors,
                n_words=words.n_reference,
                char_errors=chars.n_errors,
                n_chars=chars.n_reference,
                differences=[(d.operation, d.reference, d.hypothesis) for d in differences],
                failures=find_failures(differences),
                f0_spread_semitones=_spread(analyses[name]),
                **alone,
                **self._measure_signal(clip),
                **_compare(analyses[TEACHER], analyses[name]),
                toolkits_mcd_db=self._compare_as_toolkits(clips[TEACHER], clip),
            )
        return results

    def _hear(self, clip: Clip) -> dict[str, Any]:
        samples = np.rint(clip.wav * 32768).astype("<i2").tobytes()
        key = sha256_json(["heard", self._identity, clip.sample_rate, hashlib.sha256(samples).hexdigest()])
        known: dict[str, Any] | None = self._cache.read([key]).get(key)
        if known is None:
            embedding = self._embedder.embed(clip.wav, clip.sample_rate)
            known = {
                "heard": self._recognizer.transcribe(clip.wav, clip.sample_rate),
                "embedding": None if embedding is None else [float(value) for value in embedding],
                "dnsmos": _round(self._dnsmos.measure(clip.wav, clip.sample_rate)) if self._dnsmos else None,
                "distillmos": _round(self._distillmos.measure(clip.wav, clip.sample_rate))
                if self._distillmos
                else None,
            }
            self._cache.write({key: known})
        return known

    def _measure_signal(self, clip: Clip) -> dict[str, Any]:
        if not clip.wav.any():
            return {}
        silence = measure_silence(clip.wav, clip.sample_rate, self._config.qc.silence_db)
        between_s = clip.duration_s - silence.leading_s - silence.trailing_s
        loudness_lufs = measure_loudness(clip.wav, clip.sample_rate)
        return {
            "articulation_s": _round(between_s - silence.pauses_s),
            "pause_s": _round(silence.pauses_s),
            "loudness_lufs": _round(loudness_lufs) if np.isfinite(loudness_lufs) else None,
            "bandwidth_hz": _round(measure_bandwidth_hz(clip.wav, clip.sample_rate)),
            "clipped": int(count_clipped_samples(clip.wav) > 0),
        }

    def _compare_as_toolkits(self, teacher: Clip, other: Clip) -> dict[str, float | None]:
        if not (teacher.wav.any() and other.wav.any()):
            return dict.fromkeys(self._config.evaluate.mcd_presets)
        return {
            name: _round(TOOLKITS[name](teacher.wav, teacher.sample_rate, other.wav, other.sample_rate))
            for name in self._config.evaluate.mcd_presets
        }


def identify_instruments(config: Config) -> dict[str, Any]:
    """Return everything that shapes what is heard of a clip by itself, without loading it.

    Raises:
        ConfigError: The recogniser's model is missing or damaged.
    """
    return {
        "asr": identify_recognizer(config.asr),
        "dnsmos": config.evaluate.dnsmos,
        "distillmos": config.evaluate.distillmos,
    }


def _common_rate(clips: Mapping[str, Clip]) -> int | None:
    # One rate for all systems, so that their figures can be set side by side.
    lowest = min(clip.sample_rate for clip in clips.values())
    return None if lowest < min(ALPHAS) else common_rate(lowest, lowest)


def _compare(teacher: Analysis | None, other: Analysis | None) -> dict[str, Any]:
    if teacher is None or other is None:
        return {}
    distortion = compare_cepstra(teacher.cepstrum, other.cepstrum)
    pitch = compare_pitch(teacher.f0_hz, other.f0_hz, distortion.path)
    figures = {
        "mcd_db": distortion.mcd_db,
        "path_stretch": distortion.path_stretch,
        "f0_rmse_cents": pitch.rmse_cents,
        "f0_correlation": pitch.correlation,
        "voicing_error": pitch.voicing_error,
    }
    return {name: _round(value) for name, value in figures.items()}


def _spread(analysis: Analysis | None) -> float | None:
    return None if analysis is None else _round(measure_spread_semitones(analysis.f0_hz))


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), DECIMALS)
