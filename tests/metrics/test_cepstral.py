"""Mel-cepstral distortion against its own laws, and its parts against independent ones."""

import functools
import math

import librosa
import numpy as np
import pytest
import scipy.spatial

from ttsd.config import PiperConfig
from ttsd.errors import CorpusError
from ttsd.metrics.cepstral import (
    ALPHAS,
    DB_PER_NEPER,
    analyse,
    common_rate,
    compare_cepstra,
    frequency_transform,
    mel_cepstral_distortion,
    warp,
)
from ttsd.teachers.piper import PiperTeacher

RATE = 22050


@pytest.fixture(scope="module")
def clips():
    """Two takes of one sentence and one of another, by joe."""
    teacher = PiperTeacher(PiperConfig())
    texts = (("Water runs down.", 1), ("Water runs down.", 2), ("Old maps show it.", 1))
    return [teacher.speak(text, seed).wav for text, seed in texts]


@pytest.fixture(scope="module")
def cepstra(clips):
    return [analyse(wav, RATE, RATE).cepstrum for wav in clips]


def test_identical_audio_is_exactly_zero_apart(clips):
    distortion = mel_cepstral_distortion(clips[0], RATE, clips[0], RATE)
    assert distortion.mcd_db == 0
    assert distortion.path_stretch == 0


@pytest.mark.parametrize("gain_db", [-6.0, 3.0])
def test_loudness_does_not_count_unless_c0_does(clips, cepstra, gain_db):
    louder = analyse((clips[0] * 10 ** (gain_db / 20)).astype(np.float32), RATE, RATE).cepstrum
    assert compare_cepstra(cepstra[0], louder).mcd_db < 1e-3
    # A gain moves c0 alone, by ln(10) / 20 for each decibel.
    with_c0 = compare_cepstra(cepstra[0], louder, with_c0=True).mcd_db
    assert with_c0 == pytest.approx(abs(gain_db) / math.sqrt(2), abs=1e-3)


def test_rounding_to_sixteen_bits_does_not_count(clips, cepstra):
    quieter = (np.rint(clips[0] * 0.7 * 32768) / 32768).astype(np.float32)
    assert compare_cepstra(cepstra[0], analyse(quieter, RATE, RATE).cepstrum).mcd_db < 0.1


def test_another_take_is_nearer_than_another_sentence(cepstra):
    take, sentence = compare_cepstra(cepstra[0], cepstra[1]), compare_cepstra(cepstra[0], cepstra[2])
    assert 1 < take.mcd_db < 6 < sentence.mcd_db


def test_the_distance_is_the_same_both_ways(cepstra):
    there, back = compare_cepstra(cepstra[0], cepstra[2]), compare_cepstra(cepstra[2], cepstra[0])
    assert there.mcd_db == pytest.approx(back.mcd_db, rel=0.01)


@pytest.mark.parametrize(("before", "behind"), [(0, 1), (RATE // 2, RATE // 4)])
def test_silence_around_the_speech_does_not_count(clips, cepstra, before, behind):
    padded = analyse(np.pad(clips[0], (before, behind)), RATE, RATE).cepstrum
    assert compare_cepstra(cepstra[0], padded).mcd_db < 0.05


@pytest.mark.parametrize("nothing", [np.zeros(RATE, np.float32), np.ones(10, np.float32), np.zeros(0, np.float32)])
def test_silence_cannot_be_measured(clips, nothing):
    assert mel_cepstral_distortion(clips[0], RATE, nothing, RATE) is None


def test_clips_of_two_rates_meet_at_the_lower_one():
    assert common_rate(22050, 16000) == 16000
    assert common_rate(32000, 48000) == 24000
    with pytest.raises(CorpusError, match="8000 Hz"):
        common_rate(8000, 22050)


@pytest.mark.parametrize("alpha", [0.0, *ALPHAS.values()])
def test_the_frequency_transform_warps_the_axis_as_the_all_pass_filter_does(alpha):
    cepstrum = np.random.default_rng(0).normal(size=8) / np.arange(1, 9)
    warped = frequency_transform(8, 200, alpha) @ cepstrum
    omega = np.linspace(0, math.pi, 50)
    mel = omega + 2 * np.arctan2(alpha * np.sin(omega), 1 - alpha * np.cos(omega))
    expected = np.cos(np.outer(omega, np.arange(8))) @ cepstrum
    assert np.cos(np.outer(mel, np.arange(201))) @ warped == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 60), (61, 33)])
def test_the_alignment_is_the_cheapest_one(shape):
    cost = np.random.default_rng(shape[0]).random(shape)
    path = warp(cost)

    @functools.cache
    def cheapest(i, j):
        if i == j == 0:
            return cost[0, 0]
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        return cost[i, j] + min(cheapest(*step) for step in steps if min(step) >= 0)

    assert cost[path[:, 0], path[:, 1]].sum() == pytest.approx(cheapest(shape[0] - 1, shape[1] - 1), abs=1e-9)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [shape[0] - 1, shape[1] - 1]
    steps = {tuple(step) for step in np.diff(path, axis=0).tolist()}
    assert steps <= {(1, 1), (1, 0), (0, 1)}


@pytest.mark.parametrize(("one", "two"), [(0, 1), (0, 2)])
def test_the_cost_of_the_alignment_is_that_of_librosa(cepstra, one, two):
    cost = scipy.spatial.distance.cdist(cepstra[one][:, 1:], cepstra[two][:, 1:])
    path = warp(cost)
    total, _ = librosa.sequence.dtw(C=cost)
    assert cost[path[:, 0], path[:, 1]].sum() == pytest.approx(total[-1, -1], rel=1e-12)


def test_a_stretched_copy_is_aligned_and_its_stretch_is_told():
    frames = np.random.default_rng(3).normal(size=(50, 25))
    distortion = compare_cepstra(frames, frames.repeat(2, axis=0))
    assert distortion.mcd_db == 0
    assert distortion.path_stretch == pytest.approx(0.5)


def test_the_constant_turns_nepers_of_an_even_cepstrum_into_decibels():
    assert pytest.approx(6.1419, abs=1e-4) == DB_PER_NEPER
