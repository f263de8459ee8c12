"""The limit: both strategies as bare loops over plain arrays, fused by hand, with nothing of the product in them.

One pass per symbol keeps the 200-day sum and Wilder's ATR in registers, looks back for the channel only where price and
trend allow a signal, and follows each trade as soon as it is found. Long only, default windows, no slippage, no costs,
$1,000 a trade, every symbol on its own. Source: spec.md.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

DONCHIAN, TURTLE_SOUP = 0, 1
"""Positions in `NAMES`."""
NAMES = ("donchian", "ict_turtle_soup")

LOOKBACK, STOP_ATR, HOLD = 20, 2.0, 5
TREND, ATR, MIN_PRICE, MIN_AGE = 200, 14, 5.0, 4
NOTIONAL, CASH = 1_000.0, 100_000.0
TRAIN, TEST, MIN_TRADES = 252, 63, 10
KEEP, WEIGHT = 1.0 - 1.0 / ATR, 1.0 / ATR

compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})


class Arrays(NamedTuple):
    """Bars as the loops take them: symbols laid end to end, symbol s in rows offsets[s]:offsets[s + 1]."""

    offsets: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    session: NDArray[np.int32]


@compiled
def trades(kind: int, bars: Any) -> Any:
    """Every symbol's trades in order: (entry row, exit row, shares, entry price, exit price)."""
    room = len(bars.close) // 2 + len(bars.offsets)  # the exit bar of a trade may be the signal bar of the next
    entry, exit_ = np.empty(room, np.int64), np.empty(room, np.int64)
    qty, bought, sold = np.empty(room), np.empty(room), np.empty(room)
    n = 0
    for s in range(len(bars.offsets) - 1):
        begin, end = bars.offsets[s], bars.offsets[s + 1]
        if end - begin <= TREND:
            continue
        total, atr = _warm(bars, begin)
        free = begin
        for t in range(begin + TREND, end):
            close = bars.close[t]
            if t >= free and close * TREND > total and close >= MIN_PRICE and _setup(kind, bars, t, LOOKBACK):
                row, price = _follow(bars, t, end, close - STOP_ATR * atr, HOLD)
                if row >= 0 and atr > 0.0 and bars.open[t + 1] <= NOTIONAL:
                    entry[n], exit_[n], bought[n], sold[n] = t + 1, row, bars.open[t + 1], price
                    qty[n] = math.floor(NOTIONAL / bars.open[t + 1])
                    free = row
                    n += 1
            atr = atr * KEEP + _true_range(bars, t) * WEIGHT
            total += close - bars.close[t - TREND]
    return entry[:n], exit_[:n], qty[:n], bought[:n], sold[:n]


@compiled
def _true_range(bars: Any, t: int) -> float:
    before = bars.close[t - 1]
    return max(bars.high[t], before) - min(bars.low[t], before)


@compiled
def _warm(bars: Any, begin: int) -> Any:
    """The sum of a symbol's first TREND closes, and its ATR at the last of them."""
    total, atr = 0.0, 0.0
    for t in range(begin, begin + TREND):
        total += bars.close[t]
    for t in range(begin + 1, begin + ATR + 1):
        atr += _true_range(bars, t) / ATR
    for t in range(begin + ATR + 1, begin + TREND):
        atr = atr * KEEP + _true_range(bars, t) * WEIGHT
    return total, atr


@compiled
def _setup(kind: int, bars: Any, t: int, lookback: int) -> bool:
    """Whether the rule sees its chance at t; most bars are decided by the first bar looked back at."""
    if kind == DONCHIAN:
        for i in range(t - 1, t - lookback - 1, -1):
            if bars.high[i] >= bars.close[t]:
                return False
        return True
    level, made = np.inf, t
    for i in range(t - 1, t - lookback - 1, -1):
        if bars.low[i] <= bars.low[t]:
            return False
        if bars.low[i] < level:
            level, made = bars.low[i], i
    return bars.close[t] > level and t - made >= MIN_AGE


@compiled
def _follow(bars: Any, t: int, end: int, stop: float, hold: int) -> Any:
    """(exit row, exit price) of a signal at t; row -1 where it has no next bar or gaps through its stop."""
    entry = t + 1
    if entry >= end or not (bars.open[entry] > stop):
        return -1, 0.0
    if bars.low[entry] <= stop:
        return entry, stop
    last = min(entry + hold, end) - 1
    for i in range(entry + 1, last + 1):
        if bars.low[i] <= stop:
            return i, min(bars.open[i], stop)
    return last, bars.close[last]


