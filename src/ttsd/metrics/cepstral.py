"""Mel-cepstral distortion by one declared definition, `ttsd-2`.

Bare figures of this name cannot be compared between papers: the spectrum, the order, c0, the silence and the alignment
all differ. The definition here, which every report names:

    audio      both clips by soxr to the highest rate of `ALPHAS` that neither is below; 100 ms of zeros at both ends,
               and more behind until the length is a multiple of 12 samples
    spectrum   WORLD: F0 by DIO and StoneMask (its own limits), envelope by cheaptrick, every 5 ms, nowhere
               more than 80 dB below the clip's strongest point: in a band without sound the logarithm would make
               distance of the rounding to 16 bits
    cepstrum   log spectrum -> cepstrum -> mel-cepstrum of order 24 by the frequency transform, alpha by sample rate
    frames     those within 40 dB of the clip's strongest one
    alignment  exact dynamic time warping on c1..c24, steps of one frame in either or both clips
    figure     mean over the path of 10 sqrt(2) / ln 10 * ||c1..c24 - c'1..c'24||, in dB; c0, the loudness, is left out

Sources: Kubichek, Mel-cepstral distance measure for objective speech quality assessment (1993); Morise et al., WORLD
(2016); Oppenheim and Johnson, Discrete representation of signals (1972) for the frequency transform.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.errors import CorpusError
from ttsd.utils.extras import require

PRESET = "ttsd-2"
ORDER = 24
FRAME_PERIOD_MS = 5.0
SPEECH_RANGE_DB = 40.0
SPECTRUM_RANGE_DB = 80.0
ALPHAS = {16000: 0.42, 22050: 0.45, 24000: 0.46, 44100: 0.53, 48000: 0.55}
"""Frequency warping that approximates the mel scale, by sample rate in Hz."""
DB_PER_NEPER = 10 * math.sqrt(2) / math.log(10)
MIN_DURATION_S = 0.05
PADDING_S = 0.1
LENGTH_MULTIPLE = 12

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Analysis:
    """What WORLD finds in a clip's speech frames, 5 ms apart."""

    cepstrum: Matrix
    """float64 [n_frames, 25], c0 first."""
    f0_hz: NDArray[np.float64]
    """Pitch, float64 [n_frames]; 0 where unvoiced."""


@dataclass(frozen=True)
class Distortion:
    """How far apart two clips' spectra are, once they are aligned."""

    mcd_db: float
    """Mean over the aligned frames, in dB."""
    path_stretch: float
    """Share of the path where one clip waits for the other, in [0, 1); timing errors that the alignment hides."""
    path: NDArray[np.int64]
    """The alignment: pairs of frames, int64 [n_path, 2]."""


def mel_cepstral_distortion(
    reference: NDArray[np.float32], reference_rate: int, other: NDArray[np.float32], other_rate: int
) -> Distortion | None:
    """Measure the mel-cepstral distortion between two clips of the same sentence.

    Args:
        reference: Waveform, float32 [n_samples].
        reference_rate: In Hz.
        other: Waveform, float32 [n_samples].
        other_rate: In Hz.

    Returns:
        The distortion, or none where a clip is silent or shorter than 50 ms and nothing can be measured.

    Raises:
        CorpusError: A clip is below 16 kHz.
    """
    rate = common_rate(reference_rate, other_rate)
    one = analyse(reference, reference_rate, rate)
    two = analyse(other, other_rate, rate)
    return None if one is None or two is None else compare_cepstra(one.cepstrum, two.cepstrum)


def common_rate(one: int, other: int) -> int:
    """Return the rate that two clips are compared at, in Hz.

    Raises:
        CorpusError: A clip is below the lowest rate the definition knows.
    """
    fitting = [rate for rate in ALPHAS if rate <= min(one, other)]
    if not fitting:
        raise CorpusError(f"clips of {min(one, other)} Hz have no mel-cepstral distortion; 16000 Hz is the lowest rate")
    return max(fitting)


