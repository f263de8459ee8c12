"""How far a trade went against its entry, and how far for it, while it was held."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kobe81.backtest.orders import STOP, TARGET, compiled
from kobe81.backtest.results import Trades
from kobe81.core.bars import Bars


def with_excursions(bars: Bars, trades: Trades) -> Trades:
    """The trades with their mae and mfe."""
    mae, mfe = _excursions(trades.entry, trades.exit, trades.side, trades.reason, trades.entry_price,
                           trades.exit_price, np.asarray(bars.high), np.asarray(bars.low))
    return replace(trades, mae=mae, mfe=mfe)


@compiled
def _excursions(entry: Any, exit_: Any, side: Any, reason: Any, fill: Any, exit_fill: Any, high: Any,
                low: Any) -> Any:
    """Worst and best excursion (mae, mfe) of each trade as a fraction of its entry fill.

    Of the bar of a stop or a target only the exit itself is known to have been seen, not the rest of the bar.
    """
    mae, mfe = np.zeros(len(entry)), np.zeros(len(entry))
    for t in range(len(entry)):
        worst = best = side[t] * (exit_fill[t] / fill[t] - 1.0)
        last = exit_[t] if reason[t] == STOP or reason[t] == TARGET else exit_[t] + 1
        for i in range(entry[t], last):
            a, b = side[t] * (low[i] / fill[t] - 1.0), side[t] * (high[i] / fill[t] - 1.0)
            worst, best = min(worst, a, b), max(best, a, b)
        mae[t], mfe[t] = min(worst, 0.0), max(best, 0.0)
    return mae, mfe
