"""The station: one home folder's journal, lock, switch and audit, opened and checked, and a runner put together there.

This is where the parts meet. What differs between a simulated day, paper and live is handed in: the clock, the broker,
the feed and the bars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from kobe81.app import home
from kobe81.app.live.runner import ACKNOWLEDGE_WITHIN, Crew, Runner
from kobe81.app.live.snapshots import Sight
from kobe81.app.live.watchlist import Watchlist, doubts, watchlist
from kobe81.core.bars import Bars
from kobe81.core.clock import Clock
from kobe81.core.errors import Damaged, UsageError
from kobe81.core.events import Record, Started
from kobe81.core.ports import Broker, Feed, KillSwitch
from kobe81.engine.rules import Rules
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.oms.ledger import Ledger
from kobe81.oms.manager import OrderManager
from kobe81.store import audit_trail, checkpoints, verification
from kobe81.store.checkpoints import Notary, signing_key
from kobe81.store.findings import Finding
from kobe81.store.journal import SqliteJournal, open_journal
from kobe81.store.locks import LeaderLock
from kobe81.strategies import Strategy

Listener = Callable[[Record], None]


@dataclass(frozen=True)
class Places:
    """Where a home folder keeps what."""

    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    @property
    def audit(self) -> Path:
        return self.folder / "audit.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints.jsonl"

    @property
    def key(self) -> Path:
        return self.folder / "audit.key"

    @property
    def switch(self) -> Path:
        return self.folder.absolute() / "KILL_SWITCH"

    @property
    def lock(self) -> Path:
        return self.folder / "runner.lock"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine"


@dataclass(frozen=True)
class Market:
    """What to trade, and where: the account, who trades it, the prices of the moment and the bars before it."""

    broker: Callable[[KillSwitch], Broker]
    feed: Feed
    bars: Callable[[], Bars]
    strategies: Sequence[Strategy]
    rules: Rules
    mode: str
    acknowledge_within: timedelta = ACKNOWLEDGE_WITHIN
    woken: Callable[[], bool] = lambda: False

    @property
    def values(self) -> dict[str, Any]:
        """Everything decisions depend on, as plain values: what a replay makes strategies and rules from again."""
        return {**self.rules.values, "strategies": {s.name: asdict(s) for s in self.strategies}}


@contextmanager
def station(places: Places, market: Market, clock: Clock, listeners: Sequence[Listener] = ()) -> Iterator[Runner]:
    """A runner that has taken the lead and is started; the lead is given up at the end.

    StoreError where another leads, Damaged where the journal is not what its checkpoints say.
    """
    lock = LeaderLock(places.lock, clock)
    try:
        journal = sound_journal(places, clock)
        try:
            journal.term = journal.last_term() + 1
            yield _runner(places, market, clock, journal, lock, listeners)
        finally:
            journal.close()
    finally:
        lock.release()


def sound_journal(places: Places, clock: Clock) -> SqliteJournal:
    """The journal, checked against its checkpoints (I11); a damaged one is copied aside, and nothing is traded."""
    known = checkpoints.read(places.checkpoints)
    if known and not places.journal.exists():
        raise Damaged(f"{places.journal} is gone, but {len(known)} checkpoints say that there was one. Restore it "
                      f"from a backup; nothing is traded meanwhile. See: kobe audit verify")
    try:
        journal = open_journal(places.journal, clock)
    except Damaged as error:
        raise _quarantined(places, places.journal, Finding(0, str(error)), clock) from None
    for place, findings in ((places.journal, verification.verify(journal, known)),
                            (places.audit, audit_trail.compare(journal, places.audit))):
        if findings:
            journal.close()
            raise _quarantined(places, place, findings[0], clock)
    return journal


def _quarantined(places: Places, place: Path, finding: Finding, clock: Clock) -> Damaged:
    kept = verification.quarantine([places.journal, places.audit], places.quarantine, clock.now())
    return Damaged(f"{place} is not what was written: {finding}. Nothing is traded; copies are in {kept}. See: kobe "
                   f"audit verify")


def _runner(places: Places, market: Market, clock: Clock, journal: SqliteJournal, lock: LeaderLock,
            listeners: Sequence[Listener]) -> Runner:
    switch, ledger = FileKillSwitch(places.switch), Ledger(journal)
    _check_account(places, journal, market.rules.account)
    broker = market.broker(switch)
    notary = Notary(journal, places.checkpoints, signing_key(places.key), home.code_version(), clock)

    def notarise() -> str:
        for finding in audit_trail.catch_up(journal, places.audit):
            raise _quarantined(places, places.audit, finding, clock)
        return notary.checkpoint().line

    def listen(record: Record) -> None:
        for listener in listeners:
            listener(record)

    def watch(session: date) -> Watchlist:
        bars = market.bars()
        return replace(watchlist(bars, market.strategies, session), doubts=doubts(bars, session))

    crew = Crew(ledger, OrderManager(ledger, broker, clock, market.rules), Sight(broker, market.feed, switch, clock),
                clock, watch, listen, notarise, lock.beat, market.acknowledge_within, market.woken)
    runner, term = Runner(crew), journal.term or 1
    runner.start(Started(run=str(uuid5(NAMESPACE_URL, f"{places.folder}#{term}")), mode=market.mode, broker=broker.name,
                         account=market.rules.account, code=home.code_version(), config=market.values, term=term))
    return runner


def _check_account(places: Places, journal: SqliteJournal, account: str) -> None:
    """One journal is of one account: two would look like gains and losses of each other."""
    known = next((r.event.account for r in journal.since(0) if isinstance(r.event, Started)), account)
    if known != account:
        raise UsageError(f"{places.journal} is of account {known}, not of {account}; give each account a home of its "
                         f"own ({home.VARIABLE})")
