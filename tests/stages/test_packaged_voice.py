"""The voice that comes with the package: small, described, and there at once."""

import json

import soundfile

from tests.commands import run_and_list_imports
from ttsd.config import AsrConfig, Config
from ttsd.data.corpus import read_corpus
from ttsd.data.onnx_voice import PACKAGED_VOICE, card_path, load_voice
from ttsd.metrics.intelligibility import Recognizer, normalize_english
from ttsd.stages import synth
from ttsd.utils.files import sha256_file

SENTENCE = "The green plants turn the light of the sun into sugar."


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
    heard = Recognizer(AsrConfig()).transcribe(wav, sample_rate)
    assert normalize_english(heard) == normalize_english(SENTENCE)


def test_it_is_as_loud_as_speech_should_be():
    wav = load_voice(PACKAGED_VOICE).speak(SENTENCE, seed=0)
    assert 0.1 < abs(wav).max() < 1


def test_a_corpus_without_a_checkpoint_is_spoken_by_it(tmp_path):
    (tmp_path / "lines.txt").write_text("Rain falls.\nRivers run.\n")
    report = synth.run(tmp_path / "lines.txt", tmp_path / "spoken", Config(n_workers=1))
    assert report.n_out == 2
    first, _ = read_corpus(tmp_path / "spoken").utterances
    assert first.teacher["checkpoint_sha256"] == sha256_file(PACKAGED_VOICE)
