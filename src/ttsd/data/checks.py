"""What is measured on a clip, and the checks that decide whether it is kept."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ttsd.config import QcConfig
from ttsd.data.audio import BLOCK_MS, Waveform, block_levels_db

FULL_SCALE = 0.999
"""From here on a sample counts as being at full scale."""


@dataclass(frozen=True)
class Reason:
    """Why a clip is dropped."""

    code: str
    """Short snake_case name, such as `too_short`."""
    value: str
    """The figure that decided, with its unit, for a person to read."""


@dataclass(frozen=True)
class Clip:
    """The figures of a clip that the checks look at."""

    duration_s: float
    edge_silence_s: float
    """The longer of the silences at the two ends."""
    inner_silence_s: float
    """The longest silence between two sounds."""
    clipped_samples: int
    """The longest run of samples at full scale, with one sign."""
    rms_db: float
    """Root mean square in dB of full scale; -inf for digital silence."""
    chars_per_s: float
    cer: float | None = None
    """Character error rate of a recogniser's transcript; none where it was not measured."""


Check = Callable[[Clip, QcConfig], Reason | None]


def measure_clip(wav: Waveform, sample_rate: int, text: str, silence_db: float) -> Clip:
    """Measure a clip.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
        text: What is said, normalized.
        silence_db: Blocks of 10 ms this far below the loudest one count as silence; negative, in dB.
    """
    duration_s = wav.size / sample_rate
    edge_silence_s, inner_silence_s = _measure_silence(wav, sample_rate, silence_db)
    return Clip(
        duration_s=duration_s,
        edge_silence_s=edge_silence_s,
        inner_silence_s=inner_silence_s,
        clipped_samples=count_clipped_samples(wav),
        rms_db=measure_rms_db(wav),
        chars_per_s=len(text) / duration_s if duration_s else np.inf,
    )


def count_clipped_samples(wav: Waveform) -> int:
    """Return the longest run of samples at full scale with one sign.

    To be asked before any gain or resampling, which hide the flat tops.
    """
    return max(longest_run(wav >= FULL_SCALE), longest_run(wav <= -FULL_SCALE))


def measure_rms_db(wav: Waveform) -> float:
    """Return the root mean square in dB of full scale, the mean not counted; -inf for digital silence."""
    power = float(np.var(wav, dtype=np.float64)) if wav.size else 0.0
    return 10 * float(np.log10(power)) if power > 0 else -np.inf


def longest_run(mask: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> int:
    """Return the length of the longest run of true values in bool [n]."""
    changes = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return int((changes[1::2] - changes[::2]).max()) if changes.size else 0


def _measure_silence(wav: Waveform, sample_rate: int, silence_db: float) -> tuple[float, float]:
    levels = block_levels_db(wav, sample_rate)
    if levels.size == 0 or np.isneginf(levels.max()):
        return wav.size / sample_rate, 0.0
    silent = levels <= levels.max() + silence_db
    sounding = np.flatnonzero(~silent)
    first, last = int(sounding[0]), int(sounding[-1])
    block_s = BLOCK_MS / 1000
    return max(first, silent.size - 1 - last) * block_s, longest_run(silent[first : last + 1]) * block_s


def check_duration(clip: Clip, config: QcConfig) -> Reason | None:
    """Refuse clips that are too short or too long to learn from."""
    if clip.duration_s < config.min_duration_s:
        return Reason("too_short", f"{clip.duration_s:.2f} s")
    if clip.duration_s > config.max_duration_s:
        return Reason("too_long", f"{clip.duration_s:.2f} s")
    return None


def check_level(clip: Clip, config: QcConfig) -> Reason | None:
    """Refuse clips whose noise floor would be amplified with them."""
    if clip.rms_db < config.min_rms_db:
        return Reason("too_quiet", f"{clip.rms_db:.1f} dB")
    return None


def check_clipping(clip: Clip, config: QcConfig) -> Reason | None:
    """Refuse clips that were cut off at full scale."""
    if clip.clipped_samples > config.max_clipped_samples:
        return Reason("clipped", f"{clip.clipped_samples} samples")
    return None


def check_silence(clip: Clip, config: QcConfig) -> Reason | None:
    """Refuse clips with long silence at an end or inside."""
    if clip.edge_silence_s > config.max_edge_silence_s:
        return Reason("edge_silence", f"{clip.edge_silence_s:.2f} s")
    if clip.inner_silence_s > config.max_inner_silence_s:
        return Reason("inner_silence", f"{clip.inner_silence_s:.2f} s")
    return None


def check_rate(clip: Clip, config: QcConfig) -> Reason | None:
    """Refuse clips that say more or less than their text: a truncated one seems fast, a rambling one slow."""
    if clip.chars_per_s < config.min_chars_per_s:
        return Reason("too_slow", f"{clip.chars_per_s:.1f} characters per second")
    if clip.chars_per_s > config.max_chars_per_s:
        return Reason("too_fast", f"{clip.chars_per_s:.1f} characters per second")
    return None


def check_intelligibility(clip: Clip, config: QcConfig) -> Reason | None:
    """Refuse clips that a recogniser hears as another text; one that was not measured is not refused."""
    if clip.cer is not None and config.max_cer is not None and clip.cer > config.max_cer:
        return Reason("high_cer", f"{clip.cer:.3f}")
    return None


CHECKS: tuple[Check, ...] = (
    check_duration,
    check_level,
    check_clipping,
    check_silence,
    check_rate,
    check_intelligibility,
)
"""Every check, in the order they are made; the first reason is the one that counts."""


def judge_clip(clip: Clip, config: QcConfig) -> Reason | None:
    """Return the first reason to drop a clip, or none."""
    for check in CHECKS:
        reason = check(clip, config)
        if reason is not None:
            return reason
    return None
