"""No symbol becomes too much of the account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, at_most, dollars, known, percent
from kobe81.core.params import param


@dataclass(frozen=True)
class PositionSize(Gate):
    """What is held of a symbol and the entry come to no more than a share of equity."""

    reads = ("held_value", "equity")
    stricter: ClassVar[dict[str, int]] = {"max_share": -1}

    max_share: Decimal = param(Decimal("0.05"), 0, 1, "position as a share of equity, at most")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        value, limit = known(seen.held_value) + order.notional, self.max_share * known(seen.equity)
        holds, told = at_most("position", value, limit, dollars)
        return self.all_of((holds, f"{told}, {percent(self.max_share)} of equity"))
