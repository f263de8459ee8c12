"""Wilder's indicators (New Concepts in Technical Trading Systems, 1978): wilder_atr, rsi, plus_di, minus_di, adx."""

from __future__ import annotations

import numpy as np

from kobe81.core.bars import Bars, Column
from kobe81.indicators.columns import beside, kernel, plain, remembered_by_bars, stretches, window


@remembered_by_bars
def wilder_atr(bars: Bars, n: int) -> Column:
    """Wilder's average true range. First at bar n, as the mean of the true ranges of bars 1 to n (TA-Lib ATR)."""
    defined = stretches(bars.high, bars.low, bars.close)
    return beside(bars.close, _atr(plain(bars.high), plain(bars.low), plain(bars.close), *defined, window(n)))


@kernel
def _atr(high, low, close, starts, ends, n):  # type: ignore[no-untyped-def]
    out = np.full(len(close), np.nan)
    for s in range(len(starts)):
        rows = slice(starts[s], ends[s])
        if ends[s] - starts[s] > n:
            result = out[rows]
            _true_range(high[rows], low[rows], close[rows], result[1:])
            _smooth(result[1:], n)
    return out


@kernel
def _true_range(high, low, close, out):  # type: ignore[no-untyped-def]
    """out[t - 1] = true range of bar t, for t >= 1."""
    high, low = high[1:], low[1:]
    for i in range(len(out)):
        out[i] = max(high[i] - low[i], max(abs(high[i] - close[i]), abs(low[i] - close[i])))


@kernel
def _smooth(x, n):  # type: ignore[no-untyped-def]
    """Wilder's average of x, in place: the mean of the first n, then 1/n of the new and the rest of the old."""
    average = np.mean(x[:n])
    x[: n - 1] = np.nan
    x[n - 1] = average
    keep, weight = (n - 1) / n, 1 / n
    rest = x[n:]
    for i in range(len(rest)):
        average = average * keep + rest[i] * weight
        rest[i] = average
