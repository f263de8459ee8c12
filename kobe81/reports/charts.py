"""What the report's charts draw: frames made into short lists that JSON can carry.

Dates are days since 1970-01-01. Whatever is not a finite number becomes null.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Any

from kobe81.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MOST_TRADES = 4000
"""Rows a report lists at most; the rest is in trade_list.csv."""
MOST_BINS = 40
MOST_NOTABLE = 12
"""Of the best, and of the worst: the trades that are listed and charted before all others."""

TRADE_TEXT = ("symbol", "side", "exit_reason")
TRADE_DATES = ("signal_date", "entry_date", "exit_date")
TRADE_DIGITS = {
    "entry_price": 4, "exit_price": 4, "qty": 6, "stop": 4, "target": 4, "score": 3, "net_pnl": 2, "return": 5,
    "bars_held": 0, "mae": 5, "mfe": 5,
}  # fmt: skip
SPLIT_COLUMNS = (
    "split", "train_start", "train_end", "test_start", "test_end", "parameters", "in_sample", "out_of_sample",
    "trades", "net_pnl",
)  # fmt: skip


def equity(title: str, frame: pl.DataFrame) -> dict[str, Any]:
    """date, equity, drawdown, exposure of a strategy."""
    return benchmark(title, frame) | {
        "drawdown": numbers(frame["drawdown"], 5),
        "exposure": numbers(frame["exposure"], 4),
    }


def benchmark(title: str, frame: pl.DataFrame) -> dict[str, Any]:
    """date, equity. A chart cannot draw a day twice, so the dates must increase."""
    dates = days(frame["date"])
    for before, day in pairwise(dates):
        if not before < day:
            raise DataError(f"{title}: equity is not in date order or repeats a date, at day {day} since 1970-01-01")
    return {"date": dates, "equity": numbers(frame["equity"], 2)}


def largest_month(monthly: pl.DataFrame) -> float:
    """The size of the best or worst month, whichever is larger; 0 where there is none."""
    months = (value for month in range(1, 13) for value in monthly[str(month)].to_list())
    return max((abs(value) for value in months if value is not None and isfinite(value)), default=0.0)


def years(monthly: pl.DataFrame) -> dict[str, Any]:
    """year, total."""
    return {"year": monthly["year"].to_list(), "total": numbers(monthly["total"], 5)}


def trades(frame: pl.DataFrame) -> dict[str, Any]:
    """The columns a reader looks at, by name; those the frame lacks are left out."""
    columns: dict[str, Any] = {name: frame[name].to_list() for name in TRADE_TEXT}
    columns |= {name: days(frame[name]) for name in TRADE_DATES}
    return columns | {name: numbers(frame[name], n) for name, n in TRADE_DIGITS.items() if name in frame.columns}


def splits(frame: pl.DataFrame) -> dict[str, Any]:
    """test_start, test_end, in_sample, out_of_sample, and every parameter's value per split."""
    names = [name for name in frame.columns if name not in SPLIT_COLUMNS]
    return {
        "split": frame["split"].to_list(),
        "test_start": days(frame["test_start"]),
        "test_end": days(frame["test_end"]),
        "in_sample": numbers(frame["in_sample"], 3),
        "out_of_sample": numbers(frame["out_of_sample"], 3),
        "parameters": [{"name": name, "values": _plain(frame[name])} for name in names],
    }


def histogram(values: Iterable[float]) -> dict[str, Any]:
    """Counts of returns in bins of a round width, one of which begins at zero, so that no bin mixes gain and loss.

    width: of a bin; first: the first bin begins at first x width; counts. The outermost half per cent on either side
    is counted into the end bins. mean and median are those of all values; both null where there are none.
    """
    ordered = sorted(value for value in values if isfinite(value))
    if not ordered:
        return {"width": 1.0, "first": 0, "counts": [], "mean": None, "median": None}
    low, high = ordered[int(0.005 * (len(ordered) - 1))], ordered[-1 - int(0.005 * (len(ordered) - 1))]
    width = round_width((high - low) / MOST_BINS)
    first, last = _bin(low, width), _bin(high, width)
    counts = [0] * (last - first + 1)
    for value in ordered:
        counts[min(max(_bin(value, width), first), last) - first] += 1
    return {"width": width, "first": first, "counts": counts, "mean": sum(ordered) / len(ordered),
            "median": _median(ordered)}  # fmt: skip


def round_width(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `least`, and at least 0.01 %."""
    power = 10.0 ** floor(log10(max(least, 1e-4)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def ranked(frame: pl.DataFrame) -> list[int]:
    """The rows, the most worth showing first: the best, the worst, then all by entry date, the latest first."""
    rows = frame.select("return", "entry_date", "symbol").with_row_index("row")
    by_return = rows.sort("return", "symbol", "entry_date")["row"].to_list()
    by_date = rows.sort("entry_date", "symbol", "row")["row"].to_list()
    best, worst = by_return[-MOST_NOTABLE:], by_return[:MOST_NOTABLE]
    return list(dict.fromkeys([*reversed(best), *worst, *reversed(by_date)]))


def days(dates: pl.Series) -> list[int]:
    """Days since 1970-01-01."""
    import polars as pl

    return dates.cast(pl.Date).to_physical().to_list()


def numbers(values: pl.Series, digits: int) -> list[float | None]:
    """Rounded, because every digit is paid for in the size of the file."""
    import polars as pl

    rounded = values.cast(pl.Float64).round(digits)
    return rounded.set(~rounded.is_finite(), None).to_list()


def _plain(values: pl.Series) -> list[Any]:
    """Numbers as numbers, anything else (choices, flags) as text."""
    numeric = values.dtype.is_numeric()
    return numbers(values, 6) if numeric else [None if value is None else str(value) for value in values.to_list()]


def _bin(value: float, width: float) -> int:
    return floor(value / width + 1e-9)


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
