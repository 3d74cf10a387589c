"""An exported student speaks in Piper's runtime and in sherpa-onnx, with the same words."""

import json
import wave
from pathlib import Path

import numpy as np
import onnxruntime
import piper
import pytest
import sherpa_onnx
import torch

from ttsd.config import AsrConfig, AudioConfig, Config, ModelConfig, PiperConfig, load_config
from ttsd.data.phonemes import phonemize
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError
from ttsd.metrics.intelligibility import Recognizer, normalize_english
from ttsd.model.real_decoder import in_real_arithmetic
from ttsd.model.source_filter_decoder import SourceFilterDecoder
from ttsd.model.two_rate_decoder import TwoRateDecoder
from ttsd.model.vits import build_vits
from ttsd.stages import export
from ttsd.teachers.piper import PiperTeacher
from ttsd.training.checkpoint import load_student, save_checkpoint

SENTENCE = "The green plants turn the light of the sun into sugar."
RATE = 22050
PIPER = load_config(None, ["export.format=piper"])


@pytest.fixture(scope="module")
def exported(voice, tmp_path_factory) -> Path:
    """joe, exported: `joe.onnx`."""
    run_dir = tmp_path_factory.mktemp("runs") / "joe"
    run_dir.mkdir()
    (run_dir / "last.ckpt").write_bytes(voice.read_bytes())
    report = export.run(run_dir / "last.ckpt", run_dir / "export", PIPER)
    assert report.details["largest_difference"] < 1e-4
    return run_dir / "export" / "joe.onnx"


def speak(session, symbol_ids, scales):
    feed = {
        "input": np.array([symbol_ids], dtype=np.int64),
        "input_lengths": np.array([len(symbol_ids)], dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
    }
    (output,) = session.run(["output"], feed)
    assert output.shape[:3] == (1, 1, 1)
    return output.reshape(-1)


@pytest.fixture(scope="module")
def session(exported):
    return open_session(exported)


def open_session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def says_the_sentence(wav, rate):
    heard = Recognizer(AsrConfig()).transcribe(np.asarray(wav, dtype=np.float32), rate)
    return normalize_english(heard) == normalize_english(SENTENCE)


def test_pipers_own_runtime_loads_it_and_says_the_words(exported, tmp_path):
    voice = piper.PiperVoice.load(exported)
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        voice.synthesize_wav(SENTENCE, file)
    with wave.open(str(tmp_path / "speech.wav")) as file:
        pcm, rate = np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()
    assert rate == RATE
    assert says_the_sentence(pcm / 32768, rate)


def test_sherpa_onnx_loads_it_and_says_the_words(exported):
    tokens = str(exported.with_name("tokens.txt"))
    vits = sherpa_onnx.OfflineTtsVitsModelConfig(model=str(exported), tokens=tokens)
    config = sherpa_onnx.OfflineTtsConfig(model=sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=1))
    assert config.validate()
    told = sherpa_onnx.GenerationConfig()
    # It leaves the phonemes to its caller since version 2.
    told.phoneme_codepoints = [[ord(symbol) for symbol in phonemize(SENTENCE, "en-us")]]
    audio = sherpa_onnx.OfflineTts(config).generate(SENTENCE, told)
    assert audio.sample_rate == RATE
    assert says_the_sentence(audio.samples, RATE)


def test_it_serves_as_a_teacher_of_ours_that_says_what_the_student_says(exported, voice):
    config = PiperConfig(voice=str(exported), noise_scale=0, noise_scale_duration=0)
    told = PiperTeacher(config).speak(SENTENCE, seed=0)
    own = load_student(voice).speak(SENTENCE, seed=0, noise_scale=0, noise_scale_duration=0)
    assert told.wav == pytest.approx(own, abs=1e-3)


@pytest.mark.parametrize("n_symbols", [1, 4, 60, 250])
def test_the_graph_is_the_student_at_any_length(session, voice, n_symbols):
    student = load_student(voice)
    symbol_ids = student.symbols.encode("ə" * n_symbols)
    silent = {"noise_scale": 0.0, "noise_scale_duration": 0.0, "length_scale": 1.0}
    own = student.voice.synthesize(torch.tensor(symbol_ids), **silent).wav.numpy()
    assert speak(session, symbol_ids, (0, 1, 0)) == pytest.approx(own, abs=1e-3)


