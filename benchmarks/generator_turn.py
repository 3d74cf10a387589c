"""What freezing the discriminator in the generator's turn saves, on the same batch.

python benchmarks/generator_turn.py
"""

import contextlib
import time

import torch

from ttsd.config import load_config
from ttsd.model.vits import build_vits
from ttsd.training import vits_module
from ttsd.training.batch import Batch
from ttsd.training.vits_module import VitsModule

N_ROUNDS = 3


def time_turn_s(module: VitsModule, batch: Batch) -> float:
    """Return seconds for one generator turn and its backward pass, the best of several."""
    best = float("inf")
    for _ in range(N_ROUNDS):
        outputs, mel = module.forward_generator(batch)
        start_s = time.perf_counter()
        torch.stack(list(module.generator_losses(outputs, mel, batch).values())).sum().backward()
        best = min(best, time.perf_counter() - start_s)
    return best


def main() -> None:
    config = load_config(None, ["train.adversarial_start_step=0"])
    module = VitsModule(build_vits(config.model, config.audio, 100, discriminator=True), config)
    batch = Batch(
        ids=["a", "b"],
        symbol_ids=torch.randint(1, 100, (2, 80)),
        symbol_lengths=torch.tensor([80, 80]),
        wav=torch.rand(2, 256 * 200) - 0.5,
        frame_lengths=torch.tensor([200, 200]),
    )
    frozen_s = time_turn_s(module, batch)
    vits_module._frozen = lambda _: contextlib.nullcontext()
    unfrozen_s = time_turn_s(module, batch)
    print(f"generator turn, discriminator frozen    {frozen_s:.2f} s")
    print(f"generator turn, discriminator unfrozen  {unfrozen_s:.2f} s")
    print(f"ratio                                   {frozen_s / unfrozen_s:.2f}")


if __name__ == "__main__":
    main()
