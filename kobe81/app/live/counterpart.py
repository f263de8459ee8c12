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
from kobe81.core.events import Started
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
    """What a journal says of its account: the last start, its record, and when a runner last wrote."""

    started: Started | None = None
    wrote: datetime | None = None
    seq: int = 0

    @classmethod
    def of(cls, journal: SqliteJournal) -> Past:
        """Read off a journal."""
        past = cls()
        for record in journal.of(Started):
            past = cls(record.event if isinstance(record.event, Started) else None, record.time, record.seq)
        for record in journal.since(past.seq):
            past = past if isinstance(record.event, BY_PEOPLE) else cls(past.started, record.time, past.seq)
        return past

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
def broker_of(config: LiveConfig, past: Past, mode: str, folder: Path, environment: Mapping[str, str],
              books: Path | None = None) -> Iterator[Broker]:
    """The broker of a home folder's account. books: where the exchange within keeps its own, if not in that folder.

    UsageError where the configuration names another broker, or the key another account, than the journal is of.
    """
    name = config.broker.name
    if past.started and not past.played and past.started.broker != name:
        raise UsageError(f"the journal is of account {past.account} at {past.started.broker}, and the configuration "
                         f"says broker {name}; give the --config it was traded with")
    if past.played or name == "paper":
        with _within(config, past, folder, environment, books or folder) as broker:
            yield broker
    else:
        yield _alpaca(config, past, mode, folder, environment)


@contextmanager
def _within(config: LiveConfig, past: Past, folder: Path, environment: Mapping[str, str], books: Path
            ) -> Iterator[Broker]:
    keys = None if past.played else alpaca_keys(environment, key_file(config, folder))
    live = alpaca_feed(config, keys, past.clock) if keys else None
    bars, clock = open_market(config.bars("sample" if past.played else "cache")).bars, past.clock
    with closing(embedded(config, bars, books, clock, live)) as exchange:
        yield paper_broker(exchange, clock, FileKillSwitch(Places(folder).switch))


def _alpaca(config: LiveConfig, past: Past, mode: str, folder: Path, environment: Mapping[str, str]) -> Broker:
    file = key_file(config, folder)
    keys, clock = required(alpaca_keys(environment, file), file), past.clock
    check_agreement(config, mode, keys, past.account or "not known yet")
    wire = HttpWire(address(config, mode), keys, clock)
    open_account(wire, clock, past.account or None)
    return AlpacaBroker(wire, clock, FileKillSwitch(Places(folder).switch))
