"""The house's own limits on what one order and one day may cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, at_most, between, dollars, known
from kobe81.core.params import param


@dataclass(frozen=True)
class PolicyGate(Gate):
    """An entry fits the dollars of an order and of the day, and its price the prices we trade at.

    The day's dollars are those sent, unknown and filled, this order's included.
    """

    reads = ("reserved",)
    stricter: ClassVar[dict[str, int]] = {"max_order": -1, "max_day": -1, "min_price": 1, "max_price": -1}

    max_order: Decimal = param(Decimal(75), 0, 1e9, "dollars of one order, at most")
    max_day: Decimal = param(Decimal(1000), 0, 1e9, "dollars of a day's entries, at most")
    min_price: Decimal = param(Decimal(3), 0, 1e6, "dollars of a share, at least")
    max_price: Decimal = param(Decimal(1000), 0, 1e6, "dollars of a share, at most")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        return self.all_of(
            at_most("order", order.notional, self.max_order, dollars),
            at_most("the day with it", known(seen.reserved) + order.notional, self.max_day, dollars),
            between("price", order.price, self.min_price, self.max_price, dollars),
        )
