"""Lines: what a runner does, one line each, for people who watch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from kobe81.app.live.schedule import EXCHANGE_TIME
from kobe81.core import events as e
from kobe81.core.decisions import Considered, Decision
from kobe81.core.events import AnyEvent, Record
from kobe81.core.orders import State
from kobe81.monitor.alerts import printable

MOST_REASONS = 2
"""Refusals of one candidate that are told; the rest are counted."""
LOUD = {State.REJECTED, State.UNKNOWN, State.CANCELLED, State.EXPIRED}
"""States that a person wants to know the reason of."""


def line(record: Record) -> str:
    """The record in one line, with New York's date and time; "" for what only the journal needs."""
    text = plain(record)
    return f"{record.time.astimezone(EXCHANGE_TIME):%Y-%m-%d %H:%M:%S}  {text}" if text else ""


def plain(record: Record) -> str:
    """The same without the time."""
    written = _LINES.get(type(record.event))
    return printable(written(record.event)) if written else ""


def details(decision: Decision) -> list[str]:
    """A line for each candidate and position that was looked at: the order, or who said no, and why."""
    return [_considered(c) for c in decision.considered]


def _considered(c: Considered) -> str:
    if c.intent:
        at = "" if c.limit is None else f", limit {c.limit}"
        return f"{c.symbol:<7} {'buy' if c.leg == 'entry' else 'sell'} {c.qty}{at}: {c.why}"
    reasons = [f"{v.gate}: {v.reason}" for v in c.refusals]
    more = f" (and {len(reasons) - MOST_REASONS} more)" if len(reasons) > MOST_REASONS else ""
    return f"{c.symbol:<7} no: {'; '.join(reasons[:MOST_REASONS])}{more}"


def _started(event: e.Started) -> str:
    return f"started   {event.mode} on {event.broker}, account {event.account}, run {event.term}"


def _job(event: e.JobDone) -> str:
    """Scans tell of themselves, unless they were skipped."""
    if event.job.startswith("scan") and event.outcome == "done":
        return ""
    return f"{event.job:<9} {event.outcome}: {event.note}"


def _decided(event: e.Decided) -> str:
    decision = event.decision
    told = f"{len(decision.considered)} considered, {len(decision.intents)} orders"
    name = f"scan {decision.scan}" if decision.scan.isdecimal() else decision.scan
    return f"{name:<9} {told}{_refusals(decision)}"


def _refusals(decision: Decision) -> str:
    """How many were refused by whom, and the first refusal in words."""
    refused = [c for c in decision.considered if c.refusals]
    if not refused:
        return ""
    gates = Counter(verdict.gate for c in refused for verdict in c.refusals)
    counted = ", ".join(f"{gate} {count}" for gate, count in gates.most_common(3))
    first = refused[0]
    return f"; refused {len(refused)} ({counted}); {first.symbol}: {first.refusals[0].reason}"


def _intended(event: e.Intended) -> str:
    order = event.intent
    at = f"limit {order.limit}" if order.limit is not None else f"stop {order.stop}" if order.stop else "market"
    return f"order     {order.side} {order.qty} {order.symbol}, {order.leg}, {at} ({order.strategy})"


def _moved(event: e.OrderMoved) -> str:
    return f"order     {event.order} {event.state}: {event.reason}" if event.state in LOUD else ""


def _filled(event: e.Filled) -> str:
    fill = event.fill
    did = "bought" if fill.side == "buy" else "sold"
    return f"fill      {did} {fill.qty.normalize():f} {fill.symbol} at {fill.price.normalize():f}"


def _alerted(event: e.Alerted) -> str:
    """Those that ask for something; of what is only news, the jobs tell."""
    return "" if event.severity == "info" else f"{event.severity:<9} {event.text} (kobe alerts ack {event.id})"


_LINES: dict[type[AnyEvent], Callable[[Any], str]] = {
    e.Started: _started, e.JobDone: _job, e.Decided: _decided, e.Intended: _intended, e.OrderMoved: _moved,
    e.Filled: _filled, e.Alerted: _alerted,
    e.Stopped: lambda event: f"stopped   {event.reason}",
    e.Ready: lambda event: "ready",
    e.NotReady: lambda event: f"not ready {'; '.join(event.reasons)}",
    e.SessionOpened: lambda event: f"session   {event.session}, equity {event.equity:,.2f}",
    e.Halted: lambda event: f"HALTED    {event.reason}",
    e.Killed: lambda event: f"KILLED    {event.reason}",
    e.Lifted: lambda event: f"lifted    by {event.person}: {event.reason}",
    e.Resumed: lambda event: f"resumed   by {event.person}: {event.reason}",
    e.CashMoved: lambda event: f"cash      {event.amount:+,.2f} {event.activity_type} {event.note}",
    e.OrderAdopted: lambda event: f"adopted   {event.side} {event.qty} {event.symbol}, which we did not send",
    e.Tripped: lambda event: f"breaker   open: {event.reason}",
    e.BreakerReset: lambda event: f"breaker   closed: {event.reason}",
}  # fmt: skip
