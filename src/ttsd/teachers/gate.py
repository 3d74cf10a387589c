"""How many requests are in flight: few at first, up to what the service allows, fewer when it turns some away."""

import threading
import time
from collections.abc import Callable

START = 2
_DECREASE = 0.75
_FULL_S = 0.05
_BUSY_S = 1.0
_LONGEST_PAUSE_S = 60.0


class Gate:
    """A limit on the requests in flight that learns the account's own.

    It goes to the account's maximum as soon as an answer names it, and else rises by one with every answer, until the
    service turns a request away; from then on by one a round: additive increase, multiplicative decrease. Source:
    Jacobson, Congestion avoidance and control (1988).
    """

    def __init__(self, ceiling: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Open the gate for a few.

        Args:
            ceiling: Never more than this.
            clock: Seconds that only go forward.
        """
        self._ceiling = ceiling
        self._clock = clock
        self._limit = float(min(START, ceiling))
        self._n_inside = 0
        self._has_backed_off = False
        self._paused_until = 0.0
        self._n_busy = 0
        self._turned_away_since: float | None = None
        self._change = threading.Condition()

    @property
    def limit(self) -> int:
        """Requests that may be in flight."""
        return int(self._limit)

    def enter(self, is_stopped: Callable[[], bool]) -> bool:
        """Wait for a place; false where the run was stopped meanwhile."""
        with self._change:
            while not is_stopped():
                pause_s = self._paused_until - self._clock()
                if pause_s <= 0 and self._n_inside < self.limit:
                    self._n_inside += 1
                    return True
                self._change.wait(min(max(pause_s, 0.0), 0.2) or 0.2)
            return False

    def leave(self) -> None:
        """Give the place back."""
        with self._change:
            self._n_inside -= 1
            self._change.notify()

    def answered(self, maximum: int | None) -> None:
        """Learn from an answer.

        Args:
            maximum: Requests at once that the account has, as the answer's header says; none where it has none.
        """
        with self._change:
            self._turned_away_since, self._n_busy = None, 0
            if maximum is not None and maximum > 0:
                self._ceiling = min(self._ceiling, maximum)
                step = float(self._ceiling)
            else:
                step = 1.0
            if self._has_backed_off:
                step = 1 / self._limit
            self._limit = min(self._limit + step, float(self._ceiling))
            self._change.notify_all()

    def turned_away(self, retry_after_s: float | None, is_full: bool) -> float:
        """Learn from a refusal as too many.

        Args:
            retry_after_s: What the service said about when to come back, in seconds.
            is_full: Too many are in flight; else the service itself is busy.

        Returns:
            For how long every request will have been turned away when the next one may be sent, in seconds.
        """
        with self._change:
            now = self._clock()
            self._has_backed_off = True
            # Several are turned away at once; each of them says the same, so only the first in a pause counts.
            if now >= self._paused_until:
                if is_full:
                    # One of those in flight, at least, was too many.
                    self._limit = max(1.0, min(self._limit * _DECREASE, self._limit - 1))
                self._n_busy += 1
                backoff_s = (_FULL_S if is_full else _BUSY_S) * 2.0 ** min(self._n_busy - 1, 16)
                self._paused_until = now + min(backoff_s, _LONGEST_PAUSE_S)
                if retry_after_s is not None:
                    self._paused_until = now + retry_after_s
            elif retry_after_s is not None:
                self._paused_until = max(self._paused_until, now + retry_after_s)
            if self._turned_away_since is None:
                self._turned_away_since = now
            self._change.notify_all()
            return max(self._paused_until, now) - self._turned_away_since