def test_the_scales_change_noise_and_length(session, voice):
    symbol_ids = load_student(voice).symbols.encode("həˈloʊ wˈɜːld")
    plain, slow = speak(session, symbol_ids, (0, 1, 0)), speak(session, symbol_ids, (0, 2, 0))
    assert 1.7 < slow.size / plain.size < 2.1
    noisy = [speak(session, symbol_ids, (0.667, 1, 0)) for _ in range(2)]
    assert noisy[0].size == noisy[1].size == plain.size
    assert np.abs(noisy[0] - noisy[1]).max() > 0.01
    assert len({speak(session, symbol_ids, (0, 1, 1)).size for _ in range(8)}) > 1


def test_half_the_size_says_the_same_words(voice, exported, tmp_path):
    (tmp_path / "joe").mkdir()
    (tmp_path / "joe" / "last.ckpt").write_bytes(voice.read_bytes())
    export.run(
        tmp_path / "joe" / "last.ckpt",
        tmp_path / "out",
        load_config(None, ["export.format=piper", "export.half_weights=true"]),
    )
    half = tmp_path / "out" / "joe.onnx"
    assert half.stat().st_size < 0.52 * exported.stat().st_size
    told = PiperTeacher(PiperConfig(voice=str(half), noise_scale=0, noise_scale_duration=0)).speak(SENTENCE, seed=0)
    assert says_the_sentence(told.wav, RATE)


def test_the_files_say_what_the_voice_is(exported):
    card = json.loads(exported.with_name("joe.onnx.json").read_text())
    assert card["audio"]["sample_rate"] == RATE
    assert card["espeak"]["voice"] == "en-us"
    ids = {symbol: number for symbol, (number,) in card["phoneme_id_map"].items()}
    lines = exported.with_name("tokens.txt").read_text().splitlines()
    assert {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines} == ids


@pytest.mark.parametrize("kind", [SourceFilterDecoder, TwoRateDecoder])
def test_a_decoder_in_real_arithmetic_gives_the_same_waveform(kind):
    torch.manual_seed(0)
    fine = {"fine_channels": 12, "n_fine_blocks": 2} if kind is TwoRateDecoder else {}
    decoder = kind(16, AudioConfig(), channels=24, n_blocks=2, **fine).eval()
    torch.nn.init.normal_(decoder.head.weight, std=0.3)
    latents = torch.randn(2, 16, 30)
    waves = []
    for one in (decoder, in_real_arithmetic(decoder).eval()):
        torch.manual_seed(1)
        waves.append(one(latents).detach())
    assert waves[1].abs().max() > 0.02
    torch.testing.assert_close(*waves, atol=1e-4, rtol=0)


def test_a_student_that_is_driven_by_its_pitch_is_exported_too(tmp_path):
    torch.manual_seed(0)
    config = Config(model=ModelConfig(decoder="source_filter"))
    symbols = SymbolTable.default()
    student = build_vits(config.model, config.audio, symbols.n_symbols)
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run" / "last.ckpt", config, symbols, student.state_dict(), duration_scale=1.3)
    report = export.run(tmp_path / "run" / "last.ckpt", tmp_path / "out", PIPER)
    assert report.details["largest_difference"] is None
    loaded = load_student(tmp_path / "run" / "last.ckpt")
    symbol_ids = symbols.encode("həˈloʊ")
    own = loaded.voice.synthesize(
        torch.tensor(symbol_ids), noise_scale=0.0, noise_scale_duration=0.0, length_scale=1.3
    ).wav.numpy()
    wav = speak(open_session(tmp_path / "out" / "run.onnx"), symbol_ids, (0, 1, 0))
    assert wav.size == own.size, "the student's own stretch is in the graph"
    # Its noise and the place of its pulses are drawn anew: the strength of the sound is what can be compared.
    assert np.std(wav) == pytest.approx(np.std(own), rel=0.1)


def test_what_is_no_student_is_refused(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        export.run(tmp_path / "last.ckpt", tmp_path / "out", Config())
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        export.run(tmp_path / "other.ckpt", tmp_path / "out", Config())
    assert not (tmp_path / "out").exists()
