"""Indicators that remember all bars before: ema, macd and Wilder's wilder_atr, rsi, plus_di, minus_di, adx.

Each starts and continues as in TA-Lib (with its unstable period at 0, the default); Wilder's come from his New Concepts
in Technical Trading Systems (1978).
"""

from __future__ import annotations

import numpy as np

from kobe81.core.bars import Bars, Column, Floats, Ints
from kobe81.indicators.columns import (
    beside,
    defined,
    defined_prices,
    kernel,
    recurrence,
    remembered,
    remembered_by_bars,
    window,
)


@remembered
def ema(x: Column, n: int) -> Column:
    """Exponential moving average, weight 2 / (n + 1). First at bar n - 1, as the mean of the first `n`. TA-Lib EMA."""
    return beside(x, _ema(*defined(x), window(n)))


@remembered
def macd(x: Column, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Column, Column, Column]:
    """MACD (line, signal, histogram): ema(fast) - ema(slow), its ema(signal), and the line less the signal.

    Both averages of the line start at bar slow - 1, the fast one as the mean of the `fast` bars up to there; the signal
    and the histogram start at bar slow + signal - 2. TA-Lib MACD, which gives the line from there only. The smaller of
    `fast` and `slow` is the fast one.
    """
    fast, slow = sorted((window(fast), window(slow)))
    line, average = _macd(*defined(x), fast, slow, window(signal))
    return beside(x, line), beside(x, average), beside(x, line - average)


@remembered_by_bars
def wilder_atr(bars: Bars, n: int = 14) -> Column:
    """Wilder's average true range. First at bar n, as the mean of the true ranges of bars 1 to n. TA-Lib ATR."""
    return beside(bars.close, _atr(*defined_prices(bars), window(n)))


@remembered
def rsi(x: Column, n: int = 14) -> Column:
    """Wilder's relative strength index, 0 to 100. First at bar n. TA-Lib RSI.

    As in TA-Lib, it is 0 while no bar has moved (flat prices read like falling ones) and keeps its value when prices
    turn flat.
    """
    return beside(x, _rsi(*defined(x), window(n)))


@remembered_by_bars
def plus_di(bars: Bars, n: int = 14) -> Column:
    """Wilder's +DI: the share of the true range that went to higher highs, 0 to 100. First at bar n. TA-Lib PLUS_DI.

    0 while no bar has had a true range, as in TA-Lib (which for n = 1 alone gives the share, 0 to 1).
    """
    return beside(bars.close, _directional(*defined_prices(bars), window(n), 1))


@remembered_by_bars
def minus_di(bars: Bars, n: int = 14) -> Column:
    """Wilder's -DI: the share of the true range that went to lower lows, 0 to 100. First at bar n. TA-Lib MINUS_DI.

    0 while no bar has had a true range, as in TA-Lib (which for n = 1 alone gives the share, 0 to 1).
    """
    return beside(bars.close, _directional(*defined_prices(bars), window(n), -1))


@remembered_by_bars
def adx(bars: Bars, n: int = 14) -> Column:
    """Wilder's average directional index, 0 to 100. First at bar 2n - 1. TA-Lib ADX.

    As in TA-Lib, a bar at which +DI and -DI are both 0 counts as 0 in the first average and not at all later; prices
    flat from the start have an ADX of 0.
    """
    return beside(bars.close, _adx(*defined_prices(bars), window(n)))


@recurrence
def _smooth(x: Floats, first: int, average: float, keep: float, weight: float) -> None:
    """x[first:] becomes, in place, keep * the average before + weight * x; `average` comes before. x[:first] is NaN."""
    x[:first] = np.nan
    rest = x[first:]
    # In two passes: the first is vectorized and leaves one instruction a bar to the second, which waits for itself.
    for i in range(len(rest)):
        rest[i] *= weight
    for i in range(len(rest)):
        average = average * keep + rest[i]
        rest[i] = average


@kernel
def _average(x: Floats, n: int, weight: float) -> None:
    """x becomes, in place, its exponential average that starts at n - 1 as the mean of x[:n]."""
    if len(x) < n:
        x[:] = np.nan
        return
    average = float(np.mean(x[:n]))
    _smooth(x, n, average, 1 - weight, weight)
    x[n - 1] = average


@kernel
def _ema(x: Floats, starts: Ints, ends: Ints, n: int) -> Floats:
    out = np.full(len(x), np.nan)
    for s in range(len(starts)):
        result = out[starts[s] : ends[s]]
        result[:] = x[starts[s] : ends[s]]
        _average(result, n, 2 / (n + 1))
    return out


@kernel
def _macd(x: Floats, starts: Ints, ends: Ints, fast: int, slow: int, signal: int) -> tuple[Floats, Floats]:
    line, average = np.full(len(x), np.nan), np.full(len(x), np.nan)
    for s in range(len(starts)):
        if ends[s] - starts[s] >= slow:
            quick, steady = x[starts[s] + slow - fast : ends[s]].copy(), x[starts[s] : ends[s]].copy()
            _average(quick, fast, 2 / (fast + 1))
            _average(steady, slow, 2 / (slow + 1))
            rows = slice(starts[s] + slow - 1, ends[s])
            line[rows] = quick[fast - 1 :] - steady[slow - 1 :]
            average[rows] = line[rows]
            _average(average[rows], signal, 2 / (signal + 1))
    return line, average


