"""Voices told apart by their embeddings."""

import numpy as np
import pytest

from ttsd.config import PicoConfig, PiperConfig
from ttsd.errors import CorpusError
from ttsd.metrics.similarity import VoiceEmbedder, similarities
from ttsd.teachers.pico import PicoTeacher
from ttsd.teachers.piper import PiperTeacher

TEXTS = ["The harbour lies behind a long wall of stone.", "Bees visit the same field again and again.", "Nobody knew."]


@pytest.fixture(scope="module")
def embedder():
    return VoiceEmbedder()


@pytest.fixture(scope="module")
def voices(embedder):
    """Embeddings of three sentences by Pico and by joe."""
    teachers = (PicoTeacher(PicoConfig()), PiperTeacher(PiperConfig()))
    return [
        np.stack([embedder.embed(speech.wav, speech.sample_rate) for speech in (t.speak(text, 0) for text in TEXTS)])
        for t in teachers
    ]


def test_an_embedding_is_a_unit_vector(voices):
    assert voices[0].shape == (3, 256)
    assert voices[0].dtype == np.float32
    assert np.linalg.norm(voices[0], axis=1) == pytest.approx(1, abs=1e-5)


def test_a_voice_is_more_like_itself_than_like_another(voices):
    pico, joe = voices
    assert similarities(pico, pico).min() > similarities(pico, joe).max() + 0.1


def test_loudness_does_not_change_the_voice(embedder):
    speech = PicoTeacher(PicoConfig()).speak(TEXTS[0], 0)
    one, other = (embedder.embed(speech.wav * np.float32(gain), speech.sample_rate) for gain in (1, 0.3))
    assert float(one @ other) > 0.9999


def test_the_embedding_is_the_same_every_time(embedder):
    speech = PicoTeacher(PicoConfig()).speak(TEXTS[1], 0)
    one, other = (embedder.embed(speech.wav, speech.sample_rate) for _ in range(2))
    assert np.array_equal(one, other)


def test_the_encoder_loads_in_silence(capfd):
    VoiceEmbedder()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("wav", [np.zeros(16000), np.zeros(0), np.ones(100)])
def test_what_is_no_speech_has_no_voice(embedder, wav):
    assert embedder.embed(wav.astype(np.float32), 16000) is None


def test_each_sentence_is_compared_with_the_others_of_the_teacher():
    teacher = np.eye(3, 256, dtype=np.float32)
    # The other two are at right angles to it, so the teacher is nothing like itself.
    assert similarities(teacher, teacher) == pytest.approx(0)
    assert similarities(teacher, np.roll(teacher, 1, axis=0)) == pytest.approx(np.sqrt(0.5))


def test_a_perfect_copy_scores_as_the_teacher_does(voices):
    assert np.array_equal(similarities(voices[0], voices[0]), similarities(voices[0], voices[0].copy()))


def test_one_sentence_has_no_others():
    with pytest.raises(CorpusError, match="two or more"):
        similarities(np.ones((1, 256), np.float32), np.ones((1, 256), np.float32))
