"""Spectra in real arithmetic are those of torch, at any split of the window."""

import numpy as np
import pytest
import torch

from ttsd.model.real_transform import RealTransform


@pytest.mark.parametrize(
    ("n_fft", "hop_length", "n_places"), [(1024, 256, 32), (1200, 300, 30), (512, 128, 16), (900, 300, 30), (22, 2, 2)]
)
def test_it_is_the_short_time_fourier_transform(n_fft, hop_length, n_places):
    torch.manual_seed(0)
    transform = RealTransform(n_fft, hop_length)
    assert transform.n_places == n_places
    wav = torch.randn(2, 15 * hop_length)
    edge = (n_fft - hop_length) // 2
    padded = torch.nn.functional.pad(wav, (edge, edge))
    window = torch.hann_window(n_fft)
    wanted = torch.stft(padded, n_fft, hop_length, window=window, center=False, return_complex=True)
    real, imaginary = transform.analyse(wav)
    mirrored = transform.mirrored
    torch.testing.assert_close(real, wanted.real[:, mirrored], atol=1e-4, rtol=0)
    sign = torch.from_numpy(np.where(transform.bins > n_fft // 2, -1.0, 1.0)).float().unsqueeze(1)
    torch.testing.assert_close(sign * imaginary, wanted.imag[:, mirrored], atol=1e-4, rtol=0)
    assert set(mirrored) == set(range(n_fft // 2 + 1))
    torch.testing.assert_close(transform.invert(real, imaginary), wav, atol=1e-4, rtol=0)
