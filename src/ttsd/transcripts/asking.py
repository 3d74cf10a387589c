"""Sections that Gemini has not written yet: asked for side by side, each kept as soon as it is there."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from ttsd.config import GeminiConfig
from ttsd.errors import ProviderError
from ttsd.transcripts.answers import OF_THE_SERVICE, Answer, Failure
from ttsd.transcripts.gemini import AGAIN, KEY_NAMES, Gemini
from ttsd.transcripts.rate_limit import RateLimit
from ttsd.transcripts.written import Origin, WrittenStore
from ttsd.utils.secrets import read_secret

_MOST_IN_A_ROW = 10


@dataclass(frozen=True)
class ToWrite:
    """A section to ask for."""

    origin: Origin
    guide: str
    """Path of its guide below the folder of guides."""
    number: int
    """Its place in the guide, from 1."""
    trail: tuple[str, ...]
    parts: tuple[str, ...]
    """Its Markdown, each part for a request of its own."""


def write_sections(
    todo: Sequence[ToWrite], store: WrittenStore, config: GeminiConfig, told: Callable[[int], None]
) -> dict[str, Failure]:
    """Have sections written and keep each as a file.

    An interrupt ends it once the requests in flight are answered and their sections kept.

    Args:
        todo: The sections, each with a key of its own.
        store: Where they are kept.
        config: Model, address, limits.
        told: Called with the number of sections that are done, written or not.

    Returns:
        Why a section was not written, by its key.

    Raises:
        ConfigError: There is no key.
        ProviderError: The service takes no request of this account, or failed for many sections in a row.
        StageError: The disk does not take a file.
    """
    key = read_secret(*KEY_NAMES)
    limit = RateLimit(config.requests_per_min, config.tokens_per_min)
    failures: dict[str, Failure] = {}
    with Gemini(config, key, limit) as gemini:

        def work(section: ToWrite) -> Answer | Failure | None:
            try:
                answer = gemini.write(section.trail, section.parts)
                if isinstance(answer, Answer):
                    store.write(section.guide, section.number, section.origin, answer)
            except BaseException:
                # Before this thread takes the next section.
                limit.close()
                raise
            return answer

        pool = ThreadPoolExecutor(config.n_concurrent, thread_name_prefix="gemini")
        n_in_a_row = 0
        try:
            sections = {pool.submit(work, section): section for section in todo}
            for done, future in enumerate(as_completed(sections), start=1):
                answer = future.result()
                if isinstance(answer, Failure):
                    failures[sections[future].origin.key] = answer
                    n_in_a_row = n_in_a_row + 1 if answer.kind in OF_THE_SERVICE else 0
                    if n_in_a_row == _MOST_IN_A_ROW:
                        raise ProviderError(
                            f"Gemini failed for {n_in_a_row} sections in a row ({answer.detail}); check the connection "
                            f"and the settings below generate.gemini, {AGAIN}"
                        )
                else:
                    n_in_a_row = 0
                told(done)
        finally:
            # Whoever waits for their turn is turned away; whoever is in flight is waited for.
            limit.close()
            pool.shutdown(cancel_futures=True)
    return failures
