"""Sound and silence of long recordings, and the windows between."""

import itertools

import numpy as np
import pytest

from ttsd.data.pauses import find_pauses, measure_power, plan_windows

RATE = 16000


def recording(*parts: tuple[float, float], noise_db: float = -70.0) -> np.ndarray:
    """Join stretches of noise, each a length in seconds and a level in dB."""
    rng = np.random.default_rng(0)
    wav = np.concatenate([rng.standard_normal(round(s * RATE)) * 10 ** (db / 20) for s, db in parts])
    return np.clip(wav + rng.standard_normal(wav.size) * 10 ** (noise_db / 20), -1, 1).astype(np.float32)


def pauses_of(wav):
    return find_pauses(measure_power([wav], RATE), 80, -40)


@pytest.mark.parametrize("noise_db", [-90, -70, -50])
@pytest.mark.parametrize("level_db", [-12, -25])
def test_pauses_are_found_to_a_frame_whatever_level_and_noise(noise_db, level_db):
    wav = recording(
        (0.5, -120), (2, level_db), (0.3, -120), (1, level_db), (0.1, -120), (1, level_db), noise_db=noise_db
    )
    found = pauses_of(wav).silences_s(0, 9, 0.08)
    assert np.array(found) == pytest.approx(np.array([(0, 0.5), (2.5, 2.8), (3.8, 3.9)]), abs=0.025)


def test_a_speaker_who_goes_away_from_the_microphone_is_heard_all_the_same():
    near, far = [(2, -10), (0.4, -120)] * 15, [(2, -32), (0.4, -120)] * 30
    found = pauses_of(recording(*near, *far, noise_db=-80)).silences_s(0, 200, 0.3)
    assert len(found) == 45


def test_silence_gives_no_window():
    assert plan_windows(pauses_of(recording((5, -120), noise_db=-80)), 28) == []
    assert plan_windows(find_pauses(np.zeros(0, dtype=np.float32), 80, -40), 28) == []


def test_windows_are_cut_in_pauses_and_hold_all_sound():
    rng = np.random.default_rng(1)
    parts = [
        (float(s), float(db)) for _ in range(60) for s, db in ((rng.uniform(1, 6), -20), (rng.uniform(0.2, 1), -120))
    ]
    pauses = pauses_of(recording(*parts))
    windows = plan_windows(pauses, 28)
    assert all(0 < end - start <= 28.001 for start, end in windows)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(windows))
    assert sum(pauses.sounding_s(*window) for window in windows) == pytest.approx(pauses.sounding_s(0, 1e4), abs=0.01)
    for _, end in windows[:-1]:
        assert pauses.silences_s(end - 0.01, end + 0.01, 0.1)


def test_long_silence_is_in_no_window():
    windows = plan_windows(pauses_of(recording((5, -20), (40, -120), (5, -20))), 28)
    assert [(round(start), round(end)) for start, end in windows] == [(0, 5), (45, 50)]


def test_sound_without_a_pause_is_cut_where_it_is_quietest():
    windows = plan_windows(pauses_of(recording((24, -20), (0.25, -30), (30, -20), noise_db=-80)), 28)
    assert windows[0][1] == pytest.approx(24.12, abs=0.2)
    assert windows[-1][1] == pytest.approx(54.25, abs=0.02)


def test_the_power_does_not_depend_on_the_chunks():
    wav = recording((3, -20), (1, -120))
    whole = find_pauses(measure_power([wav], RATE), 80, -40)
    parts = find_pauses(measure_power(np.split(wav, [777, 20000, 20001]), RATE), 80, -40)
    assert (whole.sounding == parts.sounding).all()
