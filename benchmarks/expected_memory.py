"""The memory that the settings for a large card will take, by the formula that `ttsd train --check` prints.

python benchmarks/expected_memory.py [configs/vits_rtx6000.yaml ...]
"""

import argparse
from pathlib import Path

from ttsd.config import load_config
from ttsd.data.symbols import SymbolTable
from ttsd.model.vits import build_vits
from ttsd.training.memory import estimate_memory

ROOT = Path(__file__).resolve().parents[1]
GB = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    presets = [ROOT / "configs/vits_rtx6000.yaml", ROOT / "configs/vits_rtx6000_medium.yaml"]
    parser.add_argument("configs", nargs="*", type=Path, default=presets)
    for path in parser.parse_args().configs:
        for precision in ("bf16-mixed", "32-true"):
            config = load_config(path, [f"train.precision={precision}"])
            train = config.train
            n_frames = train.batch_frames or 0
            n_slice_frames = train.batch_size * train.segment_frames
            symbols = SymbolTable.default()
            student = build_vits(config.model, config.audio, symbols.n_symbols, discriminator=True)
            memory = estimate_memory(student, config)
            shares = (
                memory.weights, memory.training, n_frames * memory.per_frame, n_slice_frames * memory.per_slice_frame,
                memory.expect(n_frames, n_slice_frames),
            )  # fmt: skip
            cells = " | ".join(f"{share / GB:.1f} GB" for share in shares)
            print(f"| `{config.model.preset}` | {precision} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
