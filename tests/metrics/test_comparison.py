"""From sentences to systems, on figures that can be checked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ttsd.metrics.comparison import MIN_SENTENCES, add_similarity, compare
from ttsd.metrics.measurement import Measurement, Sentence


def make_measurement(errors=0, n_words=10, mcd_db=0.0, duration_s=2.0, voice=0.0):
    """A measurement whose voice is an angle, in radians, away from the first axis."""
    embedding = None if voice is None else [float(np.cos(voice)), float(np.sin(voice))]
    return Measurement(duration_s, "", errors, n_words, 4 * errors, 5 * n_words, [], mcd_db, 0.1, embedding)


def make_sentences(n, student, start=None, teacher=None):
    systems = {"teacher": teacher or make_measurement(), "student": student} | ({"start": start} if start else {})
    return [Sentence(f"s{i}", "text", dict(systems)) for i in range(n)]


def summarize(sentences):
    return compare(add_similarity(sentences), n_resamples=500, seed=0)


def test_an_oracle_student_differs_in_nothing():
    metrics = summarize(make_sentences(60, make_measurement(errors=1), teacher=make_measurement(errors=1)))
    for name in ("wer", "cer", "similarity", "duration_ratio"):
        assert (metrics[name]["delta"], metrics[name]["lo"], metrics[name]["hi"]) == (0, 0, 0)
        assert metrics[name]["verdict"] == "no difference shown"
    assert metrics["mcd_db"]["student"] == 0


def test_every_figure_is_what_it_says():
    student = make_measurement(errors=2, mcd_db=5.0, duration_s=3.0, voice=0.3)
    start = make_measurement(errors=1, mcd_db=8.0, duration_s=1.0, voice=1.2)
    metrics = summarize(make_sentences(4, student, start))
    assert {name: metrics["wer"][name] for name in ("teacher", "student", "start", "delta", "n")} == {
        "teacher": 0,
        "student": 0.2,
        "start": 0.1,
        "delta": 0.2,
        "n": 4,
    }
    assert metrics["cer"]["student"] == 0.16
    assert (metrics["mcd_db"]["student"], metrics["mcd_db"]["start"], metrics["mcd_db"]["teacher"]) == (5, 8, 0)
    assert metrics["similarity"]["teacher"] == 1
    assert metrics["similarity"]["student"] == pytest.approx(np.cos(0.3), abs=1e-6)
    expected = (np.cos(0.3) - np.cos(1.2)) / (1 - np.cos(1.2))
    assert metrics["gap_closed"]["value"] == pytest.approx(expected, abs=1e-5)
    assert (metrics["duration_ratio"]["student"], metrics["duration_ratio"]["start"]) == (1.5, 0.5)


def test_rates_are_of_the_corpus_not_of_the_sentence():
    sentences = make_sentences(1, make_measurement(1, 1)) + make_sentences(1, make_measurement(0, 9))
    sentences = [replace(one, id=str(i)) for i, one in enumerate(sentences)]
    assert summarize(sentences)["wer"]["student"] == 0.1


@pytest.mark.parametrize(("n", "verdict"), [(MIN_SENTENCES - 1, "too few sentences"), (MIN_SENTENCES, "worse")])
def test_a_verdict_needs_sentences(n, verdict):
    metrics = summarize(make_sentences(n, make_measurement(errors=2, voice=0.5)))
    assert metrics["wer"]["verdict"] == verdict
    assert metrics["similarity"]["verdict"] == verdict


def test_fewer_errors_are_better_and_longer_is_neither():
    teacher = make_measurement(errors=2)
    metrics = summarize(make_sentences(60, make_measurement(errors=1, duration_s=3.0), teacher=teacher))
    assert metrics["wer"]["verdict"] == "better"
    assert metrics["duration_ratio"]["verdict"] == "longer"
    assert metrics["mcd_db"]["verdict"] == "a distance"


def test_without_a_start_there_is_no_gap():
    metrics = summarize(make_sentences(5, make_measurement(voice=0.2)))
    assert metrics["wer"]["start"] is None
    assert metrics["gap_closed"] == {"value": None, "lo": None, "hi": None, "n": 0}


def test_a_silent_clip_is_unmeasured_but_its_words_are_missed():
    silent = make_measurement(errors=10, mcd_db=None, duration_s=0.0, voice=None)
    sentences = make_sentences(3, make_measurement(voice=0.1, mcd_db=4.0)) + make_sentences(1, silent)
    rows = add_similarity([replace(one, id=str(i)) for i, one in enumerate(sentences)])
    assert "student" not in rows[3].similarity
    assert rows[3].similarity["teacher"] == 1
    metrics = compare(rows, n_resamples=100, seed=0)
    assert (metrics["wer"]["n"], metrics["wer"]["student"]) == (4, 0.25)
    assert (metrics["mcd_db"]["n"], metrics["mcd_db"]["student"]) == (3, 4.0)
    assert metrics["similarity"]["n"] == 3


def test_one_sentence_measures_no_similarity():
    metrics = summarize(make_sentences(1, make_measurement(voice=0.1)))
    assert metrics["similarity"]["student"] is None
    assert metrics["similarity"]["verdict"] == "unmeasured"
    assert metrics["wer"]["verdict"] == "unmeasured"
