import threading
import time

import pytest

from ttsd.transcripts.rate_limit import RateLimit


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def send(clock: Clock, limit: RateLimit, n: int, tokens: int = 1) -> list[float]:
    times = []
    for _ in range(n):
        assert limit.acquire(tokens)
        times.append(clock())
    return times


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= time < start + 60 for time in times) for start in times)


@pytest.mark.parametrize("per_min", [1, 2, 7, 60, 150])
def test_no_minute_has_more_requests_than_the_limit_and_the_limit_is_nearly_used(per_min: int) -> None:
    clock = Clock()
    times = send(clock, RateLimit(per_min, 10**9, clock, clock.sleep), 4 * per_min)
    assert most_in_a_minute(times) <= per_min
    assert times[-1] - times[0] < 60 * 5


def test_no_minute_has_more_tokens_than_the_limit() -> None:
    clock = Clock()
    times = send(clock, RateLimit(10**6, 10_000, clock, clock.sleep), 40, tokens=1000)
    assert most_in_a_minute(times) <= 10
    assert times[-1] - times[0] < 60 * 5


def test_a_request_above_the_tokens_of_a_minute_passes_after_the_minutes_it_takes() -> None:
    clock = Clock()
    limit = RateLimit(100, 1000, clock, clock.sleep)
    (first,) = send(clock, limit, 1, tokens=3000)
    assert 150 < first - 1000 < 250


def test_tokens_beyond_the_guess_are_waited_for_by_the_next() -> None:
    clock = Clock()
    limit = RateLimit(1000, 6000, clock, clock.sleep)
    assert limit.acquire(100)
    limit.settle(5900)
    assert limit.acquire(100)
    assert 50 < clock() - 1000 < 75


def test_a_pause_holds_everybody_back_even_those_who_wait_already() -> None:
    limit = RateLimit(60, 10**6)
    passed: list[float] = []
    for _ in range(6):
        limit.acquire(1)
    start = time.monotonic()
    waiting = threading.Thread(target=lambda: passed.append(limit.acquire(1) and time.monotonic() - start))
    waiting.start()
    limit.pause(1.5)
    waiting.join()
    assert passed[0] > 1.4


def test_closing_turns_everybody_away_at_once() -> None:
    limit = RateLimit(1, 10**6)
    assert limit.acquire(1)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(limit.acquire(1)))
    waiting.start()
    limit.close()
    waiting.join(timeout=5)
    assert answers == [False]
    assert not limit.acquire(1)
    assert not limit.wait(0)
