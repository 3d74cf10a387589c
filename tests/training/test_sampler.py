"""Batches: every utterance once an epoch, in new company, and the same after a resume."""

import itertools
import random

from ttsd.training.sampler import EndlessBatches, epoch_batches

_RNG = random.Random(5)
LENGTHS = [_RNG.randint(60, 1200) for _ in range(203)]


def test_an_epoch_holds_every_utterance_once() -> None:
    batches = epoch_batches(LENGTHS, 8, seed=1, epoch=0)
    assert sorted(itertools.chain(*batches)) == list(range(203))
    assert max(map(len, batches)) == 8


def test_epochs_differ_and_seeds_repeat() -> None:
    assert epoch_batches(LENGTHS, 8, 1, 0) == epoch_batches(LENGTHS, 8, 1, 0)
    assert epoch_batches(LENGTHS, 8, 1, 0) != epoch_batches(LENGTHS, 8, 1, 1)
    assert epoch_batches(LENGTHS, 8, 1, 0) != epoch_batches(LENGTHS, 8, 2, 0)
    companies = [{frozenset(batch) for batch in epoch_batches(LENGTHS, 8, 1, epoch)} for epoch in (0, 1)]
    assert not companies[0] & companies[1]


def test_bucketing_pads_less_than_chance() -> None:
    def waste(batches: list[list[int]]) -> float:
        padded = sum(max(LENGTHS[i] for i in batch) * len(batch) for batch in batches)
        return 1 - sum(LENGTHS) / padded

    order = list(range(203))
    random.Random(0).shuffle(order)
    by_chance = [order[i : i + 8] for i in range(0, 203, 8)]
    assert waste(epoch_batches(LENGTHS, 8, 1, 0)) < waste(by_chance) / 2


def test_a_resumed_run_sees_the_same_batches() -> None:
    whole = list(itertools.islice(EndlessBatches(LENGTHS, 8, 1, 0), 70))
    for start in (1, 25, 26, 27, 60):
        resumed = list(itertools.islice(EndlessBatches(LENGTHS, 8, 1, start), 70 - start))
        assert resumed == whole[start:]
