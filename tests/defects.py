"""Known defects of recordings, applied to clean ones: what `qc` is there to catch.

A defect of the source is there before `preprocess` levels and trims the clip; one of the clip comes afterwards, by a
bad edit or copy; one of the file leaves no audio worth the name.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy import signal

from ttsd.data.audio import Waveform, find_sound, write_wav

Wav = Waveform
Rng = np.random.Generator


def _speech(wav: Wav, rate: int) -> tuple[int, int]:
    found = find_sound(wav, rate, -35)
    assert found is not None
    return found


def cut_start(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Begin a quarter to half a second into the speech, in the middle of a sound."""
    start, _ = _speech(wav, rate)
    return wav[_loud_near(wav, rate, start + int(rng.uniform(0.25, 0.5) * rate)) :]


def cut_end(wav: Wav, rate: int, rng: Rng) -> Wav:
    """End a quarter to half a second before the speech does, in the middle of a sound."""
    _, end = _speech(wav, rate)
    return wav[: _loud_near(wav, rate, end - int(rng.uniform(0.25, 0.5) * rate))]


def _loud_near(wav: Wav, rate: int, at: int) -> int:
    # A cut is one where there is sound: the loudest place within a twentieth of a second.
    length = rate // 100
    places = [at + offset * length for offset in range(-5, 6)]
    level = [float(np.mean(wav[max(place - length, 0) : place + length] ** 2)) for place in places]
    return places[int(np.argmax(level))]


def inner_silence(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Wait for two to four seconds in the middle."""
    middle = _quietest(wav, rate)
    return np.concatenate([wav[:middle], np.zeros(int(rng.uniform(2, 4) * rate), np.float32), wav[middle:]])


def _quietest(wav: Wav, rate: int) -> int:
    start, end = _speech(wav, rate)
    third = (end - start) // 3
    power = np.convolve(wav[start + third : end - third] ** 2, np.ones(rate // 50), mode="same")
    return start + third + int(np.argmin(power))


def clipping(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Turn it up by 12 to 20 dB into full scale."""
    return np.clip(wav / np.abs(wav).max() * 10 ** (rng.uniform(12, 20) / 20), -1, 1).astype(np.float32)


def noise(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Add white noise, 5 to 20 dB below the speech."""
    level = np.sqrt(np.mean(wav**2)) * 10 ** (-rng.uniform(5, 20) / 20)
    return (wav + level * rng.standard_normal(wav.size)).astype(np.float32)


def hum(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Add the hum of a mains lead, 50 Hz and its harmonics, 5 to 20 dB below the speech."""
    time_s = np.arange(wav.size) / rate
    tone = sum(np.sin(2 * np.pi * 50 * n * time_s + rng.uniform(0, 6)) / n for n in range(1, 8))
    level = np.sqrt(np.mean(wav**2)) * 10 ** (-rng.uniform(5, 20) / 20)
    return (wav + level * tone / np.sqrt(np.mean(tone**2))).astype(np.float32)


def telephone(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Send it through a telephone: 300 to 3400 Hz at 8 kHz, and back."""
    narrow = soxr.resample(wav, rate, 8000)
    band = signal.butter(6, (300, 3400), "bandpass", fs=8000, output="sos")
    return np.asarray(soxr.resample(signal.sosfilt(band, narrow), 8000, rate), np.float32)


def too_quiet(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Record it 45 to 60 dB too low."""
    return (wav * 10 ** (-rng.uniform(45, 60) / 20)).astype(np.float32)


def faster(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Play it 1.45 to 1.7 times as fast."""
    return np.asarray(soxr.resample(wav, rate, rate / rng.uniform(1.45, 1.7)), np.float32)


def slower(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Play it 1.45 to 1.7 times as slow."""
    return np.asarray(soxr.resample(wav, rate, rate * rng.uniform(1.45, 1.7)), np.float32)


def dropout(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Lose three pieces of 30 to 80 ms where it is loud."""
    start, end = _speech(wav, rate)
    broken = wav.copy()
    power = np.convolve(wav**2, np.ones(rate // 50), mode="same")
    loud = np.flatnonzero(power[start:end] > np.quantile(power[start:end], 0.7)) + start
    for place in rng.choice(loud, 3):
        broken[place : place + int(rng.uniform(0.03, 0.08) * rate)] = 0
    return broken


def echo(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Speak in a stairwell: a reverberation of 1.5 to 2.5 s, as loud as the voice."""
    length = int(2 * rate)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / rate / rng.uniform(1.5, 2.5))
    wet = signal.fftconvolve(wav, tail)
    return (np.pad(wav, (0, length - 1)) + wet * np.sqrt(np.sum(wav**2) / np.sum(wet**2))).astype(np.float32)


def repeated(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Say the whole of it twice."""
    return np.concatenate([wav, wav])


def missing_words(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Leave out the middle third of the speech."""
    start, end = _speech(wav, rate)
    third = (end - start) // 3
    return np.concatenate([wav[: start + third], wav[end - third :]])


def leading_silence(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Wait for 0.6 to 2 s before the speech."""
    return np.concatenate([np.zeros(int(rng.uniform(0.6, 2) * rate), np.float32), wav])


def trailing_silence(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Wait for 0.6 to 2 s behind the speech."""
    return np.concatenate([wav, np.zeros(int(rng.uniform(0.6, 2) * rate), np.float32)])


def dc_offset(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Lie beside zero by 1 to 5 hundredths of full scale."""
    return np.clip(wav + rng.uniform(0.01, 0.05) * rng.choice([-1, 1]), -1, 1).astype(np.float32)


def other_loudness(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Be 5 to 12 dB quieter than the others."""
    return (wav * 10 ** (-rng.uniform(5, 12) / 20)).astype(np.float32)


def digital_silence(wav: Wav, rate: int, rng: Rng) -> Wav:
    """Hold nothing at all."""
    return np.zeros_like(wav)


SOURCE: dict[str, Callable[[Wav, int, Rng], Wav]] = {
    f.__name__: f
    for f in (
        cut_start, cut_end, inner_silence, clipping, noise, hum, telephone, too_quiet, faster, slower, dropout, echo,
        repeated, missing_words,
    )
}  # fmt: skip
"""Defects of the source, by name."""
CLIP: dict[str, Callable[[Wav, int, Rng], Wav]] = {
    f.__name__: f for f in (leading_silence, trailing_silence, dc_offset, other_loudness, digital_silence)
}
"""Defects of the processed clip, by name."""


def _stereo(path: Path) -> None:
    wav, rate = soundfile.read(path)
    soundfile.write(path, np.stack([wav, wav], axis=1), rate, subtype="PCM_16")


def _wrong_rate(path: Path) -> None:
    wav, rate = soundfile.read(path, dtype="float32")
    write_wav(path, np.asarray(soxr.resample(wav, rate, 16000), np.float32), 16000)


FILE: dict[str, Callable[[Path], object]] = {
    "stereo": _stereo,
    "wrong_rate": _wrong_rate,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "unreadable": lambda path: path.write_bytes(b"ID3\x04 not a WAV at all"),
}
"""Defects of the file, by name."""
