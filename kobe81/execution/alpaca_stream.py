"""Alpaca's stream of trade updates. It only wakes us: what happened is read from the account's activities.

An update may be lost, late or told twice; nothing depends on it but how soon a look is taken.
"""

from __future__ import annotations

import json
import logging
from threading import Event, Thread
from urllib.parse import urlsplit

from kobe81.core.errors import KobeError
from kobe81.execution.alpaca_http import Keys, check_address

LONGEST_MESSAGE = 1 << 20
PATIENCE = 10.0
"""Seconds for a connection, and for the answer to signing in."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a lost connection is tried again: doubling."""

_quiet = logging.Logger("kobe81.stream", logging.CRITICAL)  # websockets would log the key at level DEBUG


class Refused(KobeError):  # noqa: N818
    """The stream does not take the key."""


class Waker:
    """Listens in a thread of its own, for as long as the process lives or until closed."""

    def __init__(self, base: str, keys: Keys) -> None:
        check_address(base)
        parts = urlsplit(base)
        self._url = parts._replace(scheme="wss" if parts.scheme == "https" else "ws", path="/stream").geturl()
        self._keys, self._rung, self._closed = keys, Event(), Event()
        self._thread = Thread(target=self._listen_on, name="trade-updates", daemon=True)

    def start(self) -> Waker:
        """Begin to listen."""
        self._thread.start()
        return self

    def woken(self) -> bool:
        """Whether something happened since this was last asked."""
        rung = self._rung.is_set()
        self._rung.clear()
        return rung

    def close(self) -> None:
        """Listen no more."""
        self._closed.set()

    def _listen_on(self) -> None:
        wait = FIRST_WAIT
        while not self._closed.is_set():
            try:
                self._listen()
            except Refused:
                wait = LONGEST_WAIT
            except (OSError, ValueError, EOFError, TimeoutError):
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                wait = FIRST_WAIT
            self._closed.wait(wait)

    def _listen(self) -> None:
        """One connection, until it is lost."""
        from websockets.exceptions import ConnectionClosed, InvalidHandshake
        from websockets.sync.client import connect

        try:
            with connect(self._url, open_timeout=PATIENCE, max_size=LONGEST_MESSAGE, logger=_quiet) as line:
                line.send(json.dumps({"action": "auth", "key": self._keys.id.reveal(),
                                      "secret": self._keys.secret.reveal()}))
                if json.loads(line.recv(PATIENCE)).get("data", {}).get("status") != "authorized":
                    raise Refused("the stream of trade updates does not take the key; fills are noticed by sweeps")
                line.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
                self._rung.set()  # what happened before we listened is looked for as well
                while not self._closed.is_set():
                    self._hear(line.recv())
        except (ConnectionClosed, InvalidHandshake):
            return

    def _hear(self, message: str | bytes) -> None:
        if json.loads(message).get("stream") == "trade_updates":
            self._rung.set()
