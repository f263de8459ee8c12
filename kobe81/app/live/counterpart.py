"""The counterpart of a journal: its broker, opened as `kobe run` would open it, for commands that only compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kobe81.app.clock import SystemClock
from kobe81.app.live import play, rehearsal
from kobe81.app.live.alpaca import address, alpaca_feed, check_agreement, open_account
from kobe81.app.live.config import LiveConfig
from kobe81.app.live.keys import alpaca_keys, key_file, required
from kobe81.app.live.paper import embedded
from kobe81.app.live.station import Places
from kobe81.app.opening import open_market
from kobe81.core import events as e
from kobe81.core.clock import Clock, SteppedClock
from kobe81.core.errors import UsageError
from kobe81.core.events import Record, Started
from kobe81.core.ports import Broker
from kobe81.execution.alpaca_http import HttpWire
from kobe81.execution.broker_alpaca import AlpacaBroker
from kobe81.execution.broker_paper import paper_broker
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.store.journal import SqliteJournal

PLAYED = (play.ACCOUNT, rehearsal.ACCOUNT)
"""Accounts that trade the past: their time is that of the bars."""
BY_PEOPLE = (e.Killed, e.Lifted, e.Resumed, e.Adjusted, e.Acknowledged, e.ProhibitionSet, e.ProhibitionLifted)
"""What people tell the journal, by their own clock."""


@dataclass(frozen=True)
class Past:
    """What a journal says of its account. wrote: when a runner last told it something; None where none ever did."""

    started: Started | None = None
    wrote: datetime | None = None

    @classmethod
    def of(cls, journal: SqliteJournal) -> Past:
        """Read off a journal."""
        starts = [record for record in journal.of(Started) if isinstance(record.event, Started)]
        if not starts:
            return cls()
        last = starts[-1]
        told = [last, *(r for r in journal.since(last.seq) if not isinstance(r.event, BY_PEOPLE))]
        return cls(_event(last), told[-1].time)

    @property
    def account(self) -> str:
        """The account as the runner knows it, "" before the first start."""
        return self.started.account if self.started else ""

    @property
    def played(self) -> bool:
        """Whether the journal is of a play or a rehearsal."""
        return self.account in PLAYED

    @property
    def clock(self) -> Clock:
        """The time the account lives in: ours, or the moment at which the play stands."""
        return SteppedClock(self.wrote) if self.played and self.wrote else SystemClock()


@contextmanager
def broker_of(config: LiveConfig, past: Past, folder: Path, environment: Mapping[str, str], mode: str,
              books: Path | None = None) -> Iterator[Broker]:
    """The broker of a home folder's account. mode: of an account that has no journal yet; books: where the exchange
    within keeps its own, for one that works on a copy of them.

    UsageError where the configuration names another broker, or the key another account, than the journal is of.
    """
    if past.played or config.broker.name == "paper":
        _check_broker(config, past)
        yield from _within(config, past, folder, environment, books or folder)
    else:
        _check_broker(config, past)
        yield _alpaca(config, past, folder, environment, past.started.mode if past.started else mode)


def _event(record: Record) -> Started:
    assert isinstance(record.event, Started)
    return record.event
