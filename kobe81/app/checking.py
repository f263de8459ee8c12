"""The whole of data quality for a set of bars: what a load drops, and what only a closer look finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kobe81.app.cached import IMPORTED
from kobe81.app.market import known_symbols
from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions
from kobe81.core.bars import Bars
from kobe81.core.errors import DataError
from kobe81.preflight.data_quality import QualityReport, check, diagnose

if TYPE_CHECKING:
    import polars as pl


def check_data(options: DataOptions) -> QualityReport:
    """Every finding in the bars the options name; UsageError or DataError where they name none."""
    options = options.over({})
    rows = _chosen(_raw(options), options)
    try:
        _, report = check(rows, options.policy or "drop")
    except DataError as error:
        raise DataError(f"{options.data}: {error}") from error
    kept, _ = check(rows, "flag")  # a bar that was dropped would be told again as missing
    return report.plus(diagnose(Bars.from_frame(kept)))


def _raw(options: DataOptions) -> pl.DataFrame:
    """The rows as they are in the file or the cache; bars that were clean when they were made, as they are."""
    from kobe81.app import home
    from kobe81.data.cache import BarCache
    from kobe81.data.providers import provider_names
    from kobe81.data.providers.files import read

    path = Path(str(options.data)).expanduser()
    if path.exists():
        return read(path)
    bars = open_market(DataOptions(options.data, symbols=options.symbols, policy="flag")).bars
    if options.data == "cache":
        return BarCache(home.cached_bars()).frame(bars.symbols, [IMPORTED, *provider_names()])
    return bars.to_frame()


def _chosen(frame: pl.DataFrame, options: DataOptions) -> pl.DataFrame:
    import polars as pl

    if options.symbols:
        frame = frame.filter(pl.col("symbol").is_in(known_symbols(options.symbols, frame["symbol"].unique().to_list(),
                                                                  str(options.data))))
    if options.start:
        frame = frame.filter(pl.col("date") >= options.start)
    if options.end:
        frame = frame.filter(pl.col("date") <= options.end)
    if frame.is_empty():
        raise DataError(f"{options.data}: no bars from {options.start or 'the first'} to {options.end or 'the last'}")
    return frame
