"""The HTTP plumbing: a thread for each connection, all of them broken at once where the server dies."""

import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.provider.wire import Died, Request, send, shut

if TYPE_CHECKING:
    from tests.provider.server import Provider

_GONE = (BrokenPipeError, ConnectionError, TimeoutError, ValueError)
"""What writing to a client raises that has gone away."""


class Listener(ThreadingHTTPServer):
    """One life of the server: an open port and its connections."""

    daemon_threads = True
    # A thread ends with its connection, and `Provider.close` waits for it.
    block_on_close = False
    request_queue_size = 256

    def __init__(self, provider: "Provider", port: int) -> None:
        self.provider = provider
        self.life = provider.life
        self._connections: dict[Any, threading.Thread] = {}
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._guard:
            self._connections[request] = thread
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._connections.pop(request, None)

    def end_connections(self) -> list[threading.Thread]:
        """Break every connection; return the threads that end with it."""
        with self._guard:
            connections = dict(self._connections)
        for connection in connections:
            shut(connection)
        return list(connections.values())

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        if not isinstance(sys.exception(), _GONE):
            self.provider.crashes.append(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def _answer(self) -> None:
        life = self.server.life
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(self.command, unquote(url.path), query, headers, body)
        try:
            send(self, self.server.provider.answer(request, life), life.wait)
        except Died:
            self.close_connection = True
            shut(self.connection)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `Provider.requests` has it all."""


def listen(provider: "Provider", port: int) -> Listener:
    """Listen; a port that was closed a moment ago may need a few tries."""
    for _ in range(50):
        try:
            return Listener(provider, port)
        except OSError:
            time.sleep(0.05)
    return Listener(provider, port)
