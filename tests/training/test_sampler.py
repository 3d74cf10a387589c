"""Batches: every utterance once an epoch, in new company, and the same after a resume."""

import itertools
import random

from ttsd.training.sampler import EndlessBatches, epoch_batches

_RNG = random.Random(5)
LENGTHS = [_RNG.randint(60, 1200) for _ in range(203)]


def test_an_epoch_holds_every_utterance_once() -> None:
    batches = epoch_batches(LENGTHS, 8, None, seed=1, epoch=0)
    assert sorted(itertools.chain(*batches)) == list(range(203))
    assert max(map(len, batches)) == 8


def test_epochs_differ_and_seeds_repeat() -> None:
    assert epoch_batches(LENGTHS, 8, None, 1, 0) == epoch_batches(LENGTHS, 8, None, 1, 0)
    assert epoch_batches(LENGTHS, 8, None, 1, 0) != epoch_batches(LENGTHS, 8, None, 1, 1)
    assert epoch_batches(LENGTHS, 8, None, 1, 0) != epoch_batches(LENGTHS, 8, None, 2, 0)
    companies = [{frozenset(batch) for batch in epoch_batches(LENGTHS, 8, None, 1, epoch)} for epoch in (0, 1)]
    # With so few clips a batch may be the same by chance.
    assert len(companies[0] & companies[1]) < 3


def test_bucketing_pads_less_than_chance() -> None:
    def waste(batches: list[list[int]]) -> float:
        padded = sum(max(LENGTHS[i] for i in batch) * len(batch) for batch in batches)
        return 1 - sum(LENGTHS) / padded

    order = list(range(203))
    random.Random(0).shuffle(order)
    by_chance = [order[i : i + 8] for i in range(0, 203, 8)]
    assert waste(epoch_batches(LENGTHS, 8, None, 1, 0)) < waste(by_chance) / 2


def test_a_resumed_run_sees_the_same_batches() -> None:
    whole = list(itertools.islice(EndlessBatches(LENGTHS, 8, None, 1, 0), 70))
    for start in (1, 25, 26, 27, 60):
        resumed = list(itertools.islice(EndlessBatches(LENGTHS, 8, None, 1, start), 70 - start))
        assert resumed == whole[start:]


def test_no_batch_is_over_its_budget_of_frames() -> None:
    batches = epoch_batches(LENGTHS, 100, 4000, 1, 0)
    assert sorted(itertools.chain(*batches)) == list(range(203))
    costs = [len(batch) * max(LENGTHS[i] for i in batch) for batch in batches]
    assert max(costs) <= 4000
    assert sum(costs) / len(costs) > 3000


def test_a_clip_longer_than_the_budget_is_alone() -> None:
    batches = epoch_batches([100, 100, 900, 100], 100, 400, 1, 0)
    assert [2] in batches


def test_processes_share_every_batch() -> None:
    joint = list(itertools.islice(EndlessBatches(LENGTHS, 8, 3000, 1, 0, 0, 1), 10))
    assert joint != list(itertools.islice(EndlessBatches(LENGTHS, 8, 3000, 1, 0, 0, 2), 10))
    shares = [list(itertools.islice(EndlessBatches(LENGTHS, 8, 3000, 1, 0, rank, 2), 60)) for rank in (0, 1)]
    n_batches = len(epoch_batches(LENGTHS, 8, 3000, 1, 0, 2))
    seen = list(itertools.chain(*shares[0][:n_batches], *shares[1][:n_batches]))
    assert set(seen) == set(range(203))
    assert len(seen) <= 204
    for one, other in zip(*shares, strict=True):
        assert one
        assert other
        assert abs(len(one) - len(other)) <= 1
        for share in (one, other):
            assert len(share) <= 8
            assert len(share) * max(LENGTHS[i] for i in share) <= 3000
    resumed = list(itertools.islice(EndlessBatches(LENGTHS, 8, 3000, 1, 37, 1, 2), 23))
    assert resumed == shares[1][37:]
