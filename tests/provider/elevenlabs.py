"""The ElevenLabs side: speech, models, subscription, voices."""

import base64
import json
import math
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

from tests.provider.account import (
    DEFAULT_MODEL,
    MODELS,
    VOICE_SETTINGS,
    describe_models,
    describe_subscription,
    describe_voice,
)
from tests.provider.book import Book, Entry, OutOfCredits
from tests.provider.faults import DEFECTS, Faults
from tests.provider.history import History
from tests.provider.options import Life, Options
from tests.provider.rendering import FORMATS, Renderer, cut_audio
from tests.provider.wire import Refusal, Reply, Request, json_reply, refusal, unprocessable

_SPEECH = re.compile(r"/v1/text-to-speech/([^/]+)(/with-timestamps)?")
_VOICE = re.compile(r"/v1/voices/([^/]+)(/settings)?")


class ElevenLabs:
    """Answers requests; a sale is in the book before its answer leaves."""

    def __init__(
        self, book: Book, renderer: Renderer, faults: Faults, options: Options, die: Callable[[Life], NoReturn]
    ) -> None:
        self._book = book
        self._renderer = renderer
        self._faults = faults
        self._options = options
        self._die = die
        self._history = History(book, renderer, faults, options)
        self._lock = threading.Lock()
        self._n_active = 0
        self.most_active = 0
        """Most text-to-speech requests that were ever worked on at once."""

    def answer(self, request: Request, number: int, life: Life) -> Reply:
        """Answer a request.

        Args:
            request: The request.
            number: It is the server's nth, whatever was restarted.
            life: Ends when the server dies.

        Raises:
            Refusal: It is answered with an error.
            Died: There is nobody left to answer.
        """
        self._check_key(request)
        if match := _SPEECH.fullmatch(request.path):
            _only(request, "POST")
            return self._speak(match[1], request, number, life, with_times=bool(match[2]))
        if request.path.startswith("/v1/history"):
            return self._history.answer(request, number)
        _only(request, "GET")
        if request.path == "/v1/models":
            return json_reply(200, describe_models())
        if request.path == "/v1/user/subscription":
            return json_reply(200, describe_subscription(self._book))
        if request.path == "/v1/voices":
            return json_reply(200, {"voices": [describe_voice(voice) for voice in self._options.voices]})
        if request.path == "/v1/voices/settings/default":
            return json_reply(200, VOICE_SETTINGS)
        if match := _VOICE.fullmatch(request.path):
            if match[1] not in self._options.voices:
                raise Refusal(_no_voice(400, match[1]))
            return json_reply(200, VOICE_SETTINGS if match[2] else describe_voice(match[1]))
        raise Refusal(json_reply(404, {"detail": "Not Found"}))

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("xi-api-key")
        if key is None:
            message = "Neither authorization header nor xi-api-key received, please provide one."
            raise Refusal(refusal(401, "needs_authorization", message))
        if key == "bad-key":
            raise Refusal(refusal(401, "invalid_api_key", "Invalid API key"))

    def _speak(self, voice: str, request: Request, number: int, life: Life, *, with_times: bool) -> Reply:
        body = request.json()
        output_format = request.query.get("output_format", "mp3_44100_128")
        credits = self._check(voice, output_format, body)
        with self._slot() as n_active:
            fault = self._faults.draw("speech", number)
            if fault == "restart":
                fault = random.Random(f"restart {number}").choice(["restart_before", "restart_after"])
            if refused := self._refused(fault, voice, credits):
                raise Refusal(refused)
            life.wait(self._options.latency_s)
            if fault == "restart_before":
                self._die(life)
            if fault == "timeout_before":
                return Reply(500, b"", delivery="drop", wait_s=self._options.hang_s)
            defect = fault if fault in DEFECTS else None
            answer = self._renderer.answer(voice, output_format, body, defect)
            hidden_s = self._options.history_lag_s if fault == "lost_history" else 0.0
            if request.query.get("enable_logging") == "false":
                # Zero retention: the history never shows it.
                hidden_s = math.inf
            life.wait(0)
            try:
                entry = self._book.bill(
                    voice,
                    body.get("model_id") or DEFAULT_MODEL,
                    output_format,
                    body,
                    credits,
                    hidden_s=hidden_s,
                    defect=defect,
                    fault=fault,
                )
            except OutOfCredits:
                raise Refusal(self._out_of_credits(credits)) from None
            if fault == "restart_after":
                self._die(life)
        reply = json_reply(200, None, self._headers(entry, n_active))
        if with_times:
            reply = replace(reply, body=answer)
        else:
            audio = self._renderer.audio(voice, output_format, body, defect)
            reply = replace(reply, body=audio, headers={**reply.headers, "content-type": f"audio/{output_format[:3]}"})
        return self._break(reply, fault, output_format, with_times)

    def _check(self, voice: str, output_format: str, body: dict[str, Any]) -> int:
        """Return what a request costs, or refuse it."""
        if output_format not in FORMATS:
            expected = f"Input should be {', '.join(map(repr, FORMATS))}"
            raise Refusal(unprocessable(["query", "output_format"], expected, "enum", output_format))
        text = body.get("text")
        if not isinstance(text, str):
            raise Refusal(unprocessable(["body", "text"], "Input should be a valid string", "string_type", text))
        seed = body.get("seed")
        if seed is not None and not (isinstance(seed, int) and 0 <= seed < 2**32):
            raise Refusal(unprocessable(["body", "seed"], "Input should be from 0 to 4294967295", "int_type", seed))
        for name, value in (body.get("voice_settings") or {}).items():
            low, high = (0.7, 1.2) if name == "speed" else (0.0, 1.0)
            is_number = isinstance(value, int | float)
            if name not in VOICE_SETTINGS or (value is not None and not (is_number and low <= value <= high)):
                place = ["body", "voice_settings", name]
                raise Refusal(unprocessable(place, f"Input should be from {low} to {high}", "less_than_equal", value))
        model = body.get("model_id") or DEFAULT_MODEL
        if model not in MODELS:
            message = f"A model with model ID {model} does not exist or cannot speak."
            raise Refusal(refusal(400, "model_not_found", message))
        if model == "eleven_v3" and (body.get("previous_text") or body.get("next_text")):
            message = "Providing previous_text or next_text is not yet supported with the 'eleven_v3' model."
            raise Refusal(refusal(400, "unsupported_model", message))
        if voice not in self._options.voices:
            raise Refusal(_no_voice(404, voice))
        if not text.strip():
            raise Refusal(refusal(400, "input_text_empty", "Input text is empty."))
        _, longest, rate, _ = MODELS[model]
        if len(text) > longest:
            message = f"This request has {len(text)} characters, more than the limit of {longest} for this model."
            raise Refusal(refusal(400, "max_character_limit_exceeded", message))
        credits = math.ceil(len(text) * rate)
        if self._book.credits + credits > self._book.limit:
            raise Refusal(self._out_of_credits(credits))
        return credits

    @contextmanager
    def _slot(self) -> Iterator[int]:
        """Hold one of the places for requests at once, until the answer is ready to leave."""
        with self._lock:
            if self._n_active >= self._options.max_concurrent:
                raise Refusal(self._too_many({}))
            self._n_active += 1
            n_active = self._n_active
            self.most_active = max(self.most_active, n_active)
        try:
            yield n_active
        finally:
            with self._lock:
                self._n_active -= 1

    def _refused(self, fault: str | None, voice: str, credits: int) -> Reply | None:
        """Return the answer of a fault that refuses the request."""
        if fault == "quota":
            return self._out_of_credits(credits)
        if fault == "bad_key":
            return refusal(401, "invalid_api_key", "Invalid API key")
        if fault == "bad_request":
            return refusal(400, "invalid_parameters", "The request's parameters are invalid.")
        if fault == "not_found":
            return _no_voice(404, voice)
        if fault == "unprocessable":
            return unprocessable(["body", "text"], "Value error, text cannot be processed", "value_error", None)
        if fault == "too_many":
            return self._too_many({"retry-after": str(self._options.retry_after_s)})
        if fault == "busy":
            message = "The system is experiencing heavy traffic, please try again."
            return refusal(429, "system_busy", message)
        if fault == "error_before":
            return refusal(500, "internal_server_error", "An unexpected error occurred.")
        return None

    def _break(self, reply: Reply, fault: str | None, output_format: str, with_times: bool) -> Reply:
        """Return what becomes of the answer to a request that was billed."""
        if fault in ("error_after", "lost_history"):
            return Reply(500, b"Internal Server Error", {"content-type": "text/plain; charset=utf-8"})
        if fault == "timeout_after":
            return replace(reply, delivery="drop", wait_s=self._options.hang_s)
        if fault in ("short_length", "short_chunked", "short_close"):
            return replace(reply, delivery=fault)  # type: ignore[arg-type]
        if fault == "slow_body":
            return replace(reply, delivery="slow_body", wait_s=self._options.slow_s)
        if fault == "malformed_json":
            return replace(reply, body=reply.body[:-2] + b'"')
        if fault in ("wrong_samples", "short_audio"):
            return replace(reply, body=_cut(reply.body, output_format, with_times, broken=fault == "wrong_samples"))
        return reply

    def _headers(self, entry: Entry, n_active: int) -> dict[str, str]:
        return {
            "request-id": entry.request_id,
            "history-item-id": entry.history_item_id,
            "character-cost": str(entry.credits),
            "current-concurrent-requests": str(n_active),
            "maximum-concurrent-requests": str(self._options.max_concurrent),
        }

    def _too_many(self, headers: dict[str, str]) -> Reply:
        limit = str(self._options.max_concurrent)
        message = f"Too many concurrent requests. Your current subscription is associated with a maximum of {limit}."
        concurrency = {"current-concurrent-requests": limit, "maximum-concurrent-requests": limit}
        return refusal(429, "too_many_concurrent_requests", message, {**concurrency, **headers})

    def _out_of_credits(self, credits: int) -> Reply:
        left = self._book.limit - self._book.credits
        message = (
            f"This request exceeds your quota of {self._book.limit}. You have {left} credits remaining, "
            f"while {credits} credits are required for this request."
        )
        return refusal(401, "quota_exceeded", message)


def _no_voice(status: int, voice: str) -> Reply:
    return refusal(status, "voice_not_found", f"A voice with the voice_id {voice} was not found.")


def _only(request: Request, method: str) -> None:
    if request.method != method:
        raise Refusal(json_reply(405, {"detail": "Method Not Allowed"}))


def _cut(body: bytes, output_format: str, with_times: bool, *, broken: bool) -> bytes:
    if not with_times:
        return cut_audio(body, output_format, broken=broken)
    answer = json.loads(body)
    audio = cut_audio(base64.b64decode(answer["audio_base64"]), output_format, broken=broken)
    return json.dumps({**answer, "audio_base64": base64.b64encode(audio).decode()}).encode()
