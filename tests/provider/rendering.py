"""Speech as ElevenLabs answers it: audio in a container, and the times of the characters, kept on disk by content."""

import base64
import difflib
import json
import re
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tests.provider.book import speech_key
from ttsd.data.text import normalize_text

SAMPLE_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
FORMATS = tuple(f"{container}_{rate}" for container in ("wav", "pcm") for rate in SAMPLE_RATES)
KEPT_OF_TRUNCATED = 0.6
"""How much of the text `truncated_speech` says."""
_TOKEN = re.compile(r"\s+|\S+")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)]*\s+(?=\S)")


class Spoken(Protocol):
    """What is used of `speech.SpokenParagraph`."""

    @property
    def wav(self) -> NDArray[np.int16]: ...
    @property
    def starts_s(self) -> list[float]: ...
    @property
    def ends_s(self) -> list[float]: ...


class Speaker(Protocol):
    """What is used of `speech.ParagraphSpeaker`."""

    def speak(self, text: str, *, voice_id: str, sample_rate: int, seed: int) -> Spoken: ...


@dataclass(frozen=True)
class Beeps:
    """A paragraph spoken by `Beeper`."""

    wav: NDArray[np.int16]
    starts_s: list[float]
    ends_s: list[float]


class Beeper:
    """A speaker that costs nothing: one tone for each letter, silence for anything else."""

    character_s = 0.05

    def speak(self, text: str, *, voice_id: str, sample_rate: int, seed: int) -> Beeps:
        """Speak a paragraph; `Speaker` says how."""
        size = round(self.character_s * sample_rate)
        times = np.arange(size) / sample_rate
        pitch = 200 + 20 * (len(voice_id) + seed % 10)
        tone = np.rint(6000 * np.sin(2 * np.pi * pitch * times)).astype(np.int16)
        silence = np.zeros(size, np.int16)
        wav = np.concatenate([silence, *(tone if character.isalnum() else silence for character in text), silence])
        starts_s = [round((place + 1) * size / sample_rate, 3) for place in range(len(text) + 1)]
        return Beeps(wav, starts_s[:-1], starts_s[1:])


class Renderer:
    """Speaks request bodies; the same content is rendered once, also across restarts."""

    def __init__(self, speaker: Speaker, cache: Path) -> None:
        self._speaker = speaker
        self._cache = cache

    def answer(self, voice: str, output_format: str, body: dict[str, Any], defect: str | None = None) -> bytes:
        """Return the JSON of /with-timestamps.

        Args:
            voice: Voice id.
            output_format: One of `FORMATS`.
            body: The request's body.
            defect: One of `faults.DEFECTS`, or none.
        """
        path = self._rendered(voice, output_format, body, defect)
        audio = base64.b64encode(path.with_suffix(".audio").read_bytes())
        return b'{"audio_base64":"' + audio + b'",' + path.read_bytes()[1:]

    def audio(self, voice: str, output_format: str, body: dict[str, Any], defect: str | None = None) -> bytes:
        """Return the audio of an answer."""
        return self._rendered(voice, output_format, body, defect).with_suffix(".audio").read_bytes()

    def alignments(
        self, voice: str, output_format: str, body: dict[str, Any], defect: str | None = None
    ) -> dict[str, Any]:
        """Return the `alignment` and `normalized_alignment` of an answer."""
        value: dict[str, Any] = json.loads(self._rendered(voice, output_format, body, defect).read_bytes())
        return value

    def _rendered(self, voice: str, output_format: str, body: dict[str, Any], defect: str | None) -> Path:
        """Return the file of the alignments; the audio lies beside it."""
        name = speech_key(voice, output_format, body) + (f"-{defect}" if defect else "")
        path = self._cache / name[:2] / f"{name}.json"
        if not path.is_file():
            audio, alignments = self._render(voice, output_format, body, defect)
            path.parent.mkdir(parents=True, exist_ok=True)
            # Where the alignments are, the audio is whole.
            _write(path.with_suffix(".audio"), audio)
            _write(path, json.dumps(alignments, separators=(",", ":")).encode())
        return path

    def _render(
        self, voice: str, output_format: str, body: dict[str, Any], defect: str | None
    ) -> tuple[bytes, dict[str, Any]]:
        text = body["text"]
        rate = sample_rate_of(output_format)
        spoken = self._speaker.speak(text, voice_id=voice, sample_rate=rate, seed=body.get("seed") or 0)
        wav = spoken.wav
        bounds_s = [*spoken.starts_s, *spoken.ends_s[-1:]]
        said = text if body.get("apply_text_normalization") == "off" else normalize_text(text)
        said_bounds_s = _carry_times(text, bounds_s, said)
        if defect == "truncated_speech":
            kept = max(int(len(text) * KEPT_OF_TRUNCATED), 1)
            end_s = bounds_s[kept]
            text, bounds_s, wav = text[:kept], bounds_s[: kept + 1], wav[: round(end_s * rate)]
            kept = sum(bound_s <= end_s for bound_s in said_bounds_s[1:])
            said, said_bounds_s = said[:kept], said_bounds_s[: kept + 1]
        if defect == "unspoken_tail":
            wav = wav.copy()
            wav[round(bounds_s[_tail_start(text)] * rate) :] = 0
        known = defect != "missing_times"
        return contain(wav.tobytes(), output_format), {
            "alignment": _alignment(text, bounds_s) if known else None,
            "normalized_alignment": _alignment(said, said_bounds_s) if known else None,
        }


