"""The account: cash and shares as the sum of its activities, and what it could still buy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal

from msgspec import Struct

from kobe81.core.days import number
from kobe81.core.fees import rates
from kobe81.core.money import CENT, ZERO, decimal
from kobe81.execution.exchange.wire import NEW_YORK

EXACT = Decimal("1e-9")
"""The grain of what a partly sold position has cost; shares and cash are exact."""


class Fill(Struct, frozen=True, kw_only=True, tag="FILL"):
    """An execution. cum_qty and leaves_qty are the order's after it, order_status as well."""

    seq: int
    id: str
    at: datetime
    order_id: str
    execution_id: str
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    order_status: str

    @property
    def cash(self) -> Decimal:
        """What it did to the cash."""
        return self.qty * self.price * (-1 if self.side == "buy" else 1)


class Fee(Struct, frozen=True, kw_only=True, tag="FEE"):
    """A charge; net_amount is negative."""

    seq: int
    id: str
    at: datetime
    net_amount: Decimal
    description: str

    @property
    def cash(self) -> Decimal:
        """What it did to the cash."""
        return self.net_amount


Activity = Fill | Fee


class Position(Struct, frozen=True):
    """Shares held and what they cost in dollars, by average cost."""

    qty: Decimal
    cost: Decimal

    @property
    def average(self) -> Decimal:
        return self.cost / self.qty


class Account:
    """Cash and positions after `activities`; a new account has `initial` dollars and nothing else."""

    def __init__(self, initial: Decimal, activities: Iterable[Activity] = ()) -> None:
        self.initial = self.cash = initial
        self.positions: dict[str, Position] = {}
        self.activities: list[Activity] = []
        for activity in activities:
            self.record(activity)
        self._settled = len(self.activities)

    def settle(self) -> list[Activity]:
        """What was recorded since the last time."""
        recorded, self._settled = self.activities[self._settled :], len(self.activities)
        return recorded

    def record(self, activity: Activity) -> None:
        """Let it happen."""
        self.activities.append(activity)
        self.cash += activity.cash
        if isinstance(activity, Fill):
            self._move(activity)

    def shares(self, symbol: str) -> Decimal:
        """Shares held of a symbol."""
        return self.positions[symbol].qty if symbol in self.positions else ZERO

    def until(self, at: datetime) -> Account:
        """The account as it stood after everything up to an instant."""
        return Account(self.initial, (activity for activity in self.activities if activity.at <= at))

    def _move(self, fill: Fill) -> None:
        held = self.positions.get(fill.symbol, Position(ZERO, ZERO))
        if fill.side == "buy":
            held = Position(held.qty + fill.qty, held.cost + fill.qty * fill.price)
        else:
            held = Position(held.qty - fill.qty, _left(held, fill.qty))
        self.positions[fill.symbol] = held
        if not held.qty:
            del self.positions[fill.symbol]


def _left(held: Position, sold: Decimal) -> Decimal:
    return held.cost - (held.cost * sold / held.qty).quantize(EXACT)


def sale_fees(day: date, shares: Decimal, proceeds: Decimal) -> list[tuple[Decimal, str]]:
    """What a sale pays on `day`: dollars rounded up to the cent, as brokers pass them on, and for what."""
    sec, taf, cap = (decimal(float(rate)) for rate in rates(number(day)))
    plain = format(shares.normalize(), "f")
    charges = (((sec.quantize(Decimal("1e-12")) * proceeds), f"REG fee for proceed of ${proceeds:.2f}"),
               (min(taf * shares, cap), f"TAF fee for proceed of {plain} shares"))
    return [(amount.quantize(CENT, ROUND_CEILING), words) for amount, words in charges if amount > 0]


def activity_id(at: datetime, name: str) -> str:
    """Alpaca's way to name an activity: its time in New York to the millisecond, and an id of its own."""
    local = at.astimezone(NEW_YORK)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{name}"
