"""Trade updates to whoever listens, in the words of Alpaca's trading stream: a websocket, JSON in binary frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import msgspec

from kobe81.execution.exchange.misbehave import STREAM, Fault, Misbehaviour, pause

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_WAITING = 1000
"""Messages a listener may be behind; one that is further behind is cut off, so that it holds up nobody."""
TRADE_UPDATES = "trade_updates"


class _Details(msgspec.Struct):
    key_id: str = ""
    secret_key: str = ""
    streams: list[str] = []


class _Said(msgspec.Struct):
    """What a listener says: `auth` with key and secret, the older `authenticate` with both in `data`, or `listen`."""

    action: str
    key: str = ""
    secret: str = ""
    data: _Details = msgspec.field(default_factory=_Details)


class _Listener:
    """One connection, and what waits to be sent on it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.authorized = self.listens = False
        self._transport = transport
        self._waiting = asyncio.Queue[bytes](MOST_WAITING)

    def tell(self, frame: bytes) -> None:
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self._transport.abort()

    async def write(self, send: Send) -> None:
        with suppress(OSError):  # it hung up; the reader hears of that too
            while True:
                await send({"type": "websocket.send", "bytes": await self._waiting.get()})


class Stream:
    """The listeners of one server. authorized: whether key and secret open an account."""

    def __init__(self, authorized: Callable[[str, str], bool], misbehaviour: Misbehaviour) -> None:
        self._authorized, self._misbehaviour = authorized, misbehaviour
        self._listeners = set[_Listener]()
        self._held: list[bytes] = []

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One listener, until it or the server hangs up."""
        await receive()
        await send({"type": "websocket.accept"})
        listener = _Listener(scope["state"]["transport"])
        writing = asyncio.create_task(listener.write(send))
        self._listeners.add(listener)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                listener.tell(msgspec.json.encode(self._answer(listener, message)))
        finally:
            self._listeners.discard(listener)
            writing.cancel()

    def _answer(self, listener: _Listener, message: MutableMapping[str, Any]) -> dict[str, Any]:
        try:
            said = msgspec.json.decode(message.get("bytes") or message.get("text") or b"", type=_Said)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            return {"stream": "error", "data": {"error": f"not a message of this stream: {error}"}}
        if said.action in {"auth", "authenticate"}:
            listener.authorized = self._authorized(said.key or said.data.key_id, said.secret or said.data.secret_key)
            return _authorization("authenticate", listener.authorized)
        if said.action != "listen":
            return {"stream": "error", "data": {"error": f"unknown action {said.action!r}; auth or listen"}}
        if not listener.authorized:
            return _authorization("listen", False)
        listener.listens = TRADE_UPDATES in said.data.streams
        return {"stream": "listening", "data": {"streams": [TRADE_UPDATES] if listener.listens else []}}

    def publish(self, update: dict[str, Any]) -> None:
        """Tell every listener, unless the script has it otherwise. Belongs into the server's loop."""
        rules = self._misbehaviour.due(STREAM, str(update.get("event", "")))
        faults = {rule.fault for rule in rules}
        if Fault.LOSE in faults:
            return
        frame = msgspec.json.encode({"stream": TRADE_UPDATES, "data": update})
        frames = [frame] * (2 if Fault.REPEAT in faults else 1)
        if Fault.REORDER in faults and not self._held:
            self._held = frames
            return
        frames, self._held = frames + self._held, []
        late = pause(rules, "before") + pause(rules, "after")
        if late:
            asyncio.get_running_loop().call_later(late, self._tell, frames)
        else:
            self._tell(frames)

    def _tell(self, frames: list[bytes]) -> None:
        for listener in [each for each in self._listeners if each.listens]:
            for frame in frames:
                listener.tell(frame)


def _authorization(action: str, granted: bool) -> dict[str, Any]:
    status = "authorized" if granted else "unauthorized"
    return {"stream": "authorization", "data": {"status": status, "action": action}}
