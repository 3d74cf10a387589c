"""A voice as one ONNX file: it speaks as the student does, by the same seed alike, and without torch."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch

from tests.commands import run_and_list_imports
from ttsd.config import AsrConfig, Config, ModelConfig, load_config
from ttsd.data.onnx_voice import card_path, draw_noise, load_voice, run_voice
from ttsd.data.piper_voice import piper_voice_path
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError, ConfigError, TtsdError
from ttsd.metrics.intelligibility import Recognizer, normalize_english
from ttsd.model.compact import GEOMETRIES, CompactVoice
from ttsd.model.draws import DrawFrom
from ttsd.model.vits import build_vits
from ttsd.report import StageReport, finish_stage
from ttsd.stages import evaluate, export, synth
from ttsd.training.checkpoint import load_student, save_checkpoint
from ttsd.utils.files import sha256_file

SENTENCE = "The green plants turn the light of the sun into sugar."
TEXT = f"{SENTENCE} Rain falls. Rivers carry it back to the sea."


def build_checkpoint(kind, joe, folder):
    folder.mkdir()
    path = folder / "last.ckpt"
    if kind == "joe":
        shutil.copyfile(joe, path)
        return path
    torch.manual_seed(0)
    symbols = SymbolTable.default()
    if kind.startswith("compact"):
        config = Config(model=ModelConfig(preset="micro", decoder=kind.partition("_")[2]))
        voice = CompactVoice(GEOMETRIES["micro"], config.audio, symbols.n_symbols, config.model.decoder)
        voice.front_end.duration_predictor.proj.bias.data.fill_(1.5)
    else:
        config = Config(model=ModelConfig(decoder="source_filter", duration_predictor="deterministic"))
        voice = build_vits(config.model, config.audio, symbols.n_symbols)
    save_checkpoint(path, config, symbols, voice.state_dict(), duration_scale=1.3)
    return path


@pytest.fixture(scope="module", params=["joe", "compact_spectral", "compact_source_filter", "source_filter"])
def pair(request, voice, tmp_path_factory):
    """A student's checkpoint, and the voice that was exported of it."""
    folder = tmp_path_factory.mktemp("voices")
    path = build_checkpoint(request.param, voice, folder / request.param)
    report = export.run(path, folder / "out", Config())
    assert 0 < report.details["largest_difference"] < 1e-3
    return path, folder / "out" / f"{request.param}.onnx"


