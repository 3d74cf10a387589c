"""The history of the ElevenLabs side: it holds exactly what was billed."""

import io
import time
import zipfile
from typing import Any

from tests.provider.book import Book, Entry
from tests.provider.faults import Faults
from tests.provider.options import Options
from tests.provider.rendering import Renderer, contain, sample_rate_of, samples_of
from tests.provider.wire import Refusal, Reply, Request, json_reply, refusal, unprocessable

_MOST_OF_A_PAGE = 1000
_NUMBERS = ("page_size", "date_before_unix", "date_after_unix")


class History:
    """Answers requests below /v1/history."""

    def __init__(self, book: Book, renderer: Renderer, faults: Faults, options: Options) -> None:
        self._book = book
        self._renderer = renderer
        self._faults = faults
        self._options = options

    def answer(self, request: Request, number: int) -> Reply:
        """Answer a request; the arguments are those of `ElevenLabs.answer`."""
        parts = request.path.split("/")[3:]
        fault = self._faults.draw("history", number)
        if fault == "history_error":
            raise Refusal(refusal(500, "internal_server_error", "An unexpected error occurred."))
        if fault == "history_busy":
            raise Refusal(refusal(429, "system_busy", "The system is experiencing heavy traffic, please try again."))
        if fault == "history_timeout":
            return Reply(500, b"", delivery="drop", wait_s=self._options.hang_s)
        reply = self._route(request, parts)
        if fault == "history_short":
            return Reply(reply.status, reply.body, reply.headers, "short_length")
        return reply

    def _route(self, request: Request, parts: list[str]) -> Reply:
        if request.method == "GET" and not parts:
            return json_reply(200, self._list(request.query))
        if request.method == "POST" and parts == ["download"]:
            return self._download(request.json())
        if request.method == "GET" and len(parts) == 1:
            return json_reply(200, self._item(self._find(parts[0])))
        if request.method == "GET" and len(parts) == 2 and parts[1] == "audio":
            entry = self._find(parts[0])
            return Reply(200, self._audio(entry), {"content-type": _content_type(entry)})
        raise Refusal(json_reply(404, {"detail": "Not Found"}))

    def _visible(self) -> list[Entry]:
        now = time.time()
        return [entry for entry in self._book.entries if entry.visible_from <= now]

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        numbers = {name: _number(name, query[name]) for name in _NUMBERS if name in query}
        size = numbers.get("page_size", 100)
        if not 1 <= size <= _MOST_OF_A_PAGE:
            raise Refusal(unprocessable(["query", "page_size"], "Input should be from 1 to 1000", "range", size))
        if ("model_id" in query or "search" in query) and "source" not in query:
            raise Refusal(unprocessable(["query", "source"], "Field required", "missing", None))
        entries = [
            entry
            for entry in self._visible()
            if query.get("voice_id", entry.voice) == entry.voice
            and query.get("model_id", entry.model) == entry.model
            and query.get("source", "TTS") == "TTS"
            and query.get("search", "").lower() in entry.text.lower()
            and numbers.get("date_after_unix", 0) <= int(entry.time)
            and ("date_before_unix" not in numbers or int(entry.time) < numbers["date_before_unix"])
        ]
        if query.get("sort_direction", "desc") == "desc":
            entries.reverse()
        if after := query.get("start_after_history_item_id"):
            last = self._find(after)
            descending = query.get("sort_direction", "desc") == "desc"
            entries = [entry for entry in entries if (entry.id < last.id if descending else entry.id > last.id)]
        page = entries[:size]
        return {
            "history": [self._item(entry) for entry in page],
            "last_history_item_id": page[-1].history_item_id if page else None,
            "has_more": len(entries) > len(page),
            "scanned_until": int(page[-1].time) if page else None,
        }

    def _find(self, history_item_id: str) -> Entry:
        for entry in self._visible():
            if entry.history_item_id == history_item_id:
                return entry
        message = f"History item with ID {history_item_id} was not found."
        raise Refusal(refusal(400, "history_item_not_found", message))

    def _item(self, entry: Entry) -> dict[str, Any]:
        alignments = self._renderer.alignments(entry.voice, entry.output_format, entry.body, entry.defect)
        return {
            "history_item_id": entry.history_item_id,
            "request_id": entry.request_id,
            "voice_id": entry.voice,
            "model_id": entry.model,
            "voice_name": entry.voice.capitalize(),
            "voice_category": "premade",
            "text": entry.text,
            "date_unix": int(entry.time),
            "character_count_change_from": entry.credits_before,
            "character_count_change_to": entry.credits_before + entry.credits,
            "content_type": _content_type(entry),
            "state": "created",
            "settings": entry.body.get("voice_settings"),
            "source": "TTS",
            "alignments": alignments if alignments["alignment"] else None,
            "output_format": entry.output_format,
        }

    def _audio(self, entry: Entry) -> bytes:
        return self._renderer.audio(entry.voice, entry.output_format, entry.body, entry.defect)

    def _download(self, body: dict[str, Any]) -> Reply:
        entries = [self._find(name) for name in body.get("history_item_ids") or []]
        if not entries:
            raise Refusal(refusal(400, "no_history_items", "No history item was asked for."))
        as_wav = body.get("output_format") == "wav"
        clips = [(entry, self._wav(entry) if as_wav else self._audio(entry)) for entry in entries]
        if len(clips) == 1:
            return Reply(200, clips[0][1], {"content-type": "audio/wav" if as_wav else _content_type(entries[0])})
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for entry, audio in clips:
                suffix = "wav" if as_wav else entry.output_format[:3]
                file.writestr(f"{entry.history_item_id}.{suffix}", audio)
        return Reply(200, archive.getvalue(), {"content-type": "application/zip"})

    def _wav(self, entry: Entry) -> bytes:
        pcm = samples_of(self._audio(entry), entry.output_format)
        return contain(pcm, f"wav_{sample_rate_of(entry.output_format)}")


def _content_type(entry: Entry) -> str:
    return f"audio/{entry.output_format[:3]}"


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        message = "Input should be a valid integer"
        raise Refusal(unprocessable(["query", name], message, "int_parsing", text)) from None
