"""The Gemini side: transcripts by rule, and the ways a model fails to write one."""

import json
import math
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.provider.book import GeminiBook
from tests.provider.faults import Faults
from tests.provider.options import Life, Options
from tests.provider.wire import Refusal, Reply, Request, json_reply
from ttsd.data.text import normalize_text
from ttsd.transcripts.inline import HOLES
from ttsd.transcripts.markdown import parse_guide

PATH = re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+):(generateContent|countTokens)")
CODE_SENTENCE = "Here is an example in code."
N_THOUGHTS = 32
"""Tokens of thought that every answer is billed for."""
_SECTION = re.compile(r"^<section>[ \t]*\n(.*?)\n?^</section>", re.DOTALL | re.MULTILINE)
_END = re.compile(r"[.!?…:][\"'”’)]*$")
_TYPE = "type.googleapis.com/google.rpc."


class Gemini:
    """Answers requests; every call is in the book before its answer leaves."""

    def __init__(self, book: GeminiBook, faults: Faults, options: Options) -> None:
        self._book = book
        self._faults = faults
        self._options = options

    def answer(self, request: Request, number: int, life: Life) -> Reply:
        """Answer a request; the arguments are those of `ElevenLabs.answer`."""
        match = PATH.fullmatch(request.path)
        assert match is not None
        model, method = match.groups()
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if key is None:
            raise Refusal(_error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."))
        if key == "bad-key":
            domain = {"domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}
            detail = {"@type": f"{_TYPE}ErrorInfo", "reason": "API_KEY_INVALID", **domain}
            message = "API key not valid. Please pass a valid API key."
            raise Refusal(_error(400, "INVALID_ARGUMENT", message, [detail]))
        if not model.startswith("gemini-"):
            message = f"models/{model} is not found for API version v1, or is not supported for {method}."
            raise Refusal(_error(404, "NOT_FOUND", message))
        body = request.json()
        prompt = "\n".join(_texts(body.get("contents")))
        if not prompt:
            raise Refusal(
                _error(400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified")
            )
        n_prompt = count_tokens("\n".join([*_texts(body.get("systemInstruction")), prompt]))
        if method == "countTokens":
            return json_reply(200, {"totalTokens": n_prompt})
        return self._generate(model, body, prompt, n_prompt, number, life)

    def _generate(self, model: str, body: dict[str, Any], prompt: str, n_prompt: int, number: int, life: Life) -> Reply:
        fault = self._faults.draw("gemini", number)
        if refused := _refused(fault, model):
            self._book.add(model, body, 0, 0, billed=False, fault=fault)
            raise Refusal(refused)
        life.wait(self._options.latency_s)
        text = _write(body, prompt)
        reason: str | None = "STOP"
        if fault == "gemini_invalid_json":
            text = f"Here is the transcript:\n{text[:-1]}"
        elif fault == "gemini_truncated":
            text, reason = text[: len(text) // 2], "MAX_TOKENS"
        elif fault == "gemini_wrong_schema":
            text = json.dumps({"transcript": text})
        elif fault in ("gemini_safety", "gemini_recitation"):
            text, reason = "", fault.removeprefix("gemini_").upper()
        elif fault == "gemini_empty":
            text = ""
        elif fault == "gemini_blocked_prompt":
            text, reason = "", None
        n_output = count_tokens(text) + N_THOUGHTS if reason else 0
        self._book.add(model, body, n_prompt, n_output, billed=True, fault=fault)
        reply = json_reply(200, _response(model, text, reason, n_prompt))
        if fault == "gemini_timeout":
            return replace(reply, delivery="drop", wait_s=self._options.hang_s)
        return reply


def count_tokens(text: str) -> int:
    """Return about as many tokens as a model would count."""
    return math.ceil(len(text) / 4)


def write_paragraphs(markdown: str) -> list[str]:
    """Return what is read aloud of a section, a paragraph for each of its blocks."""
    return list(_paragraphs(markdown))


def _paragraphs(markdown: str) -> Iterator[str]:
    for section in parse_guide(markdown, "section.md").sections:
        for block in section.blocks:
            if block.reason == "code":
                yield CODE_SENTENCE
            if block.reason:
                continue
            plain = "".join(" " if character in HOLES else character for character in block.text)
            text = normalize_text(plain).rstrip(" ,;")
            if any(character.isalnum() for character in text):
                yield text if _END.search(text) else f"{text}."


def _write(body: dict[str, Any], prompt: str) -> str:
    section = _SECTION.search(prompt)
    paragraphs = write_paragraphs(section[1] if section else prompt)
    config = body.get("generationConfig") or {}
    if config.get("responseMimeType") != "application/json":
        return "\n\n".join(paragraphs)
    return json.dumps({"paragraphs": paragraphs}, ensure_ascii=False)


def _response(model: str, text: str, reason: str | None, n_prompt: int) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "promptTokenCount": n_prompt,
        "totalTokenCount": n_prompt,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": n_prompt}],
    }
    common = {"usageMetadata": usage, "modelVersion": model, "responseId": uuid.uuid4().hex[:22]}
    if reason is None:
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **common}
    n_text = count_tokens(text)
    usage.update(totalTokenCount=n_prompt + n_text + N_THOUGHTS, thoughtsTokenCount=N_THOUGHTS)
    candidate: dict[str, Any] = {"finishReason": reason, "index": 0}
    if text:
        usage["candidatesTokenCount"] = n_text
        candidate["content"] = {"parts": [{"text": text}], "role": "model"}
    elif reason == "STOP":
        candidate["content"] = {"role": "model"}
    return {"candidates": [candidate], **common}


def _refused(fault: str | None, model: str) -> Reply | None:
    if fault == "gemini_429":
        return _exhausted(model, "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10", "0.2s")
    if fault == "gemini_quota_day":
        return _exhausted(model, "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "250", "0.2s")
    if fault == "gemini_500":
        return _error(500, "INTERNAL", "An internal error has occurred. Please retry.")
    if fault == "gemini_503":
        return _error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
    return None


def _exhausted(model: str, quota: str, value: str, delay: str) -> Reply:
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    dimensions = {"location": "global", "model": model}
    violation = {"quotaMetric": metric, "quotaId": quota, "quotaDimensions": dimensions, "quotaValue": value}
    message = (
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {metric}, limit: {value}\nPlease retry in {delay}."
    )
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    details: list[dict[str, Any]] = [
        {"@type": f"{_TYPE}QuotaFailure", "violations": [violation]},
        {"@type": f"{_TYPE}Help", "links": [link]},
        {"@type": f"{_TYPE}RetryInfo", "retryDelay": delay},
    ]
    return _error(429, "RESOURCE_EXHAUSTED", message, details)


def _error(status: int, name: str, message: str, details: list[dict[str, Any]] | None = None) -> Reply:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = details
    return json_reply(status, {"error": error})


def _texts(contents: Any) -> list[str]:
    """Return the texts of a content or a list of them."""
    found = contents if isinstance(contents, list) else [contents or {}]
    return [part["text"] for content in found for part in content.get("parts") or [] if part.get("text")]
