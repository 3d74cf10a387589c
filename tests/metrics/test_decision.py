"""The answer to whether a student may take the teacher's place."""

import pytest

from tests.evaluations import make_measurement, make_report, make_sentence


def decide(n, **student):
    figures = {"errors": 0, "mcd_db": 3.0, "voice": 0, "dnsmos": 3.0} | student
    sentences = [
        make_sentence(f"s{i}", student=make_measurement(**figures), teacher=make_measurement(errors=i % 3 == 0))
        for i in range(n)
    ]
    report, _ = make_report(sentences)
    return report.details["decisions"]["student"], report.details["metrics"]["wer"]["systems"]["student"]


def test_a_student_that_may_be_better_is_no_worse():
    decision, wer = decide(60)
    # Its interval reaches beyond the margin on the good side alone.
    assert wer["lo"] < -0.02
    assert decision["answer"] == "yes"
    assert [stand for _, _, stand in decision["reasons"]] == ["no worse"] * 3


@pytest.mark.parametrize("worse", [{"errors": 2}, {"voice": 1}, {"dnsmos": 2.5}])
def test_one_figure_that_is_worse_is_enough_for_a_no(worse):
    decision, _ = decide(60, **worse)
    assert decision["answer"] == "no"
    assert [stand for _, _, stand in decision["reasons"]].count("worse") == 1


def test_few_sentences_prove_nothing_good_and_something_bad():
    assert decide(20)[0]["answer"] == "unknown"
    assert decide(20, voice=1)[0]["answer"] == "no"


def test_a_figure_that_is_not_known_is_no_yes():
    assert decide(60, dnsmos=None)[0]["answer"] == "unknown"
