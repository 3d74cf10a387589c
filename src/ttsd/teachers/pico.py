"""SVOX Pico: a small local voice that gives audio and nothing else, as a bought voice does."""

import json
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.config import PicoConfig
from ttsd.errors import TeacherError
from ttsd.teachers.base import Speech
from ttsd.utils.extras import require

SAMPLE_RATE = 16000
MAX_CHARS = 2000
"""Pico's time grows faster than its text; far above any utterance, it seems to hang."""
TIMEOUT_S = 120
VOLUME = 0.35
"""Pico's own level clips nearly every sentence; at this share of it all six voices keep clear of full scale."""
SILENT_PEAK = 0.01
"""Where there is nothing it can say, Pico gives a moment of noise far below this."""

# Pico reads memory that it never wrote, so in one process a sentence depends on those before it, by tenths of a second
# in its pauses. In a process of its own the memory is blank and the same text is always the same audio; a crash or a
# hang costs one sentence.
_SPEAK = (
    "import json, sys; from py_nanotts import NanoTTS as N; sys.stdout.buffer.write(N().speak(**json.load(sys.stdin)))"
)


class PicoTeacher:
    """One of Pico's six voices; it draws no random numbers, so the same text is always the same audio."""

    def __init__(self, config: PicoConfig) -> None:
        """Load the voice.

        Args:
            config: Voice, speed and pitch.

        Raises:
            MissingExtraError: The package py-nanotts is not installed.
        """
        self._config = config
        require("local", "py_nanotts")

    @property
    def name(self) -> str:
        """Name of the voice as a corpus's speaker column may hold it."""
        return f"pico-{self._config.voice}"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that shapes the audio besides the text."""
        return {
            "provider": "pico",
            "model": f"py-nanotts {version('py-nanotts')}",
            "voice": self._config.voice,
            "settings": {"speed": self._config.speed, "pitch": self._config.pitch, "volume": VOLUME},
        }

    @property
    def varies(self) -> bool:
        """Never: Pico has no noise."""
        return False

    def speak(self, text: str, seed: int) -> Speech:
        """Speak one text.

        Args:
            text: One sentence or a few, at most `MAX_CHARS` characters.
            seed: Not used.

        Returns:
            The waveform at 16000 Hz, float32 [n_samples].

        Raises:
            TeacherError: The text is too long, or the voice has no sound for any of its characters.
        """
        del seed
        if len(text) > MAX_CHARS:
            raise TeacherError(f"pico: the text has {len(text)} characters, above {MAX_CHARS}; cut it into sentences")
        request = {
            "text": _without_markup(text),
            "voice": self._config.voice,
            "volume": VOLUME,
            # The engine wraps the text in a tag for every setting it is given, and a tag alone changes the pauses.
            "speed": None if self._config.speed == 1 else self._config.speed,
            "pitch": None if self._config.pitch == 1 else self._config.pitch,
        }
        levels = np.frombuffer(_run_engine(request), dtype="<i2")
        wav: NDArray[np.float32] = levels.astype(np.float32) / np.float32(32768)
        if wav.size == 0 or np.abs(wav).max() < SILENT_PEAK:
            raise TeacherError(
                f"pico: the voice {self._config.voice} has no sound for {text[:60]!r}; choose a voice of its language"
            )
        return Speech(wav, SAMPLE_RATE)


def _run_engine(request: dict[str, Any]) -> bytes:
    told = f"could not speak {request['text'][:60]!r}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SPEAK],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TeacherError(f"pico: {told} in {TIMEOUT_S} s; reword it") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise TeacherError(f"pico: {told} ({lines[-1] if lines else 'it crashed'}); reword it")
    return done.stdout


def _without_markup(text: str) -> str:
    # `<` opens one of Pico's own tags, a NUL ends its input: neither may come from a study guide.
    return text.replace("<", "< ").replace("\0", " ")
