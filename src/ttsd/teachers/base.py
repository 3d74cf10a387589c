"""What every teacher can do: speak a text, and tell what it knows about the speech."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Speech:
    """One text spoken.

    A black box fills `wav` alone; a grey box adds `character_times_s`; a white box adds symbols and durations.
    """

    wav: NDArray[np.float32]
    """Waveform, float32 [n_samples] in [-1, 1]."""
    sample_rate: int
    """In Hz."""
    character_times_s: tuple[tuple[float, float], ...] | None = None
    """Start and end of every character of the text, in seconds."""
    symbol_ids: tuple[int, ...] | None = None
    """The ids the teacher was given, in its own table."""
    durations: tuple[int, ...] | None = None
    """Frames of every symbol id."""
    hop_length: int | None = None
    """Samples of a frame, where there are durations."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What is recorded of the request: id, cost."""


class Teacher(Protocol):
    """A voice that can be distilled."""

    @property
    def name(self) -> str:
        """Name of the voice as a corpus's speaker column may hold it."""

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that shapes the audio besides the text: provider, model (with its hash), voice, settings."""

    @property
    def varies(self) -> bool:
        """Whether another seed gives another reading."""

    def speak(self, text: str, seed: int) -> Speech:
        """Speak one text.

        Args:
            text: What to say; plain text, one sentence or a few.
            seed: Seed of the noise, where the teacher has any.

        Raises:
            TeacherError: The teacher could not speak this text.
        """
