"""Steps of a compact voice's training, phase by phase; and those of its discriminator with the channels innermost.

python benchmarks/distil_step.py [--preset compact] [--precisions 32-true bf16-mixed] [--threads 2]

`joe` speaks a few sentences for it. A processor without instructions for bfloat16 takes minutes over `bf16-mixed`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import torch
from black_box import ROOT
from torch import Tensor, nn

from ttsd.config import Config, load_config
from ttsd.data.phonemes import phonemize
from ttsd.data.text import normalize_text
from ttsd.model import small_discriminator
from ttsd.model.compact import GEOMETRIES, N_LATENTS, CompactVoice
from ttsd.model.small_discriminator import SmallDiscriminator
from ttsd.training.batch import TrainingUtterance
from ttsd.training.decoder import learn, polish
from ttsd.training.distillation import learn_front_end
from ttsd.training.hint import make_hint, read_texts
from ttsd.training.rendering import load_teacher, render
from ttsd.training.windows import long_enough

N_SENTENCES = 32
N_STEPS = 5
CPU = torch.device("cpu")
Turns = Callable[[Config, int], Iterator[tuple[str, Tensor]]]


def prepare(config: Config) -> dict[str, Turns]:
    """Return the turns of every phase."""
    teacher = load_teacher(config)
    sentences = (ROOT / "examples/sentences.txt").read_text().splitlines()[:N_SENTENCES]
    utterances = []
    for number, sentence in enumerate(sentences):
        symbol_ids = teacher.symbols.encode(phonemize(normalize_text(sentence)))
        utterances.append(TrainingUtterance(str(number), Path(), tuple(symbol_ids), 0, sentence))
    with tempfile.TemporaryDirectory() as cache:
        renderings = render(teacher, utterances, config, Path(cache), lambda *_: None)
    texts = read_texts(teacher.vits, [one.symbol_ids for one in renderings])
    spoken = long_enough([(one.z, one.wav, one.f0_hz) for one in renderings], config.train.decoder.segment_frames, "")
    student = CompactVoice(GEOMETRIES[config.model.preset], config.audio, teacher.symbols.n_symbols)
    decoder, opponent = student.waveform_decoder, SmallDiscriminator()
    hint = make_hint(teacher.vits.waveform_decoder, decoder.fine_channels, [one.z for one in renderings])
    reading = nn.Conv1d(student.front_end.head.in_features, N_LATENTS, 1)
    order = sorted(range(N_SENTENCES), key=lambda i: renderings[i].z.shape[1])
    return {
        "front": lambda config, step: learn_front_end(
            student.front_end, renderings, order, config, CPU, step, reading, texts
        ),
        "decoder": lambda config, step: learn(decoder, spoken, config, CPU, step, hint=hint, phases=True),
        "joint, on the front end's latents": lambda config, step: learn(decoder, spoken, config, CPU, step),
        "polish": lambda config, step: polish(decoder, opponent, spoken, config, CPU, 1000 + step, phases=True),
    }


def time_step_s(turns: Turns, config: Config) -> float:
    """Return seconds for a step without its optimisers, after one to warm up."""
    for step in range(N_STEPS + 1):
        if step == 1:
            start_s = time.perf_counter()
        for _, loss in turns(config, step):
            loss.backward()
    return (time.perf_counter() - start_s) / N_STEPS


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
    phases = prepare(next(iter(configs.values())))
    print("| phase |", " | ".join(f"{precision}, s" for precision in configs), "|")
    print("|---" * (len(configs) + 1) + "|")
    for name, turns in phases.items():
        print(f"| {name} |", " | ".join(f"{time_step_s(turns, config):.2f}" for config in configs.values()), "|")
    plain = mock.patch.object(small_discriminator, "_convolve", lambda layer, x: layer(x))
    config = configs[options.precisions[0]]
    with plain:
        before_s = time_step_s(phases["polish"], config)
    ratio = before_s / time_step_s(phases["polish"], config)
    print(f"polish with the channels outermost: {before_s:.2f} s, {ratio:.2f} times as long")


if __name__ == "__main__":
    main()
