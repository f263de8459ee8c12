"""Walk-forward of the specification: train on 252 sessions, test on the next 63, move on by 63."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from tests.oracle.fills import Terms, Trade, marked_equity, trade_alone
from tests.oracle.portfolio import sessions_of, trade_together
from tests.oracle.rules import Bars, Params, Signal, signals, with_defaults

LEAST_TRADES = 10
""""fewer than 10 training trades: the defaults"."""


class Window(NamedTuple):
    """Sessions [first, test) train, sessions [test, end) test."""

    first: int
    test: int
    end: int


class Candidate(NamedTuple):
    """One parameter set with its signals over the whole history: "Indicators may look back before a window"."""

    params: dict[str, Any]
    signals: list[Signal]


def windows(sessions: int, train: int, test: int) -> list[Window]:
    """"Split k trains on sessions [63k, 63k+252) and tests on [63k+252, 63k+315), while the test window is whole"."""
    splits: list[Window] = []
    while test * len(splits) + train + test <= sessions:
        first = test * len(splits)
        splits.append(Window(first, first + train, first + train + test))
    return splits


def sharpe(equity: Sequence[float], cash: float) -> float | None:
    """"mean / sample standard deviation (ddof 1) of daily returns x sqrt(252)"; None where undefined. Chosen: the
    first return is on the cash the window starts with."""
    returns = [now / before - 1 for before, now in zip([cash, *equity], equity, strict=False)]
    deviation = statistics.stdev(returns) if len(returns) > 1 else 0.0
    return statistics.fmean(returns) / deviation * math.sqrt(252) if deviation > 0 else None


def walk_forward(bars: Bars, strategy: str, grid: Mapping[str, Sequence[Any]] | None, mode: str,
                 params: Params | None = None, embargo: int = 0, train: int = 252, test: int = 63,
                 **terms: Any) -> list[dict[str, Any]]:
    """Per split: split, params (chosen), trades (of the test window), scores (one per set in grid order: params,
    trades kept, sharpe or None). terms: notional, slippage_bps, fee, cash, max_positions. The first option of the
    grid varies slowest; params are the defaults that the grid varies."""
    base = with_defaults(params)
    grid = grid or {}
    tried = [with_defaults(base | dict(zip(grid, values, strict=True))) for values in product(*grid.values())]
    default = Candidate(base, signals(bars, strategy, base))
    candidates = [Candidate(p, signals(bars, strategy, p)) for p in tried]
    market = Market(bars, mode, Terms(**terms))
    return [{"split": k, **_split(market, window, candidates, default, embargo)}
            for k, window in enumerate(windows(len(market.sessions), train, test))]


def _split(market: Market, window: Window, candidates: Sequence[Candidate], default: Candidate,
           embargo: int) -> dict[str, Any]:
    """"the parameter set with the best training objective (... ties: the first in grid order ...) is applied to its
    test window". Chosen: a set with too few trades or no Sharpe is not eligible; with none eligible, the defaults."""
    best, best_sharpe, scores = default, -math.inf, []
    for candidate in candidates:
        count, score = market.score(candidate, window, embargo)
        scores.append({"params": candidate.params, "trades": count, "sharpe": score})
        if count >= LEAST_TRADES and score is not None and score > best_sharpe:
            best, best_sharpe = candidate, score
    return {"params": best.params, "trades": market.trades(best, window.test, window.end), "scores": scores}


class Market:
    """The bars with their sessions, and the terms and the mode they are traded in."""

    def __init__(self, bars: Bars, mode: str, terms: Terms) -> None:
        if mode not in ("independent", "portfolio"):
            raise ValueError(f"no such mode: {mode}; known: independent, portfolio")
        self.bars, self.mode, self.terms, self.sessions = bars, mode, terms, sessions_of(bars)

    def trades(self, candidate: Candidate, first: int, end: int) -> list[Trade]:
        """"A trade belongs to the window that holds its signal date"; "Every window starts flat with the full cash";
        a trade "runs to its natural exit, even past the window"."""
        dates = self.sessions[first:end]
        inside = [s for s in candidate.signals if dates[0] <= s["date"] <= dates[-1]]
        terms = self.terms._replace(hold=candidate.params["hold"])
        if self.mode == "independent":
            return trade_alone(self.bars, inside, terms)
        return trade_together(self.bars, inside, terms, self._until_all_left(inside, terms, dates))[0]

    def _until_all_left(self, found: Sequence[Signal], terms: Terms, dates: Sequence[dt.date]) -> list[dt.date]:
        """The sessions from the window's first to the last on which one of its signals can still be held."""
        ends = [self.bars[s["symbol"]][s["index"] + 1 : s["index"] + 1 + terms.hold] for s in found]
        last = max((held[-1].date for held in ends if held), default=dates[0])
        return [day for day in self.sessions if dates[0] <= day <= last]

    def score(self, candidate: Candidate, window: Window, embargo: int) -> tuple[int, float | None]:
        """"Training uses only trades that have left before the test window begins (purged); `embargo` drops that many
        more sessions": how many trades are kept, and the Sharpe of their daily equity over the training window."""
        limit = self.sessions[window.test - embargo]
        kept = [t for t in self.trades(candidate, window.first, window.test) if t["exit_date"] < limit]
        equity = marked_equity(self.bars, kept, self.sessions[window.first : window.test], self.terms.cash)
        return len(kept), sharpe(equity, self.terms.cash)
