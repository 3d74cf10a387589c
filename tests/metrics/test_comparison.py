"""From sentences to systems, on figures that can be checked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ttsd.metrics.catalogue import BY_KEY
from ttsd.metrics.comparison import BASELINE, FEWEST_SENTENCES, MIN_SENTENCES, Comparer, add_similarity
from ttsd.metrics.measurement import Measurement, Sentence


def make_measurement(errors=0, n_words=10, mcd_db=0.0, duration_s=2.0, voice=0.0, **figures):
    """A measurement whose voice is an angle, in radians, away from the first axis."""
    embedding = None if voice is None else [float(np.cos(voice)), float(np.sin(voice))]
    return Measurement(
        duration_s, "", errors, n_words, 4 * errors, 5 * n_words, mcd_db=mcd_db, embedding=embedding, **figures
    )


def make_sentences(n, student, start=None, teacher=None, take2=None):
    systems = {"teacher": teacher or make_measurement(), "student": student}
    systems |= {name: one for name, one in (("start", start), ("take2", take2)) if one is not None}
    return [Sentence(f"s{i}", "text", "text", dict(systems)) for i in range(n)]


def summarize(sentences, systems=("student",), margins=None, n_resamples=500):
    comparer = Comparer(n_resamples, 0, margins or {})
    return comparer.compare(add_similarity(sentences), systems)


def of_student(metrics, key):
    return metrics[key]["systems"]["student"]


def test_an_oracle_student_is_equivalent_in_everything():
    one = make_measurement(errors=1, dnsmos=3.0, pause_s=0.1)
    metrics = summarize(make_sentences(60, one, teacher=one))
    for key in ("wer", "cer", "similarity", "dnsmos", "pause_s", "duration_ratio", "failures"):
        entry = of_student(metrics, key)
        assert (entry["delta"], entry["lo"], entry["hi"]) == (0, 0, 0)
        assert entry["verdict"] == "equivalent"
    assert of_student(metrics, "mcd_db")["value"] == 0


def test_every_figure_is_what_it_says():
    student = make_measurement(errors=2, mcd_db=5.0, duration_s=3.0, voice=0.3, dnsmos=2.5)
    start = make_measurement(errors=1, mcd_db=8.0, duration_s=1.0, voice=1.2)
    sentences = make_sentences(4, student, start, teacher=make_measurement(dnsmos=3.0))
    metrics = summarize(sentences, ("student", "start"))
    wer = metrics["wer"]
    assert (wer["teacher"], of_student(metrics, "wer")["value"], wer["systems"]["start"]["value"]) == (0, 0.2, 0.1)
    assert (of_student(metrics, "wer")["delta"], of_student(metrics, "wer")["n"]) == (0.2, 4)
    assert of_student(metrics, "cer")["value"] == 0.16
    assert of_student(metrics, "dnsmos")["delta"] == -0.5
    assert metrics["dnsmos"]["systems"]["start"]["value"] is None
    assert of_student(metrics, "mcd_db")["value"] == 5
    assert metrics["similarity"]["teacher"] == 1
    assert of_student(metrics, "similarity")["value"] == pytest.approx(np.cos(0.3), abs=1e-6)
    assert of_student(metrics, "duration_ratio")["value"] == 1.5
    assert of_student(metrics, "duration_ratio")["delta"] == 0.5
    gap = Comparer(500, 0, {}).close_gap(add_similarity(sentences), "student")
    assert gap["value"] == pytest.approx((np.cos(0.3) - np.cos(1.2)) / (1 - np.cos(1.2)), abs=1e-5)


def test_rates_are_of_the_corpus_not_of_the_sentence():
    sentences = make_sentences(1, make_measurement(1, 1)) + make_sentences(1, make_measurement(0, 9))
    sentences = [replace(one, id=str(i)) for i, one in enumerate(sentences)]
    assert of_student(summarize(sentences), "wer")["value"] == 0.1


@pytest.mark.parametrize(
    ("n", "verdict"), [(FEWEST_SENTENCES - 1, "not enough data"), (FEWEST_SENTENCES, "worse"), (MIN_SENTENCES, "worse")]
)
def test_a_verdict_needs_sentences_and_what_is_far_worse_needs_few(n, verdict):
    metrics = summarize(make_sentences(n, make_measurement(errors=2, voice=0.5)))
    assert of_student(metrics, "wer")["verdict"] == verdict
    assert of_student(metrics, "similarity")["verdict"] == verdict


@pytest.mark.parametrize(("n", "verdict"), [(MIN_SENTENCES - 1, "not enough data"), (MIN_SENTENCES, "better")])
def test_of_few_sentences_nothing_is_called_better(n, verdict):
    metrics = summarize(make_sentences(n, make_measurement(errors=1), teacher=make_measurement(errors=2)))
    assert of_student(metrics, "wer")["verdict"] == verdict


def test_fewer_errors_are_better_and_another_length_is_worse_either_way():
    teacher = make_measurement(errors=2)
    for duration_s in (1.0, 3.0):
        student = make_measurement(errors=1, duration_s=duration_s)
        metrics = summarize(make_sentences(60, student, teacher=teacher))
        assert of_student(metrics, "wer")["verdict"] == "better"
        assert of_student(metrics, "duration_ratio")["verdict"] == "worse"


def test_what_does_not_matter_is_equivalent_and_what_is_not_sure_is_not():
    teacher, worse = make_measurement(dnsmos=3.0), make_measurement(dnsmos=2.95)
    assert of_student(summarize(make_sentences(60, worse, teacher=teacher)), "dnsmos")["verdict"] == "equivalent"
    strict = summarize(make_sentences(60, worse, teacher=teacher), margins={"dnsmos": 0.01})
    assert of_student(strict, "dnsmos")["verdict"] == "worse"
    # Half of the sentences half a point better, half of them as much worse.
    mixed = make_sentences(30, make_measurement(dnsmos=3.5), teacher=teacher)
    mixed += make_sentences(30, make_measurement(dnsmos=2.5), teacher=teacher)
    entry = of_student(summarize([replace(one, id=str(i)) for i, one in enumerate(mixed)]), "dnsmos")
    assert entry["verdict"] == "not enough data"
    # The standard error of the mean is 0.5 / sqrt(60).
    assert entry["detectable"] == pytest.approx(2.80 * 0.5 / np.sqrt(60), rel=0.1)


def test_a_distance_is_held_against_the_second_take():
    student, take2 = make_measurement(mcd_db=6.0), make_measurement(mcd_db=4.0)
    metrics = summarize(make_sentences(60, student, take2=take2), ("take2", "student"))
    entry = of_student(metrics, "mcd_db")
    assert (entry["delta"], entry["ratio"], entry["verdict"]) == (2, 1.5, "worse")
    # A second take by itself, and a distance without one, have a value and no more.
    for alone in (metrics["mcd_db"]["systems"]["take2"], of_student(summarize(make_sentences(60, student)), "mcd_db")):
        assert (alone["delta"], alone["ratio"], alone["verdict"], alone["n"]) == (None, None, "not enough data", 60)


def test_a_student_that_is_the_second_take_is_as_far_as_it():
    rng = np.random.default_rng(0)
    sentences = []
    for i in range(100):
        takes = [make_measurement(mcd_db=float(d), f0_rmse_cents=30 * float(d)) for d in rng.normal(4, 0.5, 2)]
        sentences += [replace(one, id=str(i)) for one in make_sentences(1, takes[0], take2=takes[1])]
    entry = of_student(summarize(sentences, ("take2", "student")), "mcd_db")
    assert entry["ratio_lo"] < 1 < entry["ratio_hi"]
    assert entry["verdict"] == "equivalent"


def test_students_are_compared_with_those_of_an_earlier_report():
    now, then = make_measurement(errors=1, mcd_db=4.0), make_measurement(errors=3, mcd_db=6.0)
    sentences = [
        replace(one, systems=one.systems | {BASELINE: then})
        for one in make_sentences(60, now, take2=make_measurement())
    ]
    comparer, rows = Comparer(500, 0, {}), add_similarity(sentences)
    wer, mcd = (comparer.describe(BY_KEY[key], rows, "student", BASELINE) for key in ("wer", "mcd_db"))
    assert (wer["delta"], wer["verdict"]) == (-0.2, "better")
    assert (mcd["delta"], mcd["verdict"]) == (-2, "better")


def test_without_a_start_there_is_no_gap():
    rows = add_similarity(make_sentences(5, make_measurement(voice=0.2)))
    assert Comparer(100, 0, {}).close_gap(rows, "student") == {"value": None, "lo": None, "hi": None, "n": 0}


def test_a_silent_clip_is_unmeasured_but_its_words_are_missed():
    silent = make_measurement(errors=10, mcd_db=None, duration_s=0.0, voice=None)
    sentences = make_sentences(3, make_measurement(voice=0.1, mcd_db=4.0)) + make_sentences(1, silent)
    rows = add_similarity([replace(one, id=str(i)) for i, one in enumerate(sentences)])
    assert "student" not in rows[3].similarity
    assert rows[3].similarity["teacher"] == 1
    metrics = Comparer(100, 0, {}).compare(rows, ["student"])
    assert (of_student(metrics, "wer")["n"], of_student(metrics, "wer")["value"]) == (4, 0.25)
    assert (of_student(metrics, "mcd_db")["n"], of_student(metrics, "mcd_db")["value"]) == (3, 4.0)
    assert of_student(metrics, "similarity")["n"] == 3


def test_one_sentence_measures_no_similarity():
    metrics = summarize(make_sentences(1, make_measurement(voice=0.1)))
    assert of_student(metrics, "similarity")["value"] is None
    assert {of_student(metrics, key)["verdict"] for key in ("similarity", "wer")} == {"not enough data"}


def test_the_rank_of_the_teacher_is_the_middle_and_of_another_voice_the_end():
    rng = np.random.default_rng(0)
    sentences = []
    for i in range(40):
        own = make_measurement(voice=float(rng.normal(0, 0.2)))
        take = make_measurement(voice=float(rng.normal(0, 0.2)))
        other = make_measurement(voice=float(rng.normal(1.5, 0.2)))
        sentences.append(Sentence(str(i), "text", "text", {"teacher": own, "student": take, "start": other}))
    metrics = summarize(sentences, ("student", "start"))["similarity_rank"]
    assert metrics["teacher"] == pytest.approx(0.5, abs=0.02)
    assert metrics["systems"]["student"]["value"] == pytest.approx(0.5, abs=0.1)
    assert metrics["systems"]["start"]["value"] < 0.02


def test_intervals_cover_the_truth_as_often_as_they_say():
    # Paired errors with a difficulty that both systems share; the truth is two points.
    rng = np.random.default_rng(1)
    covered, n_runs = 0, 120
    for _ in range(n_runs):
        hard = rng.gamma(1.0, 1.0, 150)
        teacher, student = (rng.poisson(12 * rate * hard) for rate in (0.03, 0.05))
        sentences = [
            Sentence(str(i), "", "", {"teacher": make_measurement(int(t), 12), "student": make_measurement(int(s), 12)})
            for i, (t, s) in enumerate(zip(teacher, student, strict=True))
        ]
        rows = add_similarity(sentences)
        entry = Comparer(400, 0, {}).compare(rows, ["student"], ["wer"])["wer"]["systems"]["student"]
        covered += entry["lo"] <= 0.02 <= entry["hi"]
    # 95 % within three standard errors of so many runs.
    assert covered / n_runs == pytest.approx(0.95, abs=0.06)
