"""Trading days as a runner journals them, as many as are wanted, for what is timed on a long journal.

A day has 510 events: two scans with what they saw and decided, 20 entries with their stops and time exits, a look at
the account every three minutes. Every position is left at the price it was entered at, so that the account ends as it
began.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from kobe81.core.calendar import hours, sessions
from kobe81.core.decisions import Account, Candidate, Considered, Decision, Facts, Quote, Snapshot, encode
from kobe81.core.events import (
    AnyEvent,
    Decided,
    Filled,
    Intended,
    JobDone,
    OrderMoved,
    Reconciled,
    Record,
    Scanned,
    SessionOpened,
    Valued,
)
from kobe81.core.gates import Verdict
from kobe81.core.hash_chain import GENESIS, link
from kobe81.core.ids import client_order_id, decision_key
from kobe81.core.orders import Fill, Intent, Leg, Side, State
from kobe81.engine.rules import Rules
from kobe81.store.journal import Row

ACCOUNT, CASH = "bench", Decimal(100_000)
SYMBOLS = tuple(f"SYN{i:03}" for i in range(1, 21))
EVENTS, LOOKS = 510, 130
"""Of a day; the looks are every three minutes, from open to close."""
QTY, BOUGHT, STOP = 20, Decimal("50.00"), Decimal("47.50")
MIDNIGHT = time(tzinfo=UTC)
GATES = tuple(gate.name for gate in Rules.of({}).gates)


def trading_days(first: date, count: int) -> list[date]:
    """So many sessions of the exchange, from this day on."""
    return sessions("XNYS", first, first + timedelta(days=10 + 2 * count))[:count]


def quote(at: datetime) -> Quote:
    """A liquid stock at $50."""
    return Quote(bid=BOUGHT - Decimal("0.02"), ask=BOUGHT, last=BOUGHT - Decimal("0.01"), at=at)


def candidate(symbol: str, session: date) -> Candidate:
    """A breakout of the day before."""
    return Candidate(symbol=symbol, strategy="donchian", side="long", session=session - timedelta(days=1),
                     entry=BOUGHT, stop=STOP, target=None, score=2.5, confidence=1.0 - 1.0 / 3.5, hold=5,
                     reason="close 49.99 is above 49.50, the highest high of the 20 bars before")


def snapshot(session: date, scan: str, at: datetime, open_hours: tuple[datetime, datetime], symbols: tuple[str, ...],
             *, exits: bool = False) -> Snapshot:
    """What a scan sees of these symbols: candidates for entry, or positions that are due."""
    worth = Account(number=ACCOUNT, status="ACTIVE", cash=CASH, equity=CASH, buying_power=CASH)
    return Snapshot(
        session=session, scan=scan, at=at, entries=not exits, exits=exits, opens=open_hours[0], closes=open_hours[1],
        bars=f"sha256:{'0' * 64}", candidates=() if exits else tuple(candidate(s, session) for s in symbols),
        quotes=dict.fromkeys(symbols, quote(at)), held=dict.fromkeys(symbols, 5) if exits else {}, account=worth,
        facts=dict.fromkeys(symbols, Facts(adv=5e7, volatility=0.02, close=BOUGHT)), killed=False)


def day(session: date) -> Iterator[AnyEvent]:
    """The events of one session, in order."""
    open_hours = hours("XNYS", session)
    if open_hours is None:
        raise ValueError(f"{session} is no session of the exchange")
    yield SessionOpened(session=session, equity=CASH)
    yield JobDone(session=session, job="morning", outcome="done", note="20 candidates")
    yield from _scan(session, "1", "entry", open_hours)
    for _ in range(LOOKS):
        yield Valued(session=session, equity=CASH)
        yield Reconciled(cash=CASH - BOUGHT * QTY * len(SYMBOLS), positions=dict.fromkeys(SYMBOLS, Decimal(QTY)))
    yield from _scan(session, "3", "time", open_hours)
    yield Reconciled(cash=CASH, positions={})
    yield JobDone(session=session, job="eod", outcome="done", note="book and broker agree")


def _scan(session: date, scan: str, leg: Leg, open_hours: tuple[datetime, datetime]) -> Iterator[AnyEvent]:
    """One scan's snapshot and decision, and every order's way; entries get their stops, exits take them away."""
    at = open_hours[0] + timedelta(minutes=5)
    orders = [_intent(session, scan, leg, symbol, at) for symbol in SYMBOLS]
    stops = [_intent(session, "protect", "stop", symbol, at) for symbol in SYMBOLS]
    verdicts = tuple(Verdict(gate, True, "1,000.00 dollars, at most 1,000.00") for gate in GATES)
    considered = tuple(
        Considered(symbol=o.symbol, strategy=o.strategy, leg=leg, why="closed above the highest high", qty=QTY,
                   limit=BOUGHT, verdicts=verdicts, intent=o.id) for o in orders)
    yield Scanned(snapshot=snapshot(session, scan, at, open_hours, SYMBOLS, exits=leg != "entry"))
    if leg != "entry":
        yield from (OrderMoved(order=stop.id, state=State.CANCELLED, reason="the broker says canceled")
                    for stop in stops)
    yield Decided(decision=Decision(session=session, scan=scan, inputs=f"sha256:{'0' * 64}", considered=considered,
                                    intents=tuple(orders)))
    for order in orders:
        yield from _sent(order)
        yield Filled(fill=Fill(execution=f"{session}::{order.id[-20:]}", order=order.id, symbol=order.symbol,
                               side=order.side, qty=Decimal(QTY), price=BOUGHT, at=at))
    if leg == "entry":
        for stop in stops:
            yield from _sent(stop)
    yield JobDone(session=session, job=f"scan-{scan}", outcome="done", note="20 considered, 20 orders")


def _sent(order: Intent) -> Iterator[AnyEvent]:
    yield Intended(intent=order)
    yield OrderMoved(order=order.id, state=State.SENT)
    yield OrderMoved(order=order.id, state=State.ACCEPTED, broker=f"61e69015-8549-4bfd-b9c3-{order.id[-12:]}")


def _intent(session: date, scan: str, leg: Leg, symbol: str, at: datetime) -> Intent:
    side: Side = "buy" if leg == "entry" else "sell"
    key = decision_key(ACCOUNT, session, scan, "donchian", symbol, side, leg)
    own: dict[str, Any] = {"limit": None, "stop": STOP} if leg == "stop" else {"limit": BOUGHT}
    if leg == "entry":
        own |= {"notional": BOUGHT * QTY, "protect": STOP, "hold": 5, "signalled": session - timedelta(days=1)}
    return Intent(key=key, id=client_order_id(key), session=session, scan=scan, strategy="donchian", symbol=symbol,
                  side=side, leg=leg, qty=QTY, tif="gtc" if leg == "stop" else "ioc",
                  expires=at + timedelta(minutes=1), **own)


def rows(first: date, count: int) -> Iterator[Row]:
    """So many chained records, as a journal keeps them."""
    events = ((session, event) for session in trading_days(first, 1 + count // EVENTS) for event in day(session))
    head = GENESIS
    for seq, (session, event) in zip(range(1, count + 1), events, strict=False):
        body = encode(Record(seq=seq, time=datetime.combine(session, MIDNIGHT), cause=seq - 1, event=event))
        head = link(head, body)
        yield Row(seq, body, head, None)
