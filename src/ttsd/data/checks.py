"""The checks of `qc`: each a pure function of a clip's figures and the thresholds."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ttsd.config import QcConfig

UNMEASURED: Literal["unmeasured"] = "unmeasured"


@dataclass(frozen=True)
class Reason:
    """Why a clip is dropped."""

    code: str
    """Short snake_case name, such as `too_short`."""
    value: str
    """The figure that decided, with its unit, for a person to read."""


@dataclass(frozen=True)
class Clip:
    """The figures of a clip that the checks look at; none where one was not measured."""

    duration_s: float | None = None
    leading_silence_s: float | None = None
    trailing_silence_s: float | None = None
    inner_silence_s: float | None = None
    """The longest silence between two sounds."""
    start_db: float | None = None
    """Level of the first 15 ms against the speech."""
    end_db: float | None = None
    """Level of the last 15 ms against the speech."""
    clipped_samples: int | None = None
    """The longest run of samples at full scale, with one sign."""
    dc: float | None = None
    """Size of the mean of the samples, of full scale."""
    rms_db: float | None = None
    """Root mean square in dB of full scale; -inf for digital silence."""
    noise_db: float | None = None
    """Noise floor in dB of full scale."""
    snr_db: float | None = None
    """Speech above the noise floor."""
    bandwidth_hz: float | None = None
    dropout_s: float | None = None
    """The longest hole in the sound."""
    loudness_lufs: float | None = None
    loudness_offset_lu: float | None = None
    """Distance from the median of the corpus."""
    same_audio: int | None = None
    """Earlier clips with the same samples."""
    same_text: int | None = None
    """Earlier clips that say the same."""
    chars_per_s: float | None = None
    sounds_per_s: float | None = None
    """Symbols of the pronunciation, or letters where there is none, to a second of speech without its pauses."""
    rate_deviation: float | None = None
    """Distance of `sounds_per_s` from the speaker's median, in robust standard deviations of its logarithm."""
    unknown_symbols: int | None = None
    """Symbols of the pronunciation that the student has no input for."""
    frames_per_token: float | None = None
    """Spectrogram frames to each input of the student; alignment search needs one or more."""
    cer: float | None = None
    """Character error rate of a recogniser's transcript."""
    wrong_start: int | None = None
    """1 where the first word was not heard as it is written."""
    wrong_end: int | None = None
    """1 where the last word was not heard as it is written."""
    missing_words: int | None = None
    """The longest run of words that were not heard, between words that were."""
    extra_words: int | None = None
    """The longest run of words heard that are not in the text."""
    dnsmos: float | None = None
    similarity: float | None = None
    """Cosine with the centroid of the speaker's other clips."""

    def figures(self) -> dict[str, float | None]:
        """Return the figures by name."""
        return dataclasses.asdict(self)


Result = Reason | Literal["unmeasured"] | None
Check = Callable[[Clip, QcConfig], Result]


def _above(code: str, value: float | None, limit: float | None, form: str) -> Result:
    if limit is None:
        return None
    if value is None:
        return UNMEASURED
    return Reason(code, form.format(value)) if value > limit else None


def _below(code: str, value: float | None, limit: float | None, form: str) -> Result:
    if limit is None:
        return None
    if value is None:
        return UNMEASURED
    return Reason(code, form.format(value)) if value < limit else None


def _edge_limit(is_wrong: int | None, config: QcConfig) -> float | None:
    # Some voices begin an s at once; where the word is not heard either, less is enough.
    doubtful = config.doubtful_edge_db if is_wrong else None
    limits = [limit for limit in (config.max_edge_db, doubtful) if limit is not None]
    return min(limits, default=None)