def sample_rate_of(output_format: str) -> int:
    """Return the sample rate of one of `FORMATS`."""
    return int(output_format.partition("_")[2])


def contain(pcm: bytes, output_format: str, announced: int | None = None) -> bytes:
    """Return little-endian 16-bit samples in their container.

    Args:
        pcm: The samples.
        output_format: One of `FORMATS`.
        announced: Bytes of samples that the header of a WAV claims, where that is not the truth.
    """
    if output_format.startswith("pcm"):
        return pcm
    size = len(pcm) if announced is None else announced
    rate = sample_rate_of(output_format)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
                         b"data", size)  # fmt: skip
    return header + pcm


def samples_of(audio: bytes, output_format: str) -> bytes:
    """Return the bytes of samples that `contain` put in a container."""
    return audio if output_format.startswith("pcm") else audio[44:]


def cut_audio(audio: bytes, output_format: str, *, broken: bool) -> bytes:
    """Return the first half of a clip: well-formed, or with a header or a sample that does not fit."""
    pcm = samples_of(audio, output_format)
    half = pcm[: len(pcm) // 4 * 2]
    if not broken:
        return contain(half, output_format)
    # A header can lie; without one, half a sample is what can be wrong.
    return contain(half if output_format.startswith("wav") else half[:-1], output_format, announced=len(pcm))


def _tail_start(text: str) -> int:
    """Return where the last sentence starts; of a single sentence, its second half."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if ends:
        return ends[-1]
    space = text.find(" ", len(text) // 2)
    return space + 1 if space >= 0 else len(text) // 2


def _carry_times(text: str, bounds_s: list[float], said: str) -> list[float]:
    """Return the times of the boundaries of what was said, from those of what was written."""
    if text == said:
        return bounds_s
    written, spoken = _TOKEN.findall(text), _TOKEN.findall(said)
    written_ends = np.cumsum([0, *map(len, written)])
    spoken_ends = np.cumsum([0, *map(len, spoken)])
    places: dict[int, int] = {0: 0, len(said): len(text)}
    for _, start, end, said_start, said_end in difflib.SequenceMatcher(None, written, spoken, False).get_opcodes():
        places[int(spoken_ends[said_start])] = int(written_ends[start])
        places[int(spoken_ends[said_end])] = int(written_ends[end])
    xs = sorted(places)
    at = np.interp(np.arange(len(said) + 1), xs, [places[x] for x in xs])
    times = np.interp(at, np.arange(len(bounds_s)), bounds_s)
    return [round(float(time), 3) for time in times]


def _alignment(text: str, bounds_s: list[float]) -> dict[str, Any]:
    return {
        "characters": list(text),
        "character_start_times_seconds": bounds_s[:-1],
        "character_end_times_seconds": bounds_s[1:],
    }


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(f".{uuid.uuid4().hex}")
    temporary.write_bytes(data)
    temporary.replace(path)
