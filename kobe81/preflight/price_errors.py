"""Prices wrong by a factor, told apart from crashes, spikes and buyouts by what stands around them.

The thresholds were drawn from ten years of 900 US stocks, where they find 50 slipped decimal points and 9 splices and
unadjusted spin-offs, and call no real move an error. On 524 stocks of 2009-2010 that were not looked at before, they
found 6 of 7 unadjusted splits and spin-offs and again nothing else; the seventh (STR 2010-07-01) had volume like news.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kobe81.core.bars import Bars, Floats, Ints, Mask

Finding = tuple[int, str, str]
"""The row of the bars, the kind of finding, one sentence with the numbers."""

WINDOW, ENOUGH = 20, 5
"""Bars on each side of a doubtful one that say what is usual for its symbol, and how few are too few to say."""

SLIP_FACTOR, SLIP_MOVES = 5.0, 10.0
"""A price so many times away from the bars on both sides, and so many usual daily moves, was not traded. The smallest
slip is 5.7 (ARE 2009-02-27); real excursions reach 3.7 (UAL 2008-09-08, 12.17 to 3.00 and back to 10.92). Prints of
the flash crash farther away than that were cancelled by the exchanges afterwards."""

BREAK_FACTOR, BREAK_MOVES = 1.18, 12.0
"""A level that moves overnight by nearly 6:5 or more and by so many usual moves: too much for a calm stock."""

BREAK_RANGE, BREAK_VOLUME = 3.5, 2.5
"""And the day's range and volume are no more than so many times the usual: dollar volume, which a split leaves alone,
or share volume, which a wrong unit leaves alone. News that moves a price by so much multiplies both."""

SPIKE_FACTOR = 1.5
"""A high or low so many times away from every price around it, yet too near to be a slip, may be a bad print."""

_SPLITS = {1.2: "6:5", 1.25: "5:4", 4 / 3: "4:3", 1.5: "3:2", 2.5: "5:2"} | {
    float(n): f"{n}:1" for n in (*range(2, 11), 12, 15, 20, 25, 30, 40, 50, 100)}


def lowest(bars: Bars) -> Floats:
    """The smallest of each bar's four prices, whatever it is called."""
    return np.asarray(np.minimum(np.minimum(bars.open, bars.high), np.minimum(bars.low, bars.close)))


def highest(bars: Bars) -> Floats:
    """The largest of each bar's four prices."""
    return np.asarray(np.maximum(np.maximum(bars.open, bars.high), np.maximum(bars.low, bars.close)))


def slips(bars: Bars) -> Iterator[Finding]:
    """Bars with a price five-fold away from its neighbours on both sides: a slipped decimal, a wrong unit.

    bars: prices finite and above zero; high and low may be wrong. Neighbours are judged by the mean of their two
    middle prices, which one wrong field does not move.
    """
    low, high = lowest(bars), highest(bars)
    level = _level(bars, low, high)
    before, after = _neighbours(bars, level)
    nearest, farthest = np.minimum(before, after), np.maximum(before, after)
    rows = np.flatnonzero((low * SLIP_FACTOR <= nearest) | (high >= farthest * SLIP_FACTOR))
    if not len(rows):
        return
    usual = np.log(_median(bars, np.maximum(level / before, before / level), rows))
    for row, move in zip(rows.tolist(), usual.tolist(), strict=True):
        around = np.sqrt(before[row] * after[row])
        name, price = max(((f, float(getattr(bars, f)[row])) for f in ("open", "high", "low", "close")),
                          key=lambda pair: abs(np.log(pair[1] / around)))
        if not abs(np.log(price / around)) < SLIP_MOVES * move:
            side = f"{price / around:.3g} times the" if price > around else f"1/{around / price:.3g} of the"
            yield row, "wrong by a factor", (f"{name} {price:.6g} is {side} prices around it "
                                             f"({before[row]:.6g} before, {after[row]:.6g} after)")


def breaks(bars: Bars) -> Iterator[Finding]:
    """Bars that open and stay at another level than the one before, while nothing else happened: a missed split, an
    unadjusted spin-off, another stock's prices spliced in. bars: valid, without slips.
    """
    low, high = lowest(bars), highest(bars)
    level = _level(bars, low, high)
    before, close = _neighbours(bars, level)[0], _neighbours(bars, np.asarray(bars.close))[0]
    gap, move = np.asarray(bars.open) / close, level / before
    jumps = (np.minimum(gap, move) >= BREAK_FACTOR) | (np.maximum(gap, move) <= 1 / BREAK_FACTOR)
    jumps[bars.offsets[:-1]] = False
    rows = np.flatnonzero(jumps)
    if not len(rows):
        return
    for row in rows[_quiet(bars, rows, np.maximum(move, 1 / move), high / low, level)].tolist():
        yield row, "level break", (f"opens at {bars.open[row]:.6g} after a close of {close[row]:.6g}, "
                                   f"{_ratio(float(gap[row]))}, on ordinary volume and range: "
                                   "a split or spin-off not adjusted for, or spliced prices")


