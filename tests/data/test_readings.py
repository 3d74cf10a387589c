"""What becomes of each sentence of a recording, told from words with their times and from the sound alone."""

import numpy as np
import pytest

from ttsd.data.pauses import find_pauses
from ttsd.data.readings import choose_takes, read_recording
from ttsd.data.wording import TimedWord

SENTENCES = [
    ["plants", "turn", "the", "light", "into", "sugar"],
    ["animals", "eat", "that", "sugar"],
    ["every", "living", "thing", "is", "made", "of", "cells"],
]
WORD_S = 0.3
PAUSE_S = 0.5


def recording(*reads: str, shift_s: float = 0.0, unheard: tuple[int, ...] = ()):
    """Return words with their times, and the pauses of sound that is as loud in every word."""
    power, words, place = [np.full(50, 1e-8)], [], 0.5
    for number, read in enumerate(reads):
        for text in read.split():
            if number not in unheard:
                words.append(TimedWord(text, place + shift_s, place + WORD_S + shift_s, text))
            power.append(np.full(round(WORD_S * 100), 1e-2))
            place += WORD_S
        power.append(np.full(round(PAUSE_S * 100), 1e-8))
        place += PAUSE_S
    return words, find_pauses(np.concatenate(power).astype(np.float32), 80, -40)


def read(words, pauses):
    return read_recording(SENTENCES, words, pauses, min_pause_s=0.08, max_duration_s=29)


TEXTS = [" ".join(sentence) for sentence in SENTENCES]


@pytest.mark.parametrize("shift_s", [-0.25, 0.0, 0.25])
def test_takes_are_cut_in_their_pauses_though_the_times_are_wrong(shift_s):
    reading = read(*recording(*TEXTS, shift_s=shift_s))
    expected, place = [], 0.5
    for sentence in SENTENCES:
        expected.append((place, place + len(sentence) * WORD_S))
        place = expected[-1][1] + PAUSE_S
    found = [(candidate.start_s, candidate.end_s) for candidate in reading.candidates]
    assert np.array(found) == pytest.approx(np.array(expected), abs=0.011)
    assert reading.stretches == ()


def test_a_sentence_that_nobody_heard_makes_its_neighbours_doubtful():
    words, pauses = recording(TEXTS[0], TEXTS[1], TEXTS[2], unheard=(1,))
    reading = read(words, pauses)
    assert [candidate.sentence for candidate in reading.candidates] == [0, 2]
    assert all(candidate.in_doubt for candidate in reading.candidates)
    assert reading.candidates[0].end_s == pytest.approx(0.5 + 6 * WORD_S, abs=0.02)
    ((start_s, end_s, heard),) = reading.stretches
    assert (start_s, end_s) == (pytest.approx(2.8, abs=0.02), pytest.approx(4.0, abs=0.02))
    assert heard == ""


@pytest.mark.parametrize(
    ("reads", "sentence"),
    [
        ((TEXTS[0], "animals", "eat that sugar", TEXTS[2]), 1),
        (("plants turn the light into", "sugar", TEXTS[1], TEXTS[2]), 0),
    ],
)
def test_a_word_between_two_pauses_that_nobody_heard_belongs_where_it_is_lacking(reads, sentence):
    reading = read(*recording(*reads, unheard=(1,)))
    assert [candidate.sentence for candidate in reading.candidates] == [0, 1, 2]
    lengths = [candidate.end_s - candidate.start_s for candidate in reading.candidates]
    expected = [len(words) * WORD_S for words in SENTENCES]
    expected[sentence] += PAUSE_S
    assert lengths == pytest.approx(expected, abs=0.02)
    assert [candidate.in_doubt for candidate in reading.candidates] == [True, True, False]


def test_a_sentence_without_a_pause_is_told():
    words, pauses = recording(f"{TEXTS[0]} {TEXTS[1]}")
    assert [candidate.reason for candidate in read(words, pauses).candidates] == ["no_pause", "no_pause"]


def test_phrases_in_silence_are_made_up():
    words, pauses = recording(TEXTS[0], TEXTS[1])
    middle_s = 0.5 + len(SENTENCES[0]) * WORD_S + PAUSE_S / 2
    made_up = [TimedWord(text, middle_s, middle_s + 0.1, text) for text in ("thank", "you")]
    words = sorted([*words, *made_up], key=lambda word: word.start_s)
    reading = read(words, pauses)
    assert reading.stretches == ()
    assert [candidate.in_doubt for candidate in reading.candidates] == [False, False]


def test_a_part_of_a_sentence_is_told_with_its_times():
    reading = read(*recording(TEXTS[0], "every living thing", TEXTS[1]))
    start_s, end_s, heard = reading.parts[2]
    assert heard == "every living thing"
    assert end_s - start_s == pytest.approx(3 * WORD_S)


def test_what_was_heard_otherwise_is_in_doubt():
    reading = read(*recording("plants turned the light into sugar", TEXTS[1]))
    assert [candidate.in_doubt for candidate in reading.candidates] == [True, False]


def test_the_last_take_that_says_its_sentence_is_chosen():
    reading = read(*recording(TEXTS[0], TEXTS[1], TEXTS[1], TEXTS[1]))
    assert [candidate.sentence for candidate in reading.candidates] == [0, 1, 1, 1]
    chosen, others = choose_takes(reading.candidates, {})
    assert chosen == {0: 0, 1: 3}
    assert others[1] == [(1, "repeated", "said again later"), (2, "repeated", "said again later")]
    chosen, others = choose_takes(reading.candidates, {3: ("wrong_words", "told")})
    assert chosen == {0: 0, 1: 2}
    assert others[1] == [(1, "repeated", "said again later"), (3, "wrong_words", "told")]
    chosen, others = choose_takes(reading.candidates, dict.fromkeys((1, 2, 3), ("wrong_words", "")))
    assert chosen == {0: 0}
    assert [place for place, *_ in others[1]] == [1, 2, 3]
