"""No penny stocks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, at_least, dollars
from kobe81.core.params import param


@dataclass(frozen=True)
class PennyStocks(Gate):
    """An entry's price is at least five dollars, below which a stock can be a penny stock (17 CFR 240.3a51-1)."""

    stricter: ClassVar[dict[str, int]] = {"min_price": 1}

    min_price: Decimal = param(Decimal(5), 0, 1e6, "dollars of a share, at least")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        return self.all_of(at_least("price", order.price, self.min_price, dollars))
