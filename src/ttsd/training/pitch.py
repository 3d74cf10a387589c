"""The pitch of a clip, frame by frame, for a decoder that is driven by it."""

import numpy as np
from numpy.typing import NDArray

from ttsd.config import AudioConfig
from ttsd.model.source_filter_decoder import MIDDLE_F0_HZ
from ttsd.utils.extras import require

_LOWEST_HZ, _HIGHEST_HZ = 60.0, 600.0


def measure_pitch(wav: NDArray[np.float32], audio: AudioConfig) -> NDArray[np.float32]:
    """Return the pitch at the middle of every frame, in Hz; where there is no voice it leads from one to the next.

    By DIO and StoneMask of WORLD (Morise, Yokomori and Ozawa, 2016, "WORLD: a vocoder-based high-quality speech
    synthesis system for real-time applications").

    Args:
        wav: Waveform, float32 [n_samples].
        audio: `sample_rate` and `hop_length`.

    Returns:
        float32 [n_samples // hop_length], from 60 to 600; `MIDDLE_F0_HZ` throughout where nothing is voiced.
    """
    pyworld = require("train", "pyworld")
    n_frames, hop, rate = len(wav) // audio.hop_length, audio.hop_length, audio.sample_rate
    # WORLD's frames begin at the first sample, and ours are half a hop later.
    samples = np.pad(wav, (0, hop))[hop // 2 :].astype(np.float64)
    f0_hz, times_s = pyworld.dio(
        samples, rate, f0_floor=_LOWEST_HZ, f0_ceil=_HIGHEST_HZ, frame_period=1000 * hop / rate
    )
    f0_hz = pyworld.stonemask(samples, f0_hz, times_s, rate)[:n_frames]
    (voiced,) = np.nonzero(f0_hz)
    if not voiced.size:
        return np.full(n_frames, MIDDLE_F0_HZ, dtype=np.float32)
    filled = np.exp(np.interp(np.arange(n_frames), voiced, np.log(f0_hz[voiced])))
    return np.asarray(filled.clip(_LOWEST_HZ, _HIGHEST_HZ), dtype=np.float32)
