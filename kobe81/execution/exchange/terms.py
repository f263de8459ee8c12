"""The terms on which the exchange trades: what it charges, how wide it quotes, how often it fills only a part."""

from __future__ import annotations

from dataclasses import dataclass

from kobe81.core.params import check_bounds, param

HALF_SPREAD_BPS = 5.0


@dataclass(frozen=True)
class Terms:
    """Fixed for an account's life; a store remembers only `cash`, the others are given at each start."""

    cash: float = param(100_000.0, 0, 1e12, "dollars in the account when it is opened")
    half_spread_bps: float = param(HALF_SPREAD_BPS, 0, 1000, "bid and ask stand this far from the price, basis points")
    partial_fill_probability: float = param(0.1, 0, 1, "how often a limit or IOC order fills only a part at first")
    fees: bool = param(True, None, None, "sales pay the SEC's fee and the TAF")
    latency_ms: int = param(0, 0, 60_000, "an order is matched so many milliseconds after it was accepted")
    multiplier: int = param(1, 1, 2, "buying power: 1 is cash, 2 is Regulation T margin")

    def __post_init__(self) -> None:
        check_bounds(self)