@pytest.fixture(scope="module")
def joe(voice, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("joe")
    export.run(build_checkpoint("joe", voice, folder / "joe"), folder / "out", Config())
    return folder / "out" / "joe.onnx"


@pytest.mark.parametrize(("noise_scale", "length_scale", "noise_scale_duration"), [(0.0, 1.0, 0.0), (0.4, 1.5, 0.6)])
def test_it_is_the_student_at_any_length_with_the_same_noise(pair, noise_scale, length_scale, noise_scale_duration):
    student, exported = load_student(pair[0]), load_voice(pair[1])
    differences = []
    for n_symbols in (1, 7, 30, 160):
        symbol_ids, noise = student.symbols.encode("ə" * n_symbols), draw_noise(n_symbols)
        with DrawFrom(torch.from_numpy(noise)):
            own = student.voice.synthesize(
                torch.tensor(symbol_ids),
                noise_scale=noise_scale,
                noise_scale_duration=noise_scale_duration,
                length_scale=length_scale * student.duration_scale,
            ).wav.numpy()
        wav = run_voice(exported.session, symbol_ids, (noise_scale, length_scale, noise_scale_duration), noise)
        assert wav.shape == own.shape
        differences.append(np.abs(wav - own.clip(-1, 1)).max())
    # A pitch on the edge between two steps may fall to the other side, and moves the pulses that follow.
    counted = sorted(differences)[:2] if "source_filter" in pair[1].name else differences
    assert max(counted) < 1e-3


def test_the_seed_decides_and_the_scales_are_heard(pair):
    voice = load_voice(pair[1])
    plain = voice.speak("Rain falls.", seed=1)
    assert np.array_equal(plain, voice.speak("Rain falls.", seed=1))
    other = voice.speak("Rain falls.", seed=2)
    # A spectral decoder draws nothing, and no noise is made for it.
    is_other = other.shape != plain.shape or np.abs(other - plain).max() > 1e-3
    assert is_other == voice.card["reads_noise"] == ("spectral" not in pair[1].name)
    assert 0.4 < voice.speak("Rain falls.", seed=1, speed=2.0).size / plain.size < 0.7


def test_a_noise_store_is_read_round_and_round_and_every_draw_elsewhere():
    store = torch.arange(50_000.0)
    with DrawFrom(store):
        first, second = torch.randn(2, 3), torch.randn_like(torch.zeros(1, 45_000))
        third = torch.rand_like(torch.zeros(4))
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second[0, 0] == 10_007
    assert second[0, 40_000] == 7
    assert ((third >= 0) & (third < 1)).all()
    assert not torch.equal(torch.randn(3), first[0])


def test_what_it_says_is_understood(joe):
    voice = load_voice(joe)
    heard = Recognizer(AsrConfig()).transcribe(voice.speak(SENTENCE, seed=0), voice.sample_rate)
    assert normalize_english(heard) == normalize_english(SENTENCE)


def test_half_the_size_speaks_too(voice, joe, tmp_path):
    path = build_checkpoint("joe", voice, tmp_path / "joe")
    export.run(path, tmp_path / "out", load_config(None, ["export.half_weights=true", "export.licence=CC0-1.0"]))
    half = tmp_path / "out" / "joe.onnx"
    assert half.stat().st_size < 0.52 * joe.stat().st_size
    assert json.loads(card_path(half).read_text())["licence"] == "CC0-1.0"
    whole = load_voice(joe).speak(SENTENCE, seed=0, noise_scale=0, noise_scale_duration=0)
    wav = load_voice(half).speak(SENTENCE, seed=0, noise_scale=0, noise_scale_duration=0)
    assert wav.size == pytest.approx(whole.size, rel=0.02)


def test_its_card_says_what_it_is_and_what_was_measured_of_it(voice, tmp_path):
    path = build_checkpoint("joe", voice, tmp_path / "joe")
    rate = {"teacher": 0.05, "systems": {"student": {"value": 0.06, "lo": -0.01, "hi": 0.03}}}
    details = {
        "systems": [{"name": "student", "sha256": sha256_file(path)}],
        "metrics": {"wer": rate},
        "utterances": [{}, {}],
    }
    report = StageReport(stage="evaluate", fingerprint="0", n_in=2, n_out=2, details=details)
    finish_stage(tmp_path / "joe" / "evaluation", report)
    export.run(path, tmp_path / "out", Config())
    card = json.loads((tmp_path / "out" / "joe.json").read_text())
    assert (card["sample_rate"], card["language"], card["preset"]) == (22050, "en-us", "medium")
    assert card["teacher"] is None, "it learnt from clips"
    assert card["metrics"] == {"n_sentences": 2, "wer": {"voice": 0.06, "teacher": 0.05, "lo": -0.01, "hi": 0.03}}
    assert card["checkpoint_sha256"] == sha256_file(path)


@pytest.mark.parametrize("arguments", [("-o", "a.wav"), ("--stream",)])
def test_the_command_speaks_without_torch(joe, tmp_path, arguments):
    told, imported = run_and_list_imports("synth", TEXT, "--ckpt", str(joe), *arguments, cwd=tmp_path)
    assert not {"torch", "TTS", "lightning", "scipy", "librosa"} & imported
    sound = io.BytesIO(told) if arguments == ("--stream",) else tmp_path / "a.wav"
    wav, sample_rate = soundfile.read(sound, dtype="int16")
    synth.speak_to_file(TEXT, tmp_path / "b.wav", load_config(None, [f"synth.ckpt={joe}"]))
    assert sample_rate == 22050
    assert np.array_equal(wav, soundfile.read(tmp_path / "b.wav", dtype="int16")[0])


def test_a_corpus_is_spoken_by_it_as_one_by_one(joe, tmp_path):
    (tmp_path / "lines.txt").write_text("Rain falls.\nRivers run.\nIt is late.\n")
    config = load_config(None, [f"synth.ckpt={joe}", "n_workers=2"])
    synth.run(tmp_path / "lines.txt", tmp_path / "two", config)
    synth.run(tmp_path / "lines.txt", tmp_path / "one", config.model_copy(update={"n_workers": 1}))
    for name in ("0001", "0002", "0003"):
        clips = [(tmp_path / folder / "wavs" / f"{name}.wav").read_bytes() for folder in ("one", "two")]
        assert clips[0] == clips[1]


def test_it_is_evaluated_as_a_checkpoint_is(joe, processed_corpus, tmp_path):
    settings = [f"evaluate.ckpt={joe}", "evaluate.split=all", "evaluate.max_utterances=1", "evaluate.n_bootstrap=100",
                "evaluate.speed_sentences=1", "n_workers=2"]  # fmt: skip
    details = evaluate.run(processed_corpus, tmp_path / "evaluation", load_config(None, settings)).details
    assert details["metrics"]["cer"]["systems"]["student"]["value"] < 0.2
    assert details["sizes"]["student"]["parameters"] == load_voice(joe).n_parameters
    speed = json.loads((tmp_path / "evaluation" / "speed.json").read_text())["student"]
    # PyTorch by itself takes twice that.
    assert speed["peak_memory_mb"] < 300
    assert [one["n_threads"] for one in speed["timings"]] == [1]


def test_a_phoneme_without_a_symbol_is_named(joe):
    voice = load_voice(joe)
    voice.card["symbols"]["ids"].pop("ʃ")
    with pytest.raises(TtsdError, match="ʃ"):
        voice.speak("She sells shells.", seed=0)


def test_files_that_are_no_voice_end_in_one_line(joe, tmp_path):
    path = tmp_path / "a.onnx"
    with pytest.raises(CheckpointError, match=r"a\.onnx: no such voice"):
        load_voice(path)
    path.write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match=r"a\.json: missing"):
        load_voice(path)
    card_path(path).write_text("{}")
    with pytest.raises(CheckpointError, match="not the card of a voice of ttsd"):
        load_voice(path)
    card = json.loads(card_path(joe).read_text())
    card_path(path).write_text(json.dumps(card | {"version": 99}))
    with pytest.raises(CheckpointError, match="upgrade ttsd"):
        load_voice(path)
    card_path(path).write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=r"a\.json: the card of another voice than a\.onnx"):
        load_voice(path)
    card_path(path).write_text(json.dumps(card | {"onnx_sha256": sha256_file(path)}))
    with pytest.raises(CheckpointError, match="not an ONNX file"):
        load_voice(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sample_rate": 0}, "sample_rate: Input should be greater than 0"),
        ({"sample_rate": None}, "sample_rate: Input should be a valid integer"),
        ({"symbols": {"ids": {"a": 5900}, "n_symbols": 256}}, "symbols: Value error, an id is not below n_symbols"),
        ({"noise_scale": "loud"}, "noise_scale: Input should be a valid number"),
    ],
)
def test_a_damaged_card_is_told_by_its_line(joe, tmp_path, change, told):
    path = tmp_path / "a.onnx"
    shutil.copy(joe, path)
    card_path(path).write_text(json.dumps(json.loads(card_path(joe).read_text()) | change))
    with pytest.raises(CheckpointError, match=rf"a\.json: {told}.*export the voice again"):
        load_voice(path)


