import dataclasses

import numpy as np
import pytest

from ttsd.config import QcConfig
from ttsd.data.checks import CHECKS, UNMEASURED, Clip, Reason, first_reason, judge_clip
from ttsd.data.limits import LIMITS, thresholds

CLEAN = Clip(
    duration_s=3.0, leading_silence_s=0.08, trailing_silence_s=0.08, inner_silence_s=0.2, start_db=-45.0, end_db=-60.0,
    clipped_samples=0, dc=0.0, rms_db=-24.0, noise_db=-80.0, snr_db=60.0, bandwidth_hz=9000.0, dropout_s=0.0,
    loudness_lufs=-23.0, loudness_offset_lu=0.0, same_audio=0, same_text=0, chars_per_s=14.0, sounds_per_s=11.0,
    rate_deviation=0.5, unknown_symbols=0, frames_per_token=2.0, cer=0.02, wrong_start=0, wrong_end=0, missing_words=0,
    extra_words=0, dnsmos=3.2, similarity=0.95,
)  # fmt: skip


def test_a_clean_clip_passes_every_check():
    results = judge_clip(CLEAN, QcConfig())
    assert list(results) == list(LIMITS)
    assert set(results.values()) == {None}
    assert first_reason(results) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"duration_s": 0.7}, "too_short"),
        ({"duration_s": 15.1}, "too_long"),
        ({"rms_db": -np.inf}, "too_quiet"),
        ({"clipped_samples": 4}, "clipped"),
        ({"dc": 0.02}, "dc_offset"),
        ({"leading_silence_s": 0.6}, "leading_silence"),
        ({"trailing_silence_s": 0.6}, "trailing_silence"),
        ({"inner_silence_s": 1.6}, "inner_silence"),
        ({"start_db": -5.0}, "cut_start"),
        ({"end_db": -5.0}, "cut_end"),
        ({"snr_db": 20.0}, "noisy"),
        ({"bandwidth_hz": 3400.0}, "narrow_band"),
        ({"dropout_s": 0.03}, "dropout"),
        ({"loudness_offset_lu": -4.0}, "other_loudness"),
        ({"same_audio": 1}, "duplicate_audio"),
        ({"same_text": 1}, "duplicate_text"),
        ({"chars_per_s": 4.0}, "too_slow"),
        ({"chars_per_s": 26.0}, "too_fast"),
        ({"rate_deviation": -6.0}, "other_rate"),
        ({"unknown_symbols": 1}, "unsayable"),
        ({"frames_per_token": 0.9}, "too_few_frames"),
        ({"cer": 0.4}, "high_cer"),
        ({"missing_words": 2}, "missing_words"),
        ({"extra_words": 2}, "extra_words"),
        ({"dnsmos": 1.5}, "low_dnsmos"),
        ({"similarity": 0.6}, "other_voice"),
    ],
)
def test_each_figure_has_its_own_check_and_reason(change, code):
    clip = dataclasses.replace(CLEAN, **change)
    results = judge_clip(clip, QcConfig())
    failed = {name: result for name, result in results.items() if isinstance(result, Reason)}
    assert [reason.code for reason in failed.values()] == [code]
    ((name, reason),) = failed.items()
    assert LIMITS[name].figure in change
    assert any(character.isdigit() for character in reason.value) or "inf" in reason.value


def test_the_bounds_themselves_pass():
    config = QcConfig()
    for limit in LIMITS.values():
        at_the_bound = dataclasses.replace(CLEAN, **{limit.figure: getattr(config, limit.setting)})
        assert first_reason(judge_clip(at_the_bound, config)) is None


def test_every_check_is_unmeasured_without_its_figure_and_off_without_its_threshold():
    config = QcConfig()
    assert set(judge_clip(Clip(), config).values()) == {UNMEASURED}
    off = config.model_copy(update={limit.setting: None for limit in LIMITS.values()})
    assert set(judge_clip(Clip(), off).values()) == {None}
    assert len(CHECKS) == len(LIMITS)


def test_an_edge_that_is_not_understood_either_need_not_be_as_loud():
    soft = dataclasses.replace(CLEAN, start_db=-25.0, end_db=-25.0)
    assert first_reason(judge_clip(soft, QcConfig())) is None
    for figure, code in (("wrong_start", "cut_start"), ("wrong_end", "cut_end")):
        reason = first_reason(judge_clip(dataclasses.replace(soft, **{figure: 1}), QcConfig()))
        assert reason is not None
        assert reason.code == code
        assert first_reason(judge_clip(dataclasses.replace(CLEAN, **{figure: 1}), QcConfig())) is None


def test_the_first_reason_counts_and_the_cheap_checks_come_first():
    clip = dataclasses.replace(CLEAN, cer=0.9, duration_s=0.1)
    reason = first_reason(judge_clip(clip, QcConfig()))
    assert reason is not None
    assert reason.code == "too_short"


def test_thresholds_are_told_by_figure_for_pictures():
    bounds = thresholds(QcConfig())
    assert bounds["duration_s"] == {"min": 0.8, "max": 15.0}
    assert bounds["loudness_offset_lu"] == {"min": -3.0, "max": 3.0}
    assert bounds["cer"] == {"min": None, "max": 0.25}
