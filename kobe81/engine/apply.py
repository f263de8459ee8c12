"""Apply: one event to one book. A pure function, and the only one that makes a book."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from kobe81.core import events as e
from kobe81.core.events import Record
from kobe81.core.money import ZERO
from kobe81.core.orders import OPEN, Fill, IllegalTransition, State, check_transition
from kobe81.engine.book import (
    DAY_TRADE_SESSIONS,
    FAILURES_COUNT,
    MOST_FAILURES,
    Alert,
    Book,
    ClosedTrade,
    Order,
    Position,
)
from kobe81.engine.fills import match

STARTING = "the runner has started; lock, journal check, sweep and reconciliation are still to come"


def apply(book: Book, record: Record) -> Book:
    """The book after the record. IllegalTransition where an order goes where its state does not lead."""
    return replace(_STEPS[type(record.event)](book, record, record.event), seq=record.seq)


def replay(records: Iterable[Record], book: Book | None = None) -> Book:
    """The book after all these records."""
    book = book or Book()
    for record in records:
        book = apply(book, record)
    return book


def _started(book: Book, record: Record, event: e.Started) -> Book:
    return replace(book, run=event.run, mode=event.mode, broker=event.broker, account=event.account, term=event.term,
                   started=record.seq, ready=False, not_ready=(STARTING,))


def _stopped(book: Book, record: Record, event: e.Stopped) -> Book:
    return replace(book, ready=False, not_ready=(f"the runner has stopped: {event.reason}; start it: kobe run",))


def _not_ready(book: Book, record: Record, event: e.NotReady) -> Book:
    return replace(book, ready=False, not_ready=event.reasons or ("no reason was given",))


def _session_opened(book: Book, record: Record, event: e.SessionOpened) -> Book:
    recent = (*book.sessions, event.session)[-DAY_TRADE_SESSIONS:]
    kept = {k: o for k, o in book.orders.items() if o.open or o.intent.session == event.session}  # stops of the night
    return replace(
        book, session=event.session, sessions=recent, start_equity=event.equity, equity=event.equity,
        peak=max(book.peak or event.equity, event.equity), orders=kept,
        closed=(), jobs={}, scans={}, stood_down={}, day_trades=tuple(t for t in book.day_trades if t[0] in recent))


def _valued(book: Book, record: Record, event: e.Valued) -> Book:
    return replace(book, equity=event.equity, peak=max(book.peak or event.equity, event.equity))


def _decided(book: Book, record: Record, event: e.Decided) -> Book:
    decision = event.decision
    probes = book.probes + sum(i.leg == "entry" for i in decision.intents) if book.tripped_at else book.probes
    return replace(book, scans={**book.scans, decision.scan: record.seq}, probes=probes)


def _intended(book: Book, record: Record, event: e.Intended) -> Book:
    return replace(book, orders={**book.orders, event.intent.id: Order(intent=event.intent)})


def _moved(book: Book, record: Record, event: e.OrderMoved) -> Book:
    order = book.orders.get(event.order)
    if order is None:
        raise IllegalTransition(f"order {event.order} goes to {event.state} and was never decided; "
                                f"see: kobe audit verify")
    check_transition(event.order, order.state, event.state)
    sent = record.time if event.state is State.SENT else order.sent_at
    moved = replace(order, state=event.state, broker=event.broker or order.broker, reason=event.reason, sent_at=sent)
    return replace(book, orders={**book.orders, event.order: moved})


def _filled(book: Book, record: Record, event: e.Filled) -> Book:
    fill, way = event.fill, 1 if event.fill.side == "buy" else -1
    order, held = book.orders.get(fill.order), book.positions.get(fill.symbol)
    halted = book.halted or _wrong(fill, order)
    if order:
        book = replace(book, orders={**book.orders, fill.order: _after(order, fill)})
    session = book.session or fill.at.date()
    before = held or _new_position(fill, order, session)
    matched = match(before.lots, way * fill.qty, fill.price)
    position = _tally(before, fill, matched.gained)
    positions = {**book.positions, fill.symbol: replace(position, lots=matched.lots)}
    cash = None if book.cash is None else book.cash - way * fill.qty * fill.price - fill.fee
    book = replace(book, positions=positions, cash=cash, halted=halted)
    if way < 0 and before.entered == session and matched.closed and (session, fill.symbol) not in book.day_trades:
        book = replace(book, day_trades=(*book.day_trades, (session, fill.symbol)))
    return book if matched.lots else _close(book, position, session, order.intent.leg if order else "unknown")


def _wrong(fill: Fill, order: Order | None) -> str:
    """Why a fill stops trading: it is a fact, and recorded, but nothing explains it."""
    if order is None:
        return f"{fill.symbol}: {fill.qty} shares traded by an order we do not know ({fill.order})"
    if order.filled + fill.qty > order.intent.qty:
        return f"{fill.symbol}: order {fill.order} filled {order.filled + fill.qty} of {order.intent.qty} shares"
    if order.state not in OPEN:
        return f"{fill.symbol}: order {fill.order} was {order.state}, and then traded {fill.qty} shares"
    return ""


def _after(order: Order, fill: Fill) -> Order:
    filled = order.filled + fill.qty
    state = order.state if order.state not in OPEN else State.FILLED if filled >= order.intent.qty else State.PARTIAL
    return replace(order, filled=filled, value=order.value + fill.qty * fill.price, state=state)


def _new_position(fill: Fill, order: Order | None, session: Any) -> Position:
    if order is None:
        return Position(symbol=fill.symbol, strategy="", entered=session, entry=fill.order, lots=())
    i = order.intent
    return Position(symbol=fill.symbol, strategy=i.strategy, entered=session, entry=i.id, lots=(), protect=i.protect,
                    target=i.target, hold=i.hold, signalled=i.signalled, score=i.score)


def _tally(position: Position, fill: Fill, gained: Any) -> Position:
    value, fees, gained = fill.qty * fill.price, position.fees + fill.fee, position.gained + gained
    if fill.side == "buy":
        return replace(position, bought=position.bought + fill.qty, cost=position.cost + value, fees=fees,
                       gained=gained)
    return replace(position, sold=position.sold + fill.qty, proceeds=position.proceeds + value, fees=fees,
                   gained=gained)


def _close(book: Book, position: Position, session: Any, leg: str) -> Book:
    trade = ClosedTrade(
        symbol=position.symbol, strategy=position.strategy, signalled=position.signalled, entered=position.entered,
        left=session, qty=position.sold, entry_price=position.cost / position.bought,
        exit_price=position.proceeds / position.sold, stop=position.protect, target=position.target,
        score=position.score, gross=position.gained, fees=position.fees, leg=leg)
    positions = {symbol: p for symbol, p in book.positions.items() if symbol != position.symbol}
    return replace(book, positions=positions, left={**book.left, position.symbol: session},
                   closed=(*book.closed, trade), losses_in_row=book.losses_in_row + 1 if trade.net < 0 else 0)


def _cash_moved(book: Book, record: Record, event: e.CashMoved) -> Book:
    return replace(book, cash=None if book.cash is None else book.cash + event.amount)


def _adjusted(book: Book, record: Record, event: e.Adjusted) -> Book:
    if event.what == "cash":
        return replace(book, cash=event.qty)
    others = {symbol: p for symbol, p in book.positions.items() if symbol != event.what}
    if not event.qty:
        return replace(book, positions=others)
    lots = match((), event.qty, event.price).lots
    held = book.positions.get(event.what) or Position(symbol=event.what, strategy="", entry="", lots=(),
                                                      entered=book.session or record.time.date())
    bought, sold = max(event.qty, ZERO), max(-event.qty, ZERO)
    adjusted = replace(held, lots=lots, bought=bought, cost=bought * event.price, sold=sold,
                       proceeds=sold * event.price, gained=ZERO)
    return replace(book, positions={**others, event.what: adjusted})


def _failed(book: Book, record: Record, event: e.Failed) -> Book:
    recent = tuple(f for f in book.failures[1 - MOST_FAILURES:] if f[0] >= record.time - FAILURES_COUNT)
    return replace(book, failures=(*recent, (record.time, event.source)))


def _alerted(book: Book, record: Record, event: e.Alerted) -> Book:
    if event.severity == "info":
        return book
    alert = Alert(at=record.time, severity=event.severity, text=event.text)
    return replace(book, alerts={**book.alerts, event.id: alert})


def _without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in table.items() if k != key}


_STEPS: dict[type, Callable[[Book, Record, Any], Book]] = {
    e.Started: _started,
    e.Stopped: _stopped,
    e.Ready: lambda book, record, event: replace(book, ready=True, not_ready=()),
    e.NotReady: _not_ready,
    e.AccountOpened: lambda book, record, event: replace(
        book, account=event.account, cash=event.cash, opened_at=record.time, before=event.before),
    e.SessionOpened: _session_opened,
    e.Valued: _valued,
    e.JobDone: lambda book, record, event: replace(book, jobs={**book.jobs, event.job: event.outcome}),
    e.Scanned: lambda book, record, event: book,
    e.Decided: _decided,
    e.Intended: _intended,
    e.OrderMoved: _moved,
    e.Filled: _filled,
    e.CashMoved: _cash_moved,
    e.OrderAdopted: lambda book, record, event: replace(
        book, foreign={**book.foreign, event.broker: event.symbol},
        halted=book.halted or f"{event.symbol}: the broker has an order we do not know ({event.broker})"),
    e.Reconciled: lambda book, record, event: replace(book, reconciled_at=record.time),
    e.Halted: lambda book, record, event: replace(book, halted=event.reason or "no reason was given"),
    e.Resumed: lambda book, record, event: replace(
        book, halted="", foreign={}, tripped_at=None, probes=0, losses_in_row=0, peak=book.equity),
    e.Adjusted: _adjusted,
    e.Failed: _failed,
    e.Tripped: lambda book, record, event: replace(book, tripped_at=record.time, probes=0, losses_in_row=0),
    e.BreakerReset: lambda book, record, event: replace(book, tripped_at=None, probes=0),
    e.Killed: lambda book, record, event: replace(book, killed=f"{event.by}: {event.reason}"),
    e.Lifted: lambda book, record, event: replace(book, killed=""),
    e.Alerted: _alerted,
    e.Acknowledged: lambda book, record, event: replace(book, alerts=_without(book.alerts, event.id)),
    e.ProhibitionSet: lambda book, record, event: replace(
        book, prohibitions={**book.prohibitions, event.prohibition.symbol: event.prohibition}),
    e.ProhibitionLifted: lambda book, record, event: replace(
        book, prohibitions=_without(book.prohibitions, event.symbol)),
    e.StoodDown: lambda book, record, event: replace(
        book, stood_down={**book.stood_down, event.strategy: event.reason}),
}
"""What each event does to the book."""
