"""The truth at the broker: orders, executions, shares and cash. Nobody sees it but through the broker's answers."""

from __future__ import annotations

from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kobe81.core.events import CashMoved
from kobe81.core.orders import Fill, Intent, Side
from tests.simulation.chance import Chance
from tests.simulation.days import CASH, END, MAX_DAY, PLAN, PRICES, START, worst

TICK = Decimal("0.01")
DONE = {"filled", "canceled", "rejected", "expired"}
TELLS = ((0.85, "now"), (0.12, "lags"), (0.03, "late"))
CANCELS = ((0.6, "goes"), (0.2, "fills"), (0.1, "fills a part"), (0.1, "takes long"))
LAST_SCAN = PLAN[2].at.timetz()
STANDS = timedelta(minutes=5)
"""How long a stop that is being cancelled very slowly goes on standing."""


class Resting(Struct, frozen=True, kw_only=True):
    """An order as it truly is. key: the decision it came from; limit: its limit or stop price."""

    id: str
    client: str
    key: str
    symbol: str
    side: Side
    leg: str
    qty: int
    tif: str
    limit: Decimal
    session: date | None
    at: datetime
    filled: int = 0
    value: Decimal = Decimal(0)
    status: str = "new"

    @property
    def open(self) -> bool:
        return self.status not in DONE


class Execution(Struct, frozen=True, kw_only=True):
    """Shares that changed hands. told: when the activities show it; counted: when the order's quantity does."""

    fill: Fill
    told: datetime
    counted: datetime


class Masks(Struct, frozen=True):
    """What the broker itself refuses, and so hides of our mistakes. unique: an id that a finished order has had;
    covered: selling more than the shares that no open order would sell. calm: it makes no trouble of its own, so that
    a layer which is there for such trouble can be switched off."""

    unique: bool = True
    covered: bool = True
    calm: bool = False


