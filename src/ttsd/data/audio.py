"""Waveforms: read, written, resampled, trimmed and brought to one loudness.

A waveform is float32 [n_samples] in [-1, 1].
"""

import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from ttsd.data.wav_header import missing_bytes
from ttsd.errors import CorpusError
from ttsd.utils.files import atomic_path

Waveform = NDArray[np.float32]

BLOCK_MS = 10.0
"""Length of the blocks that silence is told by, in milliseconds."""
FULL_SCALE = 32768
FLOAT32_ROUNDING = 1e-6


def read_wav(path: Path) -> tuple[Waveform, int]:
    """Read a clip; several channels are mixed to one by their mean.

    Args:
        path: A WAV, or another file that libsndfile reads.

    Returns:
        The waveform, float32 [n_samples], possibly empty, and its sample rate in Hz.

    Raises:
        CorpusError: The file is missing, unreadable, cut off, or holds samples that are not numbers.
    """
    if not path.is_file():
        raise CorpusError(f"{path}: no such clip; restore it or delete its row")
    try:
        channels, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError):
        raise CorpusError(f"{path}: not a readable WAV; restore it or delete its row") from None
    if missing := missing_bytes(path):
        raise CorpusError(f"{path}: cut off, {missing} bytes of its sound are missing; restore it or delete its row")
    if not np.isfinite(channels).all():
        raise CorpusError(f"{path}: holds samples that are not numbers; restore it or delete its row")
    return to_mono(channels), int(sample_rate)


def open_clip(path: Path, name: str) -> tuple[Waveform, int] | tuple[str, str]:
    """Read a clip as `read_wav` does, or tell why a corpus has to do without it.

    Args:
        path: The clip.
        name: Its path below the corpus, for a row of `rejected.csv`.

    Returns:
        The waveform, float32 [n_samples], possibly empty, and its sample rate in Hz; or a reason's code and its value.
    """
    if not path.is_file():
        return "missing_clip", name
    try:
        wav, sample_rate = read_wav(path)
    except CorpusError as error:
        if missing := missing_bytes(path):
            return "truncated_clip", f"{name}: {missing} bytes are missing"
        return "unreadable_clip", f"{name}: {str(error).removeprefix(f'{path}: ').partition(';')[0]}"
    return wav, sample_rate


