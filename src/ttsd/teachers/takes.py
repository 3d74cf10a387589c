"""Takes on the disk: the audio of one bought request and all that is known of it, whole or absent, never changed.

    <folder>/ab/<take>.json   request, texts, times of the characters, cost, ids; written first
    <folder>/ab/<take>.wav    the audio; written last, so that its presence says that the take is whole

The ledger can be lost: what lies here is enough to enter every paid take anew.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsd.data.audio import Waveform, encode_wav, to_mono
from ttsd.data.cutting import CharacterTimes
from ttsd.data.wav_header import missing_bytes_in
from ttsd.errors import LedgerError
from ttsd.utils.files import atomic_path, explain_write

# Of the end of the last character: services round their times.
_SHORT_S = 0.25
_LOSSY_STARTS = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"OggS")


@dataclass(frozen=True)
class Answer:
    """What the service gave for a request."""

    audio: bytes
    """As it was sent: a WAV, or samples without a header."""
    times: CharacterTimes | None
    """Times of the characters of the text; none where the service gave none."""
    credits: int | None
    request_id: str | None
    history_id: str | None


@dataclass(frozen=True)
class Take:
    """A take as it lies on the disk."""

    key: str
    request: dict[str, Any]
    texts: tuple[str, ...]
    """The sentences that the request's text is made of."""
    times: CharacterTimes | None
    credits: int
    request_id: str | None
    history_id: str | None
    bought_unix: float
    is_recovered: bool
    """Fetched from the service's history, after its first answer was lost."""
    is_lossy: bool
    """The history gave a compressed file; kept, but nothing to train on."""
    sha256: str
    """Of the audio file."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a clip's record keeps of the purchase."""
        return {
            "take": self.key,
            "request_id": self.request_id,
            "history_id": self.history_id,
            "recovered": self.is_recovered,
        }


class TakeStore:
    """The folder of takes."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when the first take is written."""
        self.folder = folder

    def write(self, take: Take, audio: bytes) -> None:
        """Write a take for good: when this returns, it survives a failure of the power.

        Raises:
            StageError: The disk does not take it.
        """
        record = asdict(take) | {"times": None if take.times is None else asdict(take.times)}
        path = self._path(take.key, ".json")
        self._write(path, json.dumps(record, ensure_ascii=False).encode())
        self._write(path.with_suffix(".wav"), audio)
        try:
            _sync_folder(path.parent)
            _sync_folder(self.folder)
        except OSError as error:
            raise explain_write(path.parent, error) from None

    def read(self, key: str) -> tuple[Take, bytes] | None:
        """Return a take and its audio file, or none where it is missing or damaged."""
        take = self.read_record(key)
        if take is None:
            return None
        try:
            audio = self._path(key, ".wav").read_bytes()
        except OSError:
            return None
        return (take, audio) if hashlib.sha256(audio).hexdigest() == take.sha256 else None

    def read_record(self, key: str) -> Take | None:
        """Return what is known of a take whose audio is there, without reading the audio; none where it is not."""
        path = self._path(key, ".json")
        if not path.with_suffix(".wav").is_file():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            times = record.pop("times")
            record["texts"] = tuple(record["texts"])
            if times is not None:
                times = CharacterTimes(*(tuple(times[name]) for name in ("characters", "starts_s", "ends_s")))
            take = Take(**record, times=times)
            is_whole = take.key == key and " ".join(take.texts) == take.request["text"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return take if is_whole else None

    def keys(self) -> Iterator[str]:
        """Yield the keys of all takes on the disk, in order."""
        yield from sorted(path.stem for path in self.folder.glob("??/*.wav"))

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / key[:2] / f"{key}{suffix}"

    def _write(self, path: Path, data: bytes) -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)


def hash_audio(audio: bytes) -> str:
    """Return the SHA-256 of an audio file."""
    return hashlib.sha256(audio).hexdigest()


def unpack_audio(answer: Answer, output_format: str) -> tuple[bytes, bool]:
    """Return an answer's audio as a file, and whether it is lossy.

    Args:
        answer: What the service gave.
        output_format: What it was asked for, such as `wav_24000` or `pcm_24000`.

    Raises:
        ValueError: The audio is not whole: cut off, or of another form.
    """
    import soundfile

    audio = answer.audio
    if not audio:
        raise ValueError("there is no audio")
    if audio.startswith(_LOSSY_STARTS):
        return audio, True
    kind, rate = output_format.split("_")
    if not audio.startswith(b"RIFF"):
        if kind != "pcm":
            raise ValueError("the answer is no WAV file")
        if len(audio) % 2:
            raise ValueError("the audio has half a sample")
        audio = wrap_pcm(audio, int(rate))
    if missing := missing_bytes_in(audio):
        raise ValueError(f"{missing} bytes of the audio are missing")
    try:
        info = soundfile.info(io.BytesIO(audio))
    except (soundfile.SoundFileError, OSError):
        raise ValueError("the audio cannot be decoded") from None
    if info.samplerate != int(rate):
        raise ValueError(f"the audio has {info.samplerate} Hz where {rate} Hz was asked for")
    if info.frames == 0:
        raise ValueError("the audio is empty")
    return audio, False


def check_times(answer: Answer, audio: bytes, text: str) -> None:
    """Compare an answer's times with its text and its audio.

    Args:
        answer: What the service gave.
        audio: Its audio as a file.
        text: What was asked for.

    Raises:
        ValueError: There are no times, they are of another text, or they end behind the audio.
    """
    import soundfile

    if answer.times is None:
        raise ValueError("no times of the characters came with it")
    if "".join(answer.times.characters) != text:
        raise ValueError("its times are not those of the text")
    info = soundfile.info(io.BytesIO(audio))
    end_s = max(answer.times.ends_s, default=0.0)
    if info.frames / info.samplerate < end_s - _SHORT_S:
        raise ValueError(f"the audio has {info.frames / info.samplerate:.2f} s and its times {end_s:.2f} s")


def wrap_pcm(samples: bytes, sample_rate: int) -> bytes:
    """Return mono PCM-16 samples, little-endian, as a WAV file."""
    return encode_wav(np.frombuffer(samples, dtype="<i2"), sample_rate)


def decode_take(audio: bytes, key: str) -> tuple[Waveform, int]:
    """Return a take's waveform, float32 [n_samples] in [-1, 1], and its sample rate in Hz.

    Raises:
        LedgerError: It cannot be decoded, though it is what was bought.
    """
    import soundfile

    try:
        channels, sample_rate = soundfile.read(io.BytesIO(audio), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError):
        raise LedgerError(f"{key}: this take cannot be decoded; restore it from a copy") from None
    return to_mono(channels), int(sample_rate)


def _sync_folder(folder: Path) -> None:
    # The rename itself lives in the folder.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
