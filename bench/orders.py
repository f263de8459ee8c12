"""From a decision to the broker's answer: the real order path, over HTTP on the loopback to a `kobe exchange`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from bench.days import ACCOUNT, CASH, SYMBOLS, snapshot
from bench.load import asking
from bench.processes import ROOT
from bench.restart import RULES
from kobe81.app.clock import SystemClock
from kobe81.app.live.station import Places
from kobe81.core.events import AccountOpened, OrderMoved, SessionOpened
from kobe81.core.orders import State
from kobe81.core.secret import Secret
from kobe81.engine.decide import decide
from kobe81.engine.rules import Rules
from kobe81.execution.alpaca_http import HttpWire, Keys
from kobe81.execution.broker_alpaca import AlpacaBroker
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.oms.ledger import Ledger
from kobe81.oms.outbox import Outbox
from kobe81.store.journal import open_journal
from kobe81.store.locks import LeaderLock

AN_HOUR = timedelta(hours=1)
RATE = 6_000
"""Requests for /metrics a second while orders are sent; a few less are answered."""
TURNS = 4
"""Orders are sent in quiet and under load in turns, so that whatever else the machine does meets both alike."""
EXCHANGE = ("exchange", "--port", "0", "--data", "synthetic:20x300", "--cash", "1e9", "--quota", "0", "--fresh")
HEALTH = ("health", "--port", "0")


class Sender:
    """Decides and sends one order at a time: a session for every 20 symbols, so that no budget or count runs out."""

    def __init__(self, folder: Path, url: str) -> None:
        self._clock, places = SystemClock(), Places(folder)
        self._lock, self._journal = LeaderLock(places.lock, self._clock), open_journal(places.journal, self._clock)
        wire = HttpWire(url, Keys(Secret("key"), Secret("secret")), self._clock)
        self._ledger, self._rules = Ledger(self._journal), Rules.of(RULES)
        self._outbox = Outbox(self._ledger, AlpacaBroker(wire, self._clock, FileKillSwitch(places.switch)), self._clock)
        self._numbers = count()
        self._ledger.tell(AccountOpened(account=ACCOUNT, cash=CASH))

    def close(self) -> None:
        """Let go of journal and lead."""
        self._journal.close()
        self._lock.release()

    def seconds(self, orders: int) -> list[float]:
        """For each order, from the decision's beginning until the broker's answer is in the journal."""
        return [self._one(next(self._numbers)) for _ in range(orders)]

    def _one(self, number: int) -> float:
        day, symbol = divmod(number, len(SYMBOLS))
        session, now = date(2026, 1, 2) + timedelta(days=day), self._clock.now()
        if not symbol:
            self._ledger.tell(SessionOpened(session=session, equity=CASH))
        seen = snapshot(session, str(symbol), now, (now - AN_HOUR, now + AN_HOUR), (SYMBOLS[symbol],))
        begun = time.perf_counter()
        self._outbox.commit(lambda book: decide(book, seen, self._rules), 0, f"decided|{number}")
        self._outbox.send_waiting()
        took = time.perf_counter() - begun
        *_, order = [None, *self._ledger.book.orders.values()]
        if order is None or order.state is not State.ACCEPTED:
            raise SystemExit(f"order {number} was not accepted, but {order}; nothing was written")
        self._ledger.tell(OrderMoved(order=order.intent.id, state=State.CANCELLED))  # so that the slot is free again
        return took


def order_path(folder: Path, orders: int) -> dict[str, list[float]]:
    """Seconds of so many orders in quiet, and of as many while /metrics is asked for; requests answered a second."""
    folder.mkdir(mode=0o700)
    quiet, loaded, paces = list[float](), list[float](), list[float]()
    with (product(EXCHANGE, folder) as url, closing(Sender(folder, url)) as sender,
          product(HEALTH, folder) as pages):
        sender.seconds(len(SYMBOLS))
        for _ in range(TURNS):
            quiet += sender.seconds(orders // TURNS)
            with asking(port_of(pages), RATE) as pace:
                loaded += sender.seconds(orders // TURNS)
            paces += pace
    return {"quiet": quiet, "loaded": loaded, "pace": paces}


def metrics_pace(folder: Path, seconds: float) -> float:
    """Requests for /metrics answered in a second when nothing else is done."""
    with product(HEALTH, folder) as pages, asking(port_of(pages)) as pace:
        time.sleep(seconds)
    return pace[0]


def port_of(url: str) -> int:
    """The port of an address."""
    return int(url.rpartition(":")[2])


@contextmanager
def product(arguments: tuple[str, ...], folder: Path) -> Iterator[str]:
    """A command of the product that serves, in a process of its own with this home; the address it says."""
    command = [sys.executable, "-m", "kobe81", *arguments]
    with subprocess.Popen(command, env=os.environ | {"KOBE_HOME": str(folder)}, cwd=ROOT, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            address = said.partition("http://")[2].replace(",", "/").partition("/")[0]
            if not address:
                raise SystemExit(f"kobe {arguments[0]} said {said!r}; nothing was written")
            yield f"http://{address}"
        finally:
            process.terminate()
