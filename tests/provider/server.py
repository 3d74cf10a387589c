"""A fake ElevenLabs and Gemini on 127.0.0.1, for the real SDKs: it keeps its own books and fails on demand."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from tests.provider import gemini
from tests.provider.book import Book, Entry, GeminiBook, GeminiCall, JsonLines
from tests.provider.elevenlabs import ElevenLabs
from tests.provider.faults import Faults
from tests.provider.listener import Listener, listen
from tests.provider.options import Life, Options
from tests.provider.rendering import Renderer, Speaker
from tests.provider.wire import Died, Refusal, Reply, Request, json_reply


class Provider:
    """A server in this process: `with Provider(folder) as provider: ElevenLabs(base_url=provider.url, …)`."""

    def __init__(
        self,
        state: Path,
        *,
        port: int = 0,
        latency_s: float = 0.0,
        max_concurrent: int = 5,
        credits: int = 10_000_000,
        faults: Mapping[str, float] | None = None,
        seed: int = 0,
        speaker: Speaker | None = None,
        cache: Path | None = None,
        **options: Any,
    ) -> None:
        """Prepare a server; it listens from `start`, or inside `with`.

        Args:
            state: Folder of the books; with the same folder the same account goes on.
            port: To listen on; 0 finds a free one.
            latency_s: Slept in every text-to-speech and generateContent request.
            max_concurrent: Text-to-speech requests at once.
            credits: Credits of the account, used and unused.
            faults: Probability of each fault.
            seed: Of the faults' draws.
            speaker: Who speaks; Piper's joe by default, `rendering.Beeper` where speech does not matter.
            cache: Folder of finished answers, in `state` by default; servers with the same speaker may share one.
            options: Further fields of `Options`: `voices`, `hang_s`, `slow_s`, `history_lag_s`, …
        """
        cache = cache or state / "cache"
        self.options = Options(latency_s=latency_s, max_concurrent=max_concurrent, **options)
        self.book = Book(state / "book.jsonl", credits)
        self.gemini_book = GeminiBook(state / "gemini.jsonl")
        self.requests: list[Request] = []
        """Every request since this object was made, in order."""
        self.crashes: list[str] = []
        """Tracebacks of the fake's own bugs; leaving `with` raises where there is one."""
        self._seen = JsonLines(state / "requests.jsonl", fsync=False)
        self._n_seen = len(self._seen.read())
        self._faults = Faults(faults, seed)
        self._renderer = Renderer(speaker or _default_speaker(cache), cache / "answers")
        self._elevenlabs = ElevenLabs(self.book, self._renderer, self._faults, self.options, self.die)
        self._gemini = gemini.Gemini(self.gemini_book, self._faults, self.options)
        self._port = port
        self._lock = threading.RLock()
        self._log_lock = threading.Lock()
        self._life = Life()
        self._server: Listener | None = None
        self._loop: threading.Thread | None = None
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Address without a trailing slash; it stays over restarts."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def gemini_calls(self) -> list[GeminiCall]:
        """Every generateContent call that passed the checks, billed or refused by a fault."""
        return self.gemini_book.calls

    @property
    def fired(self) -> Counter[str]:
        """How often each fault was given since this object was made."""
        return self._faults.fired

    @property
    def most_active(self) -> int:
        """Most text-to-speech requests that were worked on at once."""
        return self._elevenlabs.most_active

    def inject(self, fault: str, times: int = 1, after: int = 0) -> None:
        """Order a fault for the next `times` requests of its kind, after `after` untouched ones.

        Requests that are refused by themselves (a bad key, an unknown voice, too many at once) do not count.
        """
        self._faults.inject(fault, times, after)

    def audio(self, entry: Entry) -> bytes:
        """Return the audio that was sold, as the history gives it."""
        return self._renderer.audio(entry.voice, entry.output_format, entry.body, entry.defect)

    def warm(self, bodies: Iterable[Mapping[str, Any]], voice: str = "joe", output_format: str = "wav_24000") -> None:
        """Render answers beforehand, so that a benchmark measures its client.

        Args:
            bodies: JSON bodies of text-to-speech requests, exactly as they will come.
            voice: Voice id.
            output_format: As in the request.
        """
        for body in bodies:
            self._renderer.answer(voice, output_format, dict(body))

    def start(self) -> None:
        """Listen."""
        with self._lock:
            self._life = Life()
            self._server = listen(self, self._port)
            self._port = self._server.server_address[1]
            self._loop = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
            self._loop.start()

    def stop(self) -> None:
        """Drop every connection and close the port, as a killed server does."""
        with self._lock:
            self._life.end()
            if self._server is None or self._loop is None:
                return
            self._server.shutdown()
            self._loop.join()
            self._server.server_close()
            self._threads += self._server.end_connections()
            self._server = self._loop = None

    def restart(self) -> None:
        """Die and come back on the same port, with nothing but what is on the disk."""
        with self._lock:
            self.stop()
            time.sleep(self.options.restart_s)
            self.book.reload()
            self.gemini_book.reload()
            self.start()

    def wait_until_up(self) -> None:
        """Wait for a restart that a fault began; until then clients find the port closed."""
        with self._lock:
            pass

    def die(self, life: Life) -> NoReturn:
        """Die in the middle of a request: in this process the server restarts.

        Raises:
            Died: Always; the request gets no answer.
        """
        with self._lock:
            # Of two requests that are to kill the same life, the second finds it dead.
            if life is self._life:
                self.restart()
        raise Died

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        for thread in self._threads:
            thread.join(timeout=5)
        self.book.close()
        self.gemini_book.close()
        self._seen.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self.crashes and error is None:
            raise AssertionError("the fake provider has a bug:\n" + "\n".join(self.crashes))

    def answer(self, request: Request, life: Life) -> Reply:
        """Return the answer to a request."""
        with self._log_lock:
            self._n_seen += 1
            number = self._n_seen
            self.requests.append(request)
            self._seen.append({"time": time.time(), "method": request.method, "path": request.path})
        try:
            if gemini.PATH.fullmatch(request.path):
                return self._gemini.answer(request, number, life)
            return self._elevenlabs.answer(request, number, life)
        except Refusal as refused:
            return refused.reply
        except Died:
            raise
        except Exception:
            self.crashes.append(traceback.format_exc())
            return json_reply(500, {"detail": {"status": "fake_is_broken", "message": self.crashes[-1]}})

    @property
    def life(self) -> Life:
        """The present life of the server."""
        return self._life


def _default_speaker(cache: Path) -> Speaker:
    from tests.provider.speech import ParagraphSpeaker

    return ParagraphSpeaker(cache / "sentences")
