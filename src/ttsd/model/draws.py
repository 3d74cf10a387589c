"""Random numbers from a given store: what a voice draws becomes an input of its graph, and can be drawn again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_APART = 10_007
"""Numbers from where one draw begins to where the next does."""


class DrawFrom(TorchFunctionMode):
    """Within it, `randn`, `randn_like` and `rand_like` read a store of noise, each from a place of its own.

    Args:
        noise: Standard normal numbers, float32 [n_noise], read round and round.
    """

    def __init__(self, noise: Tensor) -> None:
        super().__init__()
        self.noise = noise
        self.n_draws = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer a call of torch."""
        if func is torch.randn:
            return self._take(args if len(args) > 1 else args[0])
        if func is torch.randn_like:
            return self._take(args[0].shape)
        if func is torch.rand_like:
            # What a normal number has behind the point is as good as uniform: its density is even to 1e-8.
            return self._take(args[0].shape) % 1
        return func(*args, **(kwargs or {}))

    def _take(self, shape: Sequence[Any]) -> Tensor:
        n_values = 1
        for size in shape:
            n_values = n_values * size
        first = _APART * self.n_draws
        self.n_draws += 1
        n_rounds = (first + n_values) // self.noise.shape[0] + 1
        return self.noise.repeat(n_rounds)[first : first + n_values].reshape(tuple(shape))
