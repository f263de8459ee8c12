"""The whole of data quality for a set of bars: what a load drops, and what only a closer look finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions
from kobe81.core.bars import Bars
from kobe81.preflight.data_quality import QualityReport, check, diagnose

if TYPE_CHECKING:
    import polars as pl


def check_data(options: DataOptions) -> QualityReport:
    """Every finding in the bars the options name."""
    clean, report = check(_raw(options), options.policy)
    return report.plus(diagnose(Bars.from_frame(clean)))


def _raw(options: DataOptions) -> pl.DataFrame:
    """The rows as they are in the file; bars that were clean when they were made, as they are."""
    from kobe81.app import home
    from kobe81.data.cache import BarCache
    from kobe81.data.providers import provider_names
    from kobe81.data.providers.files import read

    path = Path(options.data).expanduser()
    if path.exists():
        return _chosen(read(path), options)
    if options.data == "cache":
        market = open_market(options)
        return BarCache(home.cached_bars()).frame(market.bars.symbols, ["imported", *provider_names()])
    return open_market(options).bars.to_frame()


def _chosen(frame: pl.DataFrame, options: DataOptions) -> pl.DataFrame:
    import polars as pl

    from kobe81.app.market import wanted_symbols

    if options.symbols:
        frame = frame.filter(pl.col("symbol").is_in(wanted_symbols(options.symbols)))
    if options.start:
        frame = frame.filter(pl.col("date") >= options.start)
    if options.end:
        frame = frame.filter(pl.col("date") <= options.end)
    return frame
