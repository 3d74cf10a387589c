"""The writer of transcripts that is paid: Gemini, asked for one section part at a time."""

import contextlib
import importlib
import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ttsd.config import GeminiConfig
from ttsd.errors import ConfigError, ProviderError
from ttsd.transcripts.answers import (
    N_RETRIES,
    OF_THE_SERVICE,
    Answer,
    Failure,
    SpokenSection,
    Usage,
    read_answer,
    read_error,
)
from ttsd.transcripts.prompt import estimate_tokens, load_prompt, request_text
from ttsd.transcripts.rate_limit import RateLimit
from ttsd.utils.extras import require
from ttsd.utils.secrets import Secret, redact

KEY_NAMES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
"""Variables that hold the key, the preferred one first."""
FIRST_WAIT_S = 1.0
"""Wait before the first retry, in seconds; it doubles with every other."""
_LONGEST_WAIT_S = 30.0
_MOST_OUTPUT_TOKENS = 65536
_MOST_REQUESTS = 16
AGAIN = "then run the same command again: what was written is kept"
"""How to go on after the service stopped a run."""


class Gemini:
    """A connection to Gemini; threads share one."""

    def __init__(self, config: GeminiConfig, key: Secret, limit: RateLimit) -> None:
        """Prepare the client; nothing is sent.

        Args:
            config: Model, address, limits.
            key: The API key.
            limit: Holds requests back, and turns them away once it is closed.

        Raises:
            MissingExtraError: google-genai is not installed.
            ConfigError: `base_url` is no address.
        """
        if config.base_url is not None and not config.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"generate.gemini.base_url: {config.base_url} is no address; begin it with https://")
        genai = require("providers", "google.genai")
        types = genai.types
        self._config = config
        self._address = config.base_url or "Google"
        self._key = key
        self._limit = limit
        self._types = types
        self._errors = genai.errors
        self._transport = tuple(
            error for name in ("httpx", "httpx2") if (error := _optional(name, "HTTPError")) is not None
        )
        self._timeouts = tuple(
            error for name in ("httpx", "httpx2") if (error := _optional(name, "TimeoutException")) is not None
        )
        options = types.HttpOptions(
            base_url=config.base_url,
            timeout=round(config.timeout_s * 1000),
            # The client's own retries know nothing of the limits, nor of the delay that the service asks for.
            retry_options=types.HttpRetryOptions(attempts=1),
            # A redirect would carry the key along, to whatever host it names.
            client_args={"follow_redirects": False},
        )
        # The key is handed over: of the environment's two, the client would take the other one first, and says that it
        # does so even where it does not.
        with _silenced("google_genai._api_client"):
            self._client = genai.Client(api_key=key.reveal(), vertexai=False, http_options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def write(self, trail: Sequence[str], parts: Sequence[str]) -> Answer | Failure | None:
        """Have a section written.

        Args:
            trail: The headings above it and its own.
            parts: Its Markdown, each part for a request of its own.

        Returns:
            The transcript, or why there is none; nothing where the limit was closed before it was whole.

        Raises:
            ProviderError: The key, the model, the quota or the account is at fault: no other section would fare better.
        """
        whole = Answer((), (), Usage())
        for part in parts:
            answer = self._write_part(trail, part)
            if not isinstance(answer, Answer):
                return answer
            whole = Answer(
                whole.paragraphs + answer.paragraphs,
                whole.response_ids + answer.response_ids,
                whole.usage + answer.usage,
            )
        return whole

    def _write_part(self, trail: Sequence[str], markdown: str) -> Answer | Failure | None:
        failed: Counter[str] = Counter()
        usage = Usage()
        max_tokens = self._config.max_output_tokens
        while True:
            outcome = self._ask(trail, markdown, max_tokens)
            if outcome is None:
                return None
            usage += outcome.usage
            if isinstance(outcome, Answer):
                return replace(outcome, usage=usage)
            kind = outcome.kind
            failed[kind] += 1
            if failed[kind] > N_RETRIES.get(kind, 0) or failed.total() > _MOST_REQUESTS:
                if cure := self._cure(outcome):
                    raise ProviderError(cure)
                return replace(outcome, usage=usage)
            if kind == "truncated":
                max_tokens = min(2 * max_tokens, max(_MOST_OUTPUT_TOKENS, max_tokens))
            wait_s = min(FIRST_WAIT_S * 2 ** (failed[kind] - 1), _LONGEST_WAIT_S) * random.uniform(0.8, 1.2)
            if kind == "too_many":
                self._limit.pause(wait_s if outcome.retry_after_s is None else outcome.retry_after_s)
            elif kind in OF_THE_SERVICE and not self._limit.wait(wait_s):
                return None

    def _ask(self, trail: Sequence[str], markdown: str, max_tokens: int) -> Answer | Failure | None:
        guessed = estimate_tokens(trail, markdown)
        if not self._limit.acquire(guessed):
            return None
        # An exception holds the request and its headers: none leaves here, not even as another one's context.
        try:
            response = self._client.models.generate_content(
                model=self._config.model,
                contents=request_text(trail, markdown),
                config=self._types.GenerateContentConfig(
                    system_instruction=load_prompt(),
                    temperature=self._config.temperature,
                    max_output_tokens=max_tokens,
                    response_mime_type="application/json",
                    response_schema=SpokenSection,
                    # A continued answer is a second one to pay.
                    automatic_continuation=False,
                ),
            )
            outcome: Answer | Failure = read_answer(response)
        except self._errors.APIError as error:
            outcome = read_error(error)
        except self._timeouts:
            outcome = Failure("timeout", f"no answer within {self._config.timeout_s:g} s")
        except self._transport as error:
            told = f"the connection to {self._address} failed ({type(error).__name__}: {error})"
            outcome = Failure("unreachable", told)
        except ValueError:
            # The client cannot read the body; its own message would repeat all of it.
            outcome = Failure("garbled", "the answer could not be read at all")
        if isinstance(outcome, Failure):
            outcome = replace(outcome, detail=redact(" ".join(outcome.detail.split()), self._key))
        if outcome.usage.input:
            self._limit.settle(outcome.usage.input - guessed)
        return outcome

    def _cure(self, failure: Failure) -> str | None:
        """Return what to tell a user where no section can be written; none where it is this section alone."""
        detail, model = failure.detail, self._config.model
        match failure.kind:
            case "bad_key":
                return f"Gemini refuses the key ({detail}); set {KEY_NAMES[0]} to a valid one"
            case "redirected":
                return (
                    f"generate.gemini.base_url: {self._address} answers with a redirect, which would carry the key to "
                    "another place; set it to the address of the service itself"
                )
            case "forbidden":
                return (
                    f"Gemini refuses this account ({detail}); "
                    "check the rights, the billing and the region of the key's project"
                )
            case "unknown_model":
                return (
                    f"generate.gemini.model: Gemini has no {model} ({detail}); "
                    "name a model that your account lists: --set generate.gemini.model=..."
                )
            case "quota_day":
                return f"Gemini's quota for today is used up ({detail}); wait until it is renewed, {AGAIN}"
            case "too_many":
                return (
                    f"Gemini still has too many requests after {N_RETRIES['too_many']} waits ({detail}); lower "
                    f"generate.gemini.requests_per_min and tokens_per_min to your account's limits, {AGAIN}"
                )
            case _:
                return None


@contextlib.contextmanager
def _silenced(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def _optional(module: str, name: str) -> Any:
    # The client takes either of the two, whichever is installed.
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return None
