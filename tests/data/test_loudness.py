import av
import numpy as np
import pyloudnorm
import pytest
import soxr

from ttsd.data import loudness
from ttsd.data.audio import remove_dc
from ttsd.errors import CorpusError


def sine(frequency_hz=997.0, duration_s=1.0, sample_rate=22050, amplitude=0.5):
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def silence(duration_s, sample_rate=22050):
    return np.zeros(round(duration_s * sample_rate), dtype=np.float32)


@pytest.mark.parametrize("wav", [silence(0), silence(1), silence(1) + np.float32(0.3)])
def test_a_silent_clip_has_no_loudness(wav):
    assert loudness.measure_loudness(remove_dc(wav), 22050) == -np.inf
    with pytest.raises(CorpusError, match="silent"):
        loudness.normalize_loudness(remove_dc(wav), 22050, -23, -1)


def test_the_standards_reference_tone_has_its_loudness():
    # BS.1770-4: a sine of 997 Hz at full scale in one front channel reads -3.01 LUFS.
    assert loudness.measure_loudness(sine(997, 3, 48000, 1.0), 48000) == pytest.approx(-3.01, abs=0.005)


def noise_with_pauses(sample_rate):
    rng = np.random.default_rng(3)
    levels_db = np.repeat(rng.uniform(-70, -10, 40), round(0.2 * sample_rate))
    return (rng.standard_normal(levels_db.size) * 10 ** (levels_db / 20) * 0.3).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [16000, 22050, 24000, 44100, 48000])
def test_loudness_is_that_of_pyloudnorm_with_the_standards_filters(sample_rate):
    wav = noise_with_pauses(sample_rate)
    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan")
    ours = loudness.measure_loudness(wav, sample_rate)
    assert ours == pytest.approx(meter.integrated_loudness(wav.astype(float)), abs=0.001)


@pytest.mark.parametrize("sample_rate", [22050, 24000, 48000])
def test_loudness_is_that_of_ffmpeg(sample_rate):
    wav = noise_with_pauses(sample_rate)
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono")
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(wav[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = sample_rate
    graph.push(frame)
    graph.push(None)
    told = []
    while True:
        try:
            told.append(float(graph.pull().metadata["lavfi.r128.I"]))
        except (av.EOFError, av.BlockingIOError):
            break
    assert loudness.measure_loudness(wav, sample_rate) == pytest.approx(told[-1], abs=0.05)


@pytest.mark.parametrize("duration_s", [0.001, 0.05, 0.2, 0.399, 0.4, 0.5])
def test_a_clip_shorter_than_a_gating_block_is_measured_as_one_block(duration_s):
    measured = loudness.measure_loudness(sine(997, duration_s, 22050, 0.5), 22050)
    assert np.isfinite(measured)
    if duration_s >= 0.05:
        assert measured == pytest.approx(-3.01 - 6.02, abs=0.6)


@pytest.mark.parametrize("target", [-30.0, -23.0, -16.0])
@pytest.mark.parametrize("duration_s", [0.3, 2.0])
def test_loudness_is_brought_to_the_target(target, duration_s):
    wav = loudness.normalize_loudness(sine(300, duration_s, amplitude=0.05), 22050, target, 0.0)
    assert loudness.measure_loudness(wav, 22050) == pytest.approx(target, abs=0.05)


def test_a_peaky_clip_is_turned_down_to_the_ceiling_not_clipped():
    wav = sine(300, 2.0, amplitude=0.01)
    wav[1000] = 0.9
    loud = loudness.normalize_loudness(wav, 22050, -16, -1)
    assert np.abs(loud).max() == pytest.approx(10 ** (-1 / 20), rel=1e-5)
    assert loudness.measure_loudness(loud, 22050) < -17
    assert np.allclose(loud / loud[1000], wav / wav[1000], atol=1e-6)


def test_gain_is_a_factor_in_decibels():
    assert np.allclose(loudness.apply_gain(sine(), -20), sine() / 10, atol=1e-7)
    assert loudness.compute_gain_db(sine(997, 2, 48000, 1.0), 48000, -23, 0) == pytest.approx(-19.99, abs=0.06)


def test_the_true_peak_lies_between_the_samples():
    # A sine at a quarter of the rate, 45 degrees off: every sample is at 0.707 of the peak.
    time = np.arange(4000)
    wav = np.sin(2 * np.pi * time / 4 + np.pi / 4).astype(np.float32) * np.float32(0.5)
    assert np.abs(wav).max() == pytest.approx(0.3536, abs=1e-3)
    assert loudness.measure_true_peak_db(wav[500:-500]) == pytest.approx(20 * np.log10(0.5), abs=0.3)
    assert loudness.measure_true_peak_db(np.zeros(100, np.float32)) == -np.inf


def test_the_true_peak_is_that_of_the_whole_clip_oversampled():
    rng = np.random.default_rng(1)
    for _ in range(20):
        wav = soxr.resample(rng.standard_normal(4000).astype(np.float32) * 0.1, 16000, 22050)
        whole = 20 * np.log10(np.abs(soxr.resample(wav, 1, 4)).max())
        assert loudness.measure_true_peak_db(wav) == pytest.approx(whole, abs=0.15)


def test_no_clip_passes_the_ceiling_by_its_true_peak():
    time = np.arange(22050)
    wav = np.sin(2 * np.pi * time / 4 + np.pi / 4).astype(np.float32) * np.float32(0.05)
    loud = loudness.normalize_loudness(wav, 22050, -10, -12)
    assert loudness.measure_true_peak_db(loud) == pytest.approx(-12, abs=0.05)
