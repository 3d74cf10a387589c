"""Which utterances make up batch number n: a function of the seed and n, so that a resumed run goes on exactly."""

import random
from collections.abc import Iterator, Sequence

from ttsd.utils.seeds import derive_seed

# Batches are cut from this many batches' worth of shuffled utterances sorted by length: little padding, new company
# every epoch.
_POOL_BATCHES = 8


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the batches of one epoch: every utterance once, neighbours of like length, in random order.

    Args:
        lengths: Length of every utterance, in frames.
        batch_size: Utterances in a batch; the epoch's last batch may hold fewer.
        seed: The run's seed.
        epoch: Number of the epoch, from 0.
    """
    rng = random.Random(derive_seed(seed, "epoch", epoch))
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = batch_size * _POOL_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        chunk = sorted(order[start : start + pool], key=lambda i: lengths[i])
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    rng.shuffle(batches)
    return batches


class EndlessBatches:
    """Batches from a given step on, epoch after epoch."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, start_step: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.start_step = start_step

    def __iter__(self) -> Iterator[list[int]]:
        """Yield lists of indices, without end."""
        # Every epoch has as many batches as the first.
        n_batches = len(epoch_batches(self.lengths, self.batch_size, self.seed, 0))
        epoch, skip = divmod(self.start_step, n_batches)
        while True:
            yield from epoch_batches(self.lengths, self.batch_size, self.seed, epoch)[skip:]
            epoch, skip = epoch + 1, 0
