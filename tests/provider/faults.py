"""Faults on demand: ordered by a test, or drawn for a soak test."""

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

SPEECH_FAULTS = {
    "quota": "401 quota_exceeded, not billed",
    "bad_key": "401 invalid_api_key, not billed",
    "bad_request": "400 invalid_parameters, not billed",
    "not_found": "404 voice_not_found, not billed",
    "unprocessable": "422 with a list as FastAPI gives, not billed",
    "too_many": "429 too_many_concurrent_requests with Retry-After, not billed",
    "busy": "429 system_busy, not billed",
    "error_before": "500 with JSON, not billed",
    "error_after": "500 with plain text, billed",
    "timeout_before": "hangs, then drops the connection; not billed",
    "timeout_after": "hangs, then drops the connection; billed",
    "short_length": "Content-Length announces more than is sent, billed",
    "short_chunked": "a chunked body without its end, billed",
    "short_close": "half a body without a length, ended by closing, billed",
    "slow_body": "the body dribbles and is whole in the end, billed",
    "malformed_json": "a body that is no JSON, billed",
    "wrong_samples": "a WAV that announces more samples than it has, or PCM with half a sample; billed",
    "short_audio": "well-formed audio that ends before the last character does, billed",
    "missing_times": "no alignment, in the history neither; billed",
    "truncated_speech": "audio and alignment end in mid text, in the history too; billed",
    "unspoken_tail": "the last sentence has times and no sound, in the history too; billed",
    "restart": "the server dies in mid-request, before or after billing",
    "restart_before": "the server dies in mid-request, not billed",
    "restart_after": "the server dies in mid-request, billed",
    "lost_history": "500, billed, and in the history only after a while",
}
"""Faults of text-to-speech requests."""
HISTORY_FAULTS = {
    "history_error": "500",
    "history_busy": "429 system_busy",
    "history_short": "Content-Length announces more than is sent",
    "history_timeout": "hangs, then drops the connection",
}
"""Faults of requests to the history."""
GEMINI_FAULTS = {
    "gemini_429": "429 RESOURCE_EXHAUSTED per minute, with a RetryInfo of 0.2 s",
    "gemini_quota_day": "429 RESOURCE_EXHAUSTED per day, with a RetryInfo that would not help",
    "gemini_500": "500 INTERNAL",
    "gemini_503": "503 UNAVAILABLE",
    "gemini_invalid_json": "STOP, and a text that is no JSON",
    "gemini_truncated": "MAX_TOKENS, and half the JSON",
    "gemini_safety": "SAFETY and no content",
    "gemini_recitation": "RECITATION and no content",
    "gemini_blocked_prompt": "promptFeedback.blockReason and no candidate",
    "gemini_empty": "STOP and no part",
    "gemini_wrong_schema": "JSON of another schema",
    "gemini_timeout": "written and billed, then hangs and drops the connection",
}
"""Faults of generateContent requests."""
SIDES = {"speech": SPEECH_FAULTS, "history": HISTORY_FAULTS, "gemini": GEMINI_FAULTS}
FAULTS = {name: text for side in SIDES.values() for name, text in side.items()}
"""Every fault and what it does on the wire."""
DEFECTS = ("missing_times", "truncated_speech", "unspoken_tail")
"""Faults that are in what was bought itself, so that the history gives them too."""


@dataclass
class _Order:
    fault: str
    times: int
    after: int


class Faults:
    """Says which request is to fail, and how."""

    def __init__(self, probabilities: Mapping[str, float] | None, seed: int) -> None:
        self._probabilities = dict(sorted((probabilities or {}).items()))
        for fault in self._probabilities:
            _check(fault)
        for side, names in SIDES.items():
            total = sum(self._probabilities.get(name, 0.0) for name in names)
            if not 0 <= total <= 1:
                raise ValueError(f"the probabilities of {side} faults add up to {total:g}")
        self._seed = seed
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self.fired: Counter[str] = Counter()
        """How often each fault was given."""

    def inject(self, fault: str, times: int = 1, after: int = 0) -> None:
        """Order a fault for the next `times` requests of its side, after `after` untouched ones."""
        _check(fault)
        with self._lock:
            self._orders.append(_Order(fault, times, after))

    def draw(self, side: str, number: int) -> str | None:
        """Return the fault of a request.

        Args:
            side: A key of `SIDES`.
            number: Counts every request the server ever saw, so that a restart does not repeat its draws.
        """
        with self._lock:
            fault = self._ordered(side) or self._drawn(side, number)
            if fault:
                self.fired[fault] += 1
            return fault

    def _ordered(self, side: str) -> str | None:
        fault = None
        for order in self._orders:
            if order.fault not in SIDES[side]:
                continue
            if order.after:
                order.after -= 1
            elif fault is None:
                order.times -= 1
                fault = order.fault
        self._orders = [order for order in self._orders if order.times > 0]
        return fault

    def _drawn(self, side: str, number: int) -> str | None:
        place = random.Random(f"{self._seed} {number}").random()
        for fault, probability in self._probabilities.items():
            if fault in SIDES[side]:
                place -= probability
                if place < 0:
                    return fault
        return None


def _check(fault: str) -> None:
    if fault not in FAULTS:
        raise ValueError(f"no fault is called {fault}; there are {', '.join(FAULTS)}")
