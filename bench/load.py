"""Somebody who asks for /metrics without end, in a process of its own: python -m bench.load PORT RATE.

RATE is in requests a second over all connections, 0 for as many as are answered. It asks until its input ends, then
prints as JSON how many answers came whole, in how many seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.processes import ROOT

CONNECTIONS, NICENESS = 16, 10
"""The second: whoever asks usually has a machine of its own, so here it stands back as the endpoints do."""
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BEGINNING, LENGTH, END = b"HTTP/1.1 200 ", b"content-length: ", b"\r\n\r\n"


@dataclass
class Asked:
    """How many answers came whole, and from when on how often to ask (seconds between two requests)."""

    pause: float
    begun: float = field(default_factory=time.monotonic)
    answers: int = 0
    sent: int = 0

    def due(self) -> float:
        """Seconds until the next request is due; counts it."""
        self.sent += 1
        return self.begun + self.sent * self.pause - time.monotonic()


class Client(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, asked: Asked) -> None:
        self._asked, self._received = asked, bytearray()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) >= whole(self._received):
            self._asked.answers += 1
            self._received.clear()
            self._ask()

    def _ask(self) -> None:
        wait = self._asked.due()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._transport.write, REQUEST)
        else:
            self._transport.write(REQUEST)


def whole(received: bytearray) -> float:
    """The length of the answer that begins so, infinity while nobody can tell; SystemExit where it is no page."""
    head = received.find(END)
    if head < 0:
        return float("inf")
    if not received.startswith(BEGINNING):
        raise SystemExit(f"/metrics answered {bytes(received[:head])!r}")
    begins = received.index(LENGTH) + len(LENGTH)
    return head + len(END) + int(received[begins : received.index(b"\r", begins)])


async def ask(port: int, rate: float) -> tuple[int, float]:
    """Ask until the input ends; the number of answers and the seconds they took."""
    loop, asked = asyncio.get_running_loop(), Asked(1.0 / rate if rate else 0.0)
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Client(asked), "127.0.0.1", port)
    print("asking", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    return asked.answers, time.monotonic() - asked.begun


@contextmanager
def asking(port: int, rate: float = 0.0) -> Iterator[list[float]]:
    """While the block runs; afterwards the list holds how many requests a second were answered."""
    command, found = [sys.executable, "-m", "bench.load", str(port), str(rate)], list[float]()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        if process.stdout is None or process.stdout.readline().strip() != "asking":
            raise SystemExit("nobody could ask for /metrics")
        yield found
        answers, seconds = json.loads(process.communicate()[0])
        found.append(answers / seconds)


if __name__ == "__main__":
    import uvloop

    os.nice(NICENESS)
    print(json.dumps(uvloop.run(ask(int(sys.argv[1]), float(sys.argv[2])))))