class World:
    """The broker's books, and all that is still to happen in them, by time."""

    def __init__(self, chance: Chance, masks: Masks) -> None:
        self.chance, self.masks = chance, masks
        self.orders: dict[str, Resting] = {}
        self.executions: list[Execution] = []
        self.moves: list[CashMoved] = []
        self.cash, self.shares = CASH, dict.fromkeys((*PRICES, "XYZ"), 0)
        self.due: list[tuple[datetime, int, str, Any]] = []
        self.problems: list[str] = []
        self.calls, self.happened, self.healthy = 0, 0, masks.calm
        self._long_ago("buy")
        self._long_ago("sell")
        if chance.draw("stranger") < 0.06:
            self.later(START + chance.seconds(0, (END - START).total_seconds(), "stranger at"), "stranger", None)
        if chance.draw("dividend") < 0.3:
            self.later(START + chance.seconds(0, (END - START).total_seconds(), "dividend at"), "dividend", None)

    def _long_ago(self, side: Side) -> None:
        """A fill of yesterday, of which the cash that the account begins with knows already, of an older order."""
        at, name = START - timedelta(days=3), f"b{len(self.orders) + 1}"
        self.orders[name] = Resting(id=name, client=f"old-{side}", key=f"old-{side}", symbol="XYZ", side=side, leg="",
                                    qty=5, tif="ioc", limit=Decimal("50.00"), session=None, at=at)
        self._trade((name, 5), START - timedelta(days=1))

    def survive(self, salt: int) -> World:
        """A copy for the life after a crash."""
        after = copy(self)
        after.chance = self.chance._replace(salt=salt)
        after.orders, after.shares, after.due = dict(self.orders), dict(self.shares), list(self.due)
        after.executions, after.moves, after.problems = list(self.executions), list(self.moves), list(self.problems)
        return after

    def mark(self) -> tuple[int, ...]:
        """Changes whenever anything in here does."""
        return (self.calls, self.happened, len(self.due), len(self.orders), len(self.executions), len(self.problems))

    # what happens

    def later(self, at: datetime, what: str, to: Any) -> None:
        """Something will happen."""
        self.happened += 1
        heappush(self.due, (at, self.happened, what, to))

    def advance(self, now: datetime) -> None:
        """Everything due by now has happened."""
        while self.due and self.due[0][0] <= now:
            at, _, what, to = heappop(self.due)
            getattr(self, f"_{what}")(to, at)

    def _arrive(self, intent: Intent, at: datetime) -> None:
        self.take(intent, at)

    def take(self, intent: Intent, at: datetime) -> str:
        """An order reaches the broker; "" where it is taken, otherwise why not."""
        if any(o.client == intent.id and (self.masks.unique or o.open) for o in self.orders.values()):
            return "client_order_id must be unique"
        if self.masks.covered and intent.side == "sell" and intent.qty > self.free(intent.symbol):
            return f"insufficient qty available for order (available: {self.free(intent.symbol)})"
        order = Resting(
            id=f"b{len(self.orders) + 1}", client=intent.id, key=intent.key, symbol=intent.symbol, side=intent.side,
            leg=intent.leg, qty=intent.qty, tif=intent.tif, limit=intent.limit or intent.stop or Decimal(0),
            session=intent.session, at=at)
        self.orders[order.id] = order
        self._promise(intent, order, at)
        self._check_budget(order, intent)
        return ""

    def free(self, symbol: str) -> int:
        """Shares that no open order would sell."""
        return self.shares[symbol] - sum(o.qty - o.filled for o in self.orders.values()
                                         if o.open and o.symbol == symbol and o.side == "sell")

    def _promise(self, intent: Intent, order: Resting, at: datetime) -> None:
        """What will become of it."""
        if order.tif != "ioc":
            if not self.healthy and self.chance.draw("triggers", order.client) < 0.2:
                after = 20 if self.chance.draw("soon", order.client) < 0.4 else 60_000
                self.later(at + self.chance.seconds(0.5, after, "falls", order.client), "trade", (order.id, order.qty))
            return
        kind = self.chance.one_of(((0.5, "all"), (0.3, "part"), (0.2, "none")), "ioc", order.client)
        wanted = {"all": order.qty, "part": max(order.qty - 1, 1), "none": 0}[kind]
        while wanted:
            some = min(wanted, self.chance.whole(1, 4, "lot", order.client, wanted))
            at += self.chance.seconds(0.05, 0.6, "pace", order.client, wanted)
            self.later(at, "trade", (order.id, some))
            wanted -= some
        self.later(at + timedelta(milliseconds=50), "finish", order.id)

    def _finish(self, order: str, at: datetime) -> None:
        """What has not traded is cancelled."""
        if self.orders[order].open:
            self.orders[order] = replace(self.orders[order], status="canceled")

    def _trade(self, which: tuple[str, int], at: datetime) -> None:
        order = self.orders[which[0]]
        if not order.open:
            return
        qty, way = min(which[1], order.qty - order.filled), 1 if order.side == "buy" else -1
        price = order.limit - way * TICK * (len(self.executions) % 3) * (-1 if order.leg == "stop" else 1)
        fee = TICK if way < 0 else Decimal(0)
        fill = Fill(execution=f"x{len(self.executions) + 1}", order=order.id, symbol=order.symbol, side=order.side,
                    qty=Decimal(qty), price=price, at=at, fee=fee)
        self.executions.append(self._reported(fill))
        self.shares[order.symbol] += way * qty
        self.cash -= way * qty * price + fee
        filled = order.filled + qty
        self.orders[order.id] = replace(order, filled=filled, value=order.value + qty * price,
                                        status="filled" if filled == order.qty else "partially_filled")
        if self.shares[order.symbol] < 0:
            self.problems.append(f"{order.symbol} is short: sold twice, by {order.client} the second time")

    def _reported(self, fill: Fill) -> Execution:
        """Most are told at once, some later than the order counts them, a few long after the order was finished.

        The last kind would let a day's entries pass any budget, so it happens to none that others can follow."""
        kind = "now" if self.masks.calm else self.chance.one_of(TELLS, "told", fill.execution, fill.order)
        lag = timedelta(0) if kind == "now" else self.chance.seconds(0.2, 25, "lag", fill.execution, fill.order)
        late = kind == "late" and (fill.side == "sell" or fill.at.timetz() >= LAST_SCAN)
        return Execution(fill=fill, told=fill.at + lag, counted=fill.at + (lag if late else timedelta(0)))

    def _stranger(self, _: None, at: datetime) -> None:
        """Somebody else trades in our account."""
        name = f"b{len(self.orders) + 1}"
        self.orders[name] = Resting(
            id=name, client="by-hand", key="by-hand", symbol="XYZ", side="buy", leg="", qty=3, tif="ioc",
            limit=Decimal("50.00"), session=None, at=at)
        self._trade((name, 3), at)

    def _dividend(self, _: None, at: datetime) -> None:
        self.cash += Decimal("1.37")
        self.moves.append(CashMoved(activity=f"d{len(self.moves)}", activity_type="DIV", amount=Decimal("1.37"), at=at))

    def cancel(self, order: Resting, at: datetime) -> None:
        """Somebody asks for an order to be cancelled; meanwhile it may trade."""
        fate = "goes" if self.masks.calm else self.chance.one_of(CANCELS, "cancel", order.client)
        if fate in {"fills", "fills a part"}:
            self.later(at + timedelta(seconds=0.4), "trade", (order.id, order.qty if fate == "fills" else 1))
        self.later(at + (STANDS if fate == "takes long" else timedelta(seconds=0.8)), "finish", order.id)

    # what must hold

    def _check_budget(self, order: Resting, intent: Intent) -> None:
        """I5, by the truth: what is bought and what may still be, of this session."""
        entries = [o for o in self.orders.values() if o.leg == "entry" and o.session == order.session]
        most = sum((o.limit * o.qty if o.open else o.value for o in entries), Decimal(0))
        if order.leg == "entry" and not (most <= MAX_DAY):
            self.problems.append(f"I5 the day's entries come to ${most} of ${MAX_DAY} with {intent.id}, "
                                 f"${worst(intent)}")
