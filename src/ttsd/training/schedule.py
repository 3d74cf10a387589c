"""The learning rate of a step: a linear rise, then half a cosine down to its final share."""

import math


def learning_rate_at(
    step: int, *, peak: float, max_steps: int, warmup_steps: int = 20, final_ratio: float = 0.05
) -> float:
    """Return the learning rate of a step.

    Args:
        step: Number of the step, from 0.
        peak: Highest learning rate.
        max_steps: Steps in all.
        warmup_steps: Steps over which it rises from zero.
        final_ratio: The cosine ends at this share of the peak.
    """
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    span = max(max_steps - warmup_steps, 1)
    place = min((step - warmup_steps) / span, 1.0)
    return peak * (final_ratio + (1 - final_ratio) * 0.5 * (1 + math.cos(math.pi * place)))
