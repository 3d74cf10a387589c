"""How much of a batch is padding: length-bucketed batches against batches by chance.

python benchmarks/padding_waste.py [CORPUS]      default: datasets/demo/curated
"""

import random
import sys
from pathlib import Path

from ttsd.data.corpus import read_corpus
from ttsd.training.sampler import epoch_batches

SEED = 0
FRAMES_PER_S = 22050 / 256


def padding(batches: list[list[int]], lengths: list[int]) -> float:
    """Return the share of a batch's frames that is padding, over an epoch."""
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    return 1 - sum(lengths[i] for batch in batches for i in batch) / padded


def main() -> None:
    corpus = read_corpus(Path(sys.argv[1] if len(sys.argv) > 1 else "datasets/demo/curated"))
    lengths = [round(FRAMES_PER_S * (utterance.duration_s or 0.0)) for utterance in corpus.utterances]
    print(f"{len(lengths)} clips of {corpus.root}, and ten corpora of its kind together (bar 5 % for the latter)")
    many = [round(length * random.Random(i).uniform(0.9, 1.1)) for i, length in enumerate(lengths * 10)]
    for batch_size, batch_frames in ((4, None), (16, None), (64, None), (64, 4000), (64, 24000)):
        budget = f", {batch_frames:5} frames" if batch_frames else ""
        shares = []
        for some in (lengths, many):
            ours = epoch_batches(some, batch_size, batch_frames, SEED, 0)
            order = list(range(len(some)))
            random.Random(SEED).shuffle(order)
            size = round(len(some) / len(ours))
            by_chance = [order[i : i + size] for i in range(0, len(order), size)]
            shares += [padding(ours, some), padding(by_chance, some)]
        print(
            f"batch of {batch_size:2}{budget:14}: {shares[0]:6.1%} padding, {shares[2]:5.1%} of ten corpora; "
            f"by chance {shares[1]:6.1%}, ratio {shares[0] / shares[1]:.2f}"
        )


if __name__ == "__main__":
    main()
