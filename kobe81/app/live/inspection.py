"""Inspection: everything a readiness check looks at, opened when it is first asked for, and changed by nothing.

Where a runner leads, what it alone may open is left to it. Otherwise the exchange within and the journal are copied,
and looked at as a start would.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, NamedTuple

from kobe81.app.live.config import LiveConfig
from kobe81.app.live.counterpart import Past, broker_of
from kobe81.app.live.keys import alpaca_keys, key_file
from kobe81.app.live.paper import STORE
from kobe81.app.live.reconciling import Table
from kobe81.app.live.schedule import session_at
from kobe81.app.live.station import Places
from kobe81.app.market import Market
from kobe81.app.opening import open_market
from kobe81.core.clock import Clock
from kobe81.core.ports import Broker
from kobe81.engine.apply import replay
from kobe81.engine.book import Book
from kobe81.execution.alpaca_http import Keys
from kobe81.oms.ledger import Ledger
from kobe81.store.journal import SqliteJournal, open_journal
from kobe81.store.locks import Leader, leader


class Said(NamedTuple):
    """What one look came to. todo: what a person does about it, "" where nothing is to be done, or found says it."""

    state: Literal["pass", "warn", "fail"]
    found: str
    todo: str = ""


def fine(found: str) -> Said:
    """As it should be."""
    return Said("pass", found)


def warn(found: str, todo: str) -> Said:
    """Trading goes on with it, and a person should know."""
    return Said("warn", found, todo)


def fail(found: str, todo: str) -> Said:
    """Not ready."""
    return Said("fail", found, todo)


@dataclass
class Inspection:
    """One look at a home folder. read: the configuration; clock: ours; mode: paper or live."""

    mode: str
    places: Places
    read: Callable[[], LiveConfig]
    environment: Mapping[str, str]
    clock: Clock
    _open: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Let go of everything."""
        self._open.close()

    @cached_property
    def config(self) -> LiveConfig:
        """The configuration; UsageError for whatever is wrong with it."""
        return self.read()

    @cached_property
    def keys(self) -> Keys | None:
        """Alpaca's key, where there is one."""
        return alpaca_keys(self.environment, key_file(self.config, self.places.folder))

    @cached_property
    def runs(self) -> Leader | None:
        """Who leads."""
        return leader(self.places.lock)

    @cached_property
    def journal(self) -> SqliteJournal | None:
        """The journal; None where there is none, for looking must not make one."""
        if not self.places.journal.exists():
            return None
        return self._open.enter_context(closing(open_journal(self.places.journal, self.clock)))

    @cached_property
    def book(self) -> Book:
        """What the journal comes to."""
        return replay(self.journal.since(0)) if self.journal else Book()

    @cached_property
    def past(self) -> Past:
        """What the journal says of its account."""
        return Past.of(self.journal) if self.journal else Past()

    @property
    def today(self) -> date:
        """The exchange's date, in the time the account lives in."""
        return session_at((self.past.clock if self.past.played else self.clock).now())

    @cached_property
    def market(self) -> Market:
        """The bars that a runner would trade on."""
        return open_market(self.config.bars("sample" if self.past.played else "cache"))

    @property
    def within(self) -> bool:
        """Whether the exchange within keeps the account."""
        return self.past.played or self.config.broker.name == "paper"

    @cached_property
    def broker(self) -> Broker | None:
        """The broker, the exchange within as a copy; None where a runner has that open."""
        if self.within and self.runs:
            return None
        books = Path(self._open.enter_context(tempfile.TemporaryDirectory())) if self.within else None
        for kept in self.places.folder.glob(f"{STORE}*") if books else ():
            shutil.copy(kept, books or kept)
        return self._open.enter_context(
            broker_of(self.config, self.past, self.mode, self.places.folder, self.environment, books))

    @cached_property
    def table(self) -> Table | None:
        """Book and broker, where there is a book and no runner: a sweep of it stays in a copy of the journal."""
        if self.journal is None or self.runs or self.broker is None:
            return None
        copy = self._open.enter_context(closing(SqliteJournal(partial(_copied, self.places.journal), self.clock)))
        return Table(Ledger(copy), self.broker, self.past)


def _copied(path: Path) -> sqlite3.Connection:
    """The file's content, in memory."""
    made = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(sqlite3.connect(path)) as source:
        source.backup(made)
    return made
