"""Where speech begins and ends, found on real speech with known edges."""

import numpy as np
import pytest

from tests.test_architecture import loaded_modules
from ttsd.config import PicoConfig, PiperConfig
from ttsd.data.audio import find_sound, remove_dc
from ttsd.data.speech import detect_speech, find_speech
from ttsd.teachers.pico import PicoTeacher
from ttsd.teachers.piper import PiperTeacher

TEXTS = ("She sells fifty thick scarves.", "Fish have fins; thieves laugh.", "Photosynthesis converts light energy.")


@pytest.fixture(scope="module", params=["pico", "joe"])
def clips(request):
    """Speech alone: what its own sound says of its edges, in clean surroundings."""
    teacher = PicoTeacher(PicoConfig()) if request.param == "pico" else PiperTeacher(PiperConfig())
    found = []
    for text in TEXTS:
        speech = teacher.speak(text, 0)
        wav, rate = remove_dc(speech.wav), speech.sample_rate
        # Pico ends its sentences with a tick half a second behind the last word.
        start, end = find_sound(wav, rate, -35)
        found.append((wav[start:end], rate))
    return found


def surround(wav, rate, before_s=0.8, after_s=0.8, extra=None):
    rng = np.random.default_rng(0)
    parts = [np.zeros(round(before_s * rate)), wav, np.zeros(round(after_s * rate))]
    whole = np.concatenate(parts) + 1e-4 * rng.standard_normal(sum(map(len, parts)))
    if extra is not None:
        extra(whole, rate)
    return whole.astype(np.float32)


def test_the_detector_hears_speech_and_not_silence(clips):
    for wav, rate in clips:
        spoken = detect_speech(surround(wav, rate), rate)
        assert spoken.size == -(-round((wav.size / rate + 1.6) * 16000) // 512)
        assert spoken[:18].max() < 0.3
        assert np.median(spoken[26:-26]) > 0.8


def test_no_sound_of_the_speech_is_lost(clips):
    for wav, rate in clips:
        start, end = find_speech(surround(wav, rate), rate, -45)
        true = 0.8 * rate
        assert start <= true + 0.011 * rate
        assert end >= true + wav.size - 0.031 * rate
        assert start > true - 0.25 * rate
        assert end < true + wav.size + 0.25 * rate


def add_clicks(wav, rate):
    wav[round(0.1 * rate) : round(0.1 * rate) + 40] += 0.5
    wav[-round(0.1 * rate) : -round(0.1 * rate) + 40] -= 0.5


def test_clicks_before_and_behind_are_trimmed_where_the_sound_alone_keeps_them(clips):
    for wav, rate in clips:
        clicked = surround(wav, rate, extra=add_clicks)
        start, end = find_speech(clicked, rate, -45)
        assert start > 0.5 * rate
        assert end < clicked.size - 0.5 * rate
        sound_start, sound_end = find_sound(clicked, rate, -45)
        assert sound_start < 0.2 * rate
        assert sound_end > clicked.size - 0.2 * rate


def test_there_is_no_speech_in_noise_and_in_nothing():
    noise = 0.05 * np.random.default_rng(0).standard_normal(22050).astype(np.float32)
    assert find_speech(noise, 22050, -45) is None
    assert find_speech(np.zeros(22050, np.float32), 22050, -45) is None
    assert find_speech(np.zeros(0, np.float32), 22050, -45) is None


def test_the_detector_loads_no_torch():
    code = "import numpy; from ttsd.data.speech import detect_speech; detect_speech(numpy.ones(9, 'float32'), 16000)"
    loaded = loaded_modules(code)
    assert "onnxruntime" in loaded
    assert "torch" not in loaded
