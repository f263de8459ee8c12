"""Highest and lowest values of a window: rolling_max, rolling_min, prior_high, prior_low, donchian."""

from __future__ import annotations

import numpy as np

from kobe81.core.bars import Bars, Column, Floats, Ints
from kobe81.indicators.columns import beside, defined, kernel, plain, remembered, remembered_by_bars, window


@remembered
def rolling_max(x: Column, n: int) -> Column:
    """The highest of the last `n` bars, this one included. First at bar n - 1 (TA-Lib MAX)."""
    return beside(x, _extremes(*defined(x), window(n), 0, True))


@remembered
def rolling_min(x: Column, n: int) -> Column:
    """The lowest of the last `n` bars, this one included. First at bar n - 1 (TA-Lib MIN)."""
    return beside(x, _extremes(*defined(x), window(n), 0, False))


@remembered
def prior_high(x: Column, n: int) -> Column:
    """The highest of the `n` bars before this one, which is not looked at. First at bar n."""
    return beside(x, _extremes(*defined(x), window(n), 1, True))


@remembered
def prior_low(x: Column, n: int) -> Column:
    """The lowest of the `n` bars before this one, which is not looked at. First at bar n."""
    return beside(x, _extremes(*defined(x), window(n), 1, False))


@remembered_by_bars
def donchian(bars: Bars, n: int) -> tuple[Column, Column, Column]:
    """Donchian channel over the last `n` bars, this one included: highest high, lowest low, the mean of both."""
    upper, lower = rolling_max(bars.high, n), rolling_min(bars.low, n)
    return upper, lower, beside(bars.close, (plain(upper) + plain(lower)) / 2)


@kernel
def _extremes(x: Floats, starts: Ints, ends: Ints, n: int, lag: int, highest: bool) -> Floats:
    """The extreme of x[t - lag - n + 1 .. t - lag] for every t whose window lies in one stretch."""
    out = np.full(len(x), np.nan)
    scratch = np.empty((2, len(x)))
    for s in range(len(starts)):
        if ends[s] - starts[s] >= n + lag:
            values, result = x[starts[s] : ends[s] - lag], out[starts[s] + lag + n - 1 : ends[s]]
            _slide(values, result, n, highest, scratch)
    return out


@kernel
def _slide(x: Floats, out: Floats, n: int, highest: bool, scratch: Floats) -> None:
    # Windows of 1, 4, 16 ... n bars: each is the extreme of four of the windows before. A few passes without branches,
    # vectorized, whatever the prices do.
    size, source = 1, x
    for turn in range(64):
        wider = min(4 * size, n)
        count = len(x) - wider + 1
        target = out if wider == n else scratch[turn % 2, :count]
        second = min(size, wider - size)
        third = min(2 * size, wider - size)
        last = wider - size
        _four(source, source[second:], source[third:], source[last:], target, highest)
        size, source = wider, target
        if size == n:
            break


@kernel
def _four(a: Floats, b: Floats, c: Floats, d: Floats, out: Floats, highest: bool) -> None:
    if highest:
        for i in range(len(out)):
            out[i] = max(max(a[i], b[i]), max(c[i], d[i]))
    else:
        for i in range(len(out)):
            out[i] = min(min(a[i], b[i]), min(c[i], d[i]))
