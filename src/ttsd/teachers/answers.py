"""What the service gives for a request, and whether it is whole: its audio, its rate, its times."""

import io
from dataclasses import dataclass

import numpy as np

from ttsd.data.audio import Waveform, encode_wav, to_mono
from ttsd.data.cutting import CharacterTimes
from ttsd.data.wav_header import missing_bytes_in
from ttsd.errors import LedgerError, ProviderError

# Of the end of the last character: services round their times.
_SHORT_S = 0.25
_LOSSY_STARTS = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"OggS")


class WrongRateError(ProviderError):
    """The service sells another sample rate than it is asked for: bought again, it would come again."""

    def __init__(self, take: str, output_format: str, sample_rate: int) -> None:
        super().__init__(
            f"elevenlabs: {output_format} was asked for and {sample_rate:,} Hz came (take {take[:16]}, paid and kept); "
            "set generate.elevenlabs.output_format to a format that the account's plan includes"
        )
        self.take = take
        self.sample_rate = sample_rate


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
    if info.frames == 0:
        raise ValueError("the audio is empty")
    return audio, False


def check_rate(key: str, audio: bytes, output_format: str) -> None:
    """Compare the sample rate of a whole take with the one that was asked for.

    Args:
        key: Key of the take.
        audio: Its audio as a file; a compressed one is what the history keeps, and has a rate of its own.
        output_format: What was asked for.

    Raises:
        WrongRateError: They differ.
    """
    import soundfile

    if audio.startswith(_LOSSY_STARTS):
        return
    sample_rate = soundfile.info(io.BytesIO(audio)).samplerate
    if sample_rate != int(output_format.split("_")[1]):
        raise WrongRateError(key, output_format, sample_rate)


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
