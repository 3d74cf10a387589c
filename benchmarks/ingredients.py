"""What each ingredient of a recipe is worth: one voice, learnt with and without it, all else equal.

python benchmarks/ingredients.py [--teacher pico-en-US] [--recipe configs/demo_cpu.yaml] [--work datasets/black_box]
    [--only NAME ...]

The trainings are a third as long as the recipe's; what differs between two rows of a table is the ingredient alone. The
corpora are those of black_box.py. Goes on where it was stopped.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from black_box import ROOT, TEACHERS, learn, prepare

from ttsd.config import load_config

SHARE = 3
"""The recipe's steps are divided by this."""
INGREDIENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "recipe": ("the recipe, shortened", ()),
    "posterior": ("without completion of the posterior encoder", ("train.completion.max_steps=0",)),
    "decoder": ("without completion of the decoder", ("train.completion.decoder_max_steps=0",)),
    "frozen": ("text encoder frozen", ('train.frozen=["text_encoder"]',)),
    "batch-2": ("batches of 2, twice as many", ("train.batch_size=2",)),
    "batch-8": ("batches of 8, half as many", ("train.batch_size=8",)),
    "ema": ("without averaged weights", ("train.ema_decay=0",)),
    "alone": ("without the decoder by itself", ("train.decoder.max_steps=0", "train.decoder.polish_max_steps=0")),
    "noise": ("noise in the latents", ("train.decoder.noise_scale=0.333", "synth.noise_scale=0.333")),
    "hifigan": ("HiFi-GAN decoder", ("model.decoder=hifigan",)),
    "polish": ("without the adversarial phase at its end", ("train.decoder.polish_max_steps=0",)),
}


def settings_of(name: str, recipe: Path) -> tuple[str, ...]:
    """Return the settings of a variant: the recipe's steps, shortened, and what is different."""
    train = load_config(recipe).train
    n_full, n_alone, n_polish = (
        steps // SHARE for steps in (train.max_steps, train.decoder.max_steps, train.decoder.polish_max_steps)
    )
    n_full = {"batch-2": 2 * n_full, "batch-8": n_full // 2}.get(name, n_full)
    return (
        f"train.max_steps={n_full}", f"train.checkpoint_every_steps={n_full}",
        f"train.decoder.max_steps={n_alone}", f"train.decoder.polish_max_steps={n_polish}", *INGREDIENTS[name][1],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", choices=TEACHERS, default="pico-en-US")
    parser.add_argument("--recipe", type=Path, default=ROOT / "configs/demo_cpu.yaml")
    parser.add_argument("--work", type=Path, default=ROOT / "datasets/black_box")
    parser.add_argument("--only", nargs="+", choices=INGREDIENTS, default=tuple(INGREDIENTS))
    options = parser.parse_args()
    folder = options.work / options.teacher
    curated = prepare(options.teacher, folder, minutes=20.0)
    rows = []
    for name in options.only:
        run = folder / f"ingredient-{name}"
        told = run.with_name(f"{run.name}.json")
        if not told.is_file():
            learn(options.recipe, curated, run, settings_of(name, options.recipe))
        rows.append((name, json.loads(told.read_text())))
    columns = ("", "minutes", "WER - teacher's", "CER - teacher's", "way to its voice", "DNSMOS - teacher's")
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for name, result in rows:
        print(f"| {INGREDIENTS[name][0]} | {describe(result)} |")


def describe(result: dict[str, Any]) -> str:
    """Return a row's cells."""
    deltas = [100 * (result[rate]["student"] - result[rate]["teacher"]) for rate in ("wer", "cer")]
    return (
        f"{result['train_s'] / 60:.0f} | {deltas[0]:+.1f} | {deltas[1]:+.1f} | {result['gap_closed']['value']:.1%} | "
        f"{result['dnsmos']['delta']:+.2f}"
    )


if __name__ == "__main__":
    main()
