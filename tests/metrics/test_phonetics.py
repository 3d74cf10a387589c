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
        assert max(part.misfit_nats for part in fits.parts) < 95
        assert does_not is None or fits.nats - does_not.nats > 100


def test_a_word_that_no_dictionary_has_is_pronounced(matcher):
    score = listen(matcher, "joe", "Carotenoids and rubisco are in the leaf.")
    said = ["carotenoids", "and", "rubisco", "are", "in", "the", "leaf"]
    assert score(said).nats > score(["meridians", "and", "bolivia", *said[3:]]).nats + 100


def test_a_sentence_that_was_never_said_cannot_be_aligned(matcher):
    score = listen(matcher, "joe", "Yes.")
    assert score(["water", "is", "drawn", "up", "from", "the", "roots", "through", "narrow", "pipes"]) is None


def test_scores_do_not_depend_on_what_was_asked_before(matcher):
    said = ["plants", "turn", "light", "into", "sugar"]
    first = listen(matcher, "pico", "Plants turn light into sugar.")(said)
    listen(matcher, "joe", "Another voice.")(["another", "voice"])
    again = listen(matcher, "pico", "Plants turn light into sugar.")
    assert again(said) == again(said) == first


def test_parts_tell_when_a_word_was_said(matcher):
    narration = Narrator("joe").narrate([Read("It took years before textbooks agreed.")])
    fit = matcher.listen(narration.wav, narration.sample_rate)(["it", "took", "years", "before", "textbooks", "agreed"])
    said = [part for part in fit.parts if part.word]
    assert [part.word for part in said] == ["it", "took", "years", "before", "textbooks", "agreed"]
    assert said[0].start_s == pytest.approx(narration.sounds_s[0][0], abs=0.1)
    assert said[-1].end_s == pytest.approx(narration.sounds_s[0][1], abs=0.15)


def test_speech_that_is_not_written_is_a_pause_that_does_not_sound_like_one(matcher):
    score = listen(matcher, "joe", "It took years before textbooks agreed. Part.")
    fit = score(["it", "took", "years", "before", "textbooks", "agreed"])
    worst = max(fit.parts, key=lambda part: part.misfit_nats)
    assert worst.word == ""
    assert worst.misfit_nats > 200


def test_a_word_in_capitals_may_be_spelt_out(matcher):
    score = listen(matcher, "joe", "A P U T request.")
    assert score(["a", "PUT", "request"]).nats > score(["a", "put", "request"]).nats + 100
    score = listen(matcher, "joe", "A put request.")
    assert score(["a", "PUT", "request"]).nats == pytest.approx(score(["a", "put", "request"]).nats, abs=20)


@pytest.mark.parametrize("words", [[], ["\u4e2d"]])
def test_words_without_a_sound_are_no_words(words):
    assert SoundMatcher(None).listen(np.zeros(16000, np.float32), 16000)(words) is None


def test_silence_says_nothing(matcher):
    score = matcher.listen(np.zeros(8000, np.float32), 16000)
    assert score(["plants", "turn", "light", "into", "sugar"]) is None
    assert matcher.listen(np.zeros(0, np.float32), 16000)(["plants"]) is None
