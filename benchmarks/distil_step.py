"""Steps of a compact voice's training, phase by phase; and those of its discriminator with the channels innermost.

python benchmarks/distil_step.py [--preset compact] [--precisions 32-true bf16-mixed] [--threads 2]

`joe` speaks a few sentences for it. A processor without instructions for bfloat16 takes minutes over `bf16-mixed`.
Joint and polish hear the teacher's latents and the front end's in turns.
"""

import argparse
import tempfile
from pathlib import Path
from unittest import mock

import torch
from black_box import ROOT

from ttsd.config import Config, load_config
from ttsd.model import small_discriminator
from ttsd.model.compact import GEOMETRIES, CompactVoice
from ttsd.training.compact_run import read_sentences
from ttsd.training.distil_rehearsal import time_step_s
from ttsd.training.distillation import PHASES, make_phases
from ttsd.training.phase import Turns
from ttsd.training.rendering import load_teacher, render

N_SENTENCES = 32
N_STEPS = 6


def prepare(configs: dict[str, Config]) -> dict[str, dict[str, Turns]]:
    """Return the turns of every phase, by the precision."""
    config = next(iter(configs.values()))
    teacher = load_teacher(config)
    with tempfile.TemporaryDirectory() as cache:
        sentences = read_sentences(ROOT / "examples/sentences.txt", config, teacher.symbols, Path(cache))
        renderings = render(teacher, sentences[:N_SENTENCES], config, Path(cache), lambda *_: None)
    student = CompactVoice(GEOMETRIES[config.model.preset], config.audio, teacher.symbols.n_symbols)
    turns: dict[str, dict[str, Turns]] = {name: {} for name in PHASES}
    for precision, settings in configs.items():
        for name, (_, phase) in make_phases(student, teacher.vits, renderings, settings, lambda *_: None).items():
            turns[name][precision] = phase
    return turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=GEOMETRIES, default="compact")
    parser.add_argument("--precisions", nargs="+", default=["32-true", "bf16-mixed"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = ROOT / "configs/compact_distill.yaml"
    configs = {
        precision: load_config(recipe, [f"model.preset={options.preset}", f"train.precision={precision}"])
        for precision in options.precisions
    }
    phases = prepare(configs)
    print("| phase |", " | ".join(f"{precision}, s" for precision in configs), "|")
    print("|---" * (len(configs) + 1) + "|")
    for name, turns in phases.items():
        print(f"| {name} |", " | ".join(f"{time_step_s(turns[precision], N_STEPS):.2f}" for precision in configs), "|")
    polish = phases["polish"][options.precisions[0]]
    with mock.patch.object(small_discriminator, "_convolve", lambda layer, x: layer(x)):
        before_s = time_step_s(polish, N_STEPS)
    ratio = before_s / time_step_s(polish, N_STEPS)
    print(f"polish with the channels outermost: {before_s:.2f} s, {ratio:.2f} times as long")


if __name__ == "__main__":
    main()
