"""ElevenLabs through its own SDK: one request for speech, the account's facts, and its history.

The SDK repeats a request by itself after a 5xx, and so buys it twice: its repeats are switched off everywhere, and what
is safe to repeat is repeated here.
"""

import base64
import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ttsd.config import ElevenLabsConfig
from ttsd.data.cutting import CharacterTimes
from ttsd.errors import ProviderError
from ttsd.teachers.answers import Answer
from ttsd.teachers.outcomes import (
    DoubtError,
    NotReachedError,
    OutcomeError,
    RefusedError,
    TurnedAwayError,
    explain_status,
)
from ttsd.utils.extras import require
from ttsd.utils.secrets import Secret, redact

PROVIDER = "elevenlabs"
Result = TypeVar("Result")

_READ_ATTEMPTS = 4
_HISTORY_PAGE = 1000
_CHUNK_BYTES = 65536
_GONE = (400, 404, 410, 422)
VOICE_SETTINGS = ("stability", "similarity_boost", "style", "use_speaker_boost", "speed")


@dataclass(frozen=True)
class ModelFacts:
    """What the account's list of models says of one."""

    max_chars: int | None
    """Longest text of a request; none where the list does not say."""
    credits_per_char: float

    def estimate(self, text: str) -> int:
        """Return the credits that a text costs."""
        # Rounded first: 0.1 times 30 must not come out as 3.0000000000000004 and cost 4.
        return math.ceil(round(len(text) * self.credits_per_char, 6))


@dataclass(frozen=True)
class HistoryItem:
    """A bought text in the service's history."""

    id: str
    request_id: str | None
    text: str
    date_unix: int
    settings: dict[str, Any]
    output_format: str | None
    times: CharacterTimes | None
    credits: int


