"""What a request goes through before the exchange, and its answer after: quota, script, receive log, controls."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from kobe81.core.clock import Clock
from kobe81.core.errors import UsageError
from kobe81.execution.exchange.connection import Gone, Talk
from kobe81.execution.exchange.misbehave import (
    BUSY,
    BY_CLIENT_ID,
    Fault,
    Misbehaviour,
    Rule,
    Script,
    instead,
    parse_script,
    pause,
    silence,
    spoiled,
)
from kobe81.execution.exchange.stream import Receive, Scope, Send, Stream
from kobe81.execution.exchange.wire import Request, Response, reply

NAMES = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""What the Host header may say; a web page that has its own name resolved to this machine says something else."""
WINDOW = 60.0
LONGEST_LOG = 20_000


class Limits(msgspec.Struct, frozen=True):
    """What one server takes: requests a minute for each key (None: any number), connections, bytes of a request."""

    requests_per_minute: int | None = 200
    connections: int = 256
    body: int = 1 << 20
    head: int = 32 << 10


class Entry(msgspec.Struct):
    """One request in the receive log. received_ns is the monotonic clock when its head was read; `handled` the status
    the exchange gave, None where it never saw the request; `answered` the status sent, None where nothing was."""

    number: int
    request_id: str
    received_ns: int
    at: str
    method: str
    path: str
    query: str
    body: str = ""
    faults: list[Fault] = []
    handled: int | None = None
    answered: int | None = None
    answer: str = ""


class Served(Protocol):
    """What an exchange has to offer to be served."""

    def handle(self, request: Request) -> Response: ...
    def advance(self) -> None: ...
    def subscribe(self, listener: Callable[[dict[str, Any]], None]) -> None: ...


class _Quota:
    """Requests a minute, counted for each key from its first request on."""

    def __init__(self, clock: Clock, most: int | None) -> None:
        self.clock, self._most = clock, most
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, key: str) -> tuple[bool, dict[str, str]]:
        """Whether one more is allowed, and the headers that tell the sender."""
        if self._most is None:
            return True, {}
        now = self.clock.monotonic()
        self._windows = {k: window for k, window in self._windows.items() if now - window[0] < WINDOW}
        begun, used = self._windows.get(key, (now, 0))
        allowed = used < self._most
        self._windows[key] = begun, used + allowed
        reset = math.ceil(self.clock.now().timestamp() + WINDOW - (now - begun))
        left = self._most - used - allowed
        return allowed, {"X-RateLimit-Limit": str(self._most), "X-RateLimit-Remaining": str(left),
                         "X-RateLimit-Reset": str(reset)}


class Application:
    """The ASGI application: what a request goes through before the exchange, and its answer after."""

    def __init__(self, exchange: Served, clock: Clock, script: Script, limits: Limits) -> None:
        self.exchange, self.clock, self.limits = exchange, clock, limits
        self.misbehaviour = Misbehaviour(script)
        self.stream = Stream(self._opens, self.misbehaviour)
        self.log = deque[Entry](maxlen=LONGEST_LOG)
        self._quota = _Quota(clock, limits.requests_per_minute)
        self._number, self._born = 0, self.clock.now().isoformat()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        talk = Talk(scope, receive, send)
        try:
            if scope["type"] == "http":
                await self._converse(scope, headers, talk)
            elif _stranger(headers) or scope["path"] != "/stream":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.stream.serve(scope, receive, send)
        except Gone:
            pass  # half an order is no order
        except asyncio.CancelledError:  # the server stops, and whoever still waits hears nothing
            await talk.silent(Fault.CUT)

    async def _converse(self, scope: Scope, headers: dict[str, str], talk: Talk) -> None:
        entry, refused = self._entry(scope), _stranger(headers)
        body = await talk.body(self.limits.body)
        query = dict(parse_qsl(entry.query, keep_blank_values=True))
        request = Request(entry.method, entry.path, query, body or b"", headers)
        if body is None:
            answer = _said(413, f"a body has at most {self.limits.body:,} bytes")
            await self._send(talk, entry, _with(answer, {"Connection": "close"}), [])
        elif refused:
            await self._send(talk, entry, _said(403, refused), [])
        elif entry.path in {"/_log", "/_script"}:
            await talk.answer(self._control(request), [])
        else:
            self.log.append(entry)
            entry.body = body.decode("utf-8", "replace")
            await self._order(request, entry, talk)

    async def _order(self, request: Request, entry: Entry, talk: Talk) -> None:
        """A request to the exchange, with whatever the script does to it."""
        allowed, standing = self._quota.take(request.headers.get("apca-api-key-id", ""))
        if not allowed:
            return await self._send(talk, entry, _with(reply(429, BUSY), standing), [])
        wanted = request.query.get("client_order_id", "") if request.path == BY_CLIENT_ID else ""
        rules = self.misbehaviour.due(request.method, request.path, wanted)
        entry.faults = [rule.fault for rule in rules]
        await asyncio.sleep(pause(rules, "before"))
        if fault := silence(rules, "before"):
            return await talk.silent(fault)
        answered = instead(request, rules, self.clock.now().timestamp())
        if answered is None:
            answered = self.exchange.handle(request)
            entry.handled = answered.status
            answered = _with(answered, standing)
        answered = spoiled(answered, rules)
        await asyncio.sleep(pause(rules, "after"))
        if fault := silence(rules, "after"):
            return await talk.silent(fault)
        return await self._send(talk, entry, answered, rules)

    async def _send(self, talk: Talk, entry: Entry, answer: Response, rules: list[Rule]) -> None:
        entry.answered, entry.answer = answer.status, answer.body.decode("utf-8", "replace")
        await talk.answer(_with(answer, {"X-Request-ID": entry.request_id}), rules)

    def _entry(self, scope: Scope) -> Entry:
        self._number += 1
        name = hashlib.blake2b(f"{self._born}/{self._number}".encode(), digest_size=16).hexdigest()
        return Entry(self._number, name, round(self.clock.monotonic() * 1e9), self.clock.now().isoformat(),
                     scope["method"], scope["path"], scope["query_string"].decode("latin-1"))

    def _control(self, request: Request) -> Response:
        """The receive log and the script, for tests on this machine."""
        if request.path == "/_log" and request.method == "GET":
            after = request.query.get("after", "0")
            number = int(after) if after.isdecimal() else 0
            return reply(200, [entry for entry in self.log if entry.number > number])
        if request.path == "/_script" and request.method == "POST":
            return self._rescript(request)
        if request.path == "/_script" and request.method == "GET":
            return reply(200, self.misbehaviour.script)
        return _said(405, f"{request.path} has no {request.method}")

    def _rescript(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _said(415, "a script comes as application/json")
        try:
            self.misbehaviour.follow(parse_script(request.body))
        except UsageError as error:
            return _said(422, str(error))
        return reply(200, self.misbehaviour.script)

    def _opens(self, key: str, secret: str) -> bool:
        """Whether the exchange has an account for this key, asked as anyone would."""
        headers = {"apca-api-key-id": key, "apca-api-secret-key": secret}
        return self.exchange.handle(Request("GET", "/v2/account", {}, b"", headers)).status == 200


def _stranger(headers: dict[str, str]) -> str:
    """Why this request is not for us; "" where it is."""
    host = headers.get("host", "")
    if not NAMES.fullmatch(host):
        return f"the host {host!r} is not served; ask 127.0.0.1"
    return "this is for programs, not for web pages" if "origin" in headers else ""


def _said(status: int, message: str) -> Response:
    return reply(status, {"message": message})


def _with(response: Response, headers: dict[str, str]) -> Response:
    return response._replace(headers=response.headers | headers)
