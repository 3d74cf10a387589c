"""Other toolkits' distortions against what those toolkits themselves gave, and their parts against laws.

`toolkits/golden.json` holds what ESPnet's evaluate_mcd.py, VERSA's mcd_f0.py (f0 from 40 to 800 Hz) and pymcd 0.2.1
gave for the clips beside it, with pysptk 1.0.1, pyworld 0.3.5 and fastdtw 0.3.4 as compiled.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsd.errors import CorpusError
from ttsd.metrics.cepstral import warp
from ttsd.metrics.fast_warp import fast_warp
from ttsd.metrics.sptk import estimate_mel_cepstrum, power_to_mel_cepstrum
from ttsd.metrics.toolkits import TOOLKITS

FOLDER = Path(__file__).parent / "toolkits"
GOLDEN = json.loads((FOLDER / "golden.json").read_text())


def read(name):
    return soundfile.read(FOLDER / f"{name}.flac", dtype="float32")


@pytest.mark.parametrize("pair", GOLDEN)
@pytest.mark.parametrize("preset", TOOLKITS)
def test_every_preset_gives_its_toolkits_own_figure(pair, preset):
    (teacher, rate), (other, other_rate) = (read(name) for name in pair.split())
    # pymcd brings other rates to 22,050 Hz, by another resampler than ours.
    tolerance = 1e-5 if rate == 22050 else 1e-4
    assert TOOLKITS[preset](teacher, rate, other, other_rate) == pytest.approx(GOLDEN[pair][preset], abs=tolerance)


@pytest.mark.parametrize("preset", TOOLKITS)
def test_a_clip_is_no_distance_from_itself(preset):
    wav, rate = read("joe-1")
    assert TOOLKITS[preset](wav, rate, wav, rate) == 0


@pytest.mark.parametrize("preset", ["espnet", "versa", "versa-dtw"])
def test_with_c0_in_it_loudness_counts(preset):
    wav, rate = read("joe-1")
    louder = (wav * 10 ** (3 / 20)).astype(np.float32)
    # Less where the alignment, which c0 has a part in as well, finds frames of the same loudness.
    assert TOOLKITS[preset](wav, rate, louder, rate) == pytest.approx(3 / math.sqrt(2), abs=0.1)


def test_pymcd_hears_loudness_even_without_c0_and_counts_it_twice():
    wav, rate = read("joe-1")
    louder = (wav * 10 ** (3 / 20)).astype(np.float32)
    assert TOOLKITS["pymcd"](wav, rate, louder, rate) > 3 / math.sqrt(2) + 0.5


def test_espnet_knows_few_rates():
    wav, _ = read("joe-1")
    with pytest.raises(CorpusError, match="8000 Hz"):
        TOOLKITS["espnet"](wav, 8000, wav, 8000)


def test_versa_gives_nothing_for_clips_of_other_length():
    wav, rate = read("joe-1")
    assert TOOLKITS["versa"](wav, rate, wav[: len(wav) // 2], rate) is None


def test_the_estimate_of_an_all_pole_spectrum_is_near_the_transform_of_its_logarithm():
    # Where the model can hold the spectrum, the estimator finds what the transform has.
    cepstrum = np.zeros((1, 1024))
    cepstrum[0, :4] = [1.0, 0.6, -0.2, 0.1]
    power = np.exp(2 * np.fft.rfft(cepstrum, axis=1).real)
    np.testing.assert_allclose(
        estimate_mel_cepstrum(power, 30, 0.42), power_to_mel_cepstrum(power, 30, 0.42), rtol=0, atol=0.01
    )


@pytest.mark.parametrize(("n", "m"), [(1, 5), (2, 2), (17, 30), (64, 49), (101, 100)])
def test_the_fast_path_is_whole_and_seldom_much_dearer_than_the_cheapest(n, m):
    rng = np.random.default_rng(n)
    one, two = (np.cumsum(rng.normal(size=(length, 3)), axis=0) for length in (n, m))
    path = fast_warp(one, two)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [n - 1, m - 1]
    assert {tuple(step) for step in np.diff(path, axis=0)} <= {(0, 1), (1, 0), (1, 1)}
    costs = np.linalg.norm(one[:, None] - two[None], axis=2)
    cost, least = (costs[steps[:, 0], steps[:, 1]].sum() for steps in (path, warp(costs)))
    assert least - 1e-9 <= cost < 1.5 * least
