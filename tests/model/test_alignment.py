"""Alignment search: the paths of the published kernel, and of a search that tries every path."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monotonic_alignment_search import maximum_path

from ttsd.model.alignment import align_frames


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n_items=st.integers(1, 5), max_symbols=st.integers(1, 30), more=st.integers(0, 40))
def test_paths_are_those_of_the_published_kernel(seed: int, n_items: int, max_symbols: int, more: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    symbol_lengths = torch.randint(1, max_symbols + 1, (n_items,), generator=generator)
    frame_lengths = symbol_lengths + torch.randint(0, more + 1, (n_items,), generator=generator)
    shape = (n_items, int(symbol_lengths.max()), int(frame_lengths.max()))
    values = 10 * torch.randn(shape, generator=generator) - 50
    mask = (torch.arange(shape[1])[:, None] < symbol_lengths[:, None, None]) & (
        torch.arange(shape[2]) < frame_lengths[:, None, None]
    )
    path = maximum_path(values, mask.float())
    found = align_frames(values.transpose(1, 2), symbol_lengths, frame_lengths)
    assert torch.equal(found, path.argmax(1) * mask.any(1))


@pytest.mark.parametrize(("n_symbols", "n_frames"), [(1, 1), (1, 4), (3, 3), (3, 7), (4, 9)])
def test_no_path_is_likelier(n_symbols: int, n_frames: int) -> None:
    values = torch.randn(1, n_symbols, n_frames, generator=torch.Generator().manual_seed(n_frames))
    found = align_frames(values.transpose(1, 2), torch.tensor([n_symbols]), torch.tensor([n_frames]))[0]
    paths = [
        [sum(frame >= cut for cut in cuts) for frame in range(n_frames)]
        for cuts in itertools.combinations(range(1, n_frames), n_symbols - 1)
    ]
    best = max(paths, key=lambda path: float(values[0, path, range(n_frames)].sum()))
    assert found.tolist() == best
