"""The voice that comes with the package: small, described, and there at once."""

import json
import wave
from pathlib import Path

import numpy as np
import piper
import pytest
import sherpa_onnx
import soundfile

from tests.commands import run_and_list_imports
from ttsd.config import AsrConfig, Config
from ttsd.data.corpus import read_corpus
from ttsd.data.onnx_voice import PACKAGED_VOICE, card_path, load_voice
from ttsd.data.phonemes import phonemize
from ttsd.metrics.intelligibility import Recognizer, normalize_english
from ttsd.options import find_named_voice, find_student, name_beside
from ttsd.stages import synth
from ttsd.utils.files import sha256_file

SENTENCE = "The green plants turn the light of the sun into sugar."


def says_the_sentence(wav, sample_rate):
    heard = Recognizer(AsrConfig()).transcribe(wav, sample_rate)
    return normalize_english(heard) == normalize_english(SENTENCE)


def test_it_is_small_and_its_card_says_what_it_is():
    assert PACKAGED_VOICE.stat().st_size <= 14e6
    card = json.loads(card_path(PACKAGED_VOICE).read_text())
    assert (card["preset"], card["teacher"], card["licence"]) == ("compact", "joe", "CC0-1.0")
    assert card["metrics"]["n_sentences"] >= 300
    assert {"wer", "cer", "similarity", "dnsmos", "distillmos"} <= set(card["metrics"])


def test_it_says_what_it_is_told_without_a_checkpoint_and_without_torch(tmp_path):
    told, imported = run_and_list_imports("synth", SENTENCE, "-o", "hello.wav", cwd=tmp_path)
    assert not {"torch", "TTS", "lightning", "scipy", "librosa"} & imported
    assert f"by {PACKAGED_VOICE}" in told.decode()
    wav, sample_rate = soundfile.read(tmp_path / "hello.wav", dtype="float32")
    assert says_the_sentence(wav, sample_rate)


def test_its_name_serves_wherever_a_voice_is_asked_for(tmp_path):
    for find in (find_student, find_named_voice):
        assert find(Path("joe-compact"), tmp_path) == PACKAGED_VOICE
    assert name_beside(PACKAGED_VOICE, "evaluation") == Path("joe-compact-evaluation")
    assert name_beside(tmp_path / "best.ckpt", "evaluation") == tmp_path / "evaluation"


@pytest.fixture(scope="module")
def for_others(tmp_path_factory):
    here = tmp_path_factory.mktemp("piper")
    run_and_list_imports("export", "--ckpt", "joe-compact", "--format", "piper", cwd=here)
    # Beside a checkpoint that would be; beside this one is no place for a user's files.
    folder = here / "joe-compact-piper"
    assert json.loads((folder / "report.json").read_text())["details"]["largest_difference"] < 1e-6
    return folder / PACKAGED_VOICE.name


def test_pipers_runtime_says_the_same_words_with_it(for_others, tmp_path):
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        piper.PiperVoice.load(for_others).synthesize_wav(SENTENCE, file)
    wav, sample_rate = soundfile.read(tmp_path / "speech.wav", dtype="float32")
    assert says_the_sentence(wav, sample_rate)
    told = json.loads(for_others.with_name(f"{for_others.name}.json").read_text())
    assert told["ttsd"]["licence"] == "CC0-1.0"


def test_sherpa_onnx_says_the_same_words_with_it(for_others):
    tokens = str(for_others.with_name("tokens.txt"))
    vits = sherpa_onnx.OfflineTtsVitsModelConfig(model=str(for_others), tokens=tokens)
    config = sherpa_onnx.OfflineTtsConfig(model=sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=1))
    told = sherpa_onnx.GenerationConfig()
    told.phoneme_codepoints = [[ord(symbol) for symbol in phonemize(SENTENCE, "en-us")]]
    audio = sherpa_onnx.OfflineTts(config).generate(SENTENCE, told)
    assert says_the_sentence(np.asarray(audio.samples, dtype=np.float32), audio.sample_rate)


def test_it_is_as_loud_as_speech_should_be():
    wav = load_voice(PACKAGED_VOICE).speak(SENTENCE, seed=0)
    assert 0.1 < abs(wav).max() < 1


def test_a_corpus_without_a_checkpoint_is_spoken_by_it(tmp_path):
    (tmp_path / "lines.txt").write_text("Rain falls.\nRivers run.\n")
    report = synth.run(tmp_path / "lines.txt", tmp_path / "spoken", Config(n_workers=1))
    assert report.n_out == 2
    first, _ = read_corpus(tmp_path / "spoken").utterances
    assert first.teacher["checkpoint_sha256"] == sha256_file(PACKAGED_VOICE)