def spikes(bars: Bars) -> Iterator[Finding]:
    """Bars whose high or low is far from every price around it: a bad print or a flash crash, nobody can tell."""
    low, high = lowest(bars), highest(bars)
    before, after = _neighbours(bars, _level(bars, low, high))
    body = np.minimum(bars.open, bars.close), np.maximum(bars.open, bars.close)
    floor = np.asarray(np.minimum(np.minimum(before, after), body[0]))
    top = np.asarray(np.maximum(np.maximum(before, after), body[1]))
    rows = np.flatnonzero((low * SPIKE_FACTOR <= floor) | (high >= top * SPIKE_FACTOR))
    if not len(rows):
        return
    size = np.maximum(floor / low, high / top)
    unusual = np.log(size[rows]) >= SLIP_MOVES * np.log(_median(bars, high / low, rows))
    for row in rows[unusual & (size[rows] < SLIP_FACTOR)].tolist():
        name, value = ("low", low[row]) if floor[row] / low[row] > high[row] / top[row] else ("high", high[row])
        yield row, "spike", (f"{name} {value:.6g} is {size[row]:.2f} times away from every price around it "
                             f"({floor[row]:.6g} to {top[row]:.6g})")


def _quiet(bars: Bars, rows: Ints, move: Floats, spread: Floats, level: Floats) -> Mask:
    """Which of these rows moved far for their symbol, on a day of ordinary range and ordinary volume.

    move: this level over the one before, or the other way round, at least 1; spread: high over low.
    """
    shares = np.asarray(bars.volume)
    quiet = _enough(bars, rows)
    quiet &= np.log(move[rows]) >= BREAK_MOVES * np.log(_median(bars, move, rows))
    quiet &= np.log(spread[rows]) <= BREAK_RANGE * np.log(_median(bars, spread, rows))
    return quiet & (_ordinary(bars, rows, shares * level) | _ordinary(bars, rows, shares))


def _ordinary(bars: Bars, rows: Ints, volume: Floats) -> Mask:
    """Whether the volume is no more than a few times that of the bars before, and of those after."""
    before = _median(bars, volume, rows, -WINDOW, -1)
    after = _median(bars, volume, rows, 1, WINDOW)
    ordinary: Mask = volume[rows] <= BREAK_VOLUME * np.minimum(before, after)
    return ordinary


def _level(bars: Bars, low: Floats, high: Floats) -> Floats:
    """The mean of each bar's two middle prices."""
    return np.asarray((bars.open + bars.high + bars.low + bars.close - low - high) / 2)


def _neighbours(bars: Bars, values: Floats) -> tuple[Floats, Floats]:
    """The values one row before and one row after; a symbol's first and last row get their own."""
    before, after = values.copy(), values.copy()
    before[1:], after[:-1] = values[:-1], values[1:]
    first, last = bars.offsets[:-1], bars.offsets[1:] - 1
    before[first], after[last] = values[first], values[last]
    return before, after


def _borders(bars: Bars, rows: Ints) -> tuple[Ints, Ints]:
    """Where the symbol of each row begins and ends."""
    symbol = np.searchsorted(bars.offsets, rows, side="right")
    return bars.offsets[symbol - 1], bars.offsets[symbol]


def _enough(bars: Bars, rows: Ints) -> Mask:
    """Whether the symbol has enough bars on each side of these rows to say what is usual."""
    first, end = _borders(bars, rows)
    enough: Mask = (rows - first >= ENOUGH) & (end - 1 - rows >= ENOUGH)
    return enough


def _median(bars: Bars, values: Floats, rows: Ints, start: int = -WINDOW, stop: int = WINDOW) -> Floats:
    """The median of `values` over row + start .. row + stop, the row itself left out; NaN where there is none."""
    first, end = _borders(bars, rows)
    window = rows[:, None] + np.array([step for step in range(start, stop + 1) if step])
    inside = (window >= first[:, None]) & (window < end[:, None])
    around = np.sort(np.where(inside, values[np.where(inside, window, 0)], np.nan), axis=1)
    middle = np.maximum(np.count_nonzero(inside, axis=1) - 1, 0) // 2
    median: Floats = around[np.arange(len(rows)), middle]
    return median


def _ratio(gap: float) -> str:
    """'2.66 times' or '1/2.4', and the split it is within three per cent of."""
    factor = max(gap, 1 / gap)
    near = min(_SPLITS, key=lambda split: abs(np.log(split / factor)))
    named = f" (near {_SPLITS[near]})" if abs(np.log(near / factor)) <= 0.03 else ""
    return f"{factor:.3g} times{named}" if gap > 1 else f"1/{factor:.3g}{named}"
