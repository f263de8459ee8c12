"""A broker that does what its script says, and a desk of the order manager that trades with it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from kobe81.core import events as e
from kobe81.core.approved import Approved
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Account
from kobe81.core.orders import Fill, Intent
from kobe81.core.ports import (
    Accepted,
    Activities,
    Answer,
    BrokerError,
    BrokerOrder,
    BrokerPosition,
    Lost,
    NotSent,
    Rejected,
)
from kobe81.oms.ledger import Ledger
from kobe81.oms.manager import OrderManager
from kobe81.store.journal import open_journal
from tests.engine_fixtures import NOON, TODAY, candidate, quote, rules, snapshot, usd

OFF = ("circuit_breaker", "wash_trade")


class FakeBroker:
    """A broker that answers each order by its script: fill, fill N, rest, lost (it arrived), gone (it did not), reject,
    switch. What has no line in the script fills if it can, and rests if it is a stop. cancels: what becomes of an order
    that is cancelled: goes, fills, or stays."""

    name = "fake"

    def __init__(self, clock: SteppedClock, *script: str, cancels: str = "goes") -> None:
        self.clock, self.script, self.cancels = clock, list(script), cancels
        self.known: dict[str, dict[str, Any]] = {}
        self.fills: list[Fill] = []
        self.cash, self.said, self.silent = Decimal(100_000), list[str](), False

    def submit(self, order: Approved[Intent], *, reduce_only: bool = False) -> Answer:
        intent = order.value
        word, _, number = (self.script.pop(0) if self.script else "rest" if intent.leg == "stop" else "fill").partition(
            " ")
        self.said.append(f"{word} {intent.leg} {intent.qty}")
        if word in {"reject", "switch", "gone"}:
            return {"reject": Rejected(403, 40310000, "no"), "switch": NotSent("killed"), "gone": Lost("late")}[word]
        if intent.id not in (o["client"] for o in self.known.values()):
            self._take(intent)
            if word == "fill":
                self.fill(f"b{len(self.known)}", int(number or intent.qty), intent.limit or usd(9))
                self._end(f"b{len(self.known)}")
        made = self.find(intent.id)
        assert made
        return Lost("late") if word == "lost" else Accepted(made)

    def _take(self, intent: Intent) -> None:
        name = f"b{len(self.known) + 1}"
        self.known[name] = {"id": name, "client": intent.id, "symbol": intent.symbol, "side": intent.side,
                            "qty": Decimal(intent.qty), "filled": Decimal(0), "status": "new"}

    def fill(self, name: str, qty: int, price: Decimal) -> None:
        """Shares of an order trade."""
        order = self.known[name]
        way = 1 if order["side"] == "buy" else -1
        order["filled"] += qty
        self.cash -= way * qty * price
        self.fills.append(Fill(execution=f"x{len(self.fills)}", order=name, symbol=order["symbol"], side=order["side"],
                               qty=Decimal(qty), price=price, at=self.clock.now()))
        order["status"] = "filled" if order["filled"] == order["qty"] else "partially_filled"

    def _end(self, name: str) -> None:
        if self.known[name]["status"] != "filled":
            self.known[name]["status"] = "canceled"

    def cancel(self, broker_id: str) -> str:
        self.said.append(f"cancel {broker_id}")
        order = self.known[broker_id]
        if self.cancels == "fills":
            self.fill(broker_id, int(order["qty"] - order["filled"]), usd("9.50"))
        elif self.cancels == "goes":
            self._end(broker_id)
        return ""

    def account(self) -> Account:
        self._hears()
        return Account(number="P1", status="ACTIVE", cash=self.cash, equity=self.cash, buying_power=self.cash)

    def positions(self) -> tuple[BrokerPosition, ...]:
        held: dict[str, Decimal] = {}
        for fill in self.fills:
            held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.qty * (1 if fill.side == "buy" else -1)
        return tuple(BrokerPosition(symbol=s, qty=qty, price=usd(10)) for s, qty in held.items() if qty)

    def find(self, client_order_id: str) -> BrokerOrder | None:
        self._hears()
        return next((BrokerOrder(**o) for o in self.known.values() if o["client"] == client_order_id), None)

    def order(self, broker_id: str) -> BrokerOrder | None:
        self._hears()
        return BrokerOrder(**self.known[broker_id]) if broker_id in self.known else None

    def orders(self, since: datetime) -> tuple[BrokerOrder, ...]:
        return tuple(BrokerOrder(**order) for order in self.known.values())

    def activities(self, since: datetime) -> Activities:
        self._hears()
        return Activities(fills=tuple(self.fills), moves=())

    def market_open(self) -> bool:
        return True

    def tradable(self, symbol: str) -> str:
        return ""

    def _hears(self) -> None:
        if self.silent:
            self.clock.sleep(1.0)
            raise BrokerError("no answer in 10 s")


class Desk:
    """A journal in a file, a manager on it, and a broker; `again()` is the next process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, SteppedClock(NOON)
        self.broker = FakeBroker(self.clock)
        self.again()
        self.manager.reconciler.open_account()
        self.ledger.tell(e.SessionOpened(session=TODAY, equity=usd(100_000)))

    def again(self) -> None:
        self.journal = open_journal(self.folder / "journal.db", self.clock)
        self.ledger = Ledger(self.journal)
        self.manager = OrderManager(self.ledger, self.broker, self.clock, rules(off=OFF))

    def scan(self, name: str = "2", **fields: Any) -> Any:
        """A scan that wants ACME, unless the fields say otherwise."""
        wanted = fields.pop("wanted", (candidate(),))
        at = self.clock.now()
        seen = snapshot(*wanted, **{"scan": name, "at": at, "quotes": {"ACME": quote(at=at)}, **fields})
        return self.manager.scan(seen)

    def leave(self, name: str = "3", **fields: Any) -> Any:
        """The scan in which ACME's time is up."""
        return self.scan(name, wanted=(), entries=False, exits=True, held={"ACME": 5}, **fields)

    def recover(self) -> bool:
        return self.manager.recover(snapshot(scan="restart", entries=False, at=self.clock.now()))

    @property
    def orders(self) -> list[tuple[str, str, int, int]]:
        """Leg, state, shares, shares filled."""
        return [(o.intent.leg, str(o.state), o.intent.qty, int(o.filled)) for o in self.ledger.book.orders.values()]

    @property
    def held(self) -> int:
        position = self.ledger.book.positions.get("ACME")
        return int(position.qty) if position else 0

    def events(self, kind: type) -> list[Any]:
        return [r.event for r in self.journal.since(0) if isinstance(r.event, kind)]
