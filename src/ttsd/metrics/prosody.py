"""Melody: how far the pitch of two clips is apart once they are aligned, and how much a voice moves.

Pitch is compared on a logarithmic scale, in cents (1200 to the octave), where both clips are voiced. Two takes of one
sentence differ by a good deal; only against the distance of two takes of the teacher does the figure tell something.
Source: the log-F0 error and the voiced/unvoiced error as in Hayashi et al., ESPnet-TTS (2020).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Track = NDArray[np.float64]
MIN_FRAMES = 10
"""With fewer voiced frames in common, 50 ms, nothing is said of the pitch."""
CENTS_PER_OCTAVE = 1200
FLAT_OCTAVES = 1e-6
"""A track that moves less does not move."""


@dataclass(frozen=True)
class PitchDifference:
    """The pitch of two aligned clips, compared."""

    rmse_cents: float | None
    """Root mean square of the difference over frames where both are voiced; none where these are too few."""
    correlation: float | None
    """Pearson's, of the logarithms over the same frames; none where a track does not move."""
    voicing_error: float
    """Share of the aligned frames where one is voiced and the other is not, in [0, 1]."""


def compare_pitch(reference_hz: Track, other_hz: Track, path: NDArray[np.int64]) -> PitchDifference:
    """Compare two pitch tracks along an alignment.

    Args:
        reference_hz: float64 [n_frames], 0 where unvoiced.
        other_hz: float64 [n_frames], likewise.
        path: Index pairs, int64 [n_path, 2].
    """
    one, two = reference_hz[path[:, 0]], other_hz[path[:, 1]]
    both = (one > 0) & (two > 0)
    voicing_error = float(((one > 0) != (two > 0)).mean())
    if both.sum() < MIN_FRAMES:
        return PitchDifference(None, None, voicing_error)
    octaves, others = np.log2(one[both]), np.log2(two[both])
    rmse_cents = CENTS_PER_OCTAVE * float(np.sqrt(np.mean((octaves - others) ** 2)))
    moves = min(octaves.std(), others.std()) > FLAT_OCTAVES
    return PitchDifference(rmse_cents, float(np.corrcoef(octaves, others)[0, 1]) if moves else None, voicing_error)


def measure_spread_semitones(f0_hz: Track) -> float | None:
    """Return how much the pitch moves: the standard deviation of its logarithm, in semitones; a monotone has 0.

    Args:
        f0_hz: float64 [n_frames], 0 where unvoiced.

    Returns:
        The spread, or none with fewer than `MIN_FRAMES` voiced frames.
    """
    voiced = f0_hz[f0_hz > 0]
    return 12 * float(np.log2(voiced).std()) if voiced.size >= MIN_FRAMES else None
