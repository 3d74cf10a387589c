import unicodedata

import pytest

from ttsd.data.phonemes import phonemize, phonemize_many
from ttsd.errors import ConfigError


def test_a_sentence_keeps_stress_spaces_and_punctuation():
    assert phonemize("Hello, world!") == "həlˈoʊ, wˈɜːld!"


def test_sentences_are_joined_by_one_space():
    assert phonemize("Yes. No?") == f"{phonemize('Yes.')} {phonemize('No?')}"


def test_phonemes_are_decomposed():
    phonemes = phonemize("Un bon vin blanc, señor.", "fr")
    assert phonemes == unicodedata.normalize("NFD", phonemes)
    assert "\u0303" in phonemes


def test_the_voice_decides_the_pronunciation():
    assert phonemize("bath", "en-us") != phonemize("bath", "en-gb-x-rp")


def test_nothing_to_say_is_empty():
    assert phonemize("") == ""
    assert phonemize("  \n ") == ""


@pytest.mark.parametrize("voice", ["en-gb", "xx-none", "", "a\0b"])
def test_an_unknown_voice_is_a_setting_to_mend(voice):
    with pytest.raises(ConfigError, match="en-us"):
        phonemize("word", voice)


def test_a_voice_that_failed_does_not_spoil_the_next():
    before = phonemize("word")
    with pytest.raises(ConfigError):
        phonemize("word", "xx-none")
    assert phonemize("word") == before


def test_many_texts_are_phonemized_as_one_by_one_and_only_once(tmp_path, monkeypatch):
    texts = ["A cell divides.", "Water boils.", "A cell divides.", "..."]
    first = phonemize_many(texts, "en-us", tmp_path)
    assert first == [phonemize(text, "en-us") for text in texts]
    monkeypatch.setattr("ttsd.data.phonemes.phonemize", lambda *_: pytest.fail("asked again"))
    assert phonemize_many(texts[:2], "en-us", tmp_path) == first[:2]


def test_voices_do_not_share_their_results(tmp_path):
    assert phonemize_many(["laugh"], "en-us", tmp_path) != phonemize_many(["laugh"], "en-gb-x-rp", tmp_path)
