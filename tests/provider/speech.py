"""The speaking side of a fake ElevenLabs: a paragraph in a real voice, with the times of its characters.

Piper's voice joe speaks sentence by sentence, so that it is known to a few ms where every sentence's sound is.
"""

import hashlib
import itertools
import re
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ttsd.config import PiperConfig
from ttsd.data.audio import resample
from ttsd.data.sentences import split_sentences
from ttsd.data.symbols import BOS, EOS, PAD
from ttsd.errors import TeacherError
from ttsd.teachers.base import Speech
from ttsd.teachers.piper import PiperTeacher
from ttsd.utils.files import atomic_path

VOICE_RATE = 22050
LENGTH_SCALES = (0.9, 0.95, 1.06, 1.12)
"""Speeds of the voices that are not called joe."""
LEAD_S = (0.03, 0.08)
PAUSE_S = (0.15, 0.45)
TAIL_S = (0.08, 0.2)
UNSPOKEN_S = 0.1
"""Silence that stands for a sentence without a pronunciation."""
JITTER_S = 0.025
EDGE_JITTER_S = 0.015
SOUND_DB = -45.0
"""Relative to a sentence's loudest frame: where its sound begins and ends."""
NOISE_DB = -75.0
FRAME_MS = 2.0
FADE_MS = 2.0
PEAK = 0.9
_PUNCTUATION = ".,;:?!'\"-()…—«»¡¿"
_WORD = re.compile(r"\S*[^\W_]\S*")


@dataclass(frozen=True)
class SpokenParagraph:
    """A paragraph as a service speaks it, and what a service does not tell."""

    wav: NDArray[np.int16]
    """Waveform, int16 [n_samples]."""
    sample_rate: int
    """In Hz."""
    characters: list[str]
    """Exactly `list(text)`."""
    starts_s: list[float]
    """Start of every character; never falling, a little wrong, as a service gives it."""
    ends_s: list[float]
    """End of every character; a pause belongs to the punctuation and the space in it."""
    sentences: list[str]
    """As `split_sentences` gives them."""
    sounds_s: list[tuple[float, float]]
    """True start and end of every sentence's sound; of no length where it has no pronunciation."""
    pauses_s: list[tuple[float, float]]
    """True pause behind every sentence but the last."""


@dataclass(frozen=True)
class _Voiced:
    """One sentence as the engine speaks it, with silence at its edges."""

    pcm: NDArray[np.int16]
    """At the engine's rate; empty where there is no pronunciation."""
    words: NDArray[np.int32]
    """First and last sample of every word [n_words, 2]; no row where the phonemes do not show the words."""


