"""What can come of a request to Gemini, each kind told apart, and what is done about it."""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ttsd.data.corpus import clean_text

if TYPE_CHECKING:
    from google.genai.errors import APIError
    from google.genai.types import GenerateContentResponse

Kind = Literal[
    "prompt_blocked", "safety", "recitation", "truncated", "stopped", "empty", "invalid_json", "wrong_schema",
    "no_paragraphs", "refused", "server_error", "timeout", "unreachable", "garbled", "too_many", "quota_day",
    "bad_key", "forbidden", "unknown_model", "redirected",
]  # fmt: skip

REASONS: dict[Kind, str] = {
    "prompt_blocked": "transcript_blocked",
    "safety": "transcript_safety",
    "recitation": "transcript_recitation",
    "truncated": "transcript_truncated",
    "stopped": "transcript_stopped",
    "empty": "transcript_empty",
    "no_paragraphs": "transcript_empty",
    "invalid_json": "transcript_invalid",
    "wrong_schema": "transcript_invalid",
    "refused": "transcript_refused",
    "server_error": "transcript_failed",
    "timeout": "transcript_failed",
    "unreachable": "transcript_failed",
    "garbled": "transcript_failed",
}
"""Why a section is left out, by what came of its requests; what is not here stops the run."""
N_RETRIES: dict[Kind, int] = {
    # The same prompt is blocked again; a new draw may pass what looks at the answer, and is tried once.
    "prompt_blocked": 0, "safety": 1, "recitation": 1, "truncated": 1, "stopped": 2, "empty": 2, "no_paragraphs": 1,
    "invalid_json": 2, "wrong_schema": 2, "refused": 0, "server_error": 5, "timeout": 3, "unreachable": 5, "garbled": 3,
    "too_many": 8,
}  # fmt: skip
"""How often a section is asked for again; what is not here is not."""
OF_THE_SERVICE: frozenset[Kind] = frozenset(("refused", "server_error", "timeout", "unreachable", "garbled"))
"""What may well be wrong with the connection or the settings, and not with the section."""

_SAFETY = frozenset(("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR"))
_LONGEST_PAUSE_S = 300.0
_MAX_MESSAGE_CHARS = 200


class SpokenSection(BaseModel):
    """The form of an answer: the section in spoken English, a string for each paragraph."""

    model_config = ConfigDict(strict=True)

    paragraphs: list[str]


@dataclass(frozen=True)
class Usage:
    """Tokens that were billed."""

    input: int = 0
    output: int = 0
    """Thoughts included."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input + other.input, self.output + other.output)


@dataclass(frozen=True)
class Answer:
    """A transcript of a section or of a part of it."""

    paragraphs: tuple[str, ...]
    response_ids: tuple[str, ...]
    usage: Usage


@dataclass(frozen=True)
class Failure:
    """A request without a transcript."""

    kind: Kind
    detail: str
    """What happened, in one line for a person."""
    usage: Usage = Usage()
    retry_after_s: float | None = None
    """How long the service asks to wait, in seconds."""

    @property
    def reason(self) -> str:
        """Why the section is left out, in snake_case."""
        return REASONS[self.kind]


def read_answer(response: "GenerateContentResponse") -> Answer | Failure:
    """Tell what an answer with status 200 holds."""
    counts = response.usage_metadata
    usage = Usage()
    if counts is not None:
        output = (counts.candidates_token_count or 0) + (counts.thoughts_token_count or 0)
        usage = Usage(counts.prompt_token_count or 0, output)
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        return Failure("prompt_blocked", f"the prompt was blocked ({feedback.block_reason.value})", usage)
    if not response.candidates:
        return Failure("empty", "the answer has no candidate", usage)
    candidate = response.candidates[0]
    finish = candidate.finish_reason.value if candidate.finish_reason else "none"
    if finish in _SAFETY:
        return Failure("safety", f"the answer was stopped ({finish})", usage)
    if finish == "RECITATION":
        return Failure("recitation", "the answer was stopped as a recitation of a known source", usage)
    if finish in ("MAX_TOKENS", "CONTINUATION"):
        return Failure("truncated", f"the answer was cut off after {usage.output} tokens ({finish})", usage)
    if finish != "STOP":
        return Failure("stopped", f"the answer ended in another way ({finish})", usage)
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if not text.strip():
        return Failure("empty", "the answer has no text", usage)
    return _read_paragraphs(text, response.response_id or "", usage)


def read_error(error: "APIError") -> Failure:
    """Tell what an answer with another status means."""
    code = error.code or 0
    detail = f"{code} {error.status or ''}: {_one_line(error.message)}"
    details = _details(error.details)
    reasons = {str(entry.get("reason")) for entry in details}
    says = str(error.message or "").lower()
    if code == 401 or "API_KEY_INVALID" in reasons or (code in (400, 403) and "api key" in says):
        return Failure("bad_key", detail)
    if code == 403 or error.status == "FAILED_PRECONDITION":
        return Failure("forbidden", detail)
    if code == 404:
        return Failure("unknown_model", detail)
    if 300 <= code < 400:
        return Failure("redirected", detail)
    if code == 429:
        delay_s = next((_seconds(entry["retryDelay"]) for entry in details if "retryDelay" in entry), None)
        quotas = [str(entry) for entry in details if "violations" in entry]
        if any("PerDay" in quota for quota in quotas) or "per day" in says or (delay_s or 0.0) > _LONGEST_PAUSE_S:
            return Failure("quota_day", detail)
        return Failure("too_many", detail, retry_after_s=delay_s)
    if code == 408 or code >= 500:
        return Failure("server_error", detail)
    return Failure("refused", detail)


def _read_paragraphs(text: str, response_id: str, usage: Usage) -> Answer | Failure:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return Failure("invalid_json", "the answer is no JSON", usage)
    try:
        answer = SpokenSection.model_validate(tree)
    except ValidationError:
        return Failure("wrong_schema", "the answer is JSON of another form than was asked for", usage)
    # JSON can hold halves of characters, which no file can.
    whole = (paragraph.encode("utf-8", "ignore").decode() for paragraph in answer.paragraphs)
    paragraphs = tuple(filter(None, map(clean_text, whole)))
    if not paragraphs:
        return Failure("no_paragraphs", "the answer has no paragraph with text in it", usage)
    return Answer(paragraphs, (response_id,), usage)


def _details(body: Any) -> list[dict[str, Any]]:
    error = body.get("error", body) if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []


def _seconds(delay: Any) -> float | None:
    # A protobuf Duration in JSON: "34s", "0.2s".
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", str(delay))
    return float(match[1]) if match else None


def _one_line(message: Any) -> str:
    line = " ".join(str(message or "no message").split())
    return line if len(line) <= _MAX_MESSAGE_CHARS else f"{line[: _MAX_MESSAGE_CHARS - 1]}…"
