"""Pitch by its laws: known glides, known shifts, a flat voice."""

import numpy as np
import pytest
import soundfile

from tests.metrics.test_toolkits import FOLDER
from ttsd.metrics.cepstral import analyse, compare_cepstra
from ttsd.metrics.prosody import compare_pitch, measure_spread_semitones

RATE = 22050
PAIRS = np.repeat(np.arange(100)[:, None], 2, axis=1)


def voice(f0_hz):
    """Speak a vowel: all harmonics of a pitch track of one value a sample, the higher the weaker."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    return (0.05 * sum(np.sin(k * phase) / k for k in range(1, 20))).astype(np.float32)


@pytest.mark.parametrize(("low_hz", "high_hz"), [(90, 130), (150, 300), (220, 400)])
def test_a_glide_is_heard_within_half_a_percent(low_hz, high_hz):
    track = np.geomspace(low_hz, high_hz, 2 * RATE)
    analysis = analyse(voice(track), RATE, RATE)
    heard = analysis.f0_hz[30:-30]
    assert (heard > 0).all()
    # 100 ms of zeros lie before the clip, and frames are 5 ms apart; the first ones are below the range that counts.
    first = np.flatnonzero(analysis.f0_hz > 0)[0]
    times_s = (np.arange(len(analysis.f0_hz)) - first) * 0.005
    wanted = low_hz * (high_hz / low_hz) ** (times_s / 2)
    slope = np.polyfit(times_s[30:-30], np.log(heard), 1)[0]
    assert slope == pytest.approx(np.log(high_hz / low_hz) / 2, rel=0.01)
    middle = len(heard) // 2
    assert heard[middle] == pytest.approx(wanted[30:-30][middle], rel=0.01)
    flat = analyse(voice(np.full(2 * RATE, low_hz)), RATE, RATE).f0_hz
    assert np.median(flat[flat > 0]) == pytest.approx(low_hz, rel=0.005)


def test_a_voice_a_semitone_higher_is_a_hundred_cents_away():
    track = 120 + 20 * np.sin(np.arange(100) / 9)
    told = compare_pitch(track, track * 2 ** (1 / 12), PAIRS)
    assert told.rmse_cents == pytest.approx(100)
    assert told.correlation == pytest.approx(1)
    assert told.voicing_error == 0


def test_frames_without_a_voice_count_as_voicing_errors_alone():
    one = np.full(100, 120.0) + np.arange(100)
    two = np.where(np.arange(100) < 25, 0, one)
    told = compare_pitch(one, two, PAIRS)
    assert told.voicing_error == 0.25
    assert told.rmse_cents == 0


def test_too_little_voice_says_nothing():
    told = compare_pitch(np.zeros(100), np.full(100, 120.0), PAIRS)
    assert (told.rmse_cents, told.correlation, told.voicing_error) == (None, None, 1.0)
    assert compare_pitch(np.full(100, 120.0), np.full(100, 130.0), PAIRS).correlation is None
    assert measure_spread_semitones(np.zeros(100)) is None


def test_a_monotone_has_no_spread_and_an_octave_up_and_down_has_six_semitones():
    assert measure_spread_semitones(np.full(100, 120.0)) < 1e-9
    assert measure_spread_semitones(np.tile([100.0, 200.0], 50)) == pytest.approx(6)


def test_another_take_has_a_melody_of_its_own():
    wavs = [soundfile.read(FOLDER / f"joe-{take}.flac", dtype="float32")[0] for take in (1, 2)]
    one, two = (analyse(wav, RATE, RATE) for wav in wavs)
    told = compare_pitch(one.f0_hz, two.f0_hz, compare_cepstra(one.cepstrum, two.cepstrum).path)
    assert 20 < told.rmse_cents < 400
    assert told.voicing_error < 0.2
