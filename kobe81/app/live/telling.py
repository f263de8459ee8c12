"""Telling: what the journal keeps, in lines that people read while it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kobe81.app.live.schedule import EXCHANGE_TIME
from kobe81.core import events as e
from kobe81.core.decisions import Considered
from kobe81.core.events import Record
from kobe81.core.orders import State
from kobe81.engine.decide import PROTECT

MOST_REASONS = 2
"""Refusals of one candidate that are told; the rest are counted."""


class Teller:
    """Remembers whose orders are whose, so that a line about an order can name the symbol."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._orders = say, dict[str, str]()

    def __call__(self, record: Record) -> None:
        """Tell one record, where people care."""
        if isinstance(record.event, e.Intended):
            intent = record.event.intent
            self._orders[intent.id] = f"{intent.symbol} {intent.leg}"
        for i, line in enumerate(self._lines(record.event)):
            clock = f"{record.time.astimezone(EXCHANGE_TIME):%H:%M:%S}" if i == 0 else " " * 8
            self._say(f"{clock}  {line}")

    def _lines(self, event: Any) -> Iterator[str]:
        told = LINES.get(type(event))
        if told:
            yield from told(event)
        elif isinstance(event, e.Decided):
            yield from _decided(event)
        elif isinstance(event, e.OrderMoved) and event.state in MOVES:
            why = f": {event.reason}" if event.reason else ""
            yield f"{self._orders.get(event.order, event.order)} order {MOVES[event.state]}{why}"
        elif isinstance(event, e.Filled):
            leg = self._orders.get(event.fill.order, "unknown order").partition(" ")[2]
            did = "bought" if event.fill.side == "buy" else "sold"
            yield f"{event.fill.symbol} {did} {event.fill.qty:f} at {event.fill.price:.2f} ({leg})"


MOVES = {State.UNKNOWN: "UNKNOWN", State.REJECTED: "rejected", State.EXPIRED: "expired", State.CANCELLED: "cancelled"}


def _decided(event: e.Decided) -> Iterator[str]:
    decision = event.decision
    orders = [c for c in decision.considered if c.intent]
    if decision.scan == PROTECT:
        yield from (f"{c.symbol} stop placed: {c.why}" for c in orders)
        return
    yield f"scan {decision.scan}: {len(decision.considered)} considered, {len(orders)} approved"
    yield from map(_considered, decision.considered)


def _considered(c: Considered) -> str:
    if c.intent:
        way = "buy" if c.leg == "entry" else "sell"
        return f"{c.symbol:<7} {way} {c.qty}, limit {c.limit}: {c.why}"
    reasons = [f"{v.gate}: {v.reason}" for v in c.refusals]
    more = f" (and {len(reasons) - MOST_REASONS} more)" if len(reasons) > MOST_REASONS else ""
    return f"{c.symbol:<7} no: {'; '.join(reasons[:MOST_REASONS])}{more}"


LINES: dict[type, Callable[[Any], list[str]]] = {
    e.Started: lambda ev: [f"started: {ev.mode}, broker {ev.broker}, term {ev.term}"],
    e.Stopped: lambda ev: [f"stopped: {ev.reason}"],
    e.Ready: lambda ev: ["READY: lock, journal, sweep and reconciliation are done"],
    e.NotReady: lambda ev: [f"NOT READY: {'; '.join(ev.reasons)}"],
    e.SessionOpened: lambda ev: [f"session {ev.session}, equity ${ev.equity:,.2f}"],
    e.JobDone: lambda ev: [] if ev.job.startswith("scan") and ev.outcome == "done" else [
        f"{ev.job} {ev.outcome}: {ev.note}"],
    e.Halted: lambda ev: [f"HALTED: {ev.reason}"],
    e.Resumed: lambda ev: [f"resumed by {ev.person}: {ev.reason}"],
    e.Killed: lambda ev: [f"KILLED: {ev.reason}"],
    e.Lifted: lambda ev: [f"switch lifted by {ev.person}: {ev.reason}"],
    e.Tripped: lambda ev: [f"circuit breaker open: {ev.reason}"],
    e.BreakerReset: lambda ev: [f"circuit breaker closed: {ev.reason}"],
    e.OrderAdopted: lambda ev: [f"{ev.symbol}: an order that is not ours is at the broker ({ev.side} {ev.qty})"],
    e.StoodDown: lambda ev: [f"{ev.strategy} stands down: {ev.reason}"],
    e.Failed: lambda ev: [f"{ev.source} failure: {ev.note}"],
}
"""One line for each of these; the rest are told above, or are nobody's news."""
