"""The intraday-margin standard that took the place of the pattern-day-trader rule on 2026-06-04.

SR-FINRA-2025-017, approved 2026-04-14 (Release 34-105226). The broker says what the account may still buy; the day the
standard begins at a broker is in `profiles`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, at_most, dollars, known


@dataclass(frozen=True)
class IntradayMargin(Gate):
    """An entry costs no more than the account's buying power."""

    reads = ("buying_power",)
    since = date(2026, 6, 4)

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        holds, told = at_most("order", order.notional, known(seen.buying_power), dollars)
        return self.all_of((holds, f"{told} of buying power"))
