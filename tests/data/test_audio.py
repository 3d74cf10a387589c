import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ttsd.data import audio
from ttsd.errors import CorpusError


def sine(frequency_hz=997.0, duration_s=1.0, sample_rate=22050, amplitude=0.5):
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def silence(duration_s, sample_rate=22050):
    return np.zeros(round(duration_s * sample_rate), dtype=np.float32)


@settings(max_examples=30, deadline=None)
@given(pcm=hnp.arrays(np.int16, st.integers(1, 400)))
def test_pcm16_survives_reading_and_writing_exactly(tmp_path_factory, pcm):
    folder = tmp_path_factory.mktemp("wav")
    soundfile.write(folder / "a.wav", pcm, 16000, subtype="PCM_16")
    wav, sample_rate = audio.read_wav(folder / "a.wav")
    audio.write_wav(folder / "b.wav", wav, sample_rate)
    assert np.array_equal(soundfile.read(folder / "b.wav", dtype="int16")[0], pcm)


def test_samples_are_rounded_to_the_nearest_level(tmp_path):
    wav = np.array([0.4, 0.6, -0.4, -0.6, 32767.9, 32768, -32768], dtype=np.float32) / np.float32(32768)
    audio.write_wav(tmp_path / "a.wav", wav, 16000)
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [0, 1, 0, -1, 32767, 32767, -32768]
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.channels, info.subtype, info.samplerate) == (1, "PCM_16", 16000)


@pytest.mark.parametrize("bad", [[0.0, 1.01], [0.0, np.nan], [np.inf], [[0.0, 0.1]]])
def test_what_pcm16_cannot_hold_is_refused_and_leaves_no_file(tmp_path, bad):
    with pytest.raises(CorpusError):
        audio.write_wav(tmp_path / "a.wav", np.array(bad, dtype=np.float32), 16000)
    assert list(tmp_path.iterdir()) == []


def test_several_channels_are_mixed_by_their_mean(tmp_path):
    left, right = sine(440), sine(880)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 22050, subtype="FLOAT")
    wav, _ = audio.read_wav(tmp_path / "a.wav")
    assert wav.shape == left.shape
    assert np.allclose(wav, (left + right) / 2, atol=1e-7)


def test_an_empty_clip_reads_as_no_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", silence(0), 22050)
    assert audio.read_wav(tmp_path / "a.wav")[0].shape == (0,)


def _nothing(path):
    del path


def _cut_off(path):
    soundfile.write(path, sine(duration_s=0.1), 16000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-100])


def _no_numbers(path):
    soundfile.write(path, np.array([0, np.nan], dtype=np.float32), 16000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, "no such clip"),
        (lambda path: path.write_bytes(b""), "not a readable WAV"),
        (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVE" + b"?" * 20), "not a readable WAV"),
        (lambda path: path.write_text("<html>"), "not a readable WAV"),
        (_cut_off, "cut off, 100 bytes of its sound are missing"),
        (_no_numbers, "not numbers"),
    ],
)
def test_a_broken_clip_is_one_clear_error(tmp_path, make, message):
    make(tmp_path / "a.wav")
    with pytest.raises(CorpusError, match=message):
        audio.read_wav(tmp_path / "a.wav")


@pytest.mark.parametrize(("source", "target"), [(16000, 22050), (44100, 22050), (48000, 24000), (22050, 16000)])
def test_a_resampled_sine_is_the_sine_of_the_new_rate(source, target):
    resampled = audio.resample(sine(1000, 1.0, source), source, target)
    wanted = sine(1000, 1.0, target)
    assert abs(len(resampled) - len(wanted)) <= 1
    assert resampled.dtype == np.float32
    inner = slice(target // 10, -target // 10)
    assert np.abs(resampled[: len(wanted)][inner] - wanted[: len(resampled)][inner]).max() < 1e-4


def test_resampling_leaves_nothing_above_the_new_half_rate():
    resampled = audio.resample(sine(10000, 1.0, 44100), 44100, 16000)
    assert np.abs(resampled[1600:-1600]).max() < 1e-4


def test_resampling_to_the_same_rate_changes_nothing():
    assert np.array_equal(audio.resample(sine(), 22050, 22050), sine())
    assert audio.resample(silence(0), 16000, 22050).size == 0


@pytest.mark.parametrize("margin_ms", [0, 80, 200])
def test_trimming_keeps_the_margin_on_both_sides(margin_ms):
    wav = np.concatenate([silence(0.5), sine(duration_s=1.0), silence(0.7)])
    trimmed = audio.trim_edges(wav, 22050, -45, margin_ms)
    assert len(trimmed) / 22050 == pytest.approx(1.0 + 2 * margin_ms / 1000, abs=0.021)
    lead = int(np.flatnonzero(trimmed)[0]) / 22050
    assert lead == pytest.approx(margin_ms / 1000, abs=0.011)


def test_trimming_adds_nothing_and_cuts_no_sound():
    wav = sine(duration_s=0.5)
    assert np.array_equal(audio.trim_edges(wav, 22050, -45, 80), wav)


@pytest.mark.parametrize("wav", [silence(0), silence(1), silence(1) + np.float32(0.3)])
def test_a_silent_clip_has_no_sound(wav):
    assert audio.find_sound(wav, 22050, -45) is None
    assert audio.trim_edges(wav, 22050, -45, 80).size == 0


def test_trimming_hears_through_an_offset_and_noise_below_the_threshold():
    noise = np.random.default_rng(0).normal(0, 1e-4, 22050).astype(np.float32)
    wav = np.concatenate([noise, sine(duration_s=1.0), noise]) + np.float32(0.2)
    assert len(audio.trim_edges(wav, 22050, -45, 80)) / 22050 == pytest.approx(1.16, abs=0.03)


def test_levels_are_told_per_block_with_the_last_one_shorter():
    levels = audio.block_levels_db(np.concatenate([sine(1000, 0.1), silence(0.105)]), 22050)
    assert len(levels) == 21
    assert levels[3] == pytest.approx(-9.03, abs=0.3)
    assert np.isneginf(levels[15])


def test_fades_touch_the_edges_that_were_cut_and_nothing_else():
    wav = np.ones(1000, np.float32)
    both = audio.fade_edges(wav, 10000, 5, at_start=True, at_end=True)
    assert both[0] < 0.01
    assert both[-1] < 0.01
    assert (both[50:-50] == 1).all()
    assert np.all(np.diff(both[:50]) > 0)
    assert (audio.fade_edges(wav, 10000, 5, at_start=False, at_end=False) == 1).all()
    assert audio.fade_edges(wav, 10000, 5, at_start=False, at_end=True)[0] == 1
    assert (wav == 1).all()
    assert audio.fade_edges(wav[:3], 10000, 5, at_start=True, at_end=True).shape == (3,)