class ParagraphSpeaker:
    """Speaks paragraphs; the same text, voice, rate and seed give the same samples. Threads may share one."""

    def __init__(self, cache_dir: Path | None = None) -> None:
        """Prepare a speaker; the engine is loaded when the first sentence is not in the cache.

        Args:
            cache_dir: Where spoken sentences are kept; processes may share it. None keeps them in memory alone.
        """
        self._cache_dir = cache_dir
        self._lock = threading.Lock()
        self._teachers: dict[float, PiperTeacher] = {}
        self._voiced: dict[str, _Voiced] = {}

    def speak(self, text: str, *, voice_id: str = "joe", sample_rate: int = 24000, seed: int = 0) -> SpokenParagraph:
        """Speak a paragraph.

        Args:
            text: Any text, even an empty one.
            voice_id: joe, or any other name for joe at another speed.
            sample_rate: In Hz.
            seed: Of pauses, noise and the errors of the times.
        """
        rng = np.random.default_rng(_hash_number(f"{seed}\0{text}"))
        sentences = split_sentences(text)
        pieces = [_silence(rng.uniform(*LEAD_S), sample_rate)]
        sounds: list[tuple[int, int]] = []
        anchors: list[tuple[int, float, float]] = []  # character boundary, seconds, largest jitter
        position = pieces[0].size
        begin = 0
        for number, sentence in enumerate(sentences):
            begin, end = _locate(text, sentence, begin)
            voiced = self._voice(sentence, voice_id)
            sound, words_s = _cut_sound(voiced, sample_rate)
            anchors += _anchor(text[begin:end], begin, position / sample_rate, sound.size / sample_rate, words_s)
            sounds.append((position, position + sound.size))
            gap_s = rng.uniform(*(PAUSE_S if number + 1 < len(sentences) else TAIL_S))
            gap = _silence(gap_s + (0 if sound.size else UNSPOKEN_S), sample_rate)
            pieces += [sound, gap]
            position += sound.size + gap.size
            begin = end
        wav = np.concatenate(pieces)
        wav = wav + rng.standard_normal(wav.size) * 10 ** (NOISE_DB / 20)
        sounds_s = [(start / sample_rate, end / sample_rate) for start, end in sounds]
        last_s = sounds_s[-1][1] if sounds_s else 0.0
        times = _time_characters(len(text), anchors, last_s, wav.size / sample_rate, rng)
        return SpokenParagraph(
            wav=np.clip(np.rint(wav * 32767), -32768, 32767).astype(np.int16),
            sample_rate=sample_rate,
            characters=list(text),
            starts_s=times[:-1],
            ends_s=times[1:],
            sentences=sentences,
            sounds_s=sounds_s,
            pauses_s=[(end, start) for (_, end), (start, _) in itertools.pairwise(sounds_s)],
        )

    def _voice(self, sentence: str, voice_id: str) -> _Voiced:
        scale = 1.0 if voice_id == "joe" else LENGTH_SCALES[_hash_number(voice_id) % len(LENGTH_SCALES)]
        key = hashlib.sha256(f"joe 1\0{scale}\0{sentence}".encode()).hexdigest()
        path = self._cache_dir / f"{key}.npy" if self._cache_dir else None
        # One lock for the engine and for the cache: two threads never speak the same sentence twice.
        with self._lock:
            if key not in self._voiced:
                if path and path.is_file():
                    self._voiced[key] = _unpack(np.load(path))
                else:
                    self._voiced[key] = self._engine_speak(sentence, scale)
                    if path:
                        with atomic_path(path) as temporary:
                            np.save(temporary, _pack(self._voiced[key]))
            return self._voiced[key]

    def _engine_speak(self, sentence: str, scale: float) -> _Voiced:
        unspoken = _Voiced(np.zeros(0, np.int16), np.zeros((0, 2), np.int32))
        # espeak-ng reads a lone "!" by its name.
        if not any(character.isalnum() for character in sentence):
            return unspoken
        if scale not in self._teachers:
            config = PiperConfig(noise_scale=0, noise_scale_duration=0, length_scale=scale)
            self._teachers[scale] = PiperTeacher(config)
        teacher = self._teachers[scale]
        try:
            speech = teacher.speak(sentence, seed=0)
        except TeacherError:
            return unspoken
        assert speech.sample_rate == VOICE_RATE
        pcm = np.rint(np.clip(speech.wav * PEAK, -1, 1) * 32767).astype(np.int16)
        words = _find_words(speech, teacher)
        return _Voiced(pcm, words if len(words) == len(_WORD.findall(sentence)) else words[:0])


def _find_words(speech: Speech, teacher: PiperTeacher) -> NDArray[np.int32]:
    """Return the first and last sample of every group of phonemes between word spaces."""
    assert speech.symbol_ids is not None
    assert speech.durations is not None
    assert speech.hop_length is not None
    ids = teacher.symbols.ids
    silent = {ids[symbol] for symbol in (PAD, BOS, EOS, *_PUNCTUATION) if symbol in ids}
    words: list[list[int]] = []
    new_word, end = True, 0
    for symbol_id, duration in zip(speech.symbol_ids, speech.durations, strict=True):
        start, end = end, end + duration * speech.hop_length
        if symbol_id == ids[" "]:
            new_word = True
        elif symbol_id not in silent:
            if new_word:
                words.append([start, end])
            words[-1][1] = end
            new_word = False
    return np.array(words, dtype=np.int32).reshape(-1, 2)


