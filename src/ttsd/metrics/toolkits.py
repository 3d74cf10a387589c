"""Mel-cepstral distortion as other toolkits give it, to the letter, faults included, to compare with their figures.

    espnet     periodograms of the 16-bit samples, cepstra by SPTK's estimator, c0 included, FastDTW on all frames
    versa      WORLD envelopes at order 39 for every rate, c0 included; the longer clip is cut, no alignment
    versa-dtw  the same of the frames above -20 dB of the mean power, by FastDTW on all coefficients
    pymcd      WORLD envelopes taken for amplitudes, so that every cepstrum counts twice; FastDTW without c0, and the
               figure with it

With c0 in it, loudness counts: a copy louder by g dB is g / sqrt(2) dB away. Sources: ESPnet's `evaluate_mcd.py`,
VERSA's `mcd_f0.py`, and the package pymcd 0.2.1.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.errors import CorpusError
from ttsd.metrics.cepstral import DB_PER_NEPER, Matrix
from ttsd.metrics.fast_warp import fast_warp
from ttsd.metrics.sptk import estimate_mel_cepstrum, power_to_mel_cepstrum
from ttsd.utils.extras import require

Wave = NDArray[np.float32]
ESPNET_PARAMETERS = {16000: (23, 0.42), 22050: (34, 0.45), 24000: (34, 0.46), 44100: (39, 0.53), 48000: (39, 0.55)}
"""Order and warping by sample rate in Hz; ESPnet knows no other rates."""
_N_FFT, _HOP_LENGTH, _ESPNET_FLOOR = 1024, 256, 1e-6
_VERSA_ORDER, _VERSA_ALPHA, _VERSA_POWER_DB, _VERSA_TOLERANCE = 39, 0.466, -20.0, 0.1
_VERSA_F0_HZ = (40.0, 800.0)
_PYMCD_HZ, _PYMCD_ORDER, _PYMCD_ALPHA, _PYMCD_N_FFT, _PYMCD_FLOOR = 22050, 13, 0.65, 512, 1e-8
_FRAME_PERIOD_MS = 5.0
_INT16 = 32767


def espnet_mcd_db(teacher: Wave, teacher_rate: int, other: Wave, other_rate: int) -> float | None:
    """Measure the distortion as ESPnet's `evaluate_mcd.py` does.

    Args:
        teacher: Waveform, float32 [n_samples] in [-1, 1], read from 16 bits.
        teacher_rate: In Hz.
        other: Waveform of the other system, likewise.
        other_rate: In Hz; one of `ESPNET_PARAMETERS`.

    Returns:
        In dB; none where a clip is shorter than one frame.

    Raises:
        CorpusError: ESPnet has no parameters for the rate.
    """
    if other_rate not in ESPNET_PARAMETERS:
        raise CorpusError(f"ESPnet has no mel-cepstral distortion at {other_rate} Hz; take the preset ttsd")
    order, alpha = ESPNET_PARAMETERS[other_rate]
    # SPTK's windows have a power of 1.
    window = np.hamming(_N_FFT)
    window /= np.sqrt(np.sum(window**2))
    cepstra = []
    for wav in (other, resample(teacher, teacher_rate, other_rate)):
        samples = np.rint(wav.astype(np.float64) * (_INT16 + 1)).clip(-_INT16 - 1, _INT16)
        if samples.size < _N_FFT:
            return None
        frames = np.lib.stride_tricks.sliding_window_view(samples, _N_FFT)[::_HOP_LENGTH]
        periodogram = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 + _ESPNET_FLOOR
        cepstra.append(estimate_mel_cepstrum(periodogram, order, alpha))
    one, two = cepstra
    return _mean_distance(one, two, fast_warp(one, two))


def versa_mcd_db(
    teacher: Wave, teacher_rate: int, other: Wave, other_rate: int, *, aligned: bool = False
) -> float | None:
    """Measure the distortion as VERSA's `mcd_f0` does.

    Args:
        teacher: Waveform, float32 [n_samples] in [-1, 1].
        teacher_rate: In Hz.
        other: Waveform of the other system, likewise.
        other_rate: In Hz.
        aligned: Its setting `dtw`, which is off by default.

    Returns:
        In dB; none where VERSA gives none: unaligned, the lengths differ by a tenth of their sum or more.
    """
    rate = min(teacher_rate, other_rate)
    cepstra, loud = [], []
    for wav, own_rate in ((other, other_rate), (teacher, teacher_rate)):
        samples = _cut_lows(resample(wav, own_rate, rate).astype(np.float64) * _INT16, rate)
        power = _envelope(samples, rate, _N_FFT, harvest=_VERSA_F0_HZ)
        cepstra.append(power_to_mel_cepstrum(power, _VERSA_ORDER, _VERSA_ALPHA))
        # The sum over the whole spectrum, of which `power` holds one half.
        level = 2 * power.sum(axis=1) - power[:, 0] - power[:, -1]
        loud.append(10 * np.log10(level / level.mean()) > _VERSA_POWER_DB)
    if aligned:
        one, two = (cepstrum[which] for cepstrum, which in zip(cepstra, loud, strict=True))
        return _mean_distance(one, two, fast_warp(one, two))
    one, two = cepstra
    lengths = [len(one), len(two)]
    if (max(lengths) - min(lengths)) / sum(lengths) >= _VERSA_TOLERANCE:
        return None
    together = np.repeat(np.arange(min(lengths))[:, None], 2, axis=1)
    return _mean_distance(one, two, together)


def pymcd_mcd_db(teacher: Wave, teacher_rate: int, other: Wave, other_rate: int) -> float | None:
    """Measure the distortion as pymcd does in its mode `dtw`.

    Args:
        teacher: Waveform, float32 [n_samples] in [-1, 1].
        teacher_rate: In Hz; resampled to 22,050 Hz.
        other: Waveform of the other system, likewise.
        other_rate: In Hz.

    Returns:
        In dB; none where a clip is empty.
    """
    cepstra = []
    for wav, rate in ((teacher, teacher_rate), (other, other_rate)):
        samples = resample(wav, rate, _PYMCD_HZ).astype(np.float64)
        if samples.size == 0:
            return None
        power = _envelope(samples, _PYMCD_HZ, _PYMCD_N_FFT, harvest=None)
        # Power taken for amplitude is squared once more.
        cepstra.append(estimate_mel_cepstrum(power**2 + _PYMCD_FLOOR, _PYMCD_ORDER, _PYMCD_ALPHA, max_iterations=0))
    one, two = cepstra
    return _mean_distance(one, two, fast_warp(one[:, 1:], two[:, 1:]))


def versa_aligned_mcd_db(teacher: Wave, teacher_rate: int, other: Wave, other_rate: int) -> float | None:
    """Measure the distortion as `versa_mcd_db` does with its setting `dtw`."""
    return versa_mcd_db(teacher, teacher_rate, other, other_rate, aligned=True)


TOOLKITS: dict[str, Callable[[Wave, int, Wave, int], float | None]] = {
    "espnet": espnet_mcd_db,
    "versa": versa_mcd_db,
    "versa-dtw": versa_aligned_mcd_db,
    "pymcd": pymcd_mcd_db,
}
"""By the name of the preset."""


def _mean_distance(one: Matrix, two: Matrix, path: NDArray[np.int64]) -> float:
    return DB_PER_NEPER * float(np.linalg.norm(one[path[:, 0]] - two[path[:, 1]], axis=1).mean())


def _envelope(samples: Matrix, rate: int, n_fft: int, harvest: tuple[float, float] | None) -> Matrix:
    """Return WORLD's power envelope; the pitch by harvest within these limits in Hz, else by DIO and StoneMask."""
    pyworld = require("evaluate", "pyworld")
    if harvest is None:
        f0_hz, times_s = pyworld.dio(samples, rate, frame_period=_FRAME_PERIOD_MS)
        f0_hz = pyworld.stonemask(samples, f0_hz, times_s, rate)
    else:
        f0_hz, times_s = pyworld.harvest(samples, rate, *harvest, frame_period=_FRAME_PERIOD_MS)
    return np.asarray(pyworld.cheaptrick(samples, f0_hz, times_s, rate, fft_size=n_fft))


def _cut_lows(samples: Matrix, rate: int, cutoff_hz: float = 70.0, n_taps: int = 255) -> Matrix:
    signal = require("evaluate", "scipy.signal")
    taps = signal.firwin(n_taps, cutoff_hz / (rate // 2), pass_zero=False)
    return np.asarray(signal.lfilter(taps, 1, samples))
