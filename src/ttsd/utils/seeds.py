"""Seeds that depend on what is done, never on the order or the process in which it is done."""

import hashlib


def derive_seed(seed: int, *parts: str | int) -> int:
    """Derive an independent seed from the run's seed and the names of the thing at hand.

    Args:
        seed: The run's seed.
        parts: What the numbers are for, such as an utterance id or a step.

    Returns:
        An integer in [0, 2**63).
    """
    text = "\0".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
