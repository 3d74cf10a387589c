import dataclasses
import re

import numpy as np
import pytest

from ttsd.config import PicoConfig, QcConfig
from ttsd.data.audio import apply_gain, remove_dc, resample, trim_edges
from ttsd.data.checks import Clip, check_intelligibility, count_clipped_samples, judge_clip, longest_run, measure_clip
from ttsd.teachers.pico import PicoTeacher

TEXT = "Photosynthesis converts light energy into chemical energy."
RATE = 22050


@pytest.fixture(scope="module")
def speech():
    spoken = PicoTeacher(PicoConfig()).speak(TEXT, seed=0)
    return trim_edges(resample(remove_dc(spoken.wav), spoken.sample_rate, RATE), RATE, -45, 80)


def judge(wav, text=TEXT, config=None):
    config = config or QcConfig()
    return judge_clip(measure_clip(wav, RATE, text, config.silence_db), config)


def silence(duration_s):
    return np.zeros(round(duration_s * RATE), dtype=np.float32)


def test_clean_teacher_speech_passes_every_check(speech):
    assert judge(speech) is None


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda wav: wav[: RATE // 2], "too_short"),
        (lambda wav: np.tile(wav, 5), "too_long"),
        (lambda wav: np.concatenate([silence(0.6), wav]), "edge_silence"),
        (lambda wav: np.concatenate([wav, silence(0.6)]), "edge_silence"),
        (lambda wav: np.concatenate([wav, silence(1.6), wav]), "inner_silence"),
        (lambda wav: np.clip(apply_gain(wav, 20), -1, 1), "clipped"),
        (lambda wav: apply_gain(wav, -50), "too_quiet"),
        (lambda wav: silence(len(wav) / RATE), "too_quiet"),
        (lambda wav: wav[: len(wav) // 2], "too_fast"),
        (lambda wav: np.tile(wav, 4)[: 13 * RATE], "too_slow"),
    ],
)
def test_every_defect_is_caught_by_its_own_check(speech, damage, code):
    reason = judge(damage(speech))
    assert reason is not None
    assert reason.code == code
    assert re.match(r"[-\d.]+|-inf", reason.value)


def test_noise_in_the_pauses_below_the_threshold_still_counts_as_silence(speech):
    noise = np.random.default_rng(0).normal(0, 1e-4, RATE).astype(np.float32)
    assert judge(np.concatenate([noise, speech])).code == "edge_silence"


def test_an_offset_hides_neither_silence_nor_a_quiet_clip(speech):
    assert judge(np.concatenate([silence(0.6), speech]) * np.float32(0.5) + np.float32(0.2)).code == "edge_silence"
    assert judge(silence(2) + np.float32(0.3)).code == "too_quiet"


def test_the_bounds_themselves_pass():
    config = QcConfig()
    clip = Clip(0.8, 0.5, 1.5, 3, -55, 25, 0.25)
    assert judge_clip(clip, config) is None
    assert judge_clip(dataclasses.replace(clip, duration_s=15, chars_per_s=5), config) is None


def test_a_figure_not_measured_is_neither_pass_nor_fail():
    clip = Clip(2, 0, 0, 0, -20, 14)
    assert check_intelligibility(clip, QcConfig()) is None
    heard = dataclasses.replace(clip, cer=0.9)
    assert check_intelligibility(heard, QcConfig()).code == "high_cer"
    assert check_intelligibility(heard, QcConfig(max_cer=None)) is None


@pytest.mark.parametrize(
    ("mask", "length"), [([], 0), ([0, 0], 0), ([1], 1), ([1, 1, 0, 1, 1, 1], 3), ([1, 1, 1, 0], 3), ([0, 1, 0], 1)]
)
def test_the_longest_run_is_counted(mask, length):
    assert longest_run(np.array(mask, dtype=bool)) == length


def test_peaks_of_both_signs_are_not_one_run():
    assert count_clipped_samples(np.array([1, 1, -1, -1, -1, 0.5, 1], dtype=np.float32)) == 3
    assert count_clipped_samples(np.array([0.5, -0.99], dtype=np.float32)) == 0
