"""The tally: what health and metrics tell, as a fold of the journal of their own.

It stands beside the engine's book, not on it: it runs in a process of its own and must go on telling where the book
would refuse, as it does with a journal whose orders go where their states do not lead.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from kobe81.core import events as e
from kobe81.core.decisions import Decision
from kobe81.core.events import Record
from kobe81.core.money import ZERO
from kobe81.core.orders import OPEN, TERMINAL, Fill, Intent, State

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
class Order:
    """An order of ours. filled: shares; value: dollars those came to; sent: when, until it moved on."""

    intent: Intent
    state: State = State.INTENT
    filled: Decimal = ZERO
    value: Decimal = ZERO
    sent: datetime | None = None

    @property
    def reserved(self) -> Decimal:
        """Dollars of the day's budget it takes: what was filled, and the whole of what may still fill."""
        return self.value if self.state in TERMINAL else max(self.intent.notional, self.value)

    def explains(self, fill: Fill) -> bool:
        """Whether this order can have traded so many shares more."""
        return self.state in OPEN and self.filled + fill.qty <= self.intent.qty


@dataclass
class Tally:
    """The fold of the records up to `seq`.

    not_ready: why the runner cannot send orders. halted, killed: why, "" where not. cash, equity, peak: None until the
    journal says. budget: dollars of a day's entries. orders: the open ones, and all of this session, by client order
    id; finished: those before, by state. positions: shares. refusals: by gate; failures: by source. alerts: those that
    ask for an acknowledgement and have none. scans, sends: how long they took.
    """

    seq: int = 0
    not_ready: tuple[str, ...] = ("no runner has started; start one: kobe run --mode paper",)
    halted: str = ""
    killed: str = ""
    session: date | None = None
    cash: Decimal | None = None
    equity: Decimal | None = None
    peak: Decimal | None = None
    budget: Decimal | None = None
    orders: dict[str, Order] = field(default_factory=dict)
    finished: Counter[State] = field(default_factory=Counter)
    positions: dict[str, Decimal] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    alerts: dict[str, e.Alerted] = field(default_factory=dict)
    last_scan: datetime | None = None
    scans: Histogram = field(default_factory=lambda: Histogram(SCAN_SECONDS))
    sends: Histogram = field(default_factory=lambda: Histogram(ORDER_SECONDS))
    scanning: dict[tuple[date, str], datetime] = field(default_factory=dict)

    def add(self, records: Iterable[Record]) -> None:
        """Go on with these records, the next in order."""
        for record in records:
            STEPS[type(record.event)](self, record, record.event)
            self.seq = record.seq

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why no order may be sent, by the journal; none where one may."""
        halted = (f"trading is halted: {self.halted}; mend that, then: kobe resume",) if self.halted else ()
        killed = (f"the kill switch was set by {self.killed}; lift it: kobe resume",) if self.killed else ()
        return (*self.not_ready, *halted, *killed)

    @property
    def states(self) -> dict[State, int]:
        """How many orders stand in each state."""
        found = self.finished + Counter(order.state for order in self.orders.values())
        return {state: found[state] for state in State}

    @property
    def drawdown(self) -> float | None:
        """How far equity is below its peak, as a fraction of the peak."""
        if self.equity is None or self.peak is None or not self.peak > 0:
            return None
        return float(1 - self.equity / self.peak)

    @property
    def budget_left(self) -> Decimal | None:
        """Dollars the day's entries may still take."""
        if self.budget is None:
            return None
        entries = (o for o in self.orders.values() if o.intent.leg == "entry" and o.intent.session == self.session)
        return self.budget - sum((o.reserved for o in entries), ZERO)


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
    t.not_ready = ("the runner has started; lock, journal check, sweep and reconciliation are still to come",)


def _stopped(t: Tally, record: Record, event: e.Stopped) -> None:
    t.not_ready = (f"the runner has stopped: {event.reason}; start it: kobe run",)


def _ready(t: Tally, record: Record, event: e.Ready) -> None:
    t.not_ready = ()


def _not_ready(t: Tally, record: Record, event: e.NotReady) -> None:
    t.not_ready = event.reasons or ("the runner says it is not ready, and not why; see: kobe logs",)


def _session_opened(t: Tally, record: Record, event: e.SessionOpened) -> None:
    over = {name: order for name, order in t.orders.items() if order.state in TERMINAL}
    t.finished.update(order.state for order in over.values())
    t.orders = {name: order for name, order in t.orders.items() if name not in over}
    t.session = event.session
    t.scanning.clear()
    _worth(t, event.equity)


def _worth(t: Tally, equity: Decimal) -> None:
    t.equity, t.peak = equity, max(t.peak or equity, equity)


def _cash(t: Tally, amount: Decimal) -> None:
    t.cash = None if t.cash is None else t.cash + amount