def check_too_short(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips too short to learn from."""
    return _below("too_short", clip.duration_s, config.min_duration_s, "{:.2f} s")


def check_too_long(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips whose alignment and memory would not hold."""
    return _above("too_long", clip.duration_s, config.max_duration_s, "{:.2f} s")


def check_level(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips whose noise floor would be amplified with them, and digital silence."""
    return _below("too_quiet", clip.rms_db, config.min_rms_db, "{:.1f} dB")


def check_clipping(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that were cut off at full scale."""
    return _above("clipped", clip.clipped_samples, config.max_clipped_samples, "{:.0f} samples")


def check_dc(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that lie beside zero."""
    return _above("dc_offset", clip.dc, config.max_dc, "{:.4f} of full scale")


def check_leading_silence(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips with a long silence before the speech."""
    return _above("leading_silence", clip.leading_silence_s, config.max_edge_silence_s, "{:.2f} s")


def check_trailing_silence(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips with a long silence behind the speech."""
    return _above("trailing_silence", clip.trailing_silence_s, config.max_edge_silence_s, "{:.2f} s")


def check_inner_silence(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips with a long silence inside."""
    return _above("inner_silence", clip.inner_silence_s, config.max_inner_silence_s, "{:.2f} s")


def check_start(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that begin in the middle of a sound."""
    return _above("cut_start", clip.start_db, _edge_limit(clip.wrong_start, config), "{:.1f} dB against the speech")


def check_end(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that end in the middle of a sound."""
    return _above("cut_end", clip.end_db, _edge_limit(clip.wrong_end, config), "{:.1f} dB against the speech")


def check_noise(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips whose pauses are not quiet."""
    return _below("noisy", clip.snr_db, config.min_snr_db, "{:.1f} dB above the noise floor")


def check_bandwidth(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that went through a narrow channel, whatever their sample rate."""
    return _below("narrow_band", clip.bandwidth_hz, config.min_bandwidth_hz, "{:.0f} Hz")


def check_dropout(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips with a hole in the sound."""
    return _above("dropout", clip.dropout_s, config.max_dropout_s, "{:.3f} s")


def check_loudness(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips much louder or quieter than the corpus."""
    offset = None if clip.loudness_offset_lu is None else abs(clip.loudness_offset_lu)
    return _above("other_loudness", offset, config.max_loudness_offset_lu, "{:.1f} LU from the median")


def check_same_audio(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips whose audio the corpus has already."""
    return _above("duplicate_audio", clip.same_audio, config.max_same_audio, "in {:.0f} earlier clips")


def check_same_text(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips whose text the corpus has already."""
    return _above("duplicate_text", clip.same_text, config.max_same_text, "in {:.0f} earlier clips")


def check_slow(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that say less than their text, or ramble."""
    return _below("too_slow", clip.chars_per_s, config.min_chars_per_s, "{:.1f} characters per second")


def check_fast(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that leave out some of their text."""
    return _above("too_fast", clip.chars_per_s, config.max_chars_per_s, "{:.1f} characters per second")


def check_rate(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips spoken much faster or slower than the speaker does."""
    deviation = None if clip.rate_deviation is None else abs(clip.rate_deviation)
    return _above("other_rate", deviation, config.max_rate_deviation, "{:.1f} standard deviations")


def check_symbols(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips whose pronunciation has symbols that the student has no input for."""
    return _above("unsayable", clip.unknown_symbols, config.max_unknown_symbols, "{:.0f} unknown symbols")


def check_frames(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips with fewer frames than inputs: alignment search could not give each a frame."""
    return _below("too_few_frames", clip.frames_per_token, config.min_frames_per_token, "{:.2f} frames a token")


def check_intelligibility(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that a recogniser hears as another text."""
    return _above("high_cer", clip.cer, config.max_cer, "{:.3f}")


def check_missing_words(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that leave words out."""
    return _above("missing_words", clip.missing_words, config.max_missing_words, "{:.0f} words")


def check_extra_words(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that say words which nobody wrote."""
    return _above("extra_words", clip.extra_words, config.max_extra_words, "{:.0f} words")


def check_naturalness(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips that sound bad."""
    return _below("low_dnsmos", clip.dnsmos, config.min_dnsmos, "{:.2f}")


def check_speaker(clip: Clip, config: QcConfig) -> Result:
    """Refuse clips in another voice."""
    return _below("other_voice", clip.similarity, config.min_similarity, "{:.3f}")


CHECKS: tuple[Check, ...] = (
    check_too_short, check_too_long, check_level, check_clipping, check_dc, check_leading_silence,
    check_trailing_silence, check_inner_silence, check_start, check_end, check_noise, check_bandwidth, check_dropout,
    check_loudness, check_same_audio, check_same_text, check_slow, check_fast, check_rate, check_symbols, check_frames,
    check_intelligibility, check_missing_words, check_extra_words, check_naturalness, check_speaker,
)  # fmt: skip
"""Every check, the cheap ones first; the first reason is the one that counts."""


def judge_clip(clip: Clip, config: QcConfig) -> dict[str, Result]:
    """Return the result of every check, by the check's name, in their order."""
    return {check.__name__.removeprefix("check_"): check(clip, config) for check in CHECKS}


def first_reason(results: dict[str, Result]) -> Reason | None:
    """Return the first reason to drop a clip, or none."""
    return next((result for result in results.values() if isinstance(result, Reason)), None)
