"""Mel-cepstral analysis as the Speech Signal Processing Toolkit has it, on all frames at once.

Toolkits that report a mel-cepstral distortion take their cepstra from SPTK; to give their figures, its method has to be
followed to the letter. Sources: Fukada et al., An adaptive algorithm for mel-cepstral analysis of speech (1992), for
the unbiased estimation of the log spectrum and its Newton iteration; Tokuda et al., Recursive calculation of
mel-cepstrum from LP coefficients (1994), for the frequency transforms.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from ttsd.metrics.cepstral import Matrix, frequency_transform

MIN_ITERATIONS = 2
MAX_ITERATIONS = 30
END = 1e-3
"""The iteration ends once the prediction error changes by a smaller share."""


def power_to_mel_cepstrum(power: Matrix, order: int, alpha: float) -> Matrix:
    """Transform power spectra into mel-cepstra, without any estimation.

    Args:
        power: Power spectra, float64 [n_frames, n_fft / 2 + 1], above 0.
        order: Order of the mel-cepstrum.
        alpha: Warping of the frequency axis.

    Returns:
        float64 [n_frames, order + 1], c0 first.
    """
    cepstrum = np.fft.irfft(np.log(power), axis=1)
    # Of a power spectrum c0 counts twice.
    cepstrum[:, 0] /= 2
    # The whole cepstrum, mirrored half included, as the toolkit does.
    return np.asarray(cepstrum @ frequency_transform(cepstrum.shape[1], order, alpha).T)


def estimate_mel_cepstrum(power: Matrix, order: int, alpha: float, *, max_iterations: int = MAX_ITERATIONS) -> Matrix:
    """Estimate mel-cepstra from periodograms by the unbiased estimator of the log spectrum.

    Args:
        power: Periodograms, float64 [n_frames, n_fft / 2 + 1], above 0.
        order: Order of the mel-cepstrum.
        alpha: Warping of the frequency axis.
        max_iterations: Steps of Newton's method at most; with 0 the start is returned, the transformed cepstrum.

    Returns:
        float64 [n_frames, order + 1], c0 first.
    """
    n_half = power.shape[1]
    cepstrum = np.fft.irfft(np.log(power), axis=1)[:, :n_half]
    cepstrum[:, 0] /= 2
    cepstrum[:, -1] /= 2
    mel = cepstrum @ frequency_transform(n_half, order, alpha).T
    to_cepstrum = frequency_transform(order + 1, n_half - 1, -alpha)
    to_mel_correlation = correlation_transform(n_half, 2 * order, alpha)
    target = (-alpha) ** np.arange(order + 1)
    toeplitz, hankel = _structure(order)
    before = cepstrum[:, 0]
    running = np.arange(len(power))
    for iteration in range(1, max_iterations + 1):
        # Twice the real part of the spectrum of a causal cepstrum is the log of its power.
        padded = np.pad(mel[running] @ to_cepstrum.T, ((0, 0), (0, n_half - 2)))
        log_power = 2 * np.fft.rfft(padded, axis=1).real
        ratio = power[running] / np.exp(log_power)
        r = np.fft.irfft(ratio, axis=1)[:, :n_half] @ to_mel_correlation.T
        if iteration >= MIN_ITERATIONS:
            error = r[:, 0]
            # Before the second iteration the toolkit has c0 in the error's place.
            on = np.abs((error - before) / error) >= END
            running, r, before = running[on], r[on], error[on]
            if running.size == 0:
                break
        shifted = r.copy()
        shifted[:, ::2] -= r[:, :1]
        even = np.zeros(order + 1)
        even[2::2] = 1
        # The toolkit's solver takes the first row of a symmetric Toeplitz matrix, with r0 added at its even places.
        row = r[:, : order + 1] + even * r[:, :1]
        row[:, 0] *= 2
        matrix = row[:, toeplitz]
        step = np.linalg.solve(matrix + shifted[:, hankel], (r[:, : order + 1] - target)[..., None])
        mel[running] += step[..., 0]
    return np.asarray(mel)


@functools.lru_cache(maxsize=8)
def correlation_transform(n: int, order: int, alpha: float) -> Matrix:
    """Return the matrix that warps the frequency axis of an autocorrelation.

    Args:
        n: Lags of the autocorrelation, from 0.
        order: Highest lag of the result.
        alpha: Warping, in (-1, 1).

    Returns:
        float64 [order + 1, n].
    """
    matrix = np.zeros((order + 1, n))
    for lag in range(n - 1, -1, -1):
        previous = matrix.copy()
        matrix[0] = 0
        matrix[0, lag] = 1
        for m in range(1, order + 1):
            matrix[m] = previous[m - 1] + alpha * (previous[m] - matrix[m - 1])
    return matrix


@functools.lru_cache(maxsize=8)
def _structure(order: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    i = np.arange(order + 1)
    return np.abs(i[:, None] - i), i[:, None] + i
