"""What answers say, on answers whose truth is known."""

import numpy as np
import pytest

from ttsd.data.hearing_test import Answer, Key, Sample, Test, Trial
from ttsd.metrics.hearing_analysis import analyse, clustered_bootstrap, unseal

N = 24


def name(number):
    return f"{number:016x}"


def make_key(**rules):
    samples, trials = {}, []
    for i in range(N):
        teacher, student = name(2 * i), name(2 * i + 1)
        samples |= {teacher: Sample(system="teacher", utterance=f"u{i}")}
        samples |= {student: Sample(system="student", utterance=f"u{i}")}
        clips = (teacher, student) if i % 2 else (student, teacher)
        trials.append(Trial(id=name(1000 + i), kind="compare", clips=clips))
    for i, system in enumerate(("teacher", "degraded", "teacher", "degraded")):
        pair = name(500 + 2 * i), name(501 + 2 * i)
        samples |= {pair[0]: Sample(system="teacher", utterance=f"c{i}")}
        samples |= {pair[1]: Sample(system=system, utterance=f"c{i}")}
        trials.append(Trial(id=name(2000 + i), kind="compare", clips=pair))
    samples[name(900)] = Sample(system="student", utterance="s")
    trials.append(Trial(id=name(3000), kind="speaker", clips=(name(0), name(900))))
    test = Test(id=name(7777), title="A test", trials=tuple(trials))
    return Key(test=test, samples=samples, students=("student",), **{"margin": 0.5, "max_failed_checks": 1} | rules)


def answer(key, trial, listener, liking, turned=False):
    """An answer whose listener likes the other system so much better than the teacher, as it is shown."""
    clips = trial.clips[::-1] if turned else trial.clips
    is_first = key.samples[clips[0]].system != "teacher"
    rating = -liking if is_first and trial.kind == "compare" else liking
    return Answer(
        test=key.test.id, listener=name(listener), trial=trial.id, clips=clips, rating=rating,
        plays=(1,) * len(clips), dwell_ms=5000, number=0, answered="2026-01-01T00:00:00Z",
    )  # fmt: skip


def answer_all(key, listener, liking, rng, checks=(0, -3, 0, -3)):
    answers = []
    for trial in key.test.trials[:N]:
        liked = int(np.clip(np.rint(liking + rng.normal(0, 0.8)), -3, 3))
        answers.append(answer(key, trial, listener, liked, bool(rng.integers(2))))
    for trial, liked in zip(key.test.trials[N : N + 4], checks, strict=True):
        answers.append(answer(key, trial, listener, liked))
    answers.append(answer(key, key.test.trials[-1], listener, 4))
    return answers


def test_whichever_side_a_clip_was_on_its_liking_is_the_same():
    key = make_key()
    for trial in key.test.trials[:2]:
        rated = unseal([answer(key, trial, 1, 2), answer(key, trial, 1, 2, turned=True)], key)
        assert [(one.system, one.rating) for one in rated] == [("student", 2), ("student", 2)]


@pytest.mark.parametrize(("liking", "verdict"), [(0.0, "equivalent"), (-1.0, "worse"), (1.0, "better")])
def test_enough_listeners_find_what_is_there(liking, verdict):
    key, rng = make_key(), np.random.default_rng(0)
    found = analyse([one for i in range(12) for one in answer_all(key, i, liking, rng)], key)
    comparison = found["kept"]["students"]["student"]["comparison"]
    assert comparison["value"] == pytest.approx(liking, abs=0.3)
    assert comparison["verdict"] == verdict
    assert (comparison["n"], comparison["n_listeners"]) == (12 * N, 12)
    preference = found["kept"]["students"]["student"]["preference"]["value"]
    assert (preference > 0.5) == (liking > 0) or abs(liking) < 0.5
    assert found["kept"]["speaker"]["student"]["value"] == 4
    assert found["listeners"]["left_out"] == []


def test_few_answers_tell_how_many_more_it_would_take():
    key, rng = make_key(), np.random.default_rng(1)
    answers = answer_all(key, 0, -0.3, rng)[:6]
    comparison = analyse(answers, key)["kept"]["students"]["student"]["comparison"]
    assert comparison["verdict"] == "not enough data"
    assert comparison["n_needed"] > comparison["n"] == 6
    assert comparison["listeners_needed"] >= 5


@pytest.mark.parametrize(("n_listeners", "verdict"), [(1, "not enough data"), (4, "not enough data"), (5, "worse")])
def test_the_answers_of_a_few_are_no_verdict_however_sure_they_are(n_listeners, verdict):
    key = make_key()
    rng = np.random.default_rng(1)
    answers = [one for i in range(n_listeners) for one in answer_all(key, i, -2.0, rng)]
    comparison = analyse(answers, key)["kept"]["students"]["student"]["comparison"]
    assert comparison["verdict"] == verdict
    assert comparison["listeners_needed"] == 5


def test_who_fails_the_checks_is_left_out_by_the_rule_and_told():
    key, rng = make_key(), np.random.default_rng(2)
    honest = [one for i in range(4) for one in answer_all(key, i, -1.0, rng)]
    # Prefers a clip to itself by two points, twice, and likes the degraded ones.
    careless = answer_all(key, 9, 2.0, rng, checks=(2, 1, -2, 0))
    found = analyse(honest + careless, key)
    assert found["listeners"]["left_out"] == [name(9)]
    assert found["listeners"]["failed_checks"][name(9)] == 4
    kept, everyone = (found[whose]["students"]["student"]["comparison"] for whose in ("kept", "all"))
    assert kept["n_listeners"] == 4
    assert everyone["n_listeners"] == 5
    assert everyone["value"] > kept["value"]
    lenient = analyse(honest + careless, make_key(max_failed_checks=4))
    assert lenient["listeners"]["left_out"] == []


def test_answers_of_one_listener_are_no_answers_of_many():
    # Listeners differ by a point, and each agrees with itself: their mean is less sure than that of as many draws.
    rng = np.random.default_rng(3)
    listeners, sentences = (part.ravel() for part in np.meshgrid(np.arange(5), np.arange(40), indexing="ij"))
    figures = rng.normal(0, 1, 5)[listeners] + rng.normal(0, 0.1, listeners.size)
    clustered = clustered_bootstrap(figures, listeners, sentences, 0).std()
    naive = figures.std() / np.sqrt(figures.size)
    assert clustered > 4 * naive


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng, covered = np.random.default_rng(4), 0
    listeners, sentences = (part.ravel() for part in np.meshgrid(np.arange(12), np.arange(20), indexing="ij"))
    for _ in range(100):
        figures = 0.3 + rng.normal(0, 0.5, 12)[listeners] + rng.normal(0, 0.3, 20)[sentences]
        figures += rng.normal(0, 1, listeners.size)
        means = clustered_bootstrap(figures, listeners, sentences, 0)
        lo, hi = np.percentile(means, [2.5, 97.5])
        covered += lo <= 0.3 <= hi
    assert covered >= 88
