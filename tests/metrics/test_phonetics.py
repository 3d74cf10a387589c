"""The acoustic model tells what was said from what was not, whatever makes sense."""

import numpy as np
import pytest

from tests.narration import Narrator, Read
from ttsd.metrics.phonetics import SoundMatcher


@pytest.fixture(scope="module")
def matcher():
    return SoundMatcher("en-us")


def listen(matcher, voice, text):
    narration = Narrator(voice).narrate([Read(text)])
    return matcher.listen(narration.wav, narration.sample_rate)


@pytest.mark.parametrize("voice", ["pico", "joe"])
@pytest.mark.parametrize(
    ("spoken", "other"),
    [
        ("parts follow one another", "parts follow seven another"),
        ("the rate rises with the light", "the rate falls with the light"),
        ("he scraped them from his teeth", "he scraped them from teeth"),
        ("soap takes the dirt away", "soap takes the purple dirt away"),
    ],
)
def test_what_was_said_fits_and_what_was_not_does_not(matcher, voice, spoken, other):
    for said, not_said in ((spoken, other), (other, spoken)):
        score = listen(matcher, voice, said)
        fits, does_not = score(said.split()), score(not_said.split())
        assert fits is not None
        assert does_not is None or fits - does_not > 100


def test_a_word_that_no_dictionary_has_is_pronounced(matcher):
    score = listen(matcher, "joe", "Carotenoids and rubisco are in the leaf.")
    said = ["carotenoids", "and", "rubisco", "are", "in", "the", "leaf"]
    assert score(said) > score(["meridians", "and", "bolivia", *said[3:]]) + 100


def test_a_sentence_that_was_never_said_cannot_be_aligned(matcher):
    score = listen(matcher, "joe", "Yes.")
    assert score(["water", "is", "drawn", "up", "from", "the", "roots", "through", "narrow", "pipes"]) is None


def test_scores_do_not_depend_on_what_was_asked_before(matcher):
    said = ["plants", "turn", "light", "into", "sugar"]
    first = listen(matcher, "pico", "Plants turn light into sugar.")(said)
    listen(matcher, "joe", "Another voice.")(["another", "voice"])
    again = listen(matcher, "pico", "Plants turn light into sugar.")
    assert again(said) == again(said) == first


@pytest.mark.parametrize("words", [[], ["\u4e2d"]])
def test_words_without_a_sound_are_no_words(words):
    assert SoundMatcher(None).listen(np.zeros(16000, np.float32), 16000)(words) is None


def test_silence_says_nothing(matcher):
    score = matcher.listen(np.zeros(8000, np.float32), 16000)
    assert score(["plants", "turn", "light", "into", "sugar"]) is None
    assert matcher.listen(np.zeros(0, np.float32), 16000)(["plants"]) is None
