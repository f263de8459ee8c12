"""Whether the market is deep enough to take the order without being moved by it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import ClassVar

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, at_least, at_most, known, percent
from kobe81.core.params import param

BP = 1e4


@dataclass(frozen=True)
class LiquidityGate(Gate):
    """An entry's symbol trades enough dollars a day at a narrow enough spread, and the order is a small part of them.

    impact: coefficient x volatility x sqrt(order / ADV), the square-root law, whose coefficient is of order one
    (Tóth et al., Anomalous price impact and the critical nature of liquidity in financial markets, Physical Review X 1,
    021006, 2011).
    """

    reads = ("bid", "ask", "adv", "volatility")
    stricter: ClassVar[dict[str, int]] = {
        "min_adv": 1, "max_spread": -1, "max_share": -1, "max_impact": -1, "coefficient": 1,
    }

    min_adv: float = param(100_000.0, 0.0, 1e12, "dollars traded a day, at least")
    max_spread: Decimal = param(Decimal("0.005"), 0, 1, "spread as a share of the mid price, at most")
    max_share: float = param(0.01, 0.0, 1.0, "order as a share of the dollars traded a day, at most")
    max_impact: float = param(25.0, 0.0, 10_000.0, "estimated impact in basis points, at most")
    coefficient: float = param(1.0, 0.0, 10.0, "coefficient of the square-root law")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        bid, ask, adv, volatility = known(seen.bid), known(seen.ask), known(seen.adv), known(seen.volatility)
        if not (0 < bid <= ask and adv > 0 and volatility >= 0):
            return self.deny(f"bid {bid}, ask {ask}, ADV {adv}, volatility {volatility}: no market looks so")
        share = float(order.notional) / adv
        impact = self.coefficient * volatility * sqrt(share) * BP
        return self.all_of(
            at_least("ADV", adv, self.min_adv, _whole),
            at_most("spread", (ask - bid) / ((ask + bid) / 2), self.max_spread, percent),
            at_most("share of ADV", share, self.max_share, _finely),
            at_most(f"impact ({self.coefficient:g} x {volatility:.2%} x its root)", impact, self.max_impact, _bp),
        )


def _whole(amount: float) -> str:
    return f"${amount:,.0f}"


def _finely(share: float) -> str:
    return f"{share:.4%}"


def _bp(impact: float) -> str:
    return f"{impact:.1f} bp"
