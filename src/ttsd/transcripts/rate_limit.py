"""Requests and tokens per minute: everybody who asks waits for their turn."""

import threading
import time
from collections.abc import Callable

_SLICE_S = 0.2
_BURST_SHARE = 10


class Bucket:
    """Amounts that flow back at a steady rate: no more than the limit is taken in any minute."""

    def __init__(self, per_min: int, now: float) -> None:
        # A burst, and what flows back while the minute lasts, make up the limit together.
        self._burst = max(1.0, per_min // _BURST_SHARE)
        self._per_s = (per_min - self._burst + 1) / 60
        self._level = self._burst
        self._time = now

    def take(self, amount: float, now: float) -> float:
        """Take an amount, in debt if need be, and return after how many seconds it may be used."""
        self._level = min(self._burst, self._level + (now - self._time) * self._per_s)
        self._time = now
        self._level -= amount
        return max(0.0, -self._level / self._per_s)


class RateLimit:
    """Holds requests back to an account's limits; threads share one."""

    def __init__(
        self,
        requests_per_min: int,
        tokens_per_min: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare full buckets.

        Args:
            requests_per_min: Limit of requests in any minute.
            tokens_per_min: Limit of tokens in any minute; a request above it passes too, after the minutes it takes.
            clock: Seconds from any origin.
            sleep: Sleeps some seconds.
        """
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._requests = Bucket(requests_per_min, clock())
        self._tokens = Bucket(tokens_per_min, clock())
        self._paused_until = clock()
        self._closed = threading.Event()

    def acquire(self, tokens: int) -> bool:
        """Wait until a request may be sent, first come, first served.

        Args:
            tokens: About how many tokens it has.

        Returns:
            Whether it may be sent at all: not after `close`.
        """
        with self._lock:
            now = self._clock()
            ready = now + max(self._requests.take(1, now), self._tokens.take(tokens, now))
        return self._wait_until(lambda: max(ready, self._paused_until))

    def settle(self, tokens: int) -> None:
        """Take the tokens that a request had beyond what was guessed, or give some back where they are negative."""
        with self._lock:
            self._tokens.take(tokens, self._clock())

    def pause(self, seconds: float) -> None:
        """Hold everybody back for some seconds."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def wait(self, seconds: float) -> bool:
        """Hold one caller back for some seconds; returns false as soon as `close` is called."""
        end = self._clock() + seconds
        return self._wait_until(lambda: end)

    def close(self) -> None:
        """Turn away everybody who waits or comes later."""
        self._closed.set()

    def _wait_until(self, end: Callable[[], float]) -> bool:
        while not self._closed.is_set():
            left = end() - self._clock()
            if left <= 0:
                return True
            # In slices, so that `close` and a longer pause are noticed.
            self._sleep(min(left, _SLICE_S))
        return False
