"""The pattern-day-trader rule, for brokers that still apply it and for replaying the past.

FINRA 4210(f)(8)(B): who makes four day trades in five business days in a margin account keeps $25,000 in it. In force
from 2001-09-28 (NASD Notice to Members 01-26). Ended by SR-FINRA-2025-017 (Release 34-105226) on 2026-06-04; brokers
may go on until 2027-10-20. Which day it ends at a broker is in `profiles`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, at_least, dollars, known, under
from kobe81.core.params import param


@dataclass(frozen=True)
class Pdt(Gate):
    """An account under the least equity opens nothing after three day trades in five sessions: any entry may be stopped
    out the same day, and that would be the fourth. The rule's exception for accounts whose day trades are 6 % of all
    trades or less is not used."""

    reads = ("day_trades", "equity")
    stricter: ClassVar[dict[str, int]] = {"max_day_trades": -1, "min_equity": 1}
    since = date(2001, 9, 28)
    until = date(2027, 10, 20)

    max_day_trades: int = param(3, 0, 3, "day trades in five sessions that end entries")
    min_equity: Decimal = param(Decimal(25_000), 25_000, 1e9, "dollars of equity from which the rule lets go")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        few = under("day trades in five sessions", known(seen.day_trades), self.max_day_trades)
        rich = at_least("equity", known(seen.equity), self.min_equity, dollars)
        return (self.allow if few[0] or rich[0] else self.deny)(f"{few[1]}; {rich[1]}")
