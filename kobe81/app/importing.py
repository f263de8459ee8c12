"""Bars from files into the cache."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import kobe81
from kobe81.app import home
from kobe81.app.cached import IMPORTED
from kobe81.core.errors import DataError
from kobe81.data.cache import BarCache, Provenance
from kobe81.data.providers.files import read
from kobe81.preflight.data_quality import Policy, check


def import_bars(path: Path, policy: Policy) -> tuple[int, int, str]:
    """Keep a file's bars in the cache, symbol by symbol; how many symbols and bars, and what the check found."""
    try:
        clean, report = check(read(path), policy)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    cache = BarCache(home.cached_bars())
    parts = clean.partition_by("symbol", as_dict=True, include_key=False)
    for (symbol,), frame in parts.items():
        days: list[date] = frame["date"].to_list()
        cache.write(frame, Provenance(IMPORTED, symbol, f"as in {path.name}", days[0], days[-1], days[0], days[-1],
                                      len(days), home.now(), kobe81.__version__))
    return len(parts), len(clean), report.summary.line
