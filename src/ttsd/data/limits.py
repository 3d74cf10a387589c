"""Which figure each check of `qc` looks at, and by which threshold of the settings."""

from typing import Literal, NamedTuple

from ttsd.config import QcConfig


class Limit(NamedTuple):
    """What a check compares."""

    figure: str
    setting: str
    """Name in `qc`."""
    side: Literal["min", "max"]
    is_two_sided: bool = False
    """Whether the distance from zero counts, and not the figure."""


LIMITS: dict[str, Limit] = {
    "too_short": Limit("duration_s", "min_duration_s", "min"),
    "too_long": Limit("duration_s", "max_duration_s", "max"),
    "level": Limit("rms_db", "min_rms_db", "min"),
    "clipping": Limit("clipped_samples", "max_clipped_samples", "max"),
    "dc": Limit("dc", "max_dc", "max"),
    "leading_silence": Limit("leading_silence_s", "max_edge_silence_s", "max"),
    "trailing_silence": Limit("trailing_silence_s", "max_edge_silence_s", "max"),
    "inner_silence": Limit("inner_silence_s", "max_inner_silence_s", "max"),
    "start": Limit("start_db", "max_edge_db", "max"),
    "end": Limit("end_db", "max_edge_db", "max"),
    "noise": Limit("snr_db", "min_snr_db", "min"),
    "bandwidth": Limit("bandwidth_hz", "min_bandwidth_hz", "min"),
    "dropout": Limit("dropout_s", "max_dropout_s", "max"),
    "loudness": Limit("loudness_offset_lu", "max_loudness_offset_lu", "max", is_two_sided=True),
    "same_audio": Limit("same_audio", "max_same_audio", "max"),
    "same_text": Limit("same_text", "max_same_text", "max"),
    "slow": Limit("chars_per_s", "min_chars_per_s", "min"),
    "fast": Limit("chars_per_s", "max_chars_per_s", "max"),
    "rate": Limit("rate_deviation", "max_rate_deviation", "max", is_two_sided=True),
    "symbols": Limit("unknown_symbols", "max_unknown_symbols", "max"),
    "frames": Limit("frames_per_token", "min_frames_per_token", "min"),
    "intelligibility": Limit("cer", "max_cer", "max"),
    "missing_words": Limit("missing_words", "max_missing_words", "max"),
    "extra_words": Limit("extra_words", "max_extra_words", "max"),
    "naturalness": Limit("dnsmos", "min_dnsmos", "min"),
    "speaker": Limit("similarity", "min_similarity", "min"),
}
"""By the check's name, in the order of the checks."""


def thresholds(config: QcConfig) -> dict[str, dict[str, float | None]]:
    """Return the thresholds in force by figure, each with `min` and `max`, none where there is none."""
    bounds: dict[str, dict[str, float | None]] = {}
    for limit in LIMITS.values():
        value = getattr(config, limit.setting)
        bound = bounds.setdefault(limit.figure, {"min": None, "max": None})
        bound[limit.side] = value
        if limit.is_two_sided and value is not None:
            bound["min"] = -value
    return bounds
