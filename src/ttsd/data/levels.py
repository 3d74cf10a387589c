"""What the levels of a clip's blocks tell: silence, noise, cut edges, dropouts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import BLOCK_MS, FULL_SCALE, Waveform, block_length, block_levels_db, remove_dc

NEAR_FULL_SCALE = 0.999
"""From here on a sample counts as being at full scale."""
_EDGE_MS = 15.0
_PAUSE_MS = 80.0
_NOISE_QUANTILE = 0.05
_SPEECH_QUANTILE = 0.9
_RIM_MS = 4.0
_HOLE_DB = -45.0
_RIM_DB = -14.0


@dataclass(frozen=True)
class Silence:
    """The silences of a clip, in seconds."""

    leading_s: float
    trailing_s: float
    inner_s: float
    """The longest one between two sounds."""
    pauses_s: float
    """All between two sounds that are pauses, of 80 ms and more, and not the closure of a consonant."""


def measure_silence(wav: Waveform, sample_rate: int, silence_db: float) -> Silence:
    """Measure the silences of a clip, to a block of 10 ms; one that is silent throughout has them all at its start.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
        silence_db: Blocks this far below the loudest one count as silence; negative, in dB.
    """
    levels = block_levels_db(wav, sample_rate)
    if levels.size == 0 or np.isneginf(levels.max()):
        return Silence(wav.size / sample_rate, 0.0, 0.0, 0.0)
    silent = levels <= levels.max() + silence_db
    sounding = np.flatnonzero(~silent)
    first, last = int(sounding[0]), int(sounding[-1])
    block_s = BLOCK_MS / 1000
    inner = _runs(silent[first : last + 1])
    longest, pauses = max(inner, default=0), sum(run for run in inner if run * BLOCK_MS >= _PAUSE_MS)
    return Silence(first * block_s, (silent.size - 1 - last) * block_s, longest * block_s, pauses * block_s)


def measure_edges_db(wav: Waveform, sample_rate: int) -> tuple[float, float]:
    """Return how loud the first and the last 15 ms are against the clip's speech; in dB.

    Speech that begins or ends as people do rises from near silence; one that was cut off begins at its full level.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
    """
    levels = block_levels_db(wav, sample_rate)
    length = round(_EDGE_MS / 1000 * sample_rate)
    if levels.size == 0 or np.isneginf(levels.max()):
        return -np.inf, -np.inf
    speech_db = float(np.quantile(levels[levels > levels.max() - 40], _SPEECH_QUANTILE))
    centred = remove_dc(wav)
    first, last = (float(block_levels_of(part)) for part in (centred[:length], centred[-length:]))
    return first - speech_db, last - speech_db


def block_levels_of(wav: Waveform) -> float:
    """Return the level of a waveform, as root mean square in dB of full scale; -inf for digital silence."""
    power = float(np.mean(np.square(wav, dtype=np.float64))) if wav.size else 0.0
    return 10 * float(np.log10(power)) if power > 0 else -np.inf


def measure_noise_db(wav: Waveform, sample_rate: int) -> tuple[float, float]:
    """Return the noise floor in dB of full scale, and how far the speech lies above it, in dB.

    The floor is the level of the quietest twentieth of the blocks of 10 ms, the speech that of the loudest tenth; a
    clip whose pauses are digital silence has a floor of half a level of PCM-16.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
    """
    whole = wav[: wav.size - wav.size % block_length(sample_rate)]
    levels = np.maximum(block_levels_db(whole, sample_rate), 20 * np.log10(0.5 / FULL_SCALE))
    if levels.size == 0:
        return -np.inf, 0.0
    floor_db, speech_db = (float(np.quantile(levels, share)) for share in (_NOISE_QUANTILE, _SPEECH_QUANTILE))
    return floor_db, speech_db - floor_db


def measure_dropout_s(wav: Waveform, sample_rate: int) -> float:
    """Return the longest hole in the sound: near silence with speech directly before and behind it.

    A pause fades out and in again; a packet or a buffer that was lost leaves a hole with edges. Told by blocks of 4 ms:
    quieter than the speech by `_HOLE_DB`, with a block louder than `_RIM_DB` next to it or next but one, on both sides.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.

    Returns:
        In seconds, to a block; 0 where there is none of 12 ms and more.
    """
    length = round(_RIM_MS / 1000 * sample_rate)
    n_blocks = wav.size // length
    if n_blocks < 2:
        return 0.0
    power = np.square(wav[: n_blocks * length], dtype=np.float64).reshape(n_blocks, length).mean(axis=1)
    levels = 10 * np.log10(power + 1e-12)
    speech_db = float(np.quantile(levels, _SPEECH_QUANTILE))
    quiet, loud = levels < speech_db + _HOLE_DB, levels > speech_db + _RIM_DB
    changes = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    longest = 0
    for start, end in zip(changes[::2], changes[1::2], strict=True):
        if end - start >= 3 and loud[max(start - 2, 0) : start].any() and loud[end : end + 2].any():
            longest = max(longest, int(end - start))
    return longest * length / sample_rate


def count_clipped_samples(wav: Waveform) -> int:
    """Return the longest run of samples at full scale with one sign.

    To be asked before any gain or resampling, which hide the flat tops.
    """
    return max(longest_run(wav >= NEAR_FULL_SCALE), longest_run(wav <= -NEAR_FULL_SCALE))


def measure_rms_db(wav: Waveform) -> float:
    """Return the root mean square in dB of full scale, the mean not counted; -inf for digital silence."""
    power = float(np.var(wav, dtype=np.float64)) if wav.size else 0.0
    return 10 * float(np.log10(power)) if power > 0 else -np.inf


def longest_run(mask: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of true values in bool [n]."""
    return max(_runs(mask), default=0)


def _runs(mask: NDArray[np.bool_]) -> list[int]:
    changes = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [int(length) for length in changes[1::2] - changes[::2]]
