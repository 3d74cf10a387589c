"""What both sides of the fake share: its settings, and the life it can lose."""

import threading
from dataclasses import dataclass

from tests.provider.wire import Died


@dataclass(frozen=True)
class Options:
    """How the fake behaves."""

    latency_s: float = 0.0
    """Slept in every text-to-speech and generateContent request."""
    max_concurrent: int = 5
    """Text-to-speech requests at once."""
    voices: tuple[str, ...] = ("joe", "anna")
    """Voice ids that exist."""
    hang_s: float = 3.0
    """How long a timeout fault hangs before the connection is dropped."""
    slow_s: float = 1.0
    """How long a slow body dribbles."""
    history_lag_s: float = 1.0
    """How long `lost_history` keeps an entry out of the history."""
    retry_after_s: int = 1
    """The Retry-After of `too_many`."""
    restart_s: float = 0.1
    """How long the port is closed in a restart."""


class Life:
    """The server from a start to its death: whatever waits in it wakes when it dies."""

    def __init__(self) -> None:
        self._dead = threading.Event()

    def end(self) -> None:
        """Die."""
        self._dead.set()

    def wait(self, seconds: float) -> None:
        """Sleep.

        Raises:
            Died: The server died before or meanwhile.
        """
        if self._dead.wait(seconds) if seconds > 0 else self._dead.is_set():
            raise Died
