"""Rows as vendors deliver them, made into the one frame that the cache keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from kobe81.core.errors import Refused, Unavailable

if TYPE_CHECKING:
    import polars as pl

PRICES = ("open", "high", "low", "close")
COLUMNS = ("date", *PRICES, "volume")


def tidy(about: str, columns: Mapping[str, Sequence[Any] | pl.Series], first: date, last: date) -> pl.DataFrame:
    """date, open, high, low, close, volume; ascending, one row a date, dated first..last.

    columns: those of COLUMNS, dates as dates or ISO text, numbers as numbers or text. Rows without any price are no
    bars; identical rows collapse; rows that contradict each other, or cannot be read, are Unavailable; no rows at all
    are Refused.
    """
    import polars as pl

    frame = _typed(about, columns)
    frame = frame.filter(pl.col("date").is_between(first, last) & ~pl.all_horizontal(pl.col(PRICES).is_null()))
    frame = frame.unique(maintain_order=True).sort("date")
    if frame.is_empty():
        raise Refused(f"{about}: no bars between {first} and {last}; check the symbol and the dates")
    twice = frame.filter(pl.col("date").is_duplicated())
    if len(twice):
        raise Unavailable(f"{about}: {twice['date'][0]} comes twice and differs: closes {twice['close'][0]} and "
                          f"{twice['close'][1]}; use another source")
    return frame


def _typed(about: str, columns: Mapping[str, Sequence[Any] | pl.Series]) -> pl.DataFrame:
    import polars as pl

    try:
        frame = pl.DataFrame(dict(columns), strict=True)
        day = pl.col("date").str.to_date("%Y-%m-%d") if frame["date"].dtype == pl.String else pl.col("date")
        numbers = [pl.col(c).cast(pl.Float64).fill_nan(None) for c in COLUMNS[1:]]
        return frame.select(day.cast(pl.Date), *numbers).drop_nulls("date")
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        found = str(error).splitlines()[0]
        raise Unavailable(f"{about}: rows that cannot be read ({found}); use another source") from error
