"""Reconciling: book against broker while nobody trades, the book made to agree by a person, and trading let go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kobe81.app.clock import SystemClock
from kobe81.app.live.config import LiveConfig
from kobe81.app.live.counterpart import Past, broker_of
from kobe81.app.live.station import Places, sound_journal
from kobe81.core import events as e
from kobe81.core.events import AnyEvent, Difference, Record
from kobe81.core.money import CENT, ZERO
from kobe81.core.ports import Broker
from kobe81.engine.apply import apply
from kobe81.engine.book import Book
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.oms.ledger import Ledger
from kobe81.oms.reconcile import Reconciler
from kobe81.store.journal import open_journal
from kobe81.store.locks import LeaderLock

RECENT = timedelta(minutes=10)
"""How old a runner's own reconciliation may be for a person to go on from it."""
CASH = "cash"


def agrees(line: Difference) -> bool:
    """Whether book and broker have the same: shares exactly, cash to the cent."""
    return abs(line.book - line.broker) <= (CENT if line.what == CASH else ZERO)


@dataclass
class Table:
    """Book and broker side by side, with the lead in hand, so that nobody trades meanwhile."""

    ledger: Ledger
    broker: Broker
    past: Past

    def sweep(self) -> tuple[Difference, ...]:
        """Take in what the broker has, as a runner's start does, and compare: the cash, then every position."""
        Reconciler(self.ledger, self.broker, self.past.clock).sweep()
        book, held = self.ledger.book, {p.symbol: p.qty for p in self.broker.positions() if p.qty}
        cash = Difference(what=CASH, book=book.cash or ZERO, broker=self.broker.account().cash)
        ours = {symbol: position.qty for symbol, position in book.positions.items()}
        return (cash, *(Difference(what=s, book=ours.get(s, ZERO), broker=held.get(s, ZERO))
                        for s in sorted({*ours, *held})))

    def adopt(self, lines: Iterable[Difference], person: str, reason: str) -> tuple[Difference, ...]:
        """Make the book agree with the broker where it does not, as this person's doing; compare again."""
        prices = {p.symbol: p.price for p in self.broker.positions()}
        events = [e.Adjusted(what=line.what, qty=line.broker, person=person, reason=reason,
                             price=prices.get(line.what, ZERO)) for line in lines if not agrees(line)]
        self.ledger.tell(*events, cause=self.ledger.book.seq)
        return self.sweep()


@contextmanager
def table_of(places: Places, config: LiveConfig, environment: Mapping[str, str]) -> Iterator[Table]:
    """The table of a home folder. StoreError where a runner leads, Damaged where the journal is not what was written,
    BrokerError where the broker does not answer."""
    with closing(sound_journal(places, SystemClock())) as found:
        past = Past.of(found)
    with _lead(places), closing(open_journal(places.journal, past.clock)) as journal:
        mode = past.started.mode if past.started else "paper"
        with broker_of(config, past, mode, places.folder, environment) as broker:
            yield Table(Ledger(journal), broker, past)


@contextmanager
def _lead(places: Places) -> Iterator[None]:
    lock = LeaderLock(places.lock, SystemClock())
    try:
        yield
    finally:
        lock.release()


# what a runner said of itself

def last_look(records: Sequence[Record]) -> Record | None:
    """The last time a runner compared: that they agree, or that they do not."""
    return next((r for r in reversed(records) if isinstance(r.event, e.Reconciled | e.Halted)), None)


def halted_by(records: Iterable[Record]) -> Record | None:
    """The record that halted trading, None where it is not halted."""
    now, by = Book(), None
    for record in records:
        now = apply(now, record)
        by = (by or record) if now.halted else None
    return by


def unclean(records: Sequence[Record], now: datetime) -> str:
    """Why trading cannot go on from what the runner says; "" where it can: it found agreement, lately, since the
    halt."""
    last, halt = last_look(records), halted_by(records)
    if last is None:
        return "the runner has not compared book and broker yet"
    if isinstance(last.event, e.Halted):
        return f"the runner says that {last.event.reason}"
    if halt and halt.seq > last.seq:
        return "the runner has not found book and broker in agreement since the halt"
    if not (now - last.time <= RECENT):
        return f"the runner last found book and broker in agreement at {moment(last.time)}, which is too long ago"
    return ""


# going on

def stopped_by(book: Book, switch: FileKillSwitch) -> list[str]:
    """What keeps trading from going on and a person may lift, in words."""
    killed = switch.engaged() or book.killed
    tripped = book.tripped_at and f"the circuit breaker is open since {book.tripped_at:%Y-%m-%d %H:%M:%S} UTC"
    return [why for why in (book.halted and f"halted: {book.halted}", killed and f"killed: {killed}", tripped) if why]


def resume(ledger: Ledger, switch: FileKillSwitch, person: str, reason: str) -> list[AnyEvent]:
    """Let trading go on: the journal first, the switch last. What was told.

    A runner that saw the switch in between has recorded it again; that is lifted as well.
    """
    told = _lift(ledger, bool(switch.engaged()), person, reason)
    switch.lift()
    if ledger.catch_up().killed:
        told += _lift(ledger, True, person, reason)
    return told


def _lift(ledger: Ledger, engaged: bool, person: str, reason: str) -> list[AnyEvent]:
    with ledger.exclusively() as book:
        alerts = [e.Acknowledged(id=name, person=person) for name, a in book.alerts.items() if a.severity == "critical"]
        lifted = [e.Lifted(person=person, reason=reason)] if engaged or book.killed else []
        resumed = [e.Resumed(person=person, reason=reason)] if book.halted or book.tripped_at else []
        events: list[AnyEvent] = [*lifted, *resumed, *alerts]
        ledger.tell(*events, cause=book.seq)
    return events


def total(lines: Iterable[Difference]) -> int:
    """How many differ."""
    return sum(not agrees(line) for line in lines)


def rows(lines: Iterable[Difference]) -> list[list[str]]:
    """The table's rows: what, book, broker, whether they are equal."""
    def shown(amount: Decimal, what: str) -> str:
        return f"{amount:,.2f}" if what == CASH else f"{amount.normalize():f}"

    return [[x.what, shown(x.book, x.what), shown(x.broker, x.what), "yes" if agrees(x) else "NO"] for x in lines]


def moment(at: datetime) -> str:
    """An instant, for people."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
