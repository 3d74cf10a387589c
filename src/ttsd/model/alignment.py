"""Monotonic alignment search: which symbol every frame belongs to, found by the best path through their likelihoods.

Source: Kim et al., Glow-TTS (2020), algorithm 1.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor


def align_frames(log_likelihood: Tensor, symbol_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
    """Return the symbol of every frame along the likeliest path that visits all symbols in order.

    Args:
        log_likelihood: Of every frame under every symbol, float [B, max_frames, max_symbols]: in memory as the search
            goes.
        symbol_lengths: int64 [B].
        frame_lengths: int64 [B]; none below the number of symbols.

    Returns:
        int64 [B, max_frames] on the same device; 0 in the padding.
    """
    values = np.ascontiguousarray(log_likelihood.detach().float().cpu().numpy())
    lengths = torch.stack([symbol_lengths, frame_lengths]).tolist()
    symbols = np.zeros(values.shape[:2], dtype=np.int64)
    list(_threads().map(_search, values, symbols, *lengths))
    return torch.from_numpy(symbols).to(log_likelihood.device)


@functools.lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    # Not numba's own threads: they would change how many torch has.
    return ThreadPoolExecutor(torch.get_num_threads())


@numba.njit(cache=True, nogil=True)
def _search(values: Any, symbols: Any, n_symbols: int, n_frames: int) -> None:
    # One place to the left of the first symbol, from which nothing comes.
    best = np.full(n_symbols + 1, -np.inf, dtype=np.float32)
    before = np.full(n_symbols + 1, -np.inf, dtype=np.float32)
    steps = np.zeros((n_frames, n_symbols), dtype=np.bool_)
    best[1] = values[0, 0]
    for frame in range(1, n_frames):
        best, before = before, best
        # Those that can be reached, and from which the end can.
        for symbol in range(max(0, n_symbols - n_frames + frame), min(n_symbols, frame + 1)):
            stay, step = before[symbol + 1], before[symbol]
            steps[frame, symbol] = step > stay
            best[symbol + 1] = max(stay, step) + values[frame, symbol]
    symbol = n_symbols - 1
    for frame in range(n_frames - 1, -1, -1):
        symbols[frame] = symbol
        if steps[frame, symbol]:
            symbol -= 1
