"""The bootstrap against scipy's, and its coverage by simulation."""

import numpy as np
import pytest
import scipy.stats

from ttsd.metrics.statistics import gap_closed, paired_bootstrap, rate, rate_difference


def make_errors(rng, n, p_student=0.09, p_teacher=0.05):
    words = rng.integers(5, 20, n)
    return np.stack([rng.binomial(words, p_student), words, rng.binomial(words, p_teacher), words], axis=1).astype(
        float
    )


def test_the_interval_of_a_rate_difference_is_that_of_scipy():
    table = make_errors(np.random.default_rng(1), 80)
    ours = paired_bootstrap(table, rate_difference, n_resamples=20000, seed=0)

    def statistic(a, b, c, d, axis=-1):
        return a.sum(axis=axis) / b.sum(axis=axis) - c.sum(axis=axis) / d.sum(axis=axis)

    theirs = scipy.stats.bootstrap(
        tuple(table.T), statistic, paired=True, n_resamples=20000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.estimate == pytest.approx(statistic(*table.T))
    assert ours.lo == pytest.approx(theirs.low, abs=0.04 * width)
    assert ours.hi == pytest.approx(theirs.high, abs=0.04 * width)


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(2).normal(5, 1, 60)
    ours = paired_bootstrap(np.stack([values, np.ones(60)], axis=1), rate, n_resamples=20000, seed=0)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (ours.lo, ours.hi) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_nineteen_of_twenty_intervals_hold_the_true_difference():
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(400):
        interval = paired_bootstrap(make_errors(rng, 60), rate_difference, n_resamples=500, seed=trial)
        hits += interval.lo <= 0.04 <= interval.hi
    # 95 % of 400 is 380; the standard deviation is 4.4, and percentile intervals cover a little less at 60 sentences.
    assert 364 <= hits <= 395


def test_pairing_narrows_the_interval_of_what_sentences_share():
    rng = np.random.default_rng(4)
    hard = rng.normal(0, 1, 100)
    paired = np.stack([hard + rng.normal(0.5, 0.1, 100), np.ones(100), hard, np.ones(100)], axis=1)
    shuffled = paired.copy()
    shuffled[:, 2] = rng.permutation(hard)
    widths = []
    for table in (paired, shuffled):
        interval = paired_bootstrap(table, rate_difference, n_resamples=2000, seed=0)
        widths.append(interval.hi - interval.lo)
    assert widths[0] < widths[1] / 5


def test_equal_systems_have_no_difference_at_all():
    table = make_errors(np.random.default_rng(5), 40)
    table[:, :2] = table[:, 2:]
    interval = paired_bootstrap(table, rate_difference, n_resamples=1000, seed=0)
    assert (interval.estimate, interval.lo, interval.hi, interval.n) == (0, 0, 0, 40)


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not():
    table = make_errors(np.random.default_rng(6), 40)
    first, again, other = (paired_bootstrap(table, rate_difference, n_resamples=1500, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_the_gap_closed_is_the_share_of_the_way():
    table = np.array([[0.9, 0.5, 1.0], [0.8, 0.4, 0.9]])
    interval = paired_bootstrap(table, gap_closed, n_resamples=1000, seed=0)
    assert interval.estimate == pytest.approx(0.8)
    assert interval.lo == pytest.approx(0.8)


def test_a_gap_that_is_not_there_cannot_be_closed():
    interval = paired_bootstrap(np.array([[0.9, 1.0, 0.9], [0.8, 0.9, 0.9]]), gap_closed, n_resamples=100, seed=0)
    assert (interval.estimate, interval.lo, interval.hi) == (None, None, None)


def test_a_gap_that_some_resamples_lack_has_no_interval():
    interval = paired_bootstrap(np.array([[0.6, 0.5, 0.9], [0.6, 0.8, 0.7]]), gap_closed, n_resamples=500, seed=0)
    assert interval.estimate == pytest.approx(-1 / 3)
    assert (interval.lo, interval.hi) == (None, None)


@pytest.mark.parametrize(("n", "estimate"), [(0, None), (1, 0.5)])
def test_one_sentence_has_no_interval(n, estimate):
    interval = paired_bootstrap(np.array([[1.0, 2.0]] * n).reshape(n, 2), rate, n_resamples=100, seed=0)
    assert (interval.estimate, interval.lo, interval.hi, interval.n) == (estimate, None, None, n)
