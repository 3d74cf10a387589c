"""The `source_filter` decoder against the HiFi-GAN of preset `medium`: speech, and a training step, on one thread.

python benchmarks/decoder_speed.py
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ttsd.config import Config, ModelConfig
from ttsd.model.vits import build_vits

N_ROUNDS = 5
N_SYMBOLS = 64


def time_s(work: Callable[[], None]) -> float:
    """Return seconds for one round of work, after one to warm up."""
    work()
    start_s = time.perf_counter()
    for _ in range(N_ROUNDS):
        work()
    return (time.perf_counter() - start_s) / N_ROUNDS


def decode(decoder: nn.Module, z: Tensor) -> None:
    with torch.inference_mode():
        decoder(z)


def step(decoder: nn.Module, z: Tensor) -> None:
    decoder.zero_grad(set_to_none=True)
    decoder(z).square().mean().backward()


def main() -> None:
    torch.set_num_threads(1)
    audio = Config().audio
    # Arithmetic does not depend on the weights' values.
    decoders = {
        name: build_vits(ModelConfig(decoder=name), audio, N_SYMBOLS).waveform_decoder
        for name in ("hifigan", "source_filter")
    }
    clip_s = 5
    clip = torch.randn(1, 192, clip_s * audio.sample_rate // audio.hop_length)
    windows = torch.randn(16, 192, 32)
    spoken = {name: time_s(lambda d=decoder: decode(d, clip)) / clip_s for name, decoder in decoders.items()}
    learnt = {name: time_s(lambda d=decoder: step(d, windows)) for name, decoder in decoders.items()}
    for name, decoder in decoders.items():
        n_parameters = sum(parameter.numel() for parameter in decoder.parameters())
        print(
            f"{name:13s} {n_parameters / 1e6:.1f} M parameters   speech {spoken[name]:.4f} x real time   "
            f"step of 16 windows {learnt[name]:.2f} s"
        )
    ratios = [took["hifigan"] / took["source_filter"] for took in (spoken, learnt)]
    print(f"ratio         speech {ratios[0]:.1f}   step {ratios[1]:.1f}")


if __name__ == "__main__":
    main()
