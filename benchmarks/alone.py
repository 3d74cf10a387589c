"""A training module without a trainer, for benchmarks that count its steps themselves."""

from types import SimpleNamespace

from ttsd.config import Config
from ttsd.model.vits import Vits
from ttsd.training.vits_module import VitsModule


def make_module(student: Vits, config: Config) -> VitsModule:
    """Return a module whose `training_step` can be called, with its optimisers, in training mode."""
    module = VitsModule(student, config)
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers  # type: ignore[method-assign]
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    module._trainer = SimpleNamespace(world_size=1, global_rank=0, optimizers=optimizers, loggers=[])  # type: ignore[assignment]
    module.student.train()
    return module
