"""The limit: both strategies as bare loops over plain arrays, fused by hand, with nothing of the product in them.

Symbol by symbol, in scratch that stays in the core's first cache: the channel by passes without branches, then one loop
that keeps the 200-day sum and Wilder's ATR in registers and notes the bars that pass every rule; each trade is followed
as soon as it is found. Long only, default windows, no slippage, no costs, $1,000 a trade, every symbol on its own.
Source: spec.md.
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
LANES = TRAIN // TEST
"""Training windows that overlap at any session; windows of one lane follow each other without a gap."""

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
    row, unit, channel = _scratch(bars)
    n = 0
    for s in range(len(bars.offsets) - 1):
        end, free = bars.offsets[s + 1], 0
        for k in range(_signals_of(kind, bars, bars.offsets[s], end, LOOKBACK, channel, row, unit)):
            if row[k] >= free:
                left, price = _follow(bars, row[k], end, STOP_ATR * unit[k], HOLD)
                if left >= 0:
                    entry[n], exit_[n], bought[n], sold[n] = row[k] + 1, left, bars.open[row[k] + 1], price
                    qty[n] = math.floor(NOTIONAL / bought[n])
                    free = left
                    n += 1
    return entry[:n], exit_[:n], qty[:n], bought[:n], sold[:n]


@compiled
def _scratch(bars: Any) -> Any:
    """Room for one symbol: (rows of signals, their ATRs, channel)."""
    longest = np.max(np.diff(bars.offsets))
    return np.empty(longest, np.int64), np.empty(longest), np.empty(longest)


@compiled
def _signals_of(kind: int, bars: Any, begin: int, end: int, lookback: int, channel: Any, row: Any, unit: Any) -> int:
    """Write one symbol's signals, rows and ATRs of the bar before, and return how many; TREND is the longest window."""
    if end - begin <= TREND:
        return 0
    now, before = slice(begin + TREND, end), slice(begin + TREND - 1, end - 1)
    high, low, close, last = bars.high[now], bars.low[now], bars.close[now], bars.close[before]
    old = bars.close[begin : end - TREND]
    if kind == DONCHIAN:
        _highest(bars.high[begin + TREND - lookback : end - 1], lookback, channel)
    else:
        _lowest(bars.low[begin + TREND - lookback : end - 1], lookback, channel)
    total, atr = _warm(bars, begin)
    n = 0
    for i in range(len(close)):
        price, level = close[i], channel[i]
        row[n], unit[n] = begin + TREND + i, atr
        n += (price > level) & (price * TREND > total) & (price >= MIN_PRICE) & (atr > 0.0) & (
            (kind == DONCHIAN) | (low[i] < level))
        atr = atr * KEEP + (max(high[i], last[i]) - min(low[i], last[i])) * WEIGHT
        total += price - old[i]
    return n if kind == DONCHIAN else _old_enough(bars.low, lookback, row, unit, n)


@compiled
def _highest(x: Any, n: int, out: Any) -> None:
    """out[i] = the highest of x[i : i + n], by windows of 2, 4, 8 ... bars."""
    size = 1
    source = x
    while size < n:
        step = min(size, n - size)
        for i in range(len(x) - size - step + 1):
            out[i] = max(source[i], source[i + step])
        source = out
        size += step


@compiled
def _lowest(x: Any, n: int, out: Any) -> None:
    """out[i] = the lowest of x[i : i + n]."""
    size = 1
    source = x
    while size < n:
        step = min(size, n - size)
        for i in range(len(x) - size - step + 1):
            out[i] = min(source[i], source[i + step])
        source = out
        size += step


@compiled
def _warm(bars: Any, begin: int) -> Any:
    """The sum of a symbol's first TREND closes, and its ATR at the last of them."""
    total, atr = 0.0, 0.0
    for t in range(begin, begin + TREND):
        total += bars.close[t]
    for t in range(begin + 1, begin + TREND):
        before = bars.close[t - 1]
        wide = max(bars.high[t], before) - min(bars.low[t], before)
        atr = atr + wide / ATR if t <= begin + ATR else atr * KEEP + wide * WEIGHT
    return total, atr


@compiled
def _old_enough(low: Any, lookback: int, row: Any, unit: Any, n: int) -> int:
    """Keep the sweeps of a low last made at least MIN_AGE bars ago."""
    kept = 0
    for k in range(n):
        t = row[k]
        made = t - 1
        for i in range(t - 2, t - lookback - 1, -1):
            if low[i] < low[made]:
                made = i
        row[kept], unit[kept] = t, unit[k]
        kept += t - made >= MIN_AGE
    return kept


@compiled
def _follow(bars: Any, t: int, end: int, distance: float, hold: int) -> Any:
    """(exit row, exit price) of a signal at t; row -1 where it has no next bar, gaps through its stop, is too dear."""
    entry, stop = t + 1, bars.close[t] - distance
    if entry >= end or not (bars.open[entry] > stop) or bars.open[entry] > NOTIONAL:
        return -1, 0.0
    if bars.low[entry] <= stop:
        return entry, stop
    last = min(entry + hold, end) - 1
    for i in range(entry + 1, last + 1):
        if bars.low[i] <= stop:
            return i, min(bars.open[i], stop)
    return last, bars.close[last]


