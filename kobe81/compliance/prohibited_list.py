"""Symbols that may not be bought for a time: earnings, news, volatility, liquidity, regulation, or by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kobe81.core.gates import Circumstances, Gate, Prohibition, Proposal, Verdict, known, moment


@dataclass(frozen=True)
class ProhibitedList(Gate):
    """An entry's symbol is not prohibited now. A prohibition ends by itself; a list that cannot be read denies all."""

    reads = ("at", "prohibitions")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        at, listed = known(seen.at), known(seen.prohibitions)
        told = "; ".join(_told(p) for p in listed if p.symbol == order.symbol and _active(p, at))
        return self.deny(f"{order.symbol} is prohibited: {told}") if told else self.allow(
            f"{order.symbol} is not prohibited at {moment(at)}, {len(listed)} on the list")


def _active(prohibition: Prohibition, at: datetime) -> bool:
    return prohibition.start <= at and (prohibition.until is None or at < prohibition.until)


def _told(prohibition: Prohibition) -> str:
    end = "for good" if prohibition.until is None else f"until {moment(prohibition.until)}"
    return f"{prohibition.reason}, {end}"
