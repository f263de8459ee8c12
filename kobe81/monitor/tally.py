"""The tally: what health and metrics tell. The book says how things stand; the counts beside it no decision needs."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from kobe81.core import events as e
from kobe81.core.events import Record
from kobe81.core.orders import TERMINAL, State
from kobe81.engine.apply import apply
from kobe81.engine.book import Book

BUDGET = ("gates", "policy_gate", "max_day")
"""Where in a runner's configuration the dollars of a day's entries are."""

SCAN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ORDER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How long something took. bounds: seconds, ascending; counts: how many took up to each bound, and longer."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, took: timedelta) -> None:
        """Count one duration; one below zero, which a clock set back makes, counts as none."""
        seconds = max(took.total_seconds(), 0.0)
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


@dataclass
class Tally:
    """The fold of the records up to book.seq.

    book: how things stand. finished: orders of earlier sessions, by state. budget: dollars of a day's entries.
    refusals: by gate; failures: by source. scans, sends: how long they took; scanning: scans under way.
    """

    book: Book = field(default_factory=Book)
    budget: Decimal | None = None
    finished: Counter[State] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    last_scan: datetime | None = None
    scans: Histogram = field(default_factory=lambda: Histogram(SCAN_SECONDS))
    sends: Histogram = field(default_factory=lambda: Histogram(ORDER_SECONDS))
    scanning: dict[tuple[date, str], datetime] = field(default_factory=dict)

    def add(self, records: Iterable[Record]) -> None:
        """Go on with these records, the next in order; IllegalTransition where they are no journal of ours."""
        for record in records:
            count = COUNTS.get(type(record.event))
            if count:
                count(self, record, record.event)
            self.book = apply(self.book, record)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why no order may be sent, by the journal; none where one may."""
        halted = (f"trading is halted: {self.book.halted}; mend that, then: kobe resume",) if self.book.halted else ()
        killed = (f"the kill switch was set by {self.book.killed}; lift it: kobe resume",) if self.book.killed else ()
        return (*self.book.not_ready, *halted, *killed)

    @property
    def states(self) -> dict[State, int]:
        """How many orders stand in each state."""
        found = self.finished + Counter(order.state for order in self.book.orders.values())
        return {state: found[state] for state in State}

    @property
    def drawdown(self) -> float | None:
        """How far equity is below its peak, as a fraction of the peak."""
        equity, peak = self.book.equity, self.book.peak
        return float(1 - equity / peak) if equity is not None and peak is not None and peak > 0 else None

    @property
    def budget_left(self) -> Decimal | None:
        """Dollars the day's entries may still take."""
        return None if self.budget is None else self.budget - self.book.reserved


def tally(records: Iterable[Record]) -> Tally:
    """The fold of these records."""
    made = Tally()
    made.add(records)
    return made


def day_budget(config: Mapping[str, Any]) -> Decimal | None:
    """Dollars of a day's entries, by a runner's configuration; None where it does not say."""
    found: Any = config
    for name in BUDGET:
        found = found.get(name) if isinstance(found, Mapping) else None
    try:
        return None if found is None else Decimal(str(found))
    except InvalidOperation:
        return None


def _started(t: Tally, record: Record, event: e.Started) -> None:
    t.budget = day_budget(event.config)


def _session_opened(t: Tally, record: Record, event: e.SessionOpened) -> None:
    t.finished.update(order.state for order in t.book.orders.values() if order.state in TERMINAL)
    t.scanning.clear()


def _scanned(t: Tally, record: Record, event: e.Scanned) -> None:
    t.scanning[event.snapshot.session, event.snapshot.scan] = t.last_scan = record.time


def _decided(t: Tally, record: Record, event: e.Decided) -> None:
    began = t.scanning.pop((event.decision.session, event.decision.scan), None)
    if began is not None:
        t.scans.add(record.time - began)
    t.refusals.update(v.gate for considered in event.decision.considered for v in considered.refusals)


def _moved(t: Tally, record: Record, event: e.OrderMoved) -> None:
    before = t.book.orders[event.order]
    if (before.state, event.state) == (State.SENT, State.ACCEPTED) and before.sent_at is not None:
        t.sends.add(record.time - before.sent_at)


def _failed(t: Tally, record: Record, event: e.Failed) -> None:
    t.failures[event.source] += 1


COUNTS: dict[type, Callable[[Tally, Record, Any], None]] = {
    e.Started: _started, e.SessionOpened: _session_opened, e.Scanned: _scanned, e.Decided: _decided,
    e.OrderMoved: _moved, e.Failed: _failed,
}
"""What is counted of an event, before the book moves on."""
