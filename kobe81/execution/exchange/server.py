"""The exchange behind Alpaca's protocol on the loopback, in a thread of its own.

    with serving(exchange, clock, script=script) as url:
        client = TradingClient("key", "secret", url_override=url)

POST /_script gives another script while it runs; GET /_log tells what was received, when, and what became of it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

import uvicorn

from kobe81.core.clock import Clock
from kobe81.core.errors import UsageError
from kobe81.execution.exchange.application import Application, Limits, Served
from kobe81.execution.exchange.connection import Connection
from kobe81.execution.exchange.misbehave import Script

HOST = "127.0.0.1"
TICK = 0.25
"""Seconds between two looks at the quotes, so that stops trigger while nobody asks."""

WAKE = 0.2
"""Seconds between two looks at whether somebody pressed Ctrl-C."""


class ExchangeServer:
    """One exchange, served. clock: the real one, by which requests are logged and counted.

    port 0 takes any free one. UsageError where the port is taken.
    """

    def __init__(self, exchange: Served, clock: Clock, *, port: int = 0, script: Script | None = None,
                 limits: Limits | None = None, tick: float = TICK) -> None:
        self._exchange, self._tick = exchange, tick
        limits = limits or Limits()
        self._socket = _listen(port)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._application = Application(exchange, clock, script or Script(), limits)
        config = uvicorn.Config(
            self._application, http=Connection, ws="websockets-sansio", lifespan="off", log_config=None,
            access_log=False, server_header=False, limit_concurrency=limits.connections,
            h11_max_incomplete_event_size=limits.head, ws_max_size=limits.head, timeout_keep_alive=75)
        self._uvicorn, self._factory = uvicorn.Server(config), config.get_loop_factory()
        self._ready, self._done = Event(), Future[None]()

    def __enter__(self) -> ExchangeServer:
        """Serve, in a thread, until the end of the block."""
        threads = ThreadPoolExecutor(1, "exchange")
        self._done = threads.submit(self._serve)
        threads.shutdown(wait=False)
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Drop every connection and end; an error that ended it before is raised here."""
        if not self._done.done():
            self._loop.call_soon_threadsafe(self._drop)
        self.wait()

    def wait(self) -> None:
        """Until it has ended."""
        while not self._done.done():  # polars has a handler for SIGINT after which one long wait would just go on
            wait([self._done], WAKE)
        self._done.result()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=self._factory) as runner:
            try:
                runner.run(self._serving())
            finally:
                self._ready.set()

    async def _serving(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._exchange.subscribe(self._publish)
        ticking = asyncio.create_task(self._advance())
        ticking.add_done_callback(lambda _: self._drop())
        self._ready.set()
        await self._uvicorn.serve(sockets=[self._socket])
        if ticking.done():
            ticking.result()
        ticking.cancel()

    async def _advance(self) -> None:
        while True:
            self._exchange.advance()
            await asyncio.sleep(self._tick)

    def _publish(self, update: dict[str, Any]) -> None:
        """Called by the exchange, in whichever thread it happens to be."""
        with suppress(RuntimeError):  # the loop is closed, and nobody listens any more
            self._loop.call_soon_threadsafe(self._application.stream.publish, update)

    def _drop(self) -> None:
        for task in tuple(self._uvicorn.server_state.tasks):
            task.cancel()
        self._uvicorn.should_exit = True


def _listen(port: int) -> socket.socket:
    if port not in range(1 << 16):
        raise UsageError(f"{port} is no port; give another with --port, from 0 (any that is free) to 65535")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(f"port {port} of {HOST} cannot be used ({error.strerror}); give another with --port, "
                         "0 for any that is free") from error


@contextmanager
def serving(exchange: Served, clock: Clock, *, script: Script | None = None, limits: Limits | None = None,
            tick: float = TICK) -> Iterator[str]:
    """The address of the exchange while it is served on some free port."""
    with ExchangeServer(exchange, clock, script=script, limits=limits, tick=tick) as server:
        yield server.url
