"""Health endpoints: /health, /ready and /metrics, told from the journal by a process of their own.

Nothing is computed for a request: the pages are made when the journal has grown, and at most every 100 ms.
"""

from __future__ import annotations

import fcntl
import json
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from datetime import datetime
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple, Protocol

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kobe81.core.clock import Clock
from kobe81.core.errors import KobeError
from kobe81.core.events import Record
from kobe81.core.ports import KillSwitch
from kobe81.monitor import metrics
from kobe81.monitor.tally import Tally

LEASE_SECONDS, CLOCK_SECONDS = 60.0, 2.0
"""How old a leader's last heartbeat may be, and how far in the future two clocks may put it."""

FRESH_SECONDS = 0.1
"""How old a page may be."""

LARGEST_REQUEST, SLOWEST_REQUEST, MOST_CONNECTIONS = 16_384, 10.0, 64
"""Bytes of one request, seconds for it to arrive, and connections at a time."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
UNREADABLE = (KobeError, OSError, msgspec.MsgspecError, ArithmeticError)
"""What reading a journal may raise; arithmetic where one of its numbers is none."""

TEXT, JSON = "text/plain; charset=utf-8", "application/json"
Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]


class Trail(Protocol):
    """The journal, as its readers see it."""

    def since(self, seq: int) -> Iterable[Record]:
        """The records after `seq`, in order."""

    def head(self) -> tuple[int, bytes]:
        """How many records there are, and the hash of the last."""


class Lease:
    """The leader's lease: a file it holds a lock on and touches while it lives."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def problem(self, now: datetime) -> str:
        """"" where a leader holds it; otherwise why not."""
        try:
            age = now.timestamp() - self._path.stat().st_mtime
            if not -CLOCK_SECONDS <= age <= LEASE_SECONDS:
                return (f"the runner's last heartbeat is {age:,.0f} s old and may be {LEASE_SECONDS:.0f}; "
                        "see whether it hangs: kobe status")
            return "" if self._held() else "no runner holds the lead; start one: kobe run"
        except FileNotFoundError:
            return "no runner has ever led here; start one: kobe run"
        except OSError as error:
            return f"the runner's lease cannot be read ({error.strerror}); mend {self._path}"

    def _held(self) -> bool:
        """Whether somebody has the lock; asked only while the heartbeat is fresh, to be in no new leader's way."""
        with self._path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


class Page(NamedTuple):
    """An answer, ready to be sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of(cls, status: int, body: bytes, kind: str = JSON, **more: str) -> Page:
        """The answer with its length and the headers that keep browsers from making anything of it."""
        headers = {"content-type": kind, "content-length": str(len(body)), "cache-control": "no-store",
                   "x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'", **more}
        return cls(status, [(k.encode(), v.encode()) for k, v in headers.items()], body)


def _json(status: int, values: dict[str, Any], **more: str) -> Page:
    return Page.of(status, json.dumps(values).encode(), **more)


ALIVE = _json(200, {"status": "alive"})
NOT_FOUND = _json(404, {"error": "there are /health, /ready and /metrics"})
NOT_ALLOWED = _json(405, {"error": "only GET and HEAD are answered"}, allow="GET, HEAD")
NOT_HERE = _json(400, {"error": "this host name is not served; give it to kobe health as --allow NAME"})


class Watch:
    """What the journal, the lease and the switch say, looked at no more than every 100 ms.

    reasons: why no order may be sent; none where one may (I11).
    """

    def __init__(self, journal: Trail, lease: Lease, switch: KillSwitch, clock: Clock) -> None:
        self._journal, self._lease, self._switch, self._clock = journal, lease, switch, clock
        self.tally, self.reasons = Tally(), tuple[str, ...]()
        self._told: tuple[Any, ...] = ()
        self._pages: dict[str, Page] = {}
        self._look()

    def pages(self) -> dict[str, Page]:
        """The pages by path, no older than 100 ms."""
        if not self._clock.monotonic() - self._looked < FRESH_SECONDS:
            self._look()
        return self._pages

    def _look(self) -> None:
        self._looked = self._clock.monotonic()
        (size, head), unread = self._read()
        lease, switch = self._lease.problem(self._clock.now()), self._switch.engaged()
        self.reasons = tuple(filter(None, (unread, lease, _of_switch(switch), *self.tally.reasons)))
        told = (size, head, bool(unread), self.reasons)
        if told != self._told:
            self._told, self._pages = told, self._made(head.hex(), not unread)

    def _read(self) -> tuple[tuple[int, bytes], str]:
        """The journal's head, and why it cannot be read; the tally goes on to it."""
        try:
            head = self._journal.head()
            if head[0] < self.tally.book.seq:  # another journal is in its place
                self.tally = Tally()
            if head[0] > self.tally.book.seq:
                self.tally.add(self._journal.since(self.tally.book.seq))
        except UNREADABLE as error:
            return (self.tally.book.seq, b""), f"the journal cannot be read: {error}; see: kobe audit verify"
        return head, ""

    def _made(self, head: str, readable: bool) -> dict[str, Page]:
        ready = not self.reasons
        page = metrics.render(self.tally, ready=ready, readable=readable, head=head)
        state = {"status": "ready"} if ready else {"status": "not ready", "reasons": self.reasons}
        return {"/health": ALIVE, "/ready": _json(200 if ready else 503, state),
                "/metrics": Page.of(200, page, metrics.CONTENT_TYPE)}


def _of_switch(engaged: str) -> str:
    return engaged and f"{engaged}; lift it: kobe resume"


class Endpoints:
    """The ASGI application. hosts: names it answers to besides those of the loopback."""

    def __init__(self, watch: Watch, hosts: Iterable[str] = ()) -> None:
        self._watch, self._hosts = watch, LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        page = self._page(scope)
        await send({"type": "http.response.start", "status": page.status, "headers": page.headers})
        await send({"type": "http.response.body", "body": page.body})

    def _page(self, scope: Scope) -> Page:
        if not self._is_ours(scope["headers"]):
            return NOT_HERE
        if scope["method"] not in {"GET", "HEAD"}:
            return NOT_ALLOWED
        path = scope["path"]
        return ALIVE if path == "/health" else self._watch.pages().get(path, NOT_FOUND)

    def _is_ours(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the request names one host, and one of ours: no web page can have its own name lead here."""
        named = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        return len(named) == 1 and _without_port(named[0]) in self._hosts


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


class Bounded(HttpToolsProtocol):
    """Uvicorn's protocol, which by itself reads requests of any length for any time."""

    _size = 0
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        super().data_received(data)
        if self._size > LARGEST_REQUEST:
            self._give_up()

    def on_message_begin(self) -> None:
        self._set_deadline()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._size = 0
        self._drop_deadline()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        self._drop_deadline()
        self._deadline = self.loop.call_later(SLOWEST_REQUEST, self._give_up)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None

    def _give_up(self) -> None:
        self.transport.close()


def serve(app: Endpoints, listening: socket) -> None:
    """Answer on a socket that listens already, until a signal comes."""
    uvicorn.Server(uvicorn.Config(
        app, loop="uvloop", http=Bounded, ws="none", lifespan="off", interface="asgi3",
        access_log=False, log_config=None, server_header=False, date_header=False, proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS, timeout_keep_alive=30, timeout_graceful_shutdown=2)).run([listening])
