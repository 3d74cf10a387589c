"""The sentences of the package: enough of every kind, of every sound, and from no text that students learn."""

import re
from collections import Counter
from pathlib import Path

import pytest

import ttsd.transcripts
from ttsd.config import load_config
from ttsd.data.phonemes import phonemize
from ttsd.metrics.categories import CATEGORIES, find_categories
from ttsd.transcripts.write import write_all

FOLDER = Path(ttsd.transcripts.__file__).with_name("held_out")
SETTINGS = ("generate.verbatim.min_chars=1", "generate.verbatim.max_chars=400")
# General American and the vowels of its diphthongs, as espeak-ng writes them.
SOUNDS = "p b t d k ɡ f v θ ð s z ʃ ʒ h m n ŋ l ɹ w j i ɪ ɛ æ ɑ ɔ ʊ u ʌ ə ɚ ɜ"


@pytest.fixture(scope="module")
def written():
    return write_all([FOLDER / "sentences.md"], FOLDER, load_config(None, SETTINGS), lambda *_: None)


def test_every_sentence_is_an_utterance(written):
    lines = (FOLDER / "sentences.md").read_text(encoding="utf-8").splitlines()
    sentences = [line for line in lines if line and not line.startswith("#")]
    assert [utterance.transcript for utterance in written.utterances] == sentences
    assert len(sentences) == len(set(sentences)) >= 200
    assert {rejection.reason for rejection in written.rejections} == {"heading"}


def test_there_are_enough_of_every_kind(written):
    counts = Counter(kind for utterance in written.utterances for kind in find_categories(utterance.transcript))
    assert {kind: counts[kind] >= 25 for kind in CATEGORIES} == dict.fromkeys(CATEGORIES, True)


def test_every_sound_of_english_is_said_many_times(written):
    counts = Counter("".join(phonemize(utterance.spoken, "en-us") for utterance in written.utterances))
    assert {sound: counts[sound] >= 5 for sound in SOUNDS.split()} == dict.fromkeys(SOUNDS.split(), True)


def test_no_sentence_is_in_the_study_guides(written):
    guides = " ".join(path.read_text(encoding="utf-8") for path in Path("examples/study_guides").glob("*.md"))
    known = " ".join(re.findall(r"\w+", guides.lower()))
    long_enough = [u.transcript for u in written.utterances if len(u.transcript.split()) > 3]
    assert [text for text in long_enough if " ".join(re.findall(r"\w+", text.lower())) in known] == []
