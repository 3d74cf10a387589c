"""A second look at a clip, by the real recogniser on a real voice."""

import numpy as np
import pytest

from tests.narration import Narrator, Read
from ttsd.config import AsrConfig
from ttsd.data.pauses import find_pauses, measure_power, plan_windows
from ttsd.data.wording import TimedWord, normalize_heard, write_words
from ttsd.metrics.hearing import hear_window
from ttsd.metrics.intelligibility import ASR_SAMPLE_RATE, Recognizer
from ttsd.metrics.phonetics import SoundMatcher
from ttsd.metrics.verification import check_sound, verify_clip

CONTEXT = "Light is caught in the disks of the chloroplast. The stroma holds enzymes, and sugar is built there."


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(AsrConfig())


def speak(text):
    narration = Narrator("pico").narrate([Read(text)])
    assert narration.sample_rate == ASR_SAMPLE_RATE
    return narration.wav


@pytest.fixture(scope="module")
def matcher():
    return SoundMatcher("en-us")


def look(recognizer, matcher, spoken, written, heard=""):
    return verify_clip(
        recognizer,
        matcher,
        speak(spoken),
        ASR_SAMPLE_RATE,
        write_words(written, "en"),
        normalize_heard([TimedWord(word, 0.0, 0.0) for word in (heard or spoken).split()], "en"),
        CONTEXT,
        "en",
        "en-us",
    )


@pytest.mark.parametrize(
    ("spoken", "heard"),
    [
        ("The fluid around the piles is the stroma.", "The flute around the piles is the strummer."),
        ("Each one is wrapped in two thin membranes.", "Each one is wrapped in tooth in membranes."),
        ("Warm it in alcohol until the green colour is gone.", "Warm it in alcohol until the green color is bomb."),
    ],
)
def test_a_misheard_sentence_is_kept(recognizer, matcher, spoken, heard):
    assert look(recognizer, matcher, spoken, spoken, heard).reason is None


@pytest.mark.parametrize(
    ("spoken", "written", "reason"),
    [
        ("The rate rises with the light.", "The rate falls with the light.", "wrong_words"),
        ("It was repeated 40 times that day.", "It was repeated 14 times that day.", "wrong_number"),
        ("The war ended in 1789.", "The war ended in 1709.", "wrong_number"),
        ("You can see the moon tonight.", "You cannot see the moon tonight.", "wrong_words"),
        ("The pores close at night.", "The pores close at night when it is cold.", "partly_spoken"),
        ("The pores close at night, as I said before.", "The pores close at night.", "extra_words"),
        ("The tiny pores close at night.", "The pores close at night.", "extra_words"),
        ("The whole process slows down.", "The whole process slows.", "extra_words"),
        (
            "If stiff you know any two of the three, you can find the third.",
            "If you know any two of the three, you can find the third.",
            "extra_words",
        ),
        ("It stops when seven part fails.", "It stops when one part fails.", "wrong_number"),
    ],
)
def test_a_sentence_that_was_not_said_is_told(recognizer, matcher, spoken, written, reason):
    verdict = look(recognizer, matcher, spoken, written)
    assert verdict.reason == reason
    assert "was heard" in verdict.value or "was not heard" in verdict.value


def test_a_clip_without_words_says_no_sentence(recognizer, matcher):
    noise = np.random.default_rng(0).standard_normal(ASR_SAMPLE_RATE * 2).astype(np.float32) * 0.01
    words = write_words("Plants turn light into sugar.", "en")
    verdict = verify_clip(recognizer, matcher, noise, ASR_SAMPLE_RATE, words, [], "", "en", None)
    assert verdict.reason is not None


@pytest.mark.parametrize(
    ("spoken", "reason"),
    [
        ("If you know any two of the three, you can find the third.", None),
        ("If stiff you know any two of the three, you can find the third.", "wrong_words"),
        ("If you know any two of the three, you can find the third. Part.", "extra_words"),
        ("If you know any two of the three, you can find practice.", "extra_words"),
        ("Seven years went by.", "wrong_words"),
    ],
)
def test_speech_that_the_recognizer_passed_over_is_found(matcher, spoken, reason):
    words = write_words("If you know any two of the three, you can find the third.", "en")
    narration = Narrator("joe").narrate([Read(spoken)])
    # As a clip is cut.
    start_s, end_s = narration.sounds_s[0]
    wav = narration.wav[round((start_s - 0.06) * 22050) : round((end_s + 0.06) * 22050)]
    assert check_sound(matcher, wav, narration.sample_rate, words).reason == reason


def test_windows_are_heard_at_their_place_in_the_recording(recognizer):
    texts = ["Rivers freeze from the top down.", "Clouds form where the warm air rises."]
    narration = Narrator("pico").narrate([Read(text) for text in texts], pause_s=(4.0, 4.0))
    pauses = find_pauses(measure_power([narration.wav], ASR_SAMPLE_RATE), 80, -40)
    (window,) = plan_windows(pauses, 28)

    def read(start_s, end_s):
        return narration.wav[round(start_s * ASR_SAMPLE_RATE) : round(end_s * ASR_SAMPLE_RATE)]

    words = hear_window(recognizer, read, ASR_SAMPLE_RATE, pauses, *window)
    clouds = words[[word.text for word in words].index("form") - 1]
    assert clouds.middle_s == pytest.approx(narration.sounds_s[1][0], abs=0.5)
