"""How much of a batch is padding: length-bucketed batches against batches by chance.

python benchmarks/padding_waste.py [CORPUS]      default: datasets/demo/curated
"""

import random
import sys
from pathlib import Path

from ttsd.data.corpus import read_corpus
from ttsd.training.sampler import epoch_batches

SEED = 0


def padding(batches: list[list[int]], lengths: list[float]) -> float:
    """Return the share of a batch's frames that is padding, over an epoch."""
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    return 1 - sum(lengths[i] for batch in batches for i in batch) / padded


def main() -> None:
    corpus = read_corpus(Path(sys.argv[1] if len(sys.argv) > 1 else "datasets/demo/curated"))
    lengths = [utterance.duration_s or 0.0 for utterance in corpus.utterances]
    print(f"{len(lengths)} clips of {corpus.root}")
    for batch_size in (2, 4, 16, 64):
        order = list(range(len(lengths)))
        random.Random(SEED).shuffle(order)
        by_chance = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        bucketed = epoch_batches(lengths, batch_size, SEED, 0)
        chance, ours = padding(by_chance, lengths), padding(bucketed, lengths)
        print(f"batch of {batch_size:2}: {ours:6.1%} padding, by chance {chance:6.1%}; ratio {ours / chance:.2f}")


if __name__ == "__main__":
    main()
