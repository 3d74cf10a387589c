"""Whether every part can learn: one clip, seen whole, until the student says it by heart.

python benchmarks/overfit.py [--steps 600] [--frames 48] [--set train.learning_rate=0.001 ...]

From the packaged voice, preset medium, without a discriminator; the mel loss is that of the generator's own output.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from alone import make_module

from ttsd.config import load_config
from ttsd.data.audio import resample
from ttsd.data.phonemes import phonemize
from ttsd.teachers.pico import SAMPLE_RATE, PicoTeacher
from ttsd.training.batch import Batch, TrainingUtterance
from ttsd.training.completion import complete_student
from ttsd.training.pitch import measure_pitch
from ttsd.training.start import load_start

TEXT = "Water boils."
SETTINGS = (
    "train.learning_rate=0.001", "train.log_every_steps=100000", "train.warmup_steps=20", "model.posterior_layers=6",
    "train.final_learning_rate_ratio=0.01", "train.completion.n_utterances=1", "train.completion.max_steps=100",
    "train.completion.crop_frames=32", "train.loss_weights.kl=0.1",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    options = parser.parse_args()
    # One more than are taken: the last one would print its own line.
    sizes = (f"train.max_steps={options.steps + 1}", f"train.segment_frames={options.frames}")
    config = load_config(None, [*SETTINGS, *sizes, *options.settings])
    hop = config.audio.hop_length
    speech = PicoTeacher(config.generate.pico).speak(TEXT, 0)
    wav = resample(speech.wav, SAMPLE_RATE, config.audio.sample_rate)[: options.frames * hop]
    if wav.size < options.frames * hop:
        parser.error(f"--frames: the clip has {wav.size // hop}")
    torch.manual_seed(0)
    start = load_start(config)
    symbol_ids = tuple(start.symbols.encode(phonemize(TEXT, config.language)))
    with tempfile.TemporaryDirectory() as folder:
        one = TrainingUtterance("one", Path(folder), symbol_ids, options.frames, TEXT)
        complete_student(start, [one], Path(folder), config, lambda *_: None)
    batch = Batch(
        ids=["one"],
        symbol_ids=torch.tensor([symbol_ids]),
        symbol_lengths=torch.tensor([len(symbol_ids)]),
        wav=torch.from_numpy(wav).unsqueeze(0),
        frame_lengths=torch.tensor([options.frames]),
        f0_hz=torch.from_numpy(measure_pitch(wav, config.audio)).unsqueeze(0),
    )
    module = make_module(start.student, config)
    first = 0.0
    for step in range(options.steps):
        module._sums = {}
        module.training_step(batch, 0)
        loss = float(module._sums["loss_mel"]) / config.train.loss_weights.mel
        first = first or loss
        if step == 0 or (step + 1) % max(1, options.steps // 10) == 0:
            print(f"step {step + 1:5}   mel {loss:.3f}   of the first {loss / first:.3f}", flush=True)


if __name__ == "__main__":
    main()