def write_wav(path: Path, wav: Waveform, sample_rate: int) -> None:
    """Write a clip as mono PCM-16, atomically.

    A sample is rounded to the nearest of 65536 levels, without dither; what `read_wav` read from PCM-16 is written back
    unchanged.

    Args:
        path: The file to write.
        wav: Waveform, float32 [n_samples] in [-1, 1].
        sample_rate: In Hz.

    Raises:
        CorpusError: The waveform is not one channel, or holds samples outside [-1, 1] or that are not numbers.
    """
    if wav.ndim != 1:
        raise CorpusError(f"{path}: has {wav.ndim} axes where a mono waveform has one; mix it with to_mono")
    if not bool(np.all(np.abs(wav) <= 1 + FLOAT32_ROUNDING)):
        raise CorpusError(f"{path}: holds samples outside [-1, 1] or that are not numbers; turn the waveform down")
    # Through memory: libsndfile does not say that a disk is full.
    data = encode_wav(to_pcm(wav), sample_rate)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def to_pcm(wav: Waveform) -> NDArray[np.int16]:
    """Round a waveform in [-1, 1] to the nearest of 65536 levels, without dither: int16 of the same shape."""
    levels = np.rint(wav.astype(np.float64) * FULL_SCALE)
    return np.clip(levels, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def encode_wav(pcm: NDArray[np.int16], sample_rate: int) -> bytes:
    """Return samples as a mono WAV file.

    Args:
        pcm: int16 [n_samples].
        sample_rate: In Hz.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, sample_rate, subtype="PCM_16", format="WAV")
    return buffer.getvalue()


def to_mono(channels: NDArray[np.float32]) -> Waveform:
    """Mix channels by their mean.

    Args:
        channels: float32 [n_samples] or [n_samples, n_channels].
    """
    if channels.ndim == 1:
        return channels
    if channels.shape[1] == 1:
        return np.ascontiguousarray(channels[:, 0])
    return np.asarray(channels.mean(axis=1, dtype=np.float64), dtype=np.float32)


def resample(wav: Waveform, sample_rate: int, target_rate: int) -> Waveform:
    """Resample with soxr's very high quality filter; peaks between samples may come out above full scale.

    Args:
        wav: float32 [n_samples].
        sample_rate: Its rate in Hz.
        target_rate: The rate wanted, in Hz.
    """
    import soxr

    if sample_rate == target_rate or wav.size == 0:
        return wav
    return np.asarray(soxr.resample(wav, sample_rate, target_rate, quality="VHQ"), dtype=np.float32)


def remove_dc(wav: Waveform) -> Waveform:
    """Subtract the mean of the waveform, which nobody hears but every level meter counts."""
    if wav.size == 0:
        return wav
    return np.asarray(wav - wav.mean(dtype=np.float64), dtype=np.float32)


def block_levels_db(wav: Waveform, sample_rate: int) -> NDArray[np.float64]:
    """Return the level of every block of `BLOCK_MS`, as root mean square in dB of full scale.

    Args:
        wav: float32 [n_samples]; its mean is not counted.
        sample_rate: In Hz.

    Returns:
        float64 [n_blocks], -inf for digital silence; the last block may be shorter.
    """
    if wav.size == 0:
        return np.zeros(0)
    starts = np.arange(0, wav.size, block_length(sample_rate))
    power = np.add.reduceat(np.square(remove_dc(wav), dtype=np.float64), starts)
    power /= np.diff(np.append(starts, wav.size))
    # A constant leaves a residue of rounding behind its mean: below half a level of PCM-16 there is no sound.
    power[power < (0.5 / FULL_SCALE) ** 2 / 4] = 0
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(power))


def block_length(sample_rate: int) -> int:
    """Return the samples in a block of `BLOCK_MS`."""
    return max(round(sample_rate * BLOCK_MS / 1000), 1)


def find_sound(wav: Waveform, sample_rate: int, silence_db: float) -> tuple[int, int] | None:
    """Find where sound begins and ends, to a block's precision.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
        silence_db: Blocks this far below the loudest one count as silence; negative, in dB.

    Returns:
        First sample of the first sounding block and the one behind the last, or none where the clip is silent.
    """
    levels = block_levels_db(wav, sample_rate)
    if levels.size == 0 or np.isneginf(levels.max()):
        return None
    sounding = np.flatnonzero(levels > levels.max() + silence_db)
    length = block_length(sample_rate)
    return int(sounding[0]) * length, min((int(sounding[-1]) + 1) * length, wav.size)


def trim_edges(wav: Waveform, sample_rate: int, trim_db: float, margin_ms: float) -> Waveform:
    """Cut the silence at both ends down to a margin; nothing is added where there is less.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
        trim_db: Blocks this far below the loudest one count as silence; negative, in dB.
        margin_ms: Silence kept at both ends, in milliseconds.

    Returns:
        A part of the waveform; empty where the whole clip is silent.
    """
    sound = find_sound(wav, sample_rate, trim_db)
    if sound is None:
        return wav[:0]
    start, end = add_margins(sound, wav.size, sample_rate, margin_ms)
    return wav[start:end]


def add_margins(sound: tuple[int, int], n_samples: int, sample_rate: int, margin_ms: float) -> tuple[int, int]:
    """Widen the place of the sound by a margin at both ends, as far as the clip reaches; in samples."""
    margin = round(sample_rate * margin_ms / 1000)
    return max(sound[0] - margin, 0), min(sound[1] + margin, n_samples)


def fade_edges(wav: Waveform, sample_rate: int, fade_ms: float, *, at_start: bool, at_end: bool) -> Waveform:
    """Fade a clip in and out by half a cosine, so that an edge that was cut does not click.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
        fade_ms: Length of a fade, in milliseconds; at most half of the clip.
        at_start: Whether the first samples are faded in.
        at_end: Whether the last ones are faded out.
    """
    length = min(round(sample_rate * fade_ms / 1000), wav.size // 2)
    if length == 0 or not (at_start or at_end):
        return wav
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    faded = wav.copy()
    if at_start:
        faded[:length] *= rise
    if at_end:
        faded[-length:] *= rise[::-1]
    return faded
