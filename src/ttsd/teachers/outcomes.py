"""What can become of a request for speech other than an answer, told apart by what it means for the money."""

import math
from collections.abc import Mapping
from typing import Any

from ttsd.errors import ProviderError

# By the code in the answer's body, never by words in its message.
_STOPS = {
    "quota_exceeded": "the quota is used up; wait for its renewal or raise it in the account, and run the same "
    "command again to go on",
    "invalid_api_key": "the key is not valid; put a working one into ELEVENLABS_API_KEY",
    "needs_authorization": "the key is not valid; put a working one into ELEVENLABS_API_KEY",
    "missing_permissions": "the key may not do this; give it the missing permission in the account's settings",
    "voice_not_found": "the account has no such voice; set generate.elevenlabs.voice to the id of one that it has",
    "model_not_found": "there is no such model; set generate.elevenlabs.model to one that the account lists",
    "model_access_denied": "the account may not use this model; set generate.elevenlabs.model to another",
    "detected_unusual_activity": "the service has blocked the account; ask its support",
}
_STOP_STATUSES = {
    401: "the service does not accept the key; put a working one into ELEVENLABS_API_KEY",
    402: "the account must be paid first; settle it and run the same command again to go on",
    403: "the key may not do this; give it the permission to use text to speech, or choose what the plan includes",
    404: "the service knows no such voice or model; check generate.elevenlabs.voice and generate.elevenlabs.model",
}
_FULL = {"too_many_concurrent_requests", "concurrent_limit_exceeded"}


class OutcomeError(Exception):
    """A request did not end in an answer."""


class TurnedAwayError(OutcomeError):
    """Too many requests: nothing was billed, and the same request may be sent later."""

    def __init__(self, retry_after_s: float | None, is_full: bool) -> None:
        super().__init__("too many requests")
        self.retry_after_s = retry_after_s
        self.is_full = is_full


class NotReachedError(OutcomeError):
    """The service was never reached: nothing was billed, and the same request may be sent again."""


class RefusedError(OutcomeError):
    """The service does not take this request, now or later; nothing was billed."""


class DoubtError(OutcomeError):
    """Nobody knows whether the request was billed."""

    def __init__(self, reason: str, request_id: str | None = None, history_id: str | None = None) -> None:
        super().__init__(reason)
        self.request_id = request_id
        self.history_id = history_id


def explain_status(status: int | None, headers: Mapping[str, str], body: Any) -> Exception:
    """Return what an error answer means.

    Args:
        status: HTTP status.
        headers: The answer's headers.
        body: Its body, parsed where it is JSON; without the key, for a message is cut short here.

    Returns:
        A `ProviderError` where no request of this run can succeed, else an `OutcomeError`.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    code, message = _read_detail(body)
    status = status or 0
    if status == 429:
        return TurnedAwayError(_read_seconds(headers.get("retry-after")), code in _FULL)
    if status in _STOP_STATUSES or (status == 400 and code in _STOPS):
        return ProviderError(f"elevenlabs: {_STOPS.get(code, _STOP_STATUSES.get(status, ''))} ({message or status})")
    if status in (400, 413, 422):
        return RefusedError(f"the service refuses it ({message or code or status})")
    reason = "the answer is not what was asked for" if 200 <= status < 300 else f"the service answered {status}"
    return DoubtError(reason, headers.get("request-id"), headers.get("history-item-id"))


def _read_detail(body: Any) -> tuple[str, str]:
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, dict):
        code = detail.get("status") or detail.get("code") or ""
        return str(code), " ".join(str(detail.get("message") or "").split())[:200]
    if isinstance(detail, list):
        problems = [f"{_place(problem)}: {problem.get('msg', '')}" for problem in detail if isinstance(problem, dict)]
        return "", "; ".join(problems)[:200]
    return "", str(detail or "")[:200]


def _place(problem: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in problem.get("loc", ()) if part != "body")


def _read_seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        # Nothing, or the other form, a date; the gate's own pause will do.
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
