"""A training step of ttsd against coqui's own, and the alignment search against the published kernel.

python benchmarks/train_step.py [--preset medium] [--clips 4] [--frames 300] [--segment 32] [--rounds 6]

Both steps see the same batch with the same weights, losses and precision, on all cores: spectrograms, discriminator
turn, generator turn, clipping and AdamW. Rounds alternate, and the best of each counts.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from alone import make_module
from monotonic_alignment_search import maximum_path
from torch import Tensor
from TTS.tts.layers.losses import VitsDiscriminatorLoss, VitsGeneratorLoss
from TTS.tts.models.vits import Vits as CoquiVits

from ttsd.config import Config, load_config
from ttsd.model.alignment import align_frames
from ttsd.model.vits import build_vits, generator_parameters
from ttsd.training.batch import Batch

N_SYMBOLS = 100


def make_batch(n_clips: int, n_frames: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    frame_lengths = torch.linspace(n_frames, 0.9 * n_frames, n_clips).long()
    symbol_lengths = frame_lengths // 3
    wav = (torch.rand(n_clips, n_frames * 256, generator=generator) - 0.5) * 0.3
    return Batch(
        ids=[str(i) for i in range(n_clips)],
        symbol_ids=torch.randint(1, N_SYMBOLS, (n_clips, int(symbol_lengths.max())), generator=generator),
        symbol_lengths=symbol_lengths,
        wav=wav * (torch.arange(wav.shape[1]) < 256 * frame_lengths.unsqueeze(1)),
        frame_lengths=frame_lengths,
        f0_hz=torch.zeros(n_clips, n_frames),
    )


def our_step(config: Config, batch: Batch) -> Callable[[], dict[str, float]]:
    torch.manual_seed(0)
    student = build_vits(
        config.model, config.audio, N_SYMBOLS, discriminator=config.train.adversarial_start_step is not None
    )
    module = make_module(student, config)

    def step() -> dict[str, float]:
        module.step = 0
        module._sums = {}
        torch.manual_seed(0)
        module.training_step(batch, 0)
        return {name.removeprefix("loss_"): float(value) for name, value in module._sums.items() if "loss" in name}

    return step


def coquis_step(config: Config, batch: Batch) -> Callable[[], dict[str, float]]:
    torch.manual_seed(0)
    student = build_vits(config.model, config.audio, N_SYMBOLS, discriminator=True).train()
    train = config.train
    student.spec_segment_size = train.segment_frames
    groups = [list(student.disc.parameters()), list(generator_parameters(student).values())]
    # As coqui's trainer makes them: its defaults, not fused.
    optimizers = [torch.optim.AdamW(group, lr=train.learning_rate, betas=(0.8, 0.99), eps=1e-9) for group in groups]
    criteria = [VitsDiscriminatorLoss(student.config), VitsGeneratorLoss(student.config)]

    def step() -> dict[str, float]:
        # Seeded as ours, whose number of the step gives its seed.
        torch.manual_seed(0)
        prepared: dict[str, Any] = {
            "tokens": batch.symbol_ids, "token_lens": batch.symbol_lengths, "waveform": batch.wav.unsqueeze(1),
            "waveform_rel_lens": batch.frame_lengths / batch.wav.shape[1] * 256, "d_vectors": None,
            "speaker_ids": None, "language_ids": None,
        }  # fmt: skip
        prepared = CoquiVits.format_batch_on_device(student, prepared)
        losses: dict[str, float] = {}
        for turn, (optimizer, group, criterion) in enumerate(zip(optimizers, groups, criteria, strict=True)):
            _, told = CoquiVits.train_step(student, prepared, criterion, turn)
            optimizer.zero_grad()
            told["loss"].backward()
            torch.nn.utils.clip_grad_norm_(group, train.grad_clip_norm)
            optimizer.step()
            # Its trainer asks for every loss after every turn.
            losses |= {name: float(torch.as_tensor(value).detach()) for name, value in told.items()}
        return losses

    return step


def best_s(work: list[Callable[[], Any]], rounds: int) -> list[float]:
    best = [float("inf")] * len(work)
    for _ in range(rounds):
        for i, one in enumerate(work):
            start_s = time.perf_counter()
            one()
            best[i] = min(best[i], time.perf_counter() - start_s)
    return best


def compare_alignment(rounds: int) -> None:
    generator = torch.Generator().manual_seed(0)
    n_clips, n_symbols, n_frames = 16, 200, 600
    lengths = torch.full((n_clips,), n_symbols), torch.full((n_clips,), n_frames)
    values: Tensor = 3 * torch.randn(n_clips, n_symbols, n_frames, generator=generator)
    mask = torch.ones_like(values)
    # Each in the order in which its likelihoods are made.
    by_frames = values.transpose(1, 2).contiguous()
    same = torch.equal(align_frames(by_frames, *lengths), maximum_path(values, mask).argmax(1))
    ours, theirs = best_s([lambda: align_frames(by_frames, *lengths), lambda: maximum_path(values, mask)], 5 * rounds)
    print(f"alignment of {n_clips} clips     {1000 * ours:.1f} ms, the wheel's kernel {1000 * theirs:.1f} ms, ", end="")
    n_threads = torch.get_num_threads()
    print(f"ratio {theirs / ours:.1f} on {n_threads} threads (bar {n_threads}); equal paths: {same}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="medium", choices=("medium", "high"))
    parser.add_argument("--durations", default="stochastic", choices=("stochastic", "deterministic"))
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--segment", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    config = load_config(
        None,
        [
            f"model.preset={options.preset}", f"model.duration_predictor={options.durations}",
            f"train.segment_frames={options.segment}", "train.adversarial_start_step=0", "train.max_steps=1000",
            "train.log_every_steps=1000", "train.warmup_steps=0",
        ],
    )  # fmt: skip
    batch = make_batch(options.clips, options.frames)
    steps = [our_step(config, batch), coquis_step(config, batch)]
    ours, theirs = best_s(steps, options.rounds)
    print(f"{options.preset}, {options.clips} clips of {options.frames} frames, slices of {options.segment}")
    print(f"step of ttsd                {ours:.3f} s")
    print(f"step of coqui               {theirs:.3f} s")
    print(f"ratio                       {theirs / ours:.2f} (bar 1.2)")
    compare_alignment(options.rounds)


if __name__ == "__main__":
    main()
