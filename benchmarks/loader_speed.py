"""How fast batches come against how fast a step takes them, on one corpus.

python benchmarks/loader_speed.py [--corpus datasets/demo/curated] [--batches 40] [--batch-size 4]

Both see the same batches of the corpus's training utterances: read from the decoded clips and padded, by the training
process itself; and a step of preset medium without a discriminator, the cheapest there is.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from alone import make_module

from ttsd.config import load_config
from ttsd.data.corpus import read_corpus
from ttsd.data.symbols import SymbolTable
from ttsd.model.vits import build_vits
from ttsd.training.datamodule import CorpusDataModule, prepare_data

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=ROOT / "datasets/demo/curated")
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=4)
    options = parser.parse_args()
    config = load_config(None, [f"train.batch_size={options.batch_size}", "train.log_every_steps=100000"])
    symbols = SymbolTable.default()
    with tempfile.TemporaryDirectory() as folder:
        data = prepare_data(read_corpus(options.corpus), config, symbols, Path(folder))
        data.store.fill(lambda *_: None)
        loader = iter(CorpusDataModule(data, config, 0).train_dataloader())
        batches, times = [], []
        for _ in range(options.batches):
            start_s = time.perf_counter()
            batches.append(next(loader))
            times.append(time.perf_counter() - start_s)
        module = make_module(build_vits(config.model, config.audio, symbols.n_symbols), config)
        steps = []
        for batch in batches[: max(4, options.batches // 8)]:
            start_s = time.perf_counter()
            module.training_step(batch, 0)
            steps.append(time.perf_counter() - start_s)
    loader_s, step_s = (float(torch.tensor(values).median()) for values in (times, steps))
    print(f"a batch of {options.batch_size} clips   {1000 * loader_s:.1f} ms")
    print(f"a step on it         {1000 * step_s:.0f} ms")
    print(f"ratio                {step_s / loader_s:.0f} (bar 5)")


if __name__ == "__main__":
    main()
