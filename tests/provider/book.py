"""What was sold: one line on disk for each billed request, written before any answer leaves."""

import hashlib
import json
import os
import threading
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

KEY_FIELDS = (
    "voice", "model", "voice_settings", "text", "previous_text", "next_text", "seed", "output_format", "language_code",
    "apply_text_normalization",
)  # fmt: skip


class OutOfCredits(Exception):  # noqa: N818
    """A sale would go beyond the account's credits."""


@dataclass(frozen=True)
class Entry:
    """One billed text-to-speech request."""

    id: int
    """Counts from 1."""
    request_id: str
    history_item_id: str
    voice: str
    model: str
    text: str
    output_format: str
    body: dict[str, Any]
    """The whole request body."""
    credits: int
    credits_before: int
    """Credits used up before this one."""
    time: float
    visible_from: float
    """When the history begins to show it; both in seconds since 1970."""
    key: str
    """Hash of all that decides what is spoken: equal keys are the same clip bought twice."""
    defect: str | None = None
    """What is wrong with what was sold, one of `faults.DEFECTS`."""
    fault: str | None = None
    """What happened to the answer."""


@dataclass(frozen=True)
class GeminiCall:
    """One generateContent request that passed the checks."""

    id: int
    model: str
    body: dict[str, Any]
    prompt_tokens: int
    output_tokens: int
    billed: bool
    time: float
    key: str
    """Hash of model and body."""
    fault: str | None = None


class JsonLines:
    """A file of JSON lines that outlives a killed process."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._path = path
        self._fsync = fsync
        self._file: IO[bytes] | None = None

    def read(self) -> list[dict[str, Any]]:
        """Return every whole line; a last line that was cut by a kill is taken away."""
        if not self._path.exists():
            return []
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._path, len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def append(self, value: dict[str, Any]) -> None:
        """Write a line that is in the system's hands when this returns, and on the disk with `fsync`."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        self._file.write(json.dumps(value).encode() + b"\n")
        if self._fsync:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Book:
    """The billing book of the ElevenLabs side."""

    def __init__(self, path: Path, limit: int) -> None:
        """Open a book and read what is in it.

        Args:
            path: A file of JSON lines.
            limit: Credits of the account.
        """
        self._lines = JsonLines(path, fsync=True)
        self._lock = threading.Lock()
        self.limit = limit
        self._entries: list[Entry] = []
        self.reload()

    def reload(self) -> None:
        """Forget everything and read the file again, as a restarted server does."""
        with self._lock:
            self._lines.close()
            self._entries = [Entry(**line) for line in self._lines.read()]

    def close(self) -> None:
        """Close the file; the entries stay readable."""
        self._lines.close()

    @property
    def entries(self) -> list[Entry]:
        """Everything that was ever billed, in order."""
        with self._lock:
            return list(self._entries)

    @property
    def credits(self) -> int:
        """Credits billed so far."""
        with self._lock:
            return self._credits()

    def duplicates(self) -> dict[str, int]:
        """Return the keys that were billed more than once, with how often."""
        return _repeated(entry.key for entry in self.entries)

    def find(self, history_item_id: str) -> Entry | None:
        """Return the entry of a history item."""
        return next((entry for entry in self.entries if entry.history_item_id == history_item_id), None)

    def bill(
        self,
        voice: str,
        model: str,
        output_format: str,
        body: dict[str, Any],
        credits: int,
        *,
        hidden_s: float = 0.0,
        defect: str | None = None,
        fault: str | None = None,
    ) -> Entry:
        """Sell a clip: the entry is on the disk when this returns.

        Raises:
            OutOfCredits: Nothing is billed.
        """
        with self._lock:
            used = self._credits()
            if used + credits > self.limit:
                raise OutOfCredits
            now = time.time()
            entry = Entry(
                id=len(self._entries) + 1,
                request_id=uuid.uuid4().hex[:20],
                history_item_id=uuid.uuid4().hex[:20],
                voice=voice,
                model=model,
                text=body["text"],
                output_format=output_format,
                body=body,
                credits=credits,
                credits_before=used,
                time=now,
                visible_from=now + hidden_s,
                key=speech_key(voice, output_format, body),
                defect=defect,
                fault=fault,
            )
            self._lines.append(asdict(entry))
            self._entries.append(entry)
            return entry

    def _credits(self) -> int:
        return self._entries[-1].credits_before + self._entries[-1].credits if self._entries else 0


class GeminiBook:
    """Every generateContent call, billed or not, with its tokens."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path, fsync=True)
        self._lock = threading.Lock()
        self._calls: list[GeminiCall] = []
        self.reload()

    def reload(self) -> None:
        """Forget everything and read the file again."""
        with self._lock:
            self._lines.close()
            self._calls = [GeminiCall(**line) for line in self._lines.read()]

    def close(self) -> None:
        """Close the file; the calls stay readable."""
        self._lines.close()

    @property
    def calls(self) -> list[GeminiCall]:
        """Every call in order."""
        with self._lock:
            return list(self._calls)

    @property
    def tokens(self) -> int:
        """Billed tokens, of prompts and answers."""
        return sum(call.prompt_tokens + call.output_tokens for call in self.calls if call.billed)

    def duplicates(self) -> dict[str, int]:
        """Return the keys that were billed more than once, with how often."""
        return _repeated(call.key for call in self.calls if call.billed)

    def add(
        self,
        model: str,
        body: dict[str, Any],
        prompt_tokens: int,
        output_tokens: int,
        *,
        billed: bool,
        fault: str | None,
    ) -> GeminiCall:
        """Write down a call."""
        with self._lock:
            key = _hash({"model": model, "body": body})
            call = GeminiCall(
                len(self._calls) + 1, model, body, prompt_tokens, output_tokens, billed, time.time(), key, fault
            )
            self._lines.append(asdict(call))
            self._calls.append(call)
            return call


def speech_key(voice: str, output_format: str, body: dict[str, Any]) -> str:
    """Return the hash of all that decides what is spoken."""
    values = {**body, "voice": voice, "model": body.get("model_id"), "output_format": output_format}
    return _hash({name: values.get(name) for name in KEY_FIELDS})


def _hash(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _repeated(keys: Any) -> dict[str, int]:
    return {key: times for key, times in Counter(keys).items() if times > 1}
