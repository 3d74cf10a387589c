"""What the levels of a clip tell, on real speech and on what is made of it."""

import numpy as np
import pytest

from ttsd.config import PicoConfig
from ttsd.data.audio import remove_dc, resample, trim_edges
from ttsd.data.levels import (
    count_clipped_samples,
    longest_run,
    measure_dropout_s,
    measure_edges_db,
    measure_noise_db,
    measure_rms_db,
    measure_silence,
)
from ttsd.data.loudness import apply_gain
from ttsd.data.spectrum import measure_bandwidth_hz
from ttsd.teachers.pico import PicoTeacher

RATE = 22050


@pytest.fixture(scope="module")
def speech():
    spoken = PicoTeacher(PicoConfig()).speak("Photosynthesis converts light energy into chemical energy.", seed=0)
    return trim_edges(resample(remove_dc(spoken.wav), spoken.sample_rate, RATE), RATE, -45, 80)


def silence(duration_s):
    return np.zeros(round(duration_s * RATE), dtype=np.float32)


def test_silences_are_told_apart(speech):
    own = measure_silence(speech, RATE, -45)
    wav = np.concatenate([silence(0.6), speech, silence(1.6), speech, silence(0.9)])
    found = measure_silence(wav, RATE, -45)
    assert found.leading_s == pytest.approx(0.6 + own.leading_s, abs=0.011)
    assert found.trailing_s == pytest.approx(0.9 + own.trailing_s, abs=0.021)
    assert found.inner_s == pytest.approx(1.6 + own.leading_s + own.trailing_s, abs=0.03)


def test_quiet_noise_counts_as_silence_and_an_offset_hides_none(speech):
    noise = np.random.default_rng(0).normal(0, 1e-4, RATE).astype(np.float32)
    assert measure_silence(np.concatenate([noise, speech]), RATE, -45).leading_s > 0.95
    shifted = np.concatenate([silence(0.6), speech]) * np.float32(0.5) + np.float32(0.2)
    assert measure_silence(shifted, RATE, -45).leading_s > 0.6


def test_a_silent_clip_is_one_silence():
    assert measure_silence(silence(2), RATE, -45).leading_s == 2
    assert measure_rms_db(silence(2) + np.float32(0.3)) == -np.inf
    assert measure_edges_db(silence(2), RATE) == (-np.inf, -np.inf)
    assert measure_bandwidth_hz(silence(2), RATE) == 0


def test_a_cut_edge_is_as_loud_as_the_speech(speech):
    start_db, end_db = measure_edges_db(speech, RATE)
    assert start_db < -35
    assert end_db < -35
    loudest = int(np.argmax(np.convolve(speech**2, np.ones(300), mode="same")))
    assert measure_edges_db(speech[loudest:], RATE)[0] > -10
    assert measure_edges_db(speech[:loudest], RATE)[1] > -10


def test_the_noise_floor_is_the_noise(speech):
    clean = np.concatenate([silence(0.3), speech])
    noise = 10 ** (-50 / 20) * np.random.default_rng(0).standard_normal(clean.size)
    floor_db, snr_db = measure_noise_db((clean + noise).astype(np.float32), RATE)
    assert floor_db == pytest.approx(-50, abs=1.5)
    assert snr_db < measure_noise_db(clean, RATE)[1] - 10


def test_a_hole_has_edges_and_a_pause_has_none(speech):
    assert measure_dropout_s(speech, RATE) == 0
    paused = np.concatenate([speech, silence(0.2), speech])
    assert measure_dropout_s(paused, RATE) == 0
    loudest = int(np.argmax(np.convolve(speech**2, np.ones(600), mode="same")))
    broken = speech.copy()
    broken[loudest : loudest + round(0.04 * RATE)] = 0
    assert measure_dropout_s(broken, RATE) == pytest.approx(0.04, abs=0.009)
    assert measure_dropout_s(speech[:10], RATE) == 0


def test_bandwidth_is_that_of_the_channel_not_of_the_file(speech):
    assert 7000 < measure_bandwidth_hz(speech, RATE) <= 8100
    narrow = resample(resample(speech, RATE, 8000), 8000, RATE)
    assert 3500 < measure_bandwidth_hz(narrow, RATE) < 4100
    assert measure_bandwidth_hz(np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32), RATE) > 10900


@pytest.mark.parametrize(
    ("mask", "length"), [([], 0), ([0, 0], 0), ([1], 1), ([1, 1, 0, 1, 1, 1], 3), ([1, 1, 1, 0], 3), ([0, 1, 0], 1)]
)
def test_the_longest_run_is_counted(mask, length):
    assert longest_run(np.array(mask, dtype=bool)) == length


def test_clipping_is_a_run_of_one_sign(speech):
    assert count_clipped_samples(np.array([1, 1, -1, -1, -1, 0.5, 1], dtype=np.float32)) == 3
    assert count_clipped_samples(np.array([0.5, -0.99], dtype=np.float32)) == 0
    assert count_clipped_samples(np.clip(apply_gain(speech, 20), -1, 1)) > 3
