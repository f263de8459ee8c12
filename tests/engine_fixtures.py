"""A trading day in values: candidates, quotes, snapshots, rules, and a journal that is told what happens.

What everything is by default lets an entry in ACME pass every gate: $10.48 bid, $10.50 asked, stop at $9.50.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from kobe81.core import events as e
from kobe81.core.decisions import Account, Candidate, Considered, Decision, Facts, Quote, Snapshot
from kobe81.core.events import AnyEvent, Record
from kobe81.core.orders import Fill, Intent, State
from kobe81.engine.apply import apply
from kobe81.engine.book import Book
from kobe81.engine.rules import REGISTRIES, Rules

FRIDAY, TODAY = date(2026, 6, 5), date(2026, 6, 8)
OPENS, CLOSES = (datetime(2026, 6, 8, *at, tzinfo=UTC) for at in ((13, 30), (20, 0)))
NOON = datetime(2026, 6, 8, 16, 0, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
GATES = tuple(name for registry in REGISTRIES for name in registry.names())


def usd(text: Any) -> Decimal:
    return Decimal(str(text))


class Journal:
    """Records, and the book they come to."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.book = Book()
        self._number = count(1)

    def __call__(self, *happened: AnyEvent, at: datetime = NOON) -> Book:
        for event in happened:
            self.records.append(Record(seq=self.book.seq + 1, time=at, cause=self.book.seq, event=event))
            self.book = apply(self.book, self.records[-1])
        return self.book

    def order(self, symbol: str = "ACME", qty: int = 7, *states: State, at: datetime = NOON, **fields: Any) -> Intent:
        """An order of ours, taken through the states."""
        made = intent(symbol, qty, next(self._number), **{"session": self.book.session or TODAY, **fields})
        self(e.Intended(intent=made), *(e.OrderMoved(order=made.id, state=s) for s in states), at=at)
        return made

    def fill(self, order: Intent, qty: Any, price: Any, fee: Any = 0, at: datetime = NOON) -> Book:
        """Some of it trades."""
        return self(e.Filled(fill=Fill(execution=f"x{next(self._number)}", order=order.id, symbol=order.symbol,
                                       side=order.side, qty=usd(qty), price=usd(price), at=at, fee=usd(fee))), at=at)

    def buy(self, symbol: str = "ACME", qty: int = 7, price: Any = 10, at: datetime = NOON, **fields: Any) -> Intent:
        """An entry that fills at once."""
        made = self.order(symbol, qty, *LIVE, at=at, **fields)
        self.fill(made, qty, price, at=at)
        return made

    def sell(self, symbol: str = "ACME", qty: int = 7, price: Any = 10, leg: str = "time", at: datetime = NOON,
             fee: Any = 0) -> Intent:
        """An exit that fills at once."""
        made = self.order(symbol, qty, *LIVE, side="sell", leg=leg, at=at)
        self.fill(made, qty, price, fee, at=at)
        return made

    def session(self, day: date, equity: Any = 100_000) -> Book:
        return self(e.SessionOpened(session=day, equity=usd(equity)), at=datetime.combine(day, OPENS.timetz()))


LIVE = (State.SENT, State.ACCEPTED)


def opened(cash: Any = 100_000) -> Journal:
    """The journal of a session's beginning."""
    journal = Journal()
    journal(e.AccountOpened(account="P1", cash=usd(cash)))
    journal.session(TODAY)
    return journal


def intent(symbol: str = "ACME", qty: int = 7, number: int = 1, **fields: Any) -> Intent:
    """An entry, unless the fields say otherwise; its budget is $10.50 a share."""
    entry = fields.get("leg", "entry") == "entry"
    own: dict[str, Any] = dict(protect=usd("9.50"), hold=5, signalled=FRIDAY, score=1.5,  # noqa: C408
                               notional=qty * usd("10.50")) if entry else {}
    return Intent(**{
        "key": f"key-{number}", "id": f"k1-{number}", "session": TODAY, "scan": "1", "strategy": "donchian",
        "symbol": symbol, "side": "buy", "leg": "entry", "qty": qty, "tif": "ioc", "expires": NOON + MINUTE,
        **own, **fields})


def candidate(symbol: str = "ACME", **fields: Any) -> Candidate:
    return Candidate(**{
        "symbol": symbol, "strategy": "donchian", "side": "long", "session": FRIDAY, "entry": usd("10.40"),
        "stop": usd("9.50"), "target": None, "score": 2.0, "confidence": 0.7, "hold": 5, "reason": "closed above",
        **fields})


def quote(bid: Any = "10.48", ask: Any = "10.50", last: Any = "10.49", at: datetime = NOON) -> Quote:
    return Quote(bid=usd(bid), ask=usd(ask), last=usd(last), at=at)


def snapshot(*candidates: Candidate, **fields: Any) -> Snapshot:
    """The candidates' symbols and ACME are quoted and liquid, unless the fields say otherwise."""
    symbols = ["ACME", *(c.symbol for c in candidates)]
    worth = Account(number="P1", status="ACTIVE", cash=usd(100_000), equity=usd(100_000), buying_power=usd(100_000))
    return Snapshot(**{
        "session": TODAY, "scan": "2", "at": NOON, "entries": True, "exits": False, "opens": OPENS, "closes": CLOSES,
        "bars": "sha256:0", "candidates": candidates, "quotes": dict.fromkeys(symbols, quote()),
        "facts": dict.fromkeys(symbols, Facts(adv=5e7, volatility=0.02, close=usd("10.40"))), "held": {},
        "account": worth, "killed": False, **fields})


def rules(*only: str, off: tuple[str, ...] = (), trading: dict[str, Any] | None = None, **gates: Any) -> Rules:
    """Rules with these gates, all where none is named; limits by gate name."""
    off = tuple(name for name in GATES if name not in only) if only else off
    return Rules.of({"account": "P1", "trading": trading or {}, "gates": {**gates, "off": off}})


NO_GATES = Rules.of({"gates": {"off": GATES}})


def refused(considered: Considered) -> dict[str, str]:
    """The reasons of what denied, by gate."""
    return {v.gate: v.reason for v in considered.refusals}


def sent(decision: Decision) -> Iterator[tuple[str, int]]:
    """Symbol and shares of the decision's orders."""
    return ((i.symbol, i.qty) for i in decision.intents)
