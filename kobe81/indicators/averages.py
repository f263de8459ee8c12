"""Shifts and moving averages of one column: prior, sma, ema, macd."""

from __future__ import annotations

import numpy as np

from kobe81.core.bars import Column
from kobe81.indicators.columns import beside, kernel, plain, remembered, stretches, window


@remembered
def prior(x: Column, n: int = 1) -> Column:
    """The value `n` bars earlier; NaN on each symbol's first `n` bars."""
    return beside(x, _prior(plain(x), x.offsets, window(n)))


@remembered
def sma(x: Column, n: int) -> Column:
    """Simple moving average: the mean of the last `n` bars, this one included. First at bar n - 1 (TA-Lib SMA)."""
    return beside(x, _sma(plain(x), *stretches(x), window(n)))


@kernel
def _prior(x, offsets, n):  # type: ignore[no-untyped-def]
    out = np.empty(len(x))
    for s in range(len(offsets) - 1):
        values, result = x[offsets[s] : offsets[s + 1]], out[offsets[s] : offsets[s + 1]]
        result[:n] = np.nan
        result[n:] = values[: max(len(values) - n, 0)]
    return out


@kernel
def _sma(x, starts, ends, n):  # type: ignore[no-untyped-def]
    out = np.full(len(x), np.nan)
    for s in range(len(starts)):
        values, result = x[starts[s] : ends[s]], out[starts[s] : ends[s]][n - 1 :]
        if len(values) >= n:
            total = np.sum(values[:n])
            result[0] = total / n
            entering, leaving, result = values[n:], values[: len(values) - n], result[1:]
            for i in range(len(entering)):
                total += entering[i] - leaving[i]
                result[i] = total / n
    return out