def _scanned(t: Tally, record: Record, event: e.Scanned) -> None:
    t.scanning[event.snapshot.session, event.snapshot.scan] = t.last_scan = record.time


def _decided(t: Tally, record: Record, event: e.Decided) -> None:
    began = t.scanning.pop((event.decision.session, event.decision.scan), None)
    if began is not None:
        t.scans.add(record.time - began)
    t.refusals.update(_refusing(event.decision))


def _refusing(decision: Decision) -> Iterable[str]:
    return (verdict.gate for considered in decision.considered for verdict in considered.refusals)


def _intended(t: Tally, record: Record, event: e.Intended) -> None:
    t.orders[event.intent.id] = Order(event.intent)


def _moved(t: Tally, record: Record, event: e.OrderMoved) -> None:
    order = t.orders.get(event.order)
    if order is None:
        return
    if event.state is State.ACCEPTED and order.sent is not None:
        t.sends.add(record.time - order.sent)
    order.state, order.sent = event.state, record.time if event.state is State.SENT else None


def _filled(t: Tally, record: Record, event: e.Filled) -> None:
    fill, way = event.fill, 1 if event.fill.side == "buy" else -1
    order = t.orders.get(fill.order)
    if order is None or not order.explains(fill):
        _halt(t, f"nothing explains {fill.qty} shares of {fill.symbol} traded by order {fill.order}")
    if order is not None:
        _trade(order, fill)
    _hold(t, fill.symbol, t.positions.get(fill.symbol, ZERO) + way * fill.qty)
    _cash(t, -way * fill.qty * fill.price - fill.fee)


def _trade(order: Order, fill: Fill) -> None:
    order.filled, order.value = order.filled + fill.qty, order.value + fill.qty * fill.price
    if order.state in OPEN:
        order.state = State.FILLED if order.filled >= order.intent.qty else State.PARTIAL


def _hold(t: Tally, symbol: str, qty: Decimal) -> None:
    t.positions[symbol] = qty
    if not qty:
        del t.positions[symbol]


def _adopted(t: Tally, record: Record, event: e.OrderAdopted) -> None:
    _halt(t, f"the broker has an order in {event.symbol} that we did not send ({event.broker})")


def _halt(t: Tally, reason: str) -> None:
    """What a fold finds wrong; the reason a runner or a person gave first stays."""
    t.halted = t.halted or reason


def _halted(t: Tally, record: Record, event: e.Halted) -> None:
    t.halted = event.reason or "no reason was given"


def _resumed(t: Tally, record: Record, event: e.Resumed) -> None:
    t.halted = ""


def _adjusted(t: Tally, record: Record, event: e.Adjusted) -> None:
    if event.what == "cash":
        t.cash = event.qty
    else:
        _hold(t, event.what, event.qty)


def _failed(t: Tally, record: Record, event: e.Failed) -> None:
    t.failures[event.source] += 1


def _killed(t: Tally, record: Record, event: e.Killed) -> None:
    t.killed = f"{event.by}: {event.reason}"


def _lifted(t: Tally, record: Record, event: e.Lifted) -> None:
    t.killed = ""


def _alerted(t: Tally, record: Record, event: e.Alerted) -> None:
    if event.severity != "info":
        t.alerts[event.id] = event


def _acknowledged(t: Tally, record: Record, event: e.Acknowledged) -> None:
    t.alerts.pop(event.id, None)


def _opened(t: Tally, record: Record, event: e.AccountOpened) -> None:
    t.cash = event.cash


def _untold(t: Tally, record: Record, event: object) -> None:
    """Of this nothing is told here."""


STEPS: dict[type, Callable[[Tally, Record, Any], None]] = {
    e.Started: _started,
    e.Stopped: _stopped,
    e.Ready: _ready,
    e.NotReady: _not_ready,
    e.AccountOpened: _opened,
    e.SessionOpened: _session_opened,
    e.Valued: lambda t, record, event: _worth(t, event.equity),
    e.Scanned: _scanned,
    e.Decided: _decided,
    e.Intended: _intended,
    e.OrderMoved: _moved,
    e.Filled: _filled,
    e.CashMoved: lambda t, record, event: _cash(t, event.amount),
    e.OrderAdopted: _adopted,
    e.Halted: _halted,
    e.Resumed: _resumed,
    e.Adjusted: _adjusted,
    e.Failed: _failed,
    e.Killed: _killed,
    e.Lifted: _lifted,
    e.Alerted: _alerted,
    e.Acknowledged: _acknowledged,
    e.JobDone: _untold,
    e.Reconciled: _untold,
    e.Tripped: _untold,
    e.BreakerReset: _untold,
    e.ProhibitionSet: _untold,
    e.ProhibitionLifted: _untold,
    e.StoodDown: _untold,
}
"""What each event does to the tally."""
