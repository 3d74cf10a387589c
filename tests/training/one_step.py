"""One step without chance, in one process or several; the gradients go into a file.

python -m tests.training.one_step N_PROCESSES FILE
"""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from ttsd.config import load_config
from ttsd.model.vits import build_vits
from ttsd.stages.train import find_strategy
from ttsd.training.batch import Batch
from ttsd.training.vits_module import VitsModule

SETTINGS = (
    "train.adversarial_start_step=0",
    "train.segment_frames=16",
    "model.posterior_layers=2",
    "train.max_steps=1",
)
LENGTHS = (((13, 40), (21, 66)), ((9, 33), (17, 48)), ((11, 52),))
"""Symbols and frames of the clips, by what one of two processes would hold of them; a third clip tips the balance."""


def make_batch(ranks: list[int]) -> Batch:
    generator = torch.Generator().manual_seed(5)
    clips = [
        (f"{rank}{place}", torch.randint(1, 40, (n_symbols,), generator=generator),
         (torch.rand(n_frames * 256, generator=generator) - 0.5) * 0.4, rank)
        for rank, lengths in enumerate(LENGTHS)
        for place, (n_symbols, n_frames) in enumerate(lengths)
    ]  # fmt: skip
    clips = [clip for clip in clips if clip[3] in ranks]
    pad = torch.nn.utils.rnn.pad_sequence
    return Batch(
        ids=[clip[0] for clip in clips],
        symbol_ids=pad([clip[1] for clip in clips], batch_first=True),
        symbol_lengths=torch.tensor([len(clip[1]) for clip in clips]),
        wav=pad([clip[2] for clip in clips], batch_first=True),
        frame_lengths=torch.tensor([len(clip[2]) // 256 for clip in clips]),
        f0_hz=pad([torch.full((len(clip[2]) // 256,), 150.0) for clip in clips], batch_first=True),
    )


class Steady(VitsModule):
    """A module without dropout."""

    def on_train_start(self) -> None:
        super().on_train_start()
        self.student.eval()


def main() -> None:
    n_processes, path = int(sys.argv[1]), Path(sys.argv[2])
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    config = load_config(None, [*SETTINGS, f"train.devices={n_processes}"])
    torch.manual_seed(0)
    module = Steady(build_vits(config.model, config.audio, 40, discriminator=True), config)
    shares = {1: [[0, 1, 2]], 2: [[0, 2], [1]]}[n_processes]
    batches = [make_batch(ranks) for ranks in shares]
    # Every draw of the step is the same in all processes.
    torch.rand = lambda *shape, **_: torch.zeros(*shape)  # type: ignore[assignment]
    torch.randn_like = lambda values, **_: torch.zeros_like(values)  # type: ignore[assignment]
    gradients: dict[str, Any] = {}
    clip = torch.nn.utils.clip_grad_norm_

    def keep(parameters: Any, limit: float) -> Any:
        known = {id(parameter): name for name, parameter in module.named_parameters()}
        gradients.update({known[id(p)]: p.grad.clone() for p in parameters if p.grad is not None})
        return clip(parameters, limit)

    torch.nn.utils.clip_grad_norm_ = keep
    trainer = lightning.Trainer(
        accelerator="cpu", devices=n_processes, strategy=find_strategy(config), max_epochs=1, limit_train_batches=1,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    batch = batches[trainer.global_rank]
    trainer.fit(module, DataLoader([0], batch_size=None, collate_fn=lambda _: batch))
    if trainer.global_rank == 0:
        torch.save(gradients, path)


if __name__ == "__main__":
    main()
