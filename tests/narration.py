"""Long recordings whose every boundary is known: sentences spoken by a local voice, joined with known pauses."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ttsd.config import PicoConfig, PiperConfig
from ttsd.data.text import normalize_text
from ttsd.teachers.base import Teacher
from ttsd.teachers.pico import PicoTeacher
from ttsd.teachers.piper import PiperTeacher
from ttsd.transcripts.manuscript import read_manuscript
from ttsd.utils.files import atomic_path

PAUSE_S = (0.25, 1.1)
LEAD_S = (0.3, 1.5)
NOISE_DB = -66.0
SOUND_DB = -30.0
"""Relative to a sentence's loudest frame: where its sound begins and ends. Pico ends with a faint click."""
FRAME_S = 0.005


@dataclass(frozen=True)
class Read:
    """Something that the narrator says."""

    text: str
    sentence: int | None = None
    """Number of the transcript's sentence that it is a whole take of; none where it is something else."""


def sentences_of(path: Path) -> list[str]:
    """Return what is read aloud of a transcript, without its headings."""
    return [line.text for line in read_manuscript(path, path.name, "en", ("LATIN", "GREEK")).lines if not line.reason]


@dataclass(frozen=True)
class Narration:
    """A recording, and when what was said in it."""

    wav: NDArray[np.float32]
    sample_rate: int
    sounds_s: tuple[tuple[float, float], ...]
    """True start and end of everything that was read."""


class Narrator:
    """Speaks sentences with a local voice and joins them; the same reading and seed give the same samples."""

    def __init__(self, voice: str, cache_dir: Path | None = None) -> None:
        self._voice = voice
        self._cache_dir = cache_dir
        self._teacher: Teacher | None = None

    def narrate(self, reads: Sequence[Read], seed: int = 0, pause_s: tuple[float, float] = PAUSE_S) -> Narration:
        rng = np.random.default_rng(seed)
        clips = [self._speak(normalize_text(read.text)) for read in reads]
        sample_rate = clips[0][1] if clips else 16000
        pieces = [np.zeros(round(rng.uniform(*LEAD_S) * sample_rate), dtype=np.float32)]
        sounds: list[tuple[float, float]] = []
        place = pieces[0].size
        for wav, _ in clips:
            sounds.append((place / sample_rate, (place + wav.size) / sample_rate))
            gap = np.zeros(round(rng.uniform(*pause_s) * sample_rate), dtype=np.float32)
            pieces += [wav, gap]
            place += wav.size + gap.size
        joined = np.concatenate(pieces)
        joined += (rng.standard_normal(joined.size) * 10 ** (NOISE_DB / 20)).astype(np.float32)
        return Narration(np.clip(joined, -1, 1), sample_rate, tuple(sounds))

    def _speak(self, text: str) -> tuple[NDArray[np.float32], int]:
        def make() -> tuple[NDArray[np.float32], int]:
            if self._teacher is None:
                self._teacher = PicoTeacher(PicoConfig()) if self._voice == "pico" else PiperTeacher(PiperConfig())
            speech = self._teacher.speak(text, 0)
            return _cut_sound(speech.wav, speech.sample_rate), speech.sample_rate

        return _cached(self._cache_dir, f"{self._voice}\0{text}", make)


def _cached(
    folder: Path | None, key: str, make: Callable[[], tuple[NDArray[np.float32], int]]
) -> tuple[NDArray[np.float32], int]:
    if folder is None:
        return make()
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
    if not path.is_file():
        wav, sample_rate = make()
        with atomic_path(path) as temporary:
            np.save(temporary, np.append(wav, np.float32(sample_rate)))
    packed = np.load(path)
    return packed[:-1], int(packed[-1])


def _cut_sound(wav: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    hop = round(FRAME_S * sample_rate)
    levels = np.square(wav[: wav.size // hop * hop].reshape(-1, hop)).mean(axis=1)
    sounding = np.flatnonzero(levels > levels.max() * 10 ** (SOUND_DB / 10))
    sound = wav[int(sounding[0]) * hop : (int(sounding[-1]) + 1) * hop].copy()
    fade = np.linspace(0, 1, hop, dtype=np.float32)
    sound[:hop] *= fade
    sound[-hop:] *= fade[::-1]
    return sound