class ElevenLabsClient:
    """The service, as one account sees it; safe for threads."""

    def __init__(self, config: ElevenLabsConfig, key: Secret) -> None:
        """Make the client; nothing is sent yet.

        Args:
            config: Voice, model, address and timeout.
            key: The account's key; it is never written anywhere.

        Raises:
            MissingExtraError: The package elevenlabs is not installed.
        """
        sdk = require("providers", "elevenlabs.client")
        self._config = config
        self._key = key
        # Of our own, to be closed: the SDK leaves its connections to chance.
        # A redirect would carry the key along, to whatever host it names.
        self._transport = require("providers", "httpx").Client(timeout=config.timeout_s, follow_redirects=False)
        self._client = sdk.ElevenLabs(
            api_key=key.reveal(), base_url=config.base_url, timeout=config.timeout_s, httpx_client=self._transport
        )
        self._address = config.base_url or "https://api.elevenlabs.io"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def speak(self, request: Mapping[str, Any]) -> tuple[Answer, int | None]:
        """Buy one text.

        Args:
            request: Keywords of the SDK's `convert_with_timestamps`.

        Returns:
            The answer, and the most requests at once that the account has, where the service says so.

        Raises:
            ProviderError: No request can succeed: the key, the quota, the voice.
            OutcomeError: This one did not; its kind says whether it may be billed.
        """
        settings = require("providers", "elevenlabs").VoiceSettings(**request["voice_settings"])
        with self._outcomes():
            response = self._client.text_to_speech.with_raw_response.convert_with_timestamps(
                **{**request, "voice_settings": settings}, request_options=_once()
            )
        headers = {name.lower(): value for name, value in response.headers.items()}
        ids = headers.get("request-id"), headers.get("history-item-id")
        try:
            audio = base64.b64decode(response.data.audio_base_64, validate=True)
        except (AttributeError, TypeError, ValueError):
            raise DoubtError("the answer holds no audio", *ids) from None
        times = read_times(getattr(response.data, "alignment", None))
        answer = Answer(audio, times, _read_int(headers.get("character-cost")), *ids)
        return answer, _read_int(headers.get("maximum-concurrent-requests"))

    def read_model(self) -> ModelFacts:
        """Return the facts of the configured model.

        Raises:
            ProviderError: The account does not list it, or cannot be asked.
        """
        name = self._config.model
        models = self._patiently(lambda: self._client.models.list(request_options=_once()))
        for model in models:
            if model.model_id == name:
                rates = model.model_rates
                per_char = (
                    1.0
                    if rates is None
                    else _or_one(rates.character_cost_multiplier) * _or_one(rates.cost_discount_multiplier)
                )
                return ModelFacts(model.maximum_text_length_per_request, per_char)
        known = ", ".join(sorted(model.model_id for model in models if model.can_do_text_to_speech))
        raise ProviderError(f"elevenlabs: the account has no model {name}; set generate.elevenlabs.model: {known}")

    def read_quota(self) -> int | None:
        """Return what is left of the account's credits; none where it may go on without a limit.

        Raises:
            ProviderError: The account cannot be asked.
        """
        facts = self._patiently(lambda: self._client.user.subscription.get(request_options=_once()))
        extension = facts.max_credit_limit_extension
        left = facts.character_limit - facts.character_count
        if isinstance(extension, int):
            left += extension
        return None if extension == "unlimited" else max(left, 0)

    def read_voice(self) -> dict[str, Any]:
        """Return the name, category, labels and stored settings of the configured voice.

        Raises:
            ProviderError: There is no such voice, or the account cannot be asked.
        """
        voice_id = self._config.voice
        voice = self._patiently(lambda: self._client.voices.get(voice_id, request_options=_once()))
        stored = voice.settings or self._patiently(
            lambda: self._client.voices.settings.get(voice_id, request_options=_once())
        )
        settings = {name: getattr(stored, name, None) for name in VOICE_SETTINGS}
        return {
            "name": voice.name,
            "category": voice.category,
            "labels": dict(sorted((voice.labels or {}).items())),
            "settings": {name: value for name, value in settings.items() if value is not None},
        }

    def read_history(self, since_unix: int) -> Iterator[HistoryItem]:
        """Yield what was bought of the configured voice and model since a time, oldest first.

        Raises:
            ProviderError: The account cannot be asked.
        """
        after: str | None = None
        while True:
            page = self._patiently(functools.partial(self._read_page, since_unix, after))
            yield from (_read_item(item) for item in page.history)
            if not page.has_more or page.last_history_item_id in (None, after):
                return
            after = page.last_history_item_id

    def _read_page(self, since_unix: int, after: str | None) -> Any:
        return self._client.history.list(
            page_size=_HISTORY_PAGE,
            start_after_history_item_id=after,
            voice_id=self._config.voice,
            model_id=self._config.model,
            source="TTS",
            date_after_unix=since_unix,
            sort_direction="asc",
            request_options=_once(),
        )

    def fetch_audio(self, history_id: str) -> bytes:
        """Return the audio of an item of the history, as the service keeps it; this costs nothing.

        Returns:
            The audio; empty where the service has the item and not its audio.

        Raises:
            ProviderError: The account cannot be asked.
        """
        api_error = require("providers", "elevenlabs.core.api_error").ApiError
        options = {**_once(), "chunk_size": _CHUNK_BYTES}

        def fetch() -> bytes:
            try:
                return b"".join(self._client.history.get_audio(history_id, request_options=options))
            except api_error as error:
                if error.status_code in _GONE:
                    return b""
                raise

        return self._patiently(fetch)

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        """Ask what costs nothing, and again where the service or the line fails for a moment."""
        for attempt in range(_READ_ATTEMPTS):
            try:
                with self._outcomes():
                    return ask()
            except OutcomeError as error:
                if attempt == _READ_ATTEMPTS - 1 or isinstance(error, RefusedError):
                    raise ProviderError(
                        f"elevenlabs: the account cannot be read ({error}); run the same command again later"
                    ) from None
                wait_s = error.retry_after_s if isinstance(error, TurnedAwayError) else None
            time.sleep(min(0.25 * 2**attempt if wait_s is None else wait_s, 30.0))
        raise AssertionError("the last attempt returns or raises")

    @contextlib.contextmanager
    def _outcomes(self) -> Iterator[None]:
        httpx = require("providers", "httpx")
        api_error = require("providers", "elevenlabs.core.api_error").ApiError
        parsing_error = require("providers", "elevenlabs.core.parse_error").ParsingError
        try:
            yield
        except api_error as error:
            headers, body = self._clean(dict(error.headers or {})), self._clean(error.body)
            if error.status_code is not None and 300 <= error.status_code < 400:
                raise ProviderError(
                    f"generate.elevenlabs.base_url: {self._address} answers with a redirect ({error.status_code}), "
                    "which would carry the key to another place; set it to the address of the service itself"
                ) from None
            raise explain_status(error.status_code, headers, body) from None
        except parsing_error as error:
            raise explain_status(200, self._clean(dict(error.headers or {})), None) from None
        except UnicodeDecodeError:
            # The SDK takes a body that is no text for JSON.
            raise explain_status(200, {}, None) from None
        except TypeError as error:
            if "must be a mapping" not in str(error):
                raise
            # And any JSON for an object.
            raise explain_status(200, {}, "no object") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotReachedError(redact(f"{self._address} cannot be reached ({error})", self._key)) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise ProviderError(
                f"generate.elevenlabs.base_url: {self._config.base_url} is no address; write it as https://host"
            ) from None
        except httpx.HTTPError as error:
            name = type(error).__name__
            reason = "no answer in time" if "Timeout" in name else f"the connection broke ({name})"
            raise DoubtError(reason) from None

    def _clean(self, value: Any) -> Any:
        # What the service says may quote the request, key and all.
        if isinstance(value, str):
            return redact(value, self._key)
        if isinstance(value, dict):
            return {self._clean(name): self._clean(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._clean(item) for item in value]
        return value


def read_times(alignment: Any) -> CharacterTimes | None:
    """Return the SDK's alignment as times of characters; none where there is none or it is not whole."""
    try:
        return CharacterTimes(
            tuple(alignment.characters),
            tuple(map(float, alignment.character_start_times_seconds)),
            tuple(map(float, alignment.character_end_times_seconds)),
        )
    except (AttributeError, TypeError, ValueError):
        return None


def _read_item(item: Any) -> HistoryItem:
    alignments = getattr(item, "alignments", None)
    return HistoryItem(
        item.history_item_id,
        item.request_id,
        item.text or "",
        item.date_unix,
        dict(item.settings or {}),
        getattr(item, "output_format", None),
        read_times(getattr(alignments, "alignment", None)),
        item.character_count_change_to - item.character_count_change_from,
    )


def _once() -> dict[str, Any]:
    return {"max_retries": 0}


def _or_one(multiplier: float | None) -> float:
    return 1.0 if multiplier is None else float(multiplier)


def _read_int(value: str | None) -> int | None:
    try:
        number = int(float(value or ""))
    except (ValueError, OverflowError):
        return None
    return number if number >= 0 else None
