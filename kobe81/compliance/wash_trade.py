"""No trade with oneself."""

from __future__ import annotations

from dataclasses import dataclass

from kobe81.core.gates import EVERY, Circumstances, Gate, Proposal, Verdict


@dataclass(frozen=True)
class WashTrade(Gate):
    """No order while an order of our own is open in the symbol on the other side: the two could meet.

    Nothing we do needs it: entries are made when flat, and an exit's stop, which it replaces, is on its own side.
    """

    legs = EVERY
    reads = ("opposite_open",)

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        other = "sell" if order.side == "buy" else "buy"
        if seen.opposite_open is False:
            return self.allow(f"no open {other} order of ours in {order.symbol}")
        return self.deny(f"an open {other} order of ours in {order.symbol} could trade with this {order.side}")
