"""Which heard words are which sentence."""

import numpy as np
import pytest

from ttsd.data.align import align_sentences
from ttsd.data.wording import TimedWord

TEXT = [
    "plants turn the light of the sun into sugar",
    "animals eat that sugar to stay alive",
    "every living thing is made of cells",
    "why",
    "a cell keeps its inside apart from the world",
]
SENTENCES = [sentence.split() for sentence in TEXT]


def hear(text: str) -> list[TimedWord]:
    return [TimedWord(word, float(i), i + 0.9) for i, word in enumerate(text.split())]


def told(text: str) -> list[tuple[int, str]]:
    heard = hear(text)
    return [
        (take.sentence, " ".join(word.text for word in heard[take.first : take.last]))
        for take in align_sentences(SENTENCES, heard)
    ]


@pytest.mark.parametrize(
    ("read", "found"),
    [
        ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        # Skipped ones, at either end and in the middle.
        ([1, 2, 4], [1, 2, 4]),
        ([0, 1], [0, 1]),
        # Said again, one by one and from a place further back.
        ([0, 1, 1, 2], [0, 1, 1, 2]),
        ([0, 1, 2, 1, 2, 4], [0, 1, 2, 1, 2, 4]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_every_take_is_found_in_the_order_it_was_said(read, found):
    assert told(" ".join(TEXT[i] for i in read)) == [(i, TEXT[i]) for i in found]


def test_misheard_words_stay_in_their_sentence():
    heard = "plans turned the light of the son in two sugar animals heat that sugar to stay a life"
    assert told(heard) == [
        (0, "plans turned the light of the son in two sugar"),
        (1, "animals heat that sugar to stay a life"),
    ]


def test_speech_of_no_sentence_is_in_no_take():
    extra = "sorry the phone is ringing next door again"
    assert told(f"{extra} {TEXT[0]} {extra} {TEXT[1]} {extra}") == [(0, TEXT[0]), (1, TEXT[1])]


def test_a_false_start_is_no_part_of_the_take_that_follows():
    takes = told(f"{TEXT[0]} every living {TEXT[2]}")
    assert takes[-1] == (2, TEXT[2])


def test_missing_words_are_told_by_their_places():
    (take,) = align_sentences(SENTENCES[:1], hear("plants turn light of the sun into very sugar"))
    assert take.places == (0, 1, 3, 4, 5, 6, 7, None, 8)


def test_nothing_heard_and_nothing_written_give_no_take():
    assert align_sentences(SENTENCES, []) == []
    assert align_sentences([[], []], hear("one two")) == []


def test_a_path_over_many_blocks_is_that_of_one():
    # Long enough for the states to be kept in blocks, with jumps over their edges.
    rng = np.random.default_rng(0)
    words = [f"{a}{b}{c}" for a in "bdfgklmn" for b in ("a", "ee", "oo") for c in ("st", "rd", "lk", "mp")]
    sentences = [[str(word) for word in rng.choice(words, 9)] for _ in range(60)]
    order = [i for i in range(60) if i % 11] + [3, 4, 5]
    heard = hear(" ".join(" ".join(sentences[i]) for i in order))
    takes = align_sentences(sentences, heard)
    assert [take.sentence for take in takes] == order
    assert all(take.places == tuple(range(9)) for take in takes)
