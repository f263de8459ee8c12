"""No order on an old quote, or far from where the stock trades."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from kobe81.core.gates import EVERY, Circumstances, Gate, Proposal, Verdict, at_most, known, percent
from kobe81.core.params import param


@dataclass(frozen=True)
class PriceCollar(Gate):
    """The quote is sound and fresh, and the limit near the last trade.

    A stop order is not asked: it has no limit, and protects all the more when nobody knows a quote. Another exit
    without a limit passes on a sound quote.
    """

    legs = EVERY - {"stop"}
    reads = ("at", "quote_at", "bid", "ask", "last")
    stricter: ClassVar[dict[str, int]] = {"max_age": -1, "max_ahead": -1, "width": -1}

    max_age: float = param(60.0, 0.0, 86_400.0, "seconds since the quote; it must be younger")
    max_ahead: float = param(1.0, 0.0, 60.0, "seconds the quote's clock may be ahead of ours, at most")
    width: Decimal = param(Decimal("0.02"), 0, 1, "distance of the limit from the last trade as a share, at most")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        bid, ask, last = known(seen.bid), known(seen.ask), known(seen.last)
        if not (0 < bid <= ask and last > 0):
            return self.deny(f"bid {bid}, ask {ask}, last {last}: no market looks so")
        age = (known(seen.at) - known(seen.quote_at)).total_seconds()
        fresh = -self.max_ahead <= age < self.max_age
        words = "within" if fresh else "is outside"
        told = f"quote's age {age:.1f} s {words} -{self.max_ahead:g} s to {self.max_age:g} s"
        if order.limit is None:
            return self.all_of((fresh, told), (True, "no limit to hold to the last trade"))
        away = f"limit ${order.limit} against last ${last}:"
        return self.all_of((fresh, told), at_most(away, abs(order.limit - last) / last, self.width, percent))
