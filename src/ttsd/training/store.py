"""The clips of a corpus, decoded once into one file that every process maps into its memory.

The file is kept by the contents of the clips, so a changed clip is decoded anew and an unchanged corpus never is. So is
a second one with their pitch, where a decoder is driven by it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from ttsd.config import AudioConfig
from ttsd.training.pitch import measure_pitch
from ttsd.utils.files import atomic_path, sha256_file, sha256_json

_VERSION, _PITCH_VERSION = 1, 2
_FULL_SCALE = 32768


class AudioStore:
    """Reads clips from the file that holds them all."""

    def __init__(
        self,
        path: Path,
        clips: Mapping[str, Path],
        places: Mapping[str, tuple[int, int]],
        dtype: str,
        pitched: AudioConfig | None = None,
    ) -> None:
        self.path = path
        self.places = dict(places)
        """First sample and number of samples of every clip, by the utterance's id."""
        self._clips = dict(clips)
        self._dtype = np.dtype(dtype)
        self._samples: NDArray[Any] | None = None
        self._pitched = pitched
        self._f0_hz: NDArray[Any] | None = None
        if pitched is not None:
            name = f"pitch-{_PITCH_VERSION}-{pitched.hop_length}-{path.name.removeprefix('audio-')}"
            self.pitch_path = path.with_name(name)

    def __getstate__(self) -> dict[str, Any]:
        # Another process maps the file for itself, and decodes nothing.
        return vars(self) | {"_samples": None, "_clips": {}, "_f0_hz": None}

    def fill(self, progress: Callable[[int, int, str], None]) -> None:
        """Decode the clips, and measure their pitch, where the files are not there yet.

        Args:
            progress: Told how many clips are done, of how many, and of which of the two.

        Raises:
            StageError: The disk is full or read-only.
        """
        if not self.path.is_file():
            self._decode(progress)
        if self._pitched is not None and not self.pitch_path.is_file():
            self._measure(self._pitched, progress)

    def _decode(self, progress: Callable[[int, int, str], None]) -> None:
        n_samples = sum(length for _, length in self.places.values())
        with atomic_path(self.path) as temporary:
            samples = np.lib.format.open_memmap(temporary, mode="w+", dtype=self._dtype, shape=(max(n_samples, 1),))
            for number, (name, path) in enumerate(self._clips.items(), start=1):
                first, length = self.places[name]
                samples[first : first + length] = soundfile.read(path, dtype=self._dtype.name)[0]
                progress(number, len(self._clips), "decoding")
            samples.flush()
            del samples

    def _measure(self, audio: AudioConfig, progress: Callable[[int, int, str], None]) -> None:
        n_samples = sum(length for _, length in self.places.values())
        f0_hz = np.zeros(n_samples // audio.hop_length, dtype=np.float32)
        for number, (name, place) in enumerate(self.places.items(), start=1):
            # Rounded down, no clip's frames reach into the next one's.
            first, length = (samples // audio.hop_length for samples in place)
            f0_hz[first : first + length] = measure_pitch(self.read(name), audio)
            progress(number, len(self.places), "pitch")
        with atomic_path(self.pitch_path) as temporary:
            np.save(temporary, f0_hz)

    def read(self, name: str, n_samples: int | None = None) -> NDArray[np.float32]:
        """Return a clip from its start, float32 [n_samples] in [-1, 1]; all of it without a number."""
        if self._samples is None:
            self._samples = np.load(self.path, mmap_mode="r")
        first, length = self.places[name]
        part = self._samples[first : first + (length if n_samples is None else min(n_samples, length))]
        scale = _FULL_SCALE if part.dtype == np.int16 else 1
        return np.asarray(part, dtype=np.float32) / np.float32(scale)

    def read_pitch(self, name: str, n_frames: int) -> NDArray[np.float32]:
        """Return the pitch of a clip's first frames in Hz, float32 [n_frames]; 0 where no decoder asks for it."""
        if self._pitched is None:
            return np.zeros(n_frames, dtype=np.float32)
        if self._f0_hz is None:
            self._f0_hz = np.load(self.pitch_path, mmap_mode="r")
        first, length = (n_samples // self._pitched.hop_length for n_samples in self.places[name])
        return np.array(self._f0_hz[first : first + min(n_frames, length)])


def open_store(cache_dir: Path, clips: Mapping[str, Path], pitched: AudioConfig | None = None) -> AudioStore:
    """Return the store of some clips, which `fill` decodes.

    Args:
        cache_dir: Folder of the store.
        clips: Mono clips of one sample rate, by the utterance's id.
        pitched: Frames to measure the clips' pitch in; none leaves it out.
    """
    # Lossless in 16 bits where all clips are that, as `preprocess` writes them.
    kinds = {name: soundfile.info(path) for name, path in clips.items()}
    dtype = "int16" if all(kind.subtype == "PCM_16" for kind in kinds.values()) else "float32"
    places: dict[str, tuple[int, int]] = {}
    n_samples = 0
    for name, kind in kinds.items():
        places[name] = n_samples, kind.frames
        n_samples += kind.frames
    key = sha256_json([_VERSION, dtype, [sha256_file(path) for path in clips.values()]])
    return AudioStore(cache_dir / f"audio-{key[:20]}.npy", clips, places, dtype, pitched)
