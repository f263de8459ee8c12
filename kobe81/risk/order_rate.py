"""Orders a minute: a loop that has gone wrong is stopped before the broker stops us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kobe81.core.gates import EVERY, Circumstances, Gate, Proposal, Verdict, known, under
from kobe81.core.params import param


@dataclass(frozen=True)
class OrderRate(Gate):
    """An order of any kind finds fewer than the limit in the minute before it. Alpaca takes 200 requests a minute, and
    an order needs several."""

    legs = EVERY
    reads = ("orders_last_minute",)
    stricter: ClassVar[dict[str, int]] = {"max_orders": -1}

    max_orders: int = param(30, 1, 200, "orders in a minute, this one included, at most")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        return self.all_of(under("orders in the last minute", known(seen.orders_last_minute), self.max_orders))
