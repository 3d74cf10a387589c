"""The memory that a training will take on a card, by counting what a step keeps, without the card.

    memory = weights + gradients + AdamW's two moments + averages + what a batch keeps for the gradients

The last is a straight line in the frames of the batch and in those of its slices. Its slopes come from a few steps on
small batches in the run's own precision: the tensors that autograd keeps are the same on every device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsd.config import Config
from ttsd.model.source_filter_decoder import MIDDLE_F0_HZ
from ttsd.model.vits import Vits, generator_parameters
from ttsd.training.batch import Batch
from ttsd.training.phase import mixed_precision
from ttsd.training.vits_module import Shares, VitsModule
from ttsd.utils.seeds import derive_seed

_BYTES = 4
"""Weights, gradients, moments and averages are float32."""
_FRAMES_PER_SYMBOL = 3
"""Of English speech with blanks between its phonemes, at 86 frames a second."""
_N_CLIPS, _N_FRAMES, _SLICE_FRAMES = 2, 192, 32


@dataclass(frozen=True)
class Memory:
    """What a training keeps on its device, in bytes."""

    weights: int
    """Generator and discriminator."""
    training: int
    """Their gradients and moments, and the generator's averages."""
    per_frame: float
    """A frame of a batch, padding included."""
    per_slice_frame: float
    """A frame of a slice: what decoder and discriminator keep."""

    def expect(self, n_frames: int, n_slice_frames: int) -> float:
        """Return the bytes for a batch of so many frames and frames of slices."""
        return self.weights + self.training + self.per_frame * n_frames + self.per_slice_frame * n_slice_frames

    def describe(self, n_frames: int, n_slice_frames: int) -> str:
        """Return the formula with its figures, in a line."""
        gb = 2**30
        return (
            f"{self.expect(n_frames, n_slice_frames) / gb:.1f} GB = weights {self.weights / gb:.2f} + gradients, "
            f"moments and averages {self.training / gb:.2f} + {n_frames} frames × {self.per_frame / 2**20:.3f} MB + "
            f"{n_slice_frames} frames of slices × {self.per_slice_frame / 2**20:.3f} MB"
        )


def estimate_memory(student: Vits, config: Config) -> Memory:
    """Count what a step on a student keeps; its weights stay as they are.

    Args:
        student: What is trained, on the CPU.
        config: Reads `audio`, `train` and `seed`.
    """
    n_generator = sum(p.numel() for p in generator_parameters(student).values())
    n_all = sum(p.numel() for p in student.parameters())
    base = _count_kept(student, config, _N_FRAMES, _SLICE_FRAMES)
    more_frames = _count_kept(student, config, 2 * _N_FRAMES, _SLICE_FRAMES)
    longer_slices = _count_kept(student, config, _N_FRAMES, 2 * _SLICE_FRAMES)
    return Memory(
        weights=_BYTES * n_all,
        training=_BYTES * (3 * n_all + n_generator),
        per_frame=(more_frames - base) / (_N_CLIPS * _N_FRAMES),
        per_slice_frame=(longer_slices - base) / (_N_CLIPS * _SLICE_FRAMES),
    )


def _count_kept(student: Vits, config: Config, n_frames: int, slice_frames: int) -> int:
    """Return the most bytes that autograd keeps at once in a step, parameters aside."""
    sizes: dict[str, int | None] = {"segment_frames": slice_frames}
    if config.train.adversarial_start_step is not None:
        sizes["adversarial_start_step"] = 0
    config = config.model_copy(update={"train": config.train.model_copy(update=sizes)})
    module = VitsModule(student, config)
    hop, n_symbols = config.audio.hop_length, n_frames // _FRAMES_PER_SYMBOL
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "memory"))
        batch = Batch(
            ids=[str(i) for i in range(_N_CLIPS)],
            symbol_ids=torch.randint(1, student.args.num_chars, (_N_CLIPS, n_symbols)),
            symbol_lengths=torch.full((_N_CLIPS,), n_symbols),
            wav=0.1 * torch.randn(_N_CLIPS, n_frames * hop),
            frame_lengths=torch.full((_N_CLIPS,), n_frames),
            f0_hz=torch.full((_N_CLIPS, n_frames), MIDDLE_F0_HZ),
        )
        one = torch.ones(())
        student.train()
        with mixed_precision(config.train, torch.device("cpu")):
            spec = module.measure_spectrogram(batch)
            with _kept_bytes(student) as generator:
                outputs = module.forward_generator(batch, spec)
            target = module.find_target(batch, spec, outputs)
            with _kept_bytes(student) as discriminator:
                turn = module.discriminator_loss(outputs, target) if module.is_adversarial else one
            del turn
            with _kept_bytes(student) as losses:
                kept = module.generator_losses(outputs, target, Shares(one, one, one))
            del kept
    # The discriminator's graph is gone before that of the losses is made.
    return sum(generator.values()) + max(sum(discriminator.values()), sum(losses.values()))


@contextmanager
def _kept_bytes(student: Vits) -> Iterator[dict[int, int]]:
    """Collect the sizes of what autograd keeps, by address; what is kept twice counts once."""
    own = {p.untyped_storage().data_ptr() for p in student.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept
