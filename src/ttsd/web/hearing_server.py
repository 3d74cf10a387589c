"""Serves a listening test on this machine alone, and keeps every answer the moment it is given.

It serves the page and the clips of one test and nothing else, and takes well-formed answers of that test alone, bounded
in size and number. For listeners elsewhere put `public/` on a static host: the page then keeps the answers itself, and
gives them as a file.
"""

import contextlib
import json
import os
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ttsd.data.hearing_test import (
    ANSWERS_NAME,
    CLIPS_NAME,
    MAX_ANSWER_BYTES,
    PAGE_NAME,
    PUBLIC_NAME,
    Answer,
    Key,
    check_answer,
    list_answers,
    read_key,
)
from ttsd.errors import StageError
from ttsd.utils.files import atomic_path
from ttsd.utils.locks import hold_folder

HOST = "127.0.0.1"
MAX_ANSWERS = 200_000
MAX_PER_LISTENER = 2_000
"""Answers are sent again when a listener goes back, and when a connection was lost."""
_TIMEOUT_S = 30
_TYPES = {".html": "text/html; charset=utf-8", ".wav": "audio/wav"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class HearingServer(ThreadingHTTPServer):
    """A server of one test.

    Args:
        folder: The test.
        port: 0 takes any free one.

    Raises:
        CorpusError: The folder holds no test, or its answers cannot be read.
        StageError: The port is taken, or another server has the test.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.key = read_key(folder)
        self.answers_path = folder / ANSWERS_NAME
        # Two servers would count a listener's answers each by itself.
        self._held = contextlib.ExitStack()
        self._held.enter_context(hold_folder(folder))
        try:
            known = _open_answers(self.answers_path, self.key)
        except BaseException:
            self._held.close()
            raise
        self.per_listener = Counter(answer.listener for answer in known)
        self.lock = threading.Lock()
        public = folder / PUBLIC_NAME
        # What is not in this table is not served, whatever its address looks like.
        self.files = {"/": public / PAGE_NAME}
        self.files |= {f"/{CLIPS_NAME}/{name}.wav": public / CLIPS_NAME / f"{name}.wav" for name in self.key.samples}
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            self._held.close()
            raise StageError(f"port {port}: cannot be served ({error.strerror}); name another with --port") from None

    def server_close(self) -> None:
        """Give up the port and the test."""
        super().server_close()
        self._held.close()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    def keep(self, answer: Answer) -> bool:
        """Write an answer so that it survives a failure of the power; false where there are too many."""
        with self.lock:
            if self.per_listener[answer.listener] >= MAX_PER_LISTENER or self.per_listener.total() >= MAX_ANSWERS:
                return False
            with self.answers_path.open("ab") as file:
                file.write(answer.model_dump_json().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self.per_listener[answer.listener] += 1
        return True


class _Handler(BaseHTTPRequestHandler):
    server: HearingServer
    server_version = "ttsd"
    sys_version = ""
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        own = self.server.address.rstrip("/")
        if not self._is_own_host():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.path != "/answers":
            self._answer(HTTPStatus.NOT_FOUND)
        # Another site's page could send a form, but not this type, nor without telling where it is from.
        elif self.headers.get("Origin", own) not in (own, own.replace(HOST, "localhost")):
            self._answer(HTTPStatus.FORBIDDEN)
        elif self.headers.get_content_type() != "application/json":
            self._answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif not length.isdecimal():
            self._answer(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > MAX_ANSWER_BYTES:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._take(self.rfile.read(int(length)))

    def _take(self, body: bytes) -> None:
        try:
            answer = check_answer(json.loads(body), self.server.key)
        except (ValueError, RecursionError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, str(error).encode())
            return
        kept = self.server.keep(answer)
        self._answer(HTTPStatus.NO_CONTENT if kept else HTTPStatus.TOO_MANY_REQUESTS)

    def _serve(self, *, with_body: bool) -> None:
        path = self.server.files.get(self.path.partition("?")[0])
        if not self._is_own_host():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST)
        elif path is None or not path.is_file():
            self._answer(HTTPStatus.NOT_FOUND)
        else:
            self._answer(HTTPStatus.OK, path.read_bytes(), _TYPES[path.suffix], with_body=with_body)

    def _is_own_host(self) -> bool:
        # A name elsewhere that is made to point here must not reach the test.
        host = self.headers.get("Host", "")
        return host in (f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}")

    def _answer(
        self, status: HTTPStatus, body: bytes = b"", media: str = "text/plain; charset=utf-8", *, with_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
        if status >= HTTPStatus.BAD_REQUEST:
            # What else was sent was not read.
            self.close_connection = True
        self.end_headers()
        if with_body and body:
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the terminal shows how many answers there are."""


def _open_answers(path: Path, key: Key) -> list[Answer]:
    """Return the answers so far; the beginning of one that was never confirmed, as the machine stopped, is taken away.

    Raises:
        CorpusError: A line is none of this test.
    """
    if not path.is_file():
        return []
    known = list_answers([path], key)
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if data != whole:
        # An answer without its newline is whole all the same.
        tail = data[len(whole) :] + b"\n"
        is_answer = len(known) > len([line for line in whole.splitlines() if line.strip()])
        with atomic_path(path) as temporary:
            temporary.write_bytes(whole + tail if is_answer else whole)
    return known