def test_graphs_of_others_are_no_voices(joe, tmp_path):
    teacher = piper_voice_path("joe")
    path = tmp_path / "a.onnx"
    shutil.copy(teacher, path)
    card = json.loads(card_path(joe).read_text())
    card_path(path).write_text(json.dumps(card | {"onnx_sha256": sha256_file(path)}))
    with pytest.raises(CheckpointError, match=r"a\.onnx: not a voice of ttsd"):
        load_voice(path)
    card_path(path).unlink()
    shutil.copy(f"{teacher}.json", f"{path}.json")
    with pytest.raises(CheckpointError, match=r"a\.onnx: in Piper's form"):
        load_voice(path)


def test_what_is_exported_can_be_given_pipers_form_and_nothing_else(joe, tmp_path):
    for settings in ([], ["export.format=piper", "export.half_weights=true"]):
        with pytest.raises(ConfigError, match=r"joe\.onnx: exported already.*say --format piper alone"):
            export.run(joe, tmp_path / "out", load_config(None, settings))
    shutil.copy(joe, tmp_path / "alone.onnx")
    with pytest.raises(CheckpointError, match=r"alone\.json: missing"):
        export.run(tmp_path / "alone.onnx", tmp_path / "out", load_config(None, ["export.format=piper"]))
    report = export.run(joe, tmp_path / "out", load_config(None, ["export.format=piper"]))
    assert report.details["largest_difference"] is None
    voice = load_voice(joe)
    ids = voice.encode(SENTENCE)
    session = onnxruntime.InferenceSession(str(tmp_path / "out/joe.onnx"), providers=["CPUExecutionProvider"])
    feed = {"input": np.array([ids]), "input_lengths": np.array([len(ids)])}
    (spoken,) = session.run(None, feed | {"scales": np.array([0, 1, 0], dtype=np.float32)})
    own = voice.speak(SENTENCE, seed=0, noise_scale=0, noise_scale_duration=0)
    assert spoken.reshape(-1).clip(-1, 1) == pytest.approx(own, abs=1e-3)
    noisy = [session.run(None, feed | {"scales": np.array([0.667, 1, 0], dtype=np.float32)})[0] for _ in range(2)]
    assert not np.array_equal(*noisy), "it draws its noise itself"
