"""Recordings of any length and format, decoded chunk by chunk to mono: an hour takes no more memory than a minute."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import Waveform, to_mono, write_wav
from ttsd.data.wav_header import missing_bytes
from ttsd.errors import CorpusError
from ttsd.utils.extras import require

CHUNK_S = 10.0
"""Length of the chunks, in seconds; the last one may be shorter."""
_LEAST_MISSING_S = 2.0
"""A recording that ends so much earlier than its header says, is called cut off: lengths in headers are estimates."""


@dataclass(frozen=True)
class RecordingInfo:
    """What the header of a recording says."""

    sample_rate: int
    """In Hz."""
    n_channels: int
    codec: str
    duration_s: float | None
    """As declared; an estimate in some formats, and none where it is not declared."""


@dataclass
class Damage:
    """Why a recording ends before it should; filled in while it is decoded."""

    problem: str = ""
    """What is wrong, for a person to read; empty where nothing is."""


def probe_recording(path: Path) -> RecordingInfo:
    """Read the header of a recording.

    Args:
        path: A file with sound in it, in any format that FFmpeg reads.

    Raises:
        CorpusError: It cannot be opened, or holds no sound; the message is the reason alone.
        MissingExtraError: PyAV is not installed.
    """
    av = require("curate", "av")
    if path.is_file() and path.stat().st_size == 0:
        raise CorpusError("the file is empty")
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise CorpusError("holds no sound")
            stream = container.streams.audio[0]
            declared = container.duration / 1_000_000 if container.duration else None
            if not stream.rate:
                raise CorpusError("holds no sound")
            return RecordingInfo(stream.rate, stream.channels, stream.codec_context.name, declared)
    except (av.error.FFmpegError, OSError) as error:
        raise CorpusError(_explain(error)) from None


def decode_recording(path: Path, damage: Damage) -> Iterator[Waveform]:
    """Decode a recording to mono at its own sample rate; several channels are mixed by their mean.

    Where it is damaged or cut off, what comes before is given, and `damage` says so once the last chunk is out.

    Args:
        path: The recording.
        damage: Told what is wrong.

    Yields:
        Chunks of `CHUNK_S` seconds, float32 [n_samples] in [-1, 1]: the same for the same file.

    Raises:
        CorpusError: It cannot be opened, or holds no sound.
    """
    info = probe_recording(path)
    size = round(CHUNK_S * info.sample_rate)
    kept: list[Waveform] = []
    n_kept = n_samples = 0
    for wav in _decode_frames(path, info, damage):
        kept.append(wav)
        n_kept += wav.size
        n_samples += wav.size
        while n_kept >= size:
            joined = np.concatenate(kept)
            yield joined[:size]
            kept, n_kept = [joined[size:]], joined.size - size
    if n_kept:
        yield np.concatenate(kept)
    decoded_s = n_samples / info.sample_rate
    if damage.problem:
        damage.problem = f"cannot be decoded behind {decoded_s:.1f} s ({damage.problem})"
    elif missing := missing_bytes(path):
        damage.problem = f"cut off at {decoded_s:.1f} s, {missing} bytes of sound are missing"
    elif info.duration_s and info.duration_s - decoded_s > max(_LEAST_MISSING_S, 0.02 * info.duration_s):
        damage.problem = f"ends at {decoded_s:.1f} s where its header says {info.duration_s:.1f} s"


def _decode_frames(path: Path, info: RecordingInfo, damage: Damage) -> Iterator[Waveform]:
    av = require("curate", "av")
    resampler = av.AudioResampler(format="fltp")
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(container.streams.audio[0]):
                if frame.sample_rate != info.sample_rate:
                    damage.problem = f"its sample rate changes from {info.sample_rate} to {frame.sample_rate} Hz"
                    return
                # Times of packets would make gaps and overlaps of what are errors of the container.
                frame.pts = None
                for planar in resampler.resample(frame):
                    yield _mix(planar.to_ndarray())
    except (av.error.FFmpegError, OSError, ValueError) as error:
        damage.problem = _explain(error)


def _mix(channels: NDArray[np.float32]) -> Waveform:
    wav = to_mono(np.ascontiguousarray(channels.T))
    if not np.isfinite(wav).all():
        wav = np.nan_to_num(wav, nan=0.0, posinf=1.0, neginf=-1.0)
    # A lossy codec may overshoot full scale.
    return np.clip(wav, -1.0, 1.0)


def resample_chunks(chunks: Iterator[Waveform], sample_rate: int, target_rate: int) -> Iterator[Waveform]:
    """Resample a stream of chunks with soxr's very high quality filter, as if it were one waveform.

    Args:
        chunks: float32 [n_samples] each.
        sample_rate: Their rate in Hz.
        target_rate: The rate wanted, in Hz.
    """
    import soxr

    if sample_rate == target_rate:
        yield from chunks
        return
    stream = soxr.ResampleStream(sample_rate, target_rate, 1, dtype="float32", quality="VHQ")
    for chunk in chunks:
        yield np.clip(stream.resample_chunk(chunk), -1.0, 1.0)
    yield np.clip(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True), -1.0, 1.0)


def _explain(error: Any) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def cut_clips(
    path: Path, own_rate: int, sample_rate: int, spans: Iterable[tuple[str, float, float]], folder: Path
) -> list[tuple[str, float]]:
    """Decode a recording and write clips of it as they come by.

    Args:
        path: The recording.
        own_rate: Its sample rate, in Hz.
        sample_rate: That of the clips.
        spans: Id, start and end in seconds of each clip; they may overlap.
        folder: Where the clips go, as `<id>.wav`.

    Returns:
        Id and duration in seconds of each, in order of their starts.
    """
    edges = sorted((round(start_s * sample_rate), round(end_s * sample_rate), name) for name, start_s, end_s in spans)
    durations: list[tuple[str, float]] = []
    kept: Waveform = np.zeros(0, dtype=np.float32)
    begin = 0
    for chunk in resample_chunks(decode_recording(path, Damage()), own_rate, sample_rate) if edges else ():
        kept = np.concatenate([kept, chunk])
        while edges and edges[0][1] <= begin + kept.size:
            durations.append(_write_clip(kept, begin, edges.pop(0), sample_rate, folder))
        first = min(edges[0][0] if edges else begin + kept.size, begin + kept.size)
        kept, begin = kept[max(first - begin, 0) :], max(first, begin)
    # Rounding may put the last end a sample behind the recording's.
    durations += [_write_clip(kept, begin, edge, sample_rate, folder) for edge in edges]
    return durations


def _write_clip(
    kept: Waveform, begin: int, edge: tuple[int, int, str], sample_rate: int, folder: Path
) -> tuple[str, float]:
    start, end, name = edge
    clip = kept[max(start - begin, 0) : end - begin]
    write_wav(folder / f"{name}.wav", clip, sample_rate)
    return name, round(clip.size / sample_rate, 6)
