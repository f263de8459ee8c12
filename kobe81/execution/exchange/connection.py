"""One request's way in and its answer's way out, whole or not: what uvicorn alone would not send."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

from uvicorn.protocols.http.h11_impl import H11Protocol

from kobe81.execution.exchange.misbehave import Fault, Rule
from kobe81.execution.exchange.stream import Receive, Scope, Send
from kobe81.execution.exchange.wire import Response

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 seconds: closing sends RST."""
PATIENCE = 16
"""An over-long body is read up to so many times the limit and thrown away, so that its sender can hear why."""


class Gone(Exception):  # noqa: N818  (reads as what happened)
    """The sender hung up in the middle of a request, which therefore was none."""


class Connection(H11Protocol):
    """h11, because it bounds the head of a request; the transport goes along, because faults need it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class Talk:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._transport: asyncio.Transport = scope["state"]["transport"]

    async def body(self, most: int) -> bytes | None:
        """The request's body; None where it is longer than `most`. Gone where its sender went before the end of it."""
        found, length, more = bytearray(), 0, True
        while more and length <= most * PATIENCE:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            length += len(message.get("body", b""))
            found += message.get("body", b"") if length <= most else b""
            more = message.get("more_body", False)
        return bytes(found) if length <= most else None

    async def answer(self, response: Response, rules: Sequence[Rule] = ()) -> None:
        """Send the answer: properly, or as the rules have it."""
        rule = next((r for r in rules if r.fault in {Fault.DRIP, Fault.LENGTH}), None)
        if rule is not None:
            longer = rule.by if rule.fault is Fault.LENGTH else 0
            await self._raw(response, max(len(response.body) + longer, 0), rule.seconds)
            return
        headers = _encoded(response.headers | _length(response))
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body})

    async def _raw(self, response: Response, length: int, drip: float) -> None:
        """The answer past uvicorn, which would not announce a wrong length."""
        headers = {**response.headers, "Content-Length": str(length), "Connection": "close"}
        lines = [f"HTTP/1.1 {response.status} ",
                 *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._transport.write("\r\n".join(lines).encode("latin-1"))
        size = 1 if drip else max(len(response.body), 1)
        for i in range(0, len(response.body), size):
            if self._transport.is_closing():
                break
            self._transport.write(response.body[i : i + size])
            await asyncio.sleep(drip)
        self._transport.close()
        await self._closed()

    async def silent(self, fault: Fault) -> None:
        """Reset the connection, or leave it open until the sender or the server goes."""
        if fault is Fault.CUT:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()
        await self._closed()

    async def _closed(self) -> None:
        while not (await self._receive())["type"].endswith(".disconnect"):
            pass


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _length(response: Response) -> dict[str, str]:
    """The length of the body, which a 204 does not announce."""
    return {} if response.status == 204 else {"Content-Length": str(len(response.body))}