@compiled
def walk_forward(kind: int, bars: Any, lookbacks: Any, stops: Any, holds: Any, default: int) -> Any:
    """Choose a set for each split and trade it out of sample; sets are numbered with hold varying fastest.

    Returns the chosen sets, and the out-of-sample trades by set: (split, entry row, exit row, shares, profit).
    """
    sessions, per_lookback = np.max(bars.session) + 1, len(stops) * len(holds)
    splits, sets = (sessions - TRAIN) // TEST, len(lookbacks) * per_lookback
    found = [signals(kind, bars, lookback) for lookback in lookbacks]
    score = np.empty((sets, splits))
    for k in range(sets):
        stop, hold = stops[k // len(holds) % len(stops)], holds[k % len(holds)]
        daily, count = train(bars, found[k // per_lookback], stop, hold, sessions)
        score[k] = sharpes(daily, count, splits)
    chosen = _choose(score, default)
    out = []
    for k in range(sets):
        wanted = np.flatnonzero(chosen == k)
        stop, hold = stops[k // len(holds) % len(stops)], holds[k % len(holds)]
        out.append(_test(bars, found[k // per_lookback], stop, hold, wanted))
    return chosen, out


@compiled
def signals(kind: int, bars: Any, lookback: int) -> Any:
    """Every signal in order: (row, ATR the bar before, each symbol's first signal)."""
    rows, units = np.empty(len(bars.close), np.int64), np.empty(len(bars.close))
    first = np.zeros(len(bars.offsets), np.int64)
    row, unit, channel = _scratch(bars)
    for s in range(len(bars.offsets) - 1):
        n = _signals_of(kind, bars, bars.offsets[s], bars.offsets[s + 1], lookback, channel, row, unit)
        rows[first[s] : first[s] + n], units[first[s] : first[s] + n] = row[:n], unit[:n]
        first[s + 1] = first[s] + n
    return rows[: first[-1]], units[: first[-1]], first


@compiled
def train(bars: Any, found: Any, stop_atr: float, hold: int, sessions: int) -> Any:
    """One set in all training windows: (daily profit [sessions, LANES], trades [windows]); lane of window w: w % LANES.

    A signal is looked at once for the LANES windows it lies in, and a trade marked once for those that take it. Counted
    are the trades that have left before their window ends.
    """
    row, unit, first = found
    daily, count = np.zeros((sessions, LANES)), np.zeros(sessions // TEST + 1 + LANES, np.int64)
    free, counts = np.zeros(LANES, np.int64), np.zeros(LANES)
    for s in range(len(first) - 1):
        free[:] = 0
        block = np.int64(-1)
        for k in range(first[s], first[s + 1]):
            now = bars.session[row[k]] // TEST
            while block < now:
                block += 1
                free[block % LANES] = 0
            wanted = False
            for lane in range(LANES):
                wanted |= row[k] >= free[lane]
            if not wanted:
                continue
            left, price = _follow(bars, row[k], bars.offsets[s + 1], stop_atr * unit[k], hold)
            if left < 0:
                continue
            age_limit = LANES - (bars.session[left] // TEST - now)
            for lane in range(LANES):
                age = (now - lane) % LANES
                taken = row[k] >= free[lane]
                free[lane] = left if taken else free[lane]
                counts[lane] = 1.0 if taken and age < age_limit else 0.0
                count[max(now - age, 0)] += taken and age < age_limit and now >= age
            _mark(bars, row[k] + 1, left, price, counts, daily)
    return daily, count


@compiled
def _mark(bars: Any, entry: int, exit_: int, sold: float, counts: Any, daily: Any) -> None:
    """Add a trade's profit of every day it is held to the lanes it counts in."""
    before = bars.open[entry]
    qty = math.floor(NOTIONAL / before)
    for i in range(entry, exit_ + 1):
        now = sold if i == exit_ else bars.close[i]
        for lane in range(LANES):
            daily[bars.session[i], lane] += qty * (now - before) * counts[lane]
        before = now


@compiled
def sharpes(daily: Any, count: Any, splits: int) -> Any:
    """Sharpe of each training window's daily returns, not annual; NaN where undefined or made of too few trades."""
    score = np.full(splits, np.nan)
    for w in range(splits):
        equity, total, squares = CASH, 0.0, 0.0
        for d in range(w * TEST, w * TEST + TRAIN):
            profit = daily[d, w % LANES]
            change = profit / equity
            equity += profit
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
def _test(bars: Any, found: Any, stop_atr: float, hold: int, wanted: Any) -> Any:
    """The trades of the wanted splits' test windows: (split, entry row, exit row, shares, profit)."""
    row, unit, first = found
    room = len(row) if len(wanted) else 0
    split, entry, exit_ = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    qty, profit = np.empty(room), np.empty(room)
    n = 0
    for s in range(len(first) - 1):
        k = first[s]
        for w in wanted:
            begin, free = w * TEST + TRAIN, 0
            while k < first[s + 1] and bars.session[row[k]] < begin + TEST:
                if bars.session[row[k]] >= begin and row[k] >= free:
                    left, price = _follow(bars, row[k], bars.offsets[s + 1], stop_atr * unit[k], hold)
                    if left >= 0:
                        split[n], entry[n], exit_[n], free = w, row[k] + 1, left, left
                        qty[n] = math.floor(NOTIONAL / bars.open[row[k] + 1])
                        profit[n] = qty[n] * (price - bars.open[row[k] + 1])
                        n += 1
                k += 1
    return split[:n], entry[:n], exit_[:n], qty[:n], profit[:n]