@compiled
def walk_forward(kind: int, bars: Any, sessions: int, lookbacks: Any, stops: Any, holds: Any, default: int) -> Any:
    """Choose a set for each split and trade it out of sample; sets are numbered with hold varying fastest.

    Returns (chosen set per split, then of the out-of-sample trades: split, entry row, exit row, shares, profit).
    """
    per_lookback = len(stops) * len(holds)
    starts = np.arange((sessions - TRAIN) // TEST) * TEST
    sets = len(lookbacks) * per_lookback
    score = np.empty((sets, len(starts)))
    for k in range(sets):
        if k % per_lookback == 0:
            found = signals(kind, bars, lookbacks[k // per_lookback])
        ends = outcomes(bars, found, stops[k // len(holds) % len(stops)], holds[k % len(holds)])
        score[k] = _sharpes(*_train(bars, found, ends, starts))
    chosen = _choose(score, default)
    split, signal = np.empty(0, np.int64), np.empty(0, np.int64)
    out = [(split, signal, signal, np.empty(0), np.empty(0)) for _ in range(0)]
    for k in range(sets):
        wanted = np.flatnonzero(chosen == k)
        if len(wanted):
            found = signals(kind, bars, lookbacks[k // per_lookback])
            ends = outcomes(bars, found, stops[k // len(holds) % len(stops)], holds[k % len(holds)])
            out.append(_test(bars, found, ends, starts, wanted))
    return chosen, out


@compiled
def signals(kind: int, bars: Any, lookback: int) -> Any:
    """Every signal in order: (row, ATR the bar before, each symbol's first signal)."""
    row, unit = np.empty(len(bars.close), np.int64), np.empty(len(bars.close))
    first = np.zeros(len(bars.offsets), np.int64)
    n = 0
    for s in range(len(bars.offsets) - 1):
        begin, end = bars.offsets[s], bars.offsets[s + 1]
        if end - begin > TREND:
            total, atr = _warm(bars, begin)
            for t in range(begin + TREND, end):
                close = bars.close[t]
                if close * TREND > total and close >= MIN_PRICE and _setup(kind, bars, t, lookback) and atr > 0.0:
                    row[n], unit[n] = t, atr
                    n += 1
                atr = atr * KEEP + _true_range(bars, t) * WEIGHT
                total += close - bars.close[t - TREND]
        first[s + 1] = n
    return row[:n], unit[:n], first


@compiled
def outcomes(bars: Any, found: Any, stop_atr: float, hold: int) -> Any:
    """Where each signal would lead: (exit row, -1 where it is refused; exit price)."""
    row, unit, first = found
    exit_, sold = np.empty(len(row), np.int64), np.empty(len(row))
    for s in range(len(first) - 1):
        for k in range(first[s], first[s + 1]):
            stop = bars.close[row[k]] - stop_atr * unit[k]
            exit_[k], sold[k] = _follow(bars, row[k], bars.offsets[s + 1], stop, hold)
            if exit_[k] >= 0 and bars.open[row[k] + 1] > NOTIONAL:
                exit_[k] = -1
    return exit_, sold


@compiled
def _train(bars: Any, found: Any, ends: Any, starts: Any) -> Any:
    """(daily profit [splits, TRAIN], trades [splits]) of the trades that have left before the test window begins."""
    row, _, first = found
    exit_, sold = ends
    daily, count = np.zeros((len(starts), TRAIN)), np.zeros(len(starts), np.int64)
    for s in range(len(first) - 1):
        begin = first[s]
        for w in range(len(starts)):
            while begin < first[s + 1] and bars.session[row[begin]] < starts[w]:
                begin += 1
            free = 0
            for k in range(begin, first[s + 1]):
                if bars.session[row[k]] >= starts[w] + TRAIN:
                    break
                if exit_[k] < 0 or row[k] < free:
                    continue
                free = exit_[k]
                if bars.session[free] < starts[w] + TRAIN:
                    count[w] += 1
                    _mark(bars, row[k] + 1, free, sold[k], starts[w], daily[w])
    return daily, count


@compiled
def _mark(bars: Any, entry: int, exit_: int, sold: float, start: int, daily: Any) -> None:
    """Add a trade's profit of every day it is held."""
    before = bars.open[entry]
    qty = math.floor(NOTIONAL / before)
    for i in range(entry, exit_):
        daily[bars.session[i] - start] += qty * (bars.close[i] - before)
        before = bars.close[i]
    daily[bars.session[exit_] - start] += qty * (sold - before)


@compiled
def _sharpes(daily: Any, count: Any) -> Any:
    """Sharpe of each window's daily returns, not annual; NaN where undefined or made of too few trades."""
    score = np.full(len(count), np.nan)
    for w in range(len(count)):
        equity, total, squares = CASH, 0.0, 0.0
        for d in range(TRAIN):
            change = daily[w, d] / equity
            equity += daily[w, d]
            total += change
            squares += change * change
        variance = (squares - total * total / TRAIN) / (TRAIN - 1)
        if count[w] >= MIN_TRADES and variance > 0.0:
            score[w] = total / TRAIN / math.sqrt(variance)
    return score


@compiled
def _choose(score: Any, default: int) -> Any:
    """The best set of each split: the first of equals, the default where none counts."""
    chosen = np.full(score.shape[1], default)
    for w in range(score.shape[1]):
        best = -np.inf
        for k in range(score.shape[0]):
            if score[k, w] > best:
                best, chosen[w] = score[k, w], k
    return chosen


@compiled
def _test(bars: Any, found: Any, ends: Any, starts: Any, wanted: Any) -> Any:
    """The trades of the wanted splits' test windows: (split, entry row, exit row, shares, profit)."""
    row, _, first = found
    exit_, sold = ends
    split, signal = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    n = 0
    for s in range(len(first) - 1):
        k = first[s]
        for w in wanted:
            free = 0
            while k < first[s + 1] and bars.session[row[k]] < starts[w] + TRAIN + TEST:
                if bars.session[row[k]] >= starts[w] + TRAIN and exit_[k] >= 0 and row[k] >= free:
                    split[n], signal[n] = w, k
                    free = exit_[k]
                    n += 1
                k += 1
    k = signal[:n]
    bought = bars.open[row[k] + 1]
    qty = np.floor(NOTIONAL / bought)
    return split[:n], row[k] + 1, exit_[k], qty, qty * (sold[k] - bought)
