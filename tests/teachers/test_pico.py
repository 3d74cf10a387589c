import numpy as np
import pytest

from ttsd.config import PicoConfig
from ttsd.data.levels import count_clipped_samples
from ttsd.errors import TeacherError
from ttsd.teachers.pico import MAX_CHARS, PicoTeacher

SENTENCES = {
    "en-US": "Photosynthesis converts light energy into chemical energy.",
    "en-GB": "Photosynthesis converts light energy into chemical energy.",
    "de-DE": "Pflanzen wandeln das Licht der Sonne in chemische Energie um.",
    "es-ES": "Las plantas transforman la luz del sol en energía química.",
    "fr-FR": "Les plantes transforment la lumière du soleil en énergie chimique.",
    "it-IT": "Le piante trasformano la luce del sole in energia chimica.",
}


@pytest.mark.parametrize("voice", SENTENCES)
def test_every_voice_speaks_audio_and_nothing_else_without_clipping(voice):
    speech = PicoTeacher(PicoConfig(voice=voice)).speak(SENTENCES[voice], seed=0)
    assert speech.sample_rate == 16000
    assert speech.wav.dtype == np.float32
    assert 2 < len(speech.wav) / speech.sample_rate < 8
    assert 0.05 < np.abs(speech.wav).max() < 0.999
    assert count_clipped_samples(speech.wav) == 0
    assert (speech.character_times_s, speech.symbol_ids, speech.durations) == (None, None, None)


def test_the_same_text_is_the_same_audio_whatever_was_said_before():
    teacher = PicoTeacher(PicoConfig())
    first = teacher.speak("The cell is the unit of life.", seed=0)
    for text in SENTENCES.values():
        teacher.speak(text, seed=1)
    assert np.array_equal(first.wav, teacher.speak("The cell is the unit of life.", seed=2).wav)


def test_speed_and_pitch_change_the_audio_and_are_recorded():
    slow = PicoTeacher(PicoConfig(speed=0.5))
    usual = PicoTeacher(PicoConfig())
    text = "The cell is the unit of life."
    assert len(slow.speak(text, 0).wav) > 1.5 * len(usual.speak(text, 0).wav)
    assert slow.identity["settings"]["speed"] == 0.5
    assert slow.identity != usual.identity


def test_text_is_never_read_as_markup():
    teacher = PicoTeacher(PicoConfig())
    tagged = teacher.speak('He wrote <speed level="20"> in the text.', 0)
    plain = teacher.speak("He wrote speed level 20 in the text.", 0)
    assert len(tagged.wav) < 2 * len(plain.wav)
    assert not np.array_equal(tagged.wav, teacher.speak("He wrote in the text.", 0).wav)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("日本語", "no sound"),
        ("", "no sound"),
        ("!!!", "no sound"),
        ("\ud800", "reword"),
        ("a " * MAX_CHARS, "cut it into sentences"),
    ],
)
def test_what_it_cannot_speak_is_one_clear_error(text, message):
    with pytest.raises(TeacherError, match=message):
        PicoTeacher(PicoConfig()).speak(text, seed=0)
