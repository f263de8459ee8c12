"""What doing nothing clever would have earned: curves that stand beside every result."""

from __future__ import annotations

import numpy as np

from kobe81.backtest.results import Curve
from kobe81.core.bars import Bars, Floats
from kobe81.core.errors import UsageError


def buy_and_hold(bars: Bars, cash: float, first_session: int = 0) -> Curve:
    """Equal dollars of every symbol, bought at its first close from `first_session` on and held to its last; no costs.

    A symbol that begins later waits in cash; one that ends is in cash from its last close on.
    """
    inside = bars.session >= first_session
    first = np.searchsorted(np.flatnonzero(inside), bars.offsets)
    session, close = bars.session[inside] - first_session, bars.close[inside]
    begins, ends = first[:-1], first[1:]
    traded = begins < ends
    begins, ends = begins[traded], ends[traded]
    share = cash / max(int(traded.sum()), 1)
    before = np.concatenate([close[:1], close[:-1]])
    before[begins] = close[begins]
    units = np.repeat(share / close[begins], ends - begins)
    sessions = len(bars.sessions) - first_session
    profit = np.bincount(session, weights=units * (close - before), minlength=sessions)
    equity = cash + np.cumsum(profit, dtype=np.float64)
    listed = np.bincount(session[begins], minlength=sessions) - np.bincount(session[ends - 1], minlength=sessions)
    held: Floats = np.cumsum(listed) / max(int(traded.sum()), 1)
    return Curve(bars.sessions[first_session:], equity, equity * (1.0 - held), held, cash)


def benchmark(bars: Bars, symbol: str, cash: float, first_session: int = 0) -> Curve:
    """All cash in one symbol, from `first_session` on; UsageError where the bars lack it."""
    if symbol not in bars.symbols:
        raise UsageError(f"benchmark {symbol!r} is not among the {len(bars.symbols)} symbols of {bars.origin.source}")
    rows = bars.offsets[bars.symbols.index(symbol) :][:2]
    close, session = bars.close[rows[0] : rows[1]], bars.session[rows[0] : rows[1]]
    close, session = close[session >= first_session], session[session >= first_session] - first_session
    if not len(close):
        raise UsageError(f"benchmark {symbol!r} has no bar from the first session of the comparison on")
    last_known = np.searchsorted(session, np.arange(len(bars.sessions) - first_session), side="right") - 1
    equity = cash * np.where(last_known < 0, 1.0, close[np.maximum(last_known, 0)] / close[0])
    held = np.where(last_known < 0, 0.0, 1.0)
    return Curve(bars.sessions[first_session:], equity, equity * (1.0 - held), held, cash)