def _cut_sound(voiced: _Voiced, sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a sentence's sound without its silent edges, and its words' times in seconds from there [n_words, 2]."""
    words_s = voiced.words / VOICE_RATE
    if voiced.pcm.size == 0:
        return np.zeros(0), words_s
    pcm = np.divide(voiced.pcm, 32767, dtype=np.float32)
    wav = resample(pcm, VOICE_RATE, sample_rate).astype(np.float64)
    frame = max(round(sample_rate * FRAME_MS / 1000), 1)
    power = np.add.reduceat(wav**2, np.arange(0, wav.size, frame))
    sounding = np.flatnonzero(power > power.max() * 10 ** (SOUND_DB / 10))
    start, end = int(sounding[0]) * frame, min((int(sounding[-1]) + 1) * frame, wav.size)
    sound = wav[start:end].copy()
    fade = np.linspace(0, 1, min(round(sample_rate * FADE_MS / 1000), sound.size // 2), endpoint=False)
    sound[: fade.size] *= fade
    sound[sound.size - fade.size :] *= fade[::-1]
    return sound, np.clip(words_s - start / sample_rate, 0, sound.size / sample_rate)


def _anchor(
    sentence: str, begin: int, start_s: float, duration_s: float, words_s: NDArray[np.float64]
) -> list[tuple[int, float, float]]:
    """Return the true times of character boundaries: those of words where they are known, and always of both ends."""
    letters = [place for place, character in enumerate(sentence, begin) if character.isalnum()]
    if not letters or not duration_s:
        return []
    anchors: list[tuple[int, float, float]] = []
    for word, (word_start_s, word_end_s) in zip(_WORD.finditer(sentence), words_s, strict=False):
        places = [place for place, character in enumerate(word.group(), begin + word.start()) if character.isalnum()]
        anchors.append((places[0], start_s + word_start_s, JITTER_S))
        anchors.append((places[-1] + 1, start_s + word_end_s, JITTER_S))
    first = (letters[0], start_s, EDGE_JITTER_S)
    last = (letters[-1] + 1, start_s + duration_s, EDGE_JITTER_S)
    return [first, *anchors[1:-1], last]


def _time_characters(
    n_characters: int,
    anchors: list[tuple[int, float, float]],
    last_s: float,
    duration_s: float,
    rng: np.random.Generator,
) -> list[float]:
    """Return the times of all character boundaries, as wrong as a service's, n_characters + 1 of them."""
    end = (n_characters, max((last_s + duration_s) / 2, last_s), JITTER_S)
    if not anchors:
        anchors = [(0, 0.0, 0.0)]
    elif anchors[-1][0] == n_characters:
        end = anchors.pop()
    indices, seconds, _ = (np.array(column, dtype=np.float64) for column in zip(*anchors, end, strict=True))
    times = np.interp(np.arange(n_characters + 1), indices, seconds)
    largest = np.full(n_characters + 1, JITTER_S)
    for index, _, jitter_s in (*anchors, end):
        largest[index] = jitter_s
    jittered = times + rng.uniform(-1, 1, times.size) * largest
    # A sentence's own ends keep their small error; what was thrown behind them or behind a neighbour gives way.
    edges = np.flatnonzero(largest <= EDGE_JITTER_S)
    behind = np.searchsorted(edges, np.arange(times.size), side="right")
    floors = np.concatenate([[0.0], jittered[edges]])[behind]
    behind = np.searchsorted(edges, np.arange(times.size), side="left")
    ceilings = np.concatenate([jittered[edges], [np.inf]])[behind]
    jittered = np.maximum.accumulate(np.clip(jittered, floors, ceilings))
    return [round(float(time), 3) for time in np.clip(jittered, 0, np.floor(duration_s * 1000) / 1000)]


def _locate(text: str, sentence: str, begin: int) -> tuple[int, int]:
    """Return where a sentence stands in the text, whose white space may be of any kind."""
    match = re.compile(r"\s+".join(map(re.escape, sentence.split()))).search(text, begin)
    assert match is not None
    return match.span()


def _silence(duration_s: float, sample_rate: int) -> NDArray[np.float64]:
    return np.zeros(round(duration_s * sample_rate))


def _hash_number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _pack(voiced: _Voiced) -> NDArray[np.int16]:
    header = np.concatenate([[len(voiced.words)], voiced.words.reshape(-1)]).astype(np.int32)
    return np.concatenate([header.view(np.int16), voiced.pcm])


def _unpack(packed: NDArray[np.int16]) -> _Voiced:
    n_words = int(packed[:2].view(np.int32)[0])
    n_header = 2 + 4 * n_words
    return _Voiced(packed[n_header:], packed[2:n_header].copy().view(np.int32).reshape(-1, 2))
