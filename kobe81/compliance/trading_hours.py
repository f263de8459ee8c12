"""Regular trading hours, by the exchange's calendar."""

from __future__ import annotations

from dataclasses import dataclass

from kobe81.core.gates import EVERY, Circumstances, Gate, Proposal, Verdict, known, moment


@dataclass(frozen=True)
class TradingHours(Gate):
    """It is the session: opens <= now < closes. A stop is not asked: it stands at the broker until cancelled, and may
    be placed at any time."""

    legs = EVERY - {"stop"}
    reads = ("at", "opens", "closes")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        at, opens, closes = known(seen.at), known(seen.opens), known(seen.closes)
        holds = opens <= at < closes
        where = "in" if holds else "outside"
        return self.all_of((holds, f"{moment(at)} is {where} {moment(opens)} to {moment(closes)}"))
