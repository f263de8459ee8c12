"""The prices around the trades a report lists, packed small enough that each trade can have its chart.

Windows of bars around trades that touch the same bars become one run. A run counts prices in a unit of its own, one
ten-thousandth of its lowest price, so that no price is further than half of that from the truth. Five columns follow
one another, each over all runs: the day, less the day before; the open, less the close before; the close, less the
open; the high above and the low below both; a run's first day and open are whole. They are zigzag varints of 7 bits a
byte, the lowest first, then raw deflate, then base64; assets/prices.js reads them. A bar without four positive prices
(bars kept though flagged may be so) is all zero, and is drawn as a gap.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kobe81.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from kobe81.core.bars import Bars, Floats, Ints, Mask

MOST_BARS = 190_000
"""Bars a section keeps at most; at about 6.4 bytes a bar in the page, 1.2 MB."""
MARGINS = ((60, 30), (30, 15), (15, 8))
"""Bars before the signal and after the exit: the widest with which all trades fit, else the narrowest."""
FINENESS = 1e-4
"""A run's price unit as a part of its lowest price: four digits of it at the least."""
LEVEL = 6
"""Of deflate: 9 takes twice as long and saves half a per cent."""
SYMBOL = np.int64(1 << 32)
"""Days that no calendar has, so that symbol x SYMBOL + day is a key in the order of the bars."""


def pack(title: str, bars: Bars, trades: pl.DataFrame, ranked: Sequence[int]) -> dict[str, Any]:
    """The prices of the trades, as JSON can carry them; where not all fit, of the first in `ranked` (rows of trades).

    run: of each trade, or null where its prices did not fit; length, in bars, and unit, a price: of each run; bytes.
    """
    windows = _fitting(bars, _rows(title, bars, trades))
    order = np.array(ranked, np.int64)
    kept = order[: bisect_right(range(len(order)), MOST_BARS, key=lambda n: covered(windows[:, order[: n + 1]]))]
    runs, run_of_kept = merge(windows[:, kept])
    run: list[int | None] = [None] * trades.height
    for trade, number in zip(kept.tolist(), run_of_kept.tolist(), strict=True):
        run[trade] = number
    return {"run": run, **_encode(bars, runs)}


def _rows(title: str, bars: Bars, trades: pl.DataFrame) -> Ints:
    """[2, trades]: the rows of `bars` on which the trades were signalled and left."""
    number = {name: i for i, name in enumerate(bars.symbols)}
    symbol = np.array([number.get(name, -1) for name in trades["symbol"]], np.int64)
    days = np.stack([trades[name].to_physical().to_numpy() for name in ("signal_date", "exit_date")])
    keys, wanted = bars.symbol_index * SYMBOL + bars.date, symbol * SYMBOL + days
    rows: Ints = np.searchsorted(keys, wanted).clip(max=max(len(keys) - 1, 0))
    for which, trade in np.argwhere(keys[rows] != wanted):
        name, day = trades["symbol"][int(trade)], trades[("signal_date", "exit_date")[which]][int(trade)]
        raise DataError(f"{title}: {name} has a trade but no bar on {day}; hand in the bars that were traded")
    return rows


def _fitting(bars: Bars, rows: Ints) -> Ints:
    """The windows around the trades, as wide as fits, or the narrowest."""
    symbol = bars.symbol_index[rows[0]]
    for before, after in MARGINS:
        first = np.maximum(rows[0] - before, bars.offsets[symbol])
        windows = np.stack([first, np.minimum(rows[1] + after + 1, bars.offsets[symbol + 1])])
        if covered(windows) <= MOST_BARS:
            break
    return windows


def covered(windows: Ints) -> int:
    """How many bars lie in at least one of the windows, int64 [2, n]: first rows, and rows after the last."""
    runs, _ = merge(windows)
    return int((runs[1] - runs[0]).sum())


def merge(windows: Ints) -> tuple[Ints, Ints]:
    """Windows that overlap joined into runs, in order, [2, runs]; and the run of each window."""
    order = np.argsort(windows[0], kind="stable")
    first, last = windows[:, order]
    begins = np.ones(len(order), np.bool_)
    # Symbols lie end to end and no window leaves its symbol, so a window of the next never overlaps one of this.
    begins[1:] = first[1:] >= np.maximum.accumulate(last)[:-1]
    starts = np.flatnonzero(begins)
    run = np.empty(len(order), np.int64)
    run[order] = np.cumsum(begins) - 1
    return np.stack([first[starts], np.maximum.reduceat(last, starts)]), run


def _encode(bars: Bars, runs: Ints) -> dict[str, Any]:
    length = runs[1] - runs[0]
    starts = np.cumsum(length) - length
    rows = np.arange(length.sum()) + np.repeat(runs[0] - starts, length)
    prices = np.stack([column[rows] for column in (bars.open, bars.high, bars.low, bars.close)])
    prices = np.where(((prices > 0) & (prices < np.inf)).all(axis=0), prices, 0.0)
    unit = _units(prices[2], starts)
    counted = np.rint(prices / np.repeat(unit, length)).astype(np.int64)
    packed = _deflate(_varints(_differences(bars.date[rows], counted, starts)))
    return {"length": length.tolist(), "unit": unit.tolist(), "bytes": packed}


def _units(low: Floats, starts: Ints) -> Floats:
    """Of each run; to four digits, because every digit is paid for in the size of the file."""
    lowest = np.minimum.reduceat(np.where(low > 0, low, np.inf), starts)
    exact = np.where(lowest < np.inf, lowest, 1.0) * FINENESS
    return np.array([float(f"{unit:.3e}") for unit in exact.tolist()])


def _differences(day: Ints, prices: Ints, starts: Ints) -> Ints:
    """[5, bars]: the columns as the module tells them."""
    opened, high, low, close = prices
    step, gap = np.diff(day, prepend=0), opened - np.roll(close, 1)
    step[starts], gap[starts] = day[starts], opened[starts]
    above, below = high - np.maximum(opened, close), np.minimum(opened, close) - low
    return np.stack([step, gap, close - opened, above, below])


def _varints(values: Ints) -> bytes:
    """Small numbers, of whatever sign, in few bytes: 0, -1, 1, -2 become 0, 1, 2, 3; a byte of 128 or more goes on."""
    left = ((values << 1) ^ (values >> 63)).ravel()
    parts: list[tuple[Ints, Mask]] = []
    while left.any() or not parts:
        parts.append((left & 127, left >= 128))
        left = left >> 7
    digits = np.stack([digit + 128 * more for digit, more in parts], axis=1).astype(np.uint8)
    used = np.stack([np.ones(len(left), np.bool_), *(more for _, more in parts[:-1])], axis=1)
    return digits[used].tobytes()


def _deflate(text: bytes) -> str:
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b64encode(squeeze.compress(text) + squeeze.flush()).decode()
