"""Which utterances make up batch number n: a function of the seed and n, so that a resumed run goes on exactly."""

import random
from collections.abc import Iterator, Sequence

from ttsd.utils.seeds import derive_seed

_SPREAD = 0.04
"""Utterances are sorted by a length that is off by up to this share: little padding, and new company every epoch."""


def epoch_batches(
    lengths: Sequence[int], batch_size: int, batch_frames: int | None, seed: int, epoch: int, world_size: int = 1
) -> list[list[int]]:
    """Return the batches of one epoch: every utterance once, neighbours of like length, in random order.

    Args:
        lengths: Length of every utterance, in frames.
        batch_size: Most utterances in a process's share of a batch.
        batch_frames: Most frames in it, padding included; none has no such limit. An utterance that is longer by itself
            makes a batch of its own.
        seed: The run's seed.
        epoch: Number of the epoch, from 0.
        world_size: Processes that share a batch, every so many-th utterance to each. Where an epoch's last batch is
            too small for all, it is filled up with others.
    """
    rng = random.Random(derive_seed(seed, "epoch", epoch))
    spread = [length * rng.uniform(1 - _SPREAD, 1 + _SPREAD) for length in lengths]
    batches: list[list[int]] = []
    batch: list[int] = []
    # The first one may be smaller, so that the cuts fall elsewhere every epoch.
    longest, most = 0, rng.randint(1, batch_size)
    for i in sorted(range(len(lengths)), key=spread.__getitem__):
        share = -(-(len(batch) + 1) // world_size)
        is_over = batch_frames is not None and max(longest, lengths[i]) * share > batch_frames
        if batch and (share > most or (is_over and len(batch) >= world_size)):
            batches.append(batch)
            batch, longest, most = [], 0, batch_size
        batch.append(i)
        longest = max(longest, lengths[i])
    batches.append(batch)
    while len(batches[-1]) < world_size:
        batches[-1].append(rng.randrange(len(lengths)))
    rng.shuffle(batches)
    return batches


class EndlessBatches:
    """A process's share of the batches from a given step on, epoch after epoch."""

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        batch_frames: int | None,
        seed: int,
        start_step: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._epoch_settings = lengths, batch_size, batch_frames, seed
        self.start_step = start_step
        self.rank = rank
        self.world_size = world_size

    def __iter__(self) -> Iterator[list[int]]:
        """Yield lists of indices, without end."""
        epoch, skip = 0, self.start_step
        while True:
            batches = epoch_batches(*self._epoch_settings, epoch, self.world_size)
            for batch in batches[skip:]:
                yield batch[self.rank :: self.world_size]
            epoch, skip = epoch + 1, max(skip - len(batches), 0)
