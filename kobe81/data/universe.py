"""The universe: which symbols are worth trading, and why the others are not."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kobe81.core.errors import DataError, UsageError
from kobe81.core.symbols import parse_symbol

if TYPE_CHECKING:
    import polars as pl

KEEP = 900
YEARS = 10
SLACK = timedelta(days=7)
"""By how much a history may fall short of its years: it need not begin on the day itself."""

COLUMNS = ("symbol", "median_dollar_volume", "first", "last", "bars")


class Universe(NamedTuple):
    """kept: rank (from 1), symbol, median_dollar_volume, first, last, bars; most traded first.

    left_out: symbol, reason, median_dollar_volume, first, last, bars; by symbol, figures null where there are no bars.
    """

    kept: pl.DataFrame
    left_out: pl.DataFrame


def build(bars: pl.DataFrame, candidates: Sequence[str] | None = None, *, keep: int = KEEP,
          years: int = YEARS) -> Universe:
    """At most `keep` symbols with at least `years` years between their first and last bar, by median dollar volume.

    bars: symbol, date, close, volume (further columns are ignored). candidates: all symbols of `bars` by default; one
    without bars is left out with that reason. Dollar volume is close x volume, its median over all bars of the
    symbol; ties go by symbol. A symbol that no longer trades is judged by its own last bar, so that the universe does
    not hold survivors only.
    """
    import polars as pl

    names = sorted({parse_symbol(s) for s in (bars["symbol"].unique() if candidates is None else candidates)})
    wanted = pl.DataFrame({"symbol": names}, schema={"symbol": pl.String})
    figures = wanted.join(_figures(bars), on="symbol", how="left")
    reasons = [_reason(row["median_dollar_volume"], row["first"], row["last"], years)
               for row in figures.iter_rows(named=True)]
    judged = figures.with_columns(pl.Series("reason", reasons, dtype=pl.String))
    ranked = judged.filter(pl.col("reason").is_null()).sort(
        ["median_dollar_volume", "symbol"], descending=[True, False]).with_row_index("rank", offset=1)
    beyond = pl.concat_str(pl.lit("rank "), pl.col("rank"), pl.lit(f" by median dollar volume; {keep} are kept"))
    left_out = pl.concat([judged.filter(pl.col("reason").is_not_null()),
                          ranked[keep:].with_columns(beyond.alias("reason")).drop("rank")])
    return Universe(ranked[:keep].select("rank", *COLUMNS),
                    left_out.select("symbol", "reason", *COLUMNS[1:]).sort("symbol"))


def _figures(bars: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    dollars = (pl.col("close") * pl.col("volume")).fill_nan(None)
    return bars.group_by("symbol").agg(
        dollars.median().alias("median_dollar_volume"), pl.col("date").min().alias("first"),
        pl.col("date").max().alias("last"), pl.len().alias("bars")).select(COLUMNS)


def _reason(dollars: float | None, first: date | None, last: date | None, years: int) -> str | None:
    """Why the symbol is left out; None where it is not."""
    if first is None or last is None:
        return "no bars"
    if not first <= _years_before(last, years) + SLACK:
        return f"{(last - first).days / 365.25:.1f} years of history; {years} are needed"
    if dollars is None or not dollars > 0:
        return "no dollar volume"
    return None


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


def read_universe(path: Path) -> list[str]:
    """The symbols of a file: a CSV with a column `symbol`, or one symbol a line; each once, in the file's order.

    Blank lines and lines that begin with # are skipped. UsageError naming the line of what is no symbol.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a text file with one symbol a line") from error
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    rows = list(zip((i for i, _ in lines), csv.reader(line for _, line in lines), strict=True))
    column = _symbol_column(rows[0][1]) if rows else None
    found = [_symbol(path, i, row, column or 0) for i, row in (rows if column is None else rows[1:])]
    if not found:
        raise DataError(f"{path}: holds no symbols; give one a line, or a CSV with a column symbol")
    return list(dict.fromkeys(found))


def _symbol_column(header: Sequence[str]) -> int | None:
    names = [name.strip().lower() for name in header]
    return names.index("symbol") if "symbol" in names else None


def _symbol(path: Path, line: int, row: Sequence[str], column: int) -> str:
    try:
        return parse_symbol(row[column])
    except (UsageError, IndexError) as error:
        raise UsageError(f"{path}, line {line}: {error}") from error
