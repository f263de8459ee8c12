"""A raw server on the loopback that answers as Alpaca would, or as it never should, and keeps what arrived.

    with AlpacaServer() as server:
        server.script = [json_answer(ORDER), Answer(b"...")]      # one a request, the last one for all further ones
        server.script = lambda request: answer                    # or a function of the request
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ssl import SSLContext
from threading import Event, Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Request(NamedTuple):
    """What arrived; at: the monotonic clock when its first byte had been read."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Answer(NamedTuple):
    """Bytes as sent. drip: seconds between single bytes; reset: end with RST; hang: send nothing more, stay open."""

    raw: bytes
    drip: float = 0.0
    reset: bool = False
    hang: bool = False


Script = Sequence[Answer] | Callable[[Request], Answer]


def answer(body: bytes = b"", status: int = 200, headers: dict[str, str] | None = None, *, length: int | None = None,
           **how: Any) -> Answer:
    """A well-formed answer, unless its length says otherwise."""
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body) if length is None else length),
              "Connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return Answer(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1") + body, **how)


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None, **how: Any) -> Answer:
    return answer(json.dumps(value).encode(), status, headers, **how)


def refusal(status: int, code: int, message: str) -> Answer:
    return json_answer({"code": code, "message": message}, status)


HTML = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"


class AlpacaServer:
    """Serves `script` on `url`, one thread a connection, over https where it has a certificate; what it got stands in
    `requests`, in order of arrival."""

    def __init__(self, tls: SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self.script: Script = [json_answer({}, 500)]
        self._stop = Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> AlpacaServer:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while not self._stop.is_set():
                connection, _ = self._socket.accept()
                self.connections += 1
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:  # the client may hang up at any byte
            connection.settimeout(30)
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as spoken:
                request = _receive(spoken)
                if request is not None:
                    self.requests.append(request)
                    self._say(spoken, self._next(request))

    def _next(self, request: Request) -> Answer:
        if callable(self.script):
            return self.script(request)
        return self.script[min(len(self.requests), len(self.script)) - 1]

    def _say(self, connection: socket.socket, said: Answer) -> None:
        for piece in [said.raw] if not said.drip else (said.raw[i : i + 1] for i in range(len(said.raw))):
            connection.sendall(piece)
            if said.drip and self._stop.wait(said.drip):
                return
        if said.hang:
            self._stop.wait(30)
        if said.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _receive(connection: socket.socket) -> Request | None:
    data, at = connection.recv(65536), time.monotonic()
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, target, _ = line.split(" ")
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body, at)
