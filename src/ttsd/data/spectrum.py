"""How far up the sound of a clip reaches."""

import numpy as np

from ttsd.data.audio import Waveform

_N_FFT = 1024
_BELOW_PEAK_DB = 60.0
_SMOOTH = 5


def measure_bandwidth_hz(wav: Waveform, sample_rate: int) -> float:
    """Return the frequency up to which a clip has sound, in Hz; 0 for silence.

    It is the highest frequency at which the loudest moments come within 60 dB of the spectrum's peak: speech through a
    telephone ends at 3.4 kHz, at whatever rate the file is kept. Source: the bandwidth of NeMo's speech data tools,
    with the 95th percentile over the frames in place of the mean, so that one click does not count.

    Args:
        wav: float32 [n_samples].
        sample_rate: In Hz.
    """
    if wav.size < _N_FFT or not wav.any():
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(wav, _N_FFT)[:: _N_FFT // 2] * np.hanning(_N_FFT)
    power = np.square(np.abs(np.fft.rfft(frames.astype(np.float32), axis=1)))
    loud = np.quantile(power, 0.95, axis=0)
    level_db = 10 * np.log10(np.convolve(loud, np.ones(_SMOOTH) / _SMOOTH, mode="same") + 1e-20)
    reached = np.flatnonzero(level_db > level_db.max() - _BELOW_PEAK_DB)
    return float(reached[-1] * sample_rate / _N_FFT)