@kernel
def _true_range(high: Floats, low: Floats, close: Floats, out: Floats) -> None:
    """out[t - 1] = true range of bar t, for t >= 1."""
    high, low = high[1:], low[1:]
    for i in range(len(out)):
        out[i] = max(high[i] - low[i], max(abs(high[i] - close[i]), abs(low[i] - close[i])))


@kernel
def _atr(high: Floats, low: Floats, close: Floats, starts: Ints, ends: Ints, n: int) -> Floats:
    out = np.full(len(close), np.nan)
    for s in range(len(starts)):
        rows, result = slice(starts[s], ends[s]), out[starts[s] + 1 : ends[s]]
        _true_range(high[rows], low[rows], close[rows], result)
        _average(result, n, 1 / n)
    return out


@kernel
def _rsi(x: Floats, starts: Ints, ends: Ints, n: int) -> Floats:
    out, scratch = np.full(len(x), np.nan), np.empty(len(x))
    for s in range(len(starts)):
        values, gain = x[starts[s] : ends[s]], out[starts[s] + 1 : ends[s]]
        move, later = scratch[: len(gain)], values[1:]
        for i in range(len(gain)):
            change = later[i] - values[i]
            gain[i], move[i] = max(change, 0.0), abs(change)
        _average(gain, n, 1 / n)
        _average(move, n, 1 / n)
        for i in range(n - 1, len(gain)):
            gain[i] = 100 * gain[i] / move[i] if move[i] > 0 else 0.0
    return out


@kernel
def _movement(high: Floats, low: Floats, side: int, out: Floats) -> None:
    """out[t - 1] = Wilder's directional movement of bar t, for t >= 1: up (side 1) or down (side -1)."""
    higher, lower = high[1:], low[1:]
    for i in range(len(out)):
        up, down = higher[i] - high[i], low[i] - lower[i]
        ours, theirs = (up, down) if side == 1 else (down, up)
        out[i] = ours if ours > 0 and ours > theirs else 0.0


@kernel
def _decaying_sum(x: Floats, n: int) -> None:
    """x becomes, in place, Wilder's sum: it starts with x[: n - 1], loses 1/n of itself and gains x from n - 1 on."""
    _smooth(x, n - 1, float(np.sum(x[: n - 1])), 1 - 1 / n, 1.0)


@kernel
def _direction(high: Floats, low: Floats, n: int, side: int, ranges: Floats, out: Floats) -> None:
    """out[t - 1] = the directional index of bar t >= n; `ranges` are the decaying sums of the true range."""
    _movement(high, low, side, out)
    _decaying_sum(out, n)
    for i in range(n - 1, len(out)):
        out[i] = 100 * (out[i] / ranges[i]) if ranges[i] > 0 else 0.0


@kernel
def _directional(high: Floats, low: Floats, close: Floats, starts: Ints, ends: Ints, n: int, side: int) -> Floats:
    out, scratch = np.full(len(close), np.nan), np.empty(len(close))
    for s in range(len(starts)):
        rows, result = slice(starts[s], ends[s]), out[starts[s] + 1 : ends[s]]
        ranges = scratch[: len(result)]
        _true_range(high[rows], low[rows], close[rows], ranges)
        _decaying_sum(ranges, n)
        _direction(high[rows], low[rows], n, side, ranges, result)
    return out


@kernel
def _adx(high: Floats, low: Floats, close: Floats, starts: Ints, ends: Ints, n: int) -> Floats:
    out, scratch = np.full(len(close), np.nan), np.empty((3, len(close)))
    for s in range(len(starts)):
        if ends[s] - starts[s] >= 2 * n:
            rows = slice(starts[s], ends[s])
            ranges, up, down = scratch[:, : ends[s] - starts[s] - 1]
            _true_range(high[rows], low[rows], close[rows], ranges)
            _decaying_sum(ranges, n)
            _direction(high[rows], low[rows], n, 1, ranges, up)
            _direction(high[rows], low[rows], n, -1, ranges, down)
            _average_direction(up[n - 1 :], down[n - 1 :], n, out[starts[s] + n : ends[s]])
    return out


@recurrence
def _average_direction(up: Floats, down: Floats, n: int, out: Floats) -> None:
    """out = the average directional index, from both indices at their first bar on."""
    keep, share = 1 - 1 / n, 100 / n
    for i in range(len(out)):
        both = up[i] + down[i]
        out[i] = share * abs(up[i] - down[i]) / both if both > 0 else np.nan
    average = np.nansum(out[:n])
    out[: n - 1] = np.nan
    out[n - 1] = average
    rest = out[n:]
    for i in range(len(rest)):
        if rest[i] >= 0:
            average = average * keep + rest[i]
        rest[i] = average
