"""Approximate time warping by FastDTW, as the toolkits use it: the path of a coarser pair guides that of the finer.

Source: Salvador and Chan, Toward accurate dynamic time warping in linear time and space (2007). Where two steps cost
the same, the order here is that of the package `fastdtw` as it is compiled, and a diagonal step that leaves the row
before at its last cell is not taken, as there: so the paths agree.
"""

import numpy as np
from numpy.typing import NDArray

from ttsd.metrics.cepstral import Matrix
from ttsd.utils.extras import require

RADIUS = 1
Path = NDArray[np.int64]


def fast_warp(one: Matrix, two: Matrix, radius: int = RADIUS) -> Path:
    """Return a cheap path through the Euclidean distances of two sequences, found in linear time.

    Args:
        one: float64 [n_frames, n_dims].
        two: float64 [n_frames, n_dims], of another length.
        radius: Cells around the coarser path that are looked at.

    Returns:
        Index pairs, int64 [n_path, 2], from the first frames to the last ones; seldom the cheapest path there is.
    """
    if min(len(one), len(two)) < radius + 2:
        starts, ends = np.zeros(len(one), np.int64), np.full(len(one), len(two), np.int64)
    else:
        coarse = fast_warp(_halve(one), _halve(two), radius)
        starts, ends = _widen(coarse, len(one), len(two), radius)
    return _warp_within(one, two, starts, ends)


def _halve(frames: Matrix) -> Matrix:
    even = len(frames) - len(frames) % 2
    return (frames[0:even:2] + frames[1:even:2]) / 2


def _widen(path: Path, n: int, m: int, radius: int) -> tuple[Path, Path]:
    """Return where each row's cells start and end: those of a coarser path, and so many around it."""
    n_coarse = int(path[-1, 0]) + 1
    lowest, highest = np.full(n_coarse, m), np.full(n_coarse, -1)
    for i, j in path:
        around = slice(max(i - radius, 0), i + radius + 1)
        lowest[around] = np.minimum(lowest[around], j - radius)
        highest[around] = np.maximum(highest[around], j + radius)
    # The rows behind the last one, where the finer sequence is odd, have its cells.
    lowest, highest = (np.pad(ends, (0, radius), mode="edge") for ends in (lowest, highest))
    starts = np.clip(np.repeat(2 * lowest, 2)[:n], 0, m)
    ends = np.clip(np.repeat(2 * highest + 2, 2)[:n], 0, m)
    return starts, ends


def _warp_within(one: Matrix, two: Matrix, starts: Path, ends: Path) -> Path:
    distance = require("evaluate", "scipy.spatial.distance")
    total: dict[tuple[int, int], tuple[float, int, int]] = {(-1, -1): (0.0, 0, 0)}
    never = (float("inf"), 0, 0)
    before = len(two) + 1
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        costs = distance.cdist(one[i : i + 1], two[start:end])[0].tolist()
        for j, cost in enumerate(costs, start):
            total[i, j] = min(
                ((total.get((i - 1, j - 1), never) if j < before else never)[0] + cost, i - 1, j - 1),
                (total.get((i, j - 1), never)[0] + cost, i, j - 1),
                (total.get((i - 1, j), never)[0] + cost, i - 1, j),
                key=lambda step: step[0],
            )
        before = end
    i, j = len(one) - 1, len(two) - 1
    path = []
    while (i, j) != (-1, -1):
        path.append((i, j))
        i, j = total[i, j][1:]
    return np.array(path[::-1], dtype=np.int64)
