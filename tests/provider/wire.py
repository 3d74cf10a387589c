"""What goes over the wire: requests as they were read, replies, and the ways a reply can break on its way."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

Delivery = Literal["whole", "short_length", "short_chunked", "short_close", "slow_body", "drop"]
N_DRIBBLES = 10


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    """Without the query."""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)

    def json(self) -> dict[str, Any]:
        """Return the body as an object.

        Raises:
            Refusal: It is none.
        """
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise Refusal(unprocessable(["body"], "JSON decode error", "json_invalid", str(error))) from None
        if not isinstance(value, dict):
            raise Refusal(unprocessable(["body"], "Input should be a valid dictionary", "model_type", None))
        return value


@dataclass(frozen=True)
class Reply:
    """One HTTP answer and how it is delivered."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = "whole"
    wait_s: float = 0.0
    """Waited before the first byte; for `slow_body`, spread over the body."""


class Refusal(Exception):  # noqa: N818 - an answer like any other, not an error of the server
    """A request is answered with something else than what it asked for."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Died(Exception):  # noqa: N818
    """The server died while this request was being worked on: no byte of an answer may leave."""


def json_reply(status: int, value: Any, headers: dict[str, str] | None = None) -> Reply:
    """Return a JSON answer."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status, body, {"content-type": "application/json", **(headers or {})})


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    """Return an error as ElevenLabs words it."""
    return json_reply(status, {"detail": {"status": code, "message": message}}, headers)


def unprocessable(place: list[str], message: str, kind: str, value: Any) -> Reply:
    """Return a 422 as FastAPI words it: `detail` is a list."""
    return json_reply(422, {"detail": [{"type": kind, "loc": place, "msg": message, "input": value}]})


def send(handler: BaseHTTPRequestHandler, reply: Reply, wait: Callable[[float], None]) -> None:
    """Send a reply in its way, and close the connection where that way leaves it broken."""
    delivery = reply.delivery
    if delivery != "slow_body":
        wait(reply.wait_s)
    if delivery == "drop":
        drop(handler)
        return
    half = reply.body[: max(len(reply.body) // 2, 1)]
    headers = {"server": "fake", "date": handler.date_time_string(), **reply.headers}
    if delivery == "short_chunked":
        headers["transfer-encoding"] = "chunked"
    elif delivery == "short_close":
        headers["connection"] = "close"
    else:
        headers["content-length"] = str(len(reply.body))
    phrase = handler.responses.get(reply.status, ("",))[0]
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    if delivery == "whole":
        handler.wfile.write(head + reply.body)
    elif delivery == "slow_body":
        handler.wfile.write(head)
        for piece in _dribbles(reply.body):
            wait(reply.wait_s / N_DRIBBLES)
            handler.wfile.write(piece)
    else:
        chunk = b"%x\r\n%b\r\n" % (len(half), half) if delivery == "short_chunked" else half
        handler.wfile.write(head + chunk)
        drop(handler)


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Close a connection without another byte."""
    handler.close_connection = True
    shut(handler.connection)


def shut(connection: socket.socket) -> None:
    """End both directions of a connection, whoever still holds it."""
    # It may be gone already.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _dribbles(body: bytes) -> Iterator[bytes]:
    size = max(-(-len(body) // N_DRIBBLES), 1)
    return (body[start : start + size] for start in range(0, len(body), size))