def analyse(wav: NDArray[np.float32], sample_rate: int, rate: int) -> Analysis | None:
    """Return the mel-cepstrum and the pitch of a clip's speech frames.

    Args:
        wav: Waveform, float32 [n_samples].
        sample_rate: In Hz.
        rate: The rate to analyse at, in Hz; one of `ALPHAS`.

    Returns:
        The analysis; none where the clip is silent or shorter than 50 ms.
    """
    pyworld = require("evaluate", "pyworld")
    samples = resample(wav, sample_rate, rate).astype(np.float64)
    if samples.size < MIN_DURATION_S * rate or not samples.any():
        return None
    # DIO thins the samples out from the end: otherwise one zero more behind a clip moves its voiced frames.
    padding = round(PADDING_S * rate)
    samples = np.pad(samples, (padding, padding + -(samples.size + 2 * padding) % LENGTH_MULTIPLE))
    rough_hz, times_s = pyworld.dio(samples, rate, frame_period=FRAME_PERIOD_MS)
    f0_hz = pyworld.stonemask(samples, rough_hz, times_s, rate)
    power: Matrix = pyworld.cheaptrick(samples, f0_hz, times_s, rate)
    loudness_db = 10 * np.log10(power.mean(axis=1))
    speaks = loudness_db >= loudness_db.max() - SPEECH_RANGE_DB
    # The cepstrum of log |H|: a power spectrum's zeroth coefficient counts twice.
    audible = np.maximum(power[speaks], power.max() * 10 ** (-SPECTRUM_RANGE_DB / 10))
    cepstrum = np.fft.irfft(np.log(audible), axis=1)[:, : power.shape[1]]
    cepstrum[:, 0] /= 2
    return Analysis(cepstrum @ frequency_transform(cepstrum.shape[1], ORDER, ALPHAS[rate]).T, f0_hz[speaks])


def compare_cepstra(reference: Matrix, other: Matrix, *, with_c0: bool = False) -> Distortion:
    """Align two mel-cepstra on c1..c24 and return their distortion.

    Args:
        reference: float64 [n_frames, 25].
        other: float64 [n_frames, 25].
        with_c0: Count the loudness in, as some toolkits do; the declared definition leaves it out.
    """
    distance = require("evaluate", "scipy.spatial.distance")
    path = warp(distance.cdist(reference[:, 1:], other[:, 1:]))
    first = 0 if with_c0 else 1
    difference = reference[path[:, 0], first:] - other[path[:, 1], first:]
    mcd_db = DB_PER_NEPER * float(np.linalg.norm(difference, axis=1).mean())
    return Distortion(mcd_db, 2 - (len(reference) + len(other)) / len(path), path)


def warp(cost: Matrix) -> NDArray[np.int64]:
    """Return the cheapest path through a matrix of costs, by exact dynamic time warping.

    Args:
        cost: float64 [n, m].

    Returns:
        Index pairs, int64 [n_path, 2], from (0, 0) to (n - 1, m - 1); among equals the diagonal step is taken.
    """
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(2, n + m + 1):
        i = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        j = diagonal - i
        best = np.minimum(total[i - 1, j - 1], np.minimum(total[i - 1, j], total[i, j - 1]))
        total[i, j] = cost[i - 1, j - 1] + best
    row, column = n, m
    path = [(row - 1, column - 1)]
    while (row, column) != (1, 1):
        steps = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
        row, column = min(steps, key=lambda step: float(total[step]))
        path.append((row - 1, column - 1))
    return np.array(path[::-1], dtype=np.int64)


@functools.lru_cache(maxsize=8)
def frequency_transform(n_cepstrum: int, order: int, alpha: float) -> Matrix:
    """Return the matrix that warps a cepstrum's frequency axis by a first-order all-pass filter.

    Args:
        n_cepstrum: Coefficients of the cepstrum.
        order: Order of the mel-cepstrum.
        alpha: Warping, in (-1, 1); 0 leaves the axis as it is.

    Returns:
        float64 [order + 1, n_cepstrum].
    """
    # The recursion is linear in the cepstrum, so it is run once on all unit vectors.
    matrix = np.zeros((order + 1, n_cepstrum))
    for index in range(n_cepstrum - 1, -1, -1):
        previous = matrix.copy()
        matrix[0] = alpha * previous[0]
        matrix[0, index] += 1
        if order >= 1:
            matrix[1] = (1 - alpha**2) * previous[0] + alpha * previous[1]
        for m in range(2, order + 1):
            matrix[m] = previous[m - 1] + alpha * (previous[m] - matrix[m - 1])
    return matrix
