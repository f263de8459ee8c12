"""Orders: one order as the exchange keeps it, and the states it can be in."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, structs

from kobe81.core.money import ZERO, to_tick
from kobe81.execution.exchange.quotes import PRINT


class Status(StrEnum):
    """Alpaca's order states, as far as orders get into them here."""

    PENDING_NEW = "pending_new"
    "Taken in while the market is open, not yet matched."
    ACCEPTED = "accepted"
    "Taken in while the market is closed; waits for the open."
    HELD = "held"
    "A leg that waits for its entry to fill."
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"


WAITING = frozenset({Status.PENDING_NEW, Status.ACCEPTED})
TERMINAL = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REPLACED})
REPLACEABLE = frozenset({Status.NEW, Status.PARTIALLY_FILLED, Status.HELD})
AT_ONCE = frozenset({"ioc", "fok", "opg", "cls"})
"""Times in force that are matched at one instant; what is left then is canceled."""


class Order(Struct, frozen=True, kw_only=True):
    """An order. A change makes a new value with the same id.

    qty or notional is set, the other is None; legs of a bracket lose what their sibling fills. role: what a part of a
    complex order does ("entry", "target", "stop"), empty for a simple one; group: the id of the first order of its
    complex order. live_at: not matched before; expires_at: not after. reserve: dollars of buying power a share holds.
    triggered: a stop-limit's stop was reached. hwm: a trailing stop's extreme price so far.
    """

    seq: int
    id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    order_class: str = "simple"
    role: str = ""
    group: str = ""
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    extended_hours: bool = False
    reserve: Decimal = ZERO
    status: Status = Status.PENDING_NEW
    triggered: bool = False
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    fills: int = 0
    submitted_at: datetime
    updated_at: datetime
    live_at: datetime
    expires_at: datetime | None = None
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None

    def but(self, **changes: object) -> Order:
        """The order with these fields changed."""
        return structs.replace(self, **changes)

    @property
    def open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status not in TERMINAL

    @property
    def buys(self) -> bool:
        return self.side == "buy"

    @property
    def leaves(self) -> Decimal:
        """Shares still to fill; zero for a notional order, whose shares are known when it fills."""
        return self.qty - self.filled_qty if self.qty is not None else ZERO

    @property
    def reserved(self) -> Decimal:
        """Dollars of buying power that the order holds while it is open."""
        if self.notional is not None:
            return self.notional if self.buys else ZERO
        return self.leaves * self.reserve

    @property
    def trail_stop(self) -> Decimal | None:
        """Where a trailing stop stands now; None before it has seen a price."""
        if self.hwm is None:
            return None
        trail = self.trail_price if self.trail_price is not None else self.hwm * (self.trail_percent or ZERO) / 100
        return to_tick((self.hwm + trail if self.buys else self.hwm - trail).quantize(PRINT), up=not self.buys)
