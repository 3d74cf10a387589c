"""How loud a clip is by ITU-R BS.1770, its true peak, and the gain that brings it to a loudness.

The two filters of the standard are applied as one product with the spectrum. Their coefficients are given for 48 kHz
alone; at other rates they follow from the analogue filters behind them.
Source: ITU-R BS.1770-4; for the analogue filters B. De Man, Evaluation of implementations of the EBU R128 loudness
measurement (AES 145, 2018), the values of libebur128 and ffmpeg as well.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import Waveform
from ttsd.errors import CorpusError

_HOP_S = 0.1
_BLOCK_HOPS = 4
"""A gating block of 400 ms in hops: the blocks overlap by three quarters."""
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET_LUFS = -0.691
_SHELF_HZ, _SHELF_DB, _SHELF_Q, _SHELF_SLOPE = 1681.974450955533, 3.999843853973347, 0.7071752369554196, 0.499666774155
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773
_NEAR_PEAK = 0.6
"""Share of the highest sample from which on the sound between samples is looked at."""
_HALF = (
    (0.001708984375, 0.010986328125, -0.0196533203125, 0.033203125, -0.0594482421875, 0.1373291015625,
     0.97216796875, -0.102294921875, 0.047607421875, -0.026611328125, 0.014892578125, -0.00830078125),
    (-0.0291748046875, 0.029296875, -0.0517578125, 0.0891113281250, -0.16650390625, 0.465087890625,
     0.77978515625, -0.2003173828125, 0.1015625, -0.0582275390625, 0.0330810546875, -0.0189208984375),
)  # fmt: skip
_INTERPOLATION = np.array([*_HALF, *(phase[::-1] for phase in _HALF[::-1])], dtype=np.float32)
"""The four phases of the filter, twelve taps each; the later two are the earlier ones in reverse."""
_PAD_S = 0.25
"""Silence behind the clip, in which the filters ring out: the product with a spectrum goes round in a circle."""
_CHUNK = 8192
"""Lengths are rounded up to multiples of this, whose Fourier transforms are fast."""


def measure_loudness(wav: Waveform, sample_rate: int) -> float:
    """Measure the integrated loudness by ITU-R BS.1770-4, gated at -70 LUFS and 10 LU below the mean.

    The standard is silent on clips shorter than one gating block of 400 ms: such a clip is one block by itself.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.

    Returns:
        LUFS; -inf where no block reaches -70 LUFS.
    """
    if wav.size == 0 or not wav.any():
        return -np.inf
    weighed = _weigh(wav, sample_rate)
    hop = max(round(_HOP_S * sample_rate), 1)
    # As pyloudnorm counts: a last hop that is there for more than a half is a whole one that ends in silence.
    n_hops = round(weighed.size / hop)
    hops = np.pad(weighed[: n_hops * hop], (0, max(n_hops * hop - weighed.size, 0))).reshape(-1, hop)
    sums = np.einsum("ij,ij->i", hops, hops)
    if weighed.size < _BLOCK_HOPS * hop:
        powers = np.array([np.dot(weighed, weighed) / weighed.size])
    else:
        powers = np.convolve(sums, np.ones(_BLOCK_HOPS), "valid") / (_BLOCK_HOPS * hop)
    powers = np.maximum(powers, 1e-30)
    loud = powers[_to_lufs(powers) >= _ABSOLUTE_GATE_LUFS]
    if loud.size == 0:
        return -np.inf
    return float(_to_lufs(np.mean(loud[_to_lufs(loud) > _to_lufs(np.mean(loud)) + _RELATIVE_GATE_LU])))


def compute_gain_db(wav: Waveform, sample_rate: int, loudness_lufs: float, peak_ceiling_db: float) -> float:
    """Return the gain that brings a clip to a loudness, or as near as the peak ceiling lets it come.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
        loudness_lufs: Loudness wanted, in LUFS.
        peak_ceiling_db: The true peak does not pass this, in dB of full scale.

    Returns:
        Gain in dB.

    Raises:
        CorpusError: The clip is too quiet for its loudness to be measured.
    """
    measured = measure_loudness(wav, sample_rate)
    if np.isneginf(measured):
        raise CorpusError("the clip is silent; restore it or delete its row")
    return min(loudness_lufs - measured, peak_ceiling_db - measure_true_peak_db(wav))


def measure_true_peak_db(wav: Waveform) -> float:
    """Return the peak of the sound itself, which may lie between two samples; in dB of full scale.

    Source: ITU-R BS.1770-4, annex 2, with the interpolating filter printed there. It is applied where the sound comes
    near its peak; elsewhere nothing between two samples can pass it.

    Args:
        wav: float32 [n_samples].
    """
    peak = float(np.abs(wav).max(initial=0.0))
    if peak == 0:
        return -np.inf
    padded = np.pad(wav, _INTERPOLATION.shape[1])
    near = np.abs(padded) >= _NEAR_PEAK * peak
    # The gap before such a sample and the one behind it; a filter's twelve samples lie around a gap.
    gaps = np.flatnonzero(near[:-1] | near[1:])
    windows = padded[gaps[:, None] + np.arange(-5, 7)]
    return 20 * float(np.log10(max(float(np.abs(windows @ _INTERPOLATION.T).max()), peak)))


def normalize_loudness(wav: Waveform, sample_rate: int, loudness_lufs: float, peak_ceiling_db: float) -> Waveform:
    """Bring a clip to a loudness by one gain; it is turned down where a peak would pass the ceiling, never clipped.

    Args and errors are those of `compute_gain_db`.
    """
    return apply_gain(wav, compute_gain_db(wav, sample_rate, loudness_lufs, peak_ceiling_db))


def apply_gain(wav: Waveform, gain_db: float) -> Waveform:
    """Multiply by a gain in dB."""
    return np.asarray(wav * np.float64(10 ** (gain_db / 20)), dtype=np.float32)


def _to_lufs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(_OFFSET_LUFS + 10 * np.log10(power))


def _weigh(wav: Waveform, sample_rate: int) -> NDArray[np.float64]:
    n_fft = -(-(wav.size + round(_PAD_S * sample_rate)) // _CHUNK) * _CHUNK
    spectrum = np.fft.rfft(wav.astype(np.float64), n_fft)
    return np.fft.irfft(spectrum * _k_weighting(sample_rate, n_fft), n_fft)[: wav.size]


@functools.lru_cache(maxsize=64)
def _k_weighting(sample_rate: int, n_fft: int) -> NDArray[np.complex128]:
    """Return the response of both filters at the frequencies of a Fourier transform, complex128 [n_fft / 2 + 1]."""
    delay = np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) / n_fft)
    shelf, high_pass = (np.tan(np.pi * hz / sample_rate) for hz in (_SHELF_HZ, _HIGH_PASS_HZ))
    high = 10 ** (_SHELF_DB / 20)
    middle = high**_SHELF_SLOPE
    zeros = (
        high + middle * shelf / _SHELF_Q + shelf**2,
        2 * (shelf**2 - high),
        high - middle * shelf / _SHELF_Q + shelf**2,
    )
    response = _quadratic(zeros, delay) / _quadratic(_poles(shelf, _SHELF_Q), delay)
    # The standard's second filter has the numerator 1, -2, 1, not scaled to a gain of one.
    poles = _poles(high_pass, _HIGH_PASS_Q)
    return np.asarray(response * (1 - delay) ** 2 * poles[0] / _quadratic(poles, delay))


def _poles(warped: float, quality: float) -> tuple[float, float, float]:
    return 1 + warped / quality + warped**2, 2 * (warped**2 - 1), 1 - warped / quality + warped**2


def _quadratic(coefficients: tuple[float, float, float], delay: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return coefficients[0] + coefficients[1] * delay + coefficients[2] * delay**2
