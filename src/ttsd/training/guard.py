"""Steps whose gradients are not finite: passed over, named, and an end to it where they go on."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from ttsd.errors import StageError

_log = logging.getLogger("ttsd")


class Guard:
    """Watches the norms of the gradients on their device, and asks for them only when the log does."""

    def __init__(self, max_in_a_row: int) -> None:
        self._max_in_a_row = max_in_a_row
        self._watched: list[tuple[int, Sequence[str], Tensor]] = []
        self._in_a_row = 0
        self.skipped: list[int] = []
        """Steps that were passed over."""

    def watch(self, norm: Tensor, step: int, ids: Sequence[str]) -> Tensor:
        """Note the norm of a step's gradients.

        Args:
            norm: float [].
            step: Number of the step.
            ids: The clips it saw.

        Returns:
            1 where the step shall be passed over, else 0; float32 [] on the same device, as fused optimisers take it.
        """
        is_bad = (~torch.isfinite(norm)).float()
        self._watched.append((step, ids, is_bad))
        return is_bad

    def check(self) -> None:
        """Tell of the steps that were passed over since the last time.

        Raises:
            StageError: As many steps in a row as the limit were.
        """
        watched, self._watched = self._watched, []
        flags = torch.stack([is_bad for *_, is_bad in watched]).tolist() if watched else []
        bad: dict[int, Sequence[str]] = {}
        for (step, ids, _), flag in zip(watched, flags, strict=True):
            if flag:
                bad[step] = ids
        for step in sorted({step for step, *_ in watched}):
            self._in_a_row = self._in_a_row + 1 if step in bad else 0
            if self._in_a_row >= self._max_in_a_row:
                raise StageError(
                    f"step {step}: the gradients are not finite, {self._in_a_row} steps in a row; the last saw the "
                    f"clips {', '.join(bad[step])}. Look at these clips, lower train.learning_rate, or set "
                    "train.precision=32-true"
                )
        for step, ids in bad.items():
            _log.warning("step %d is passed over: its gradients are not finite on the clips %s", step, ", ".join(ids))
        self.skipped += sorted(bad)
