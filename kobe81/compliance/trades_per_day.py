"""A cap on how many positions are opened in a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, known, under
from kobe81.core.params import param


@dataclass(frozen=True)
class TradesPerDay(Gate):
    """Fewer entries than the limit since the session began."""

    reads = ("trades_today",)
    stricter: ClassVar[dict[str, int]] = {"max_trades": -1}

    max_trades: int = param(50, 0, 10_000, "entries in a session, this one included, at most")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        return self.all_of(under("entries in this session", known(seen.trades_today), self.max_trades))
