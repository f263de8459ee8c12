"""The bars in the cache, as one market."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kobe81.app import home
from kobe81.app.market import Market, wanted_symbols
from kobe81.app.options import DataOptions
from kobe81.core.bars import Bars, Origin
from kobe81.core.errors import DataError
from kobe81.data.cache import BarCache
from kobe81.data.load import is_synthetic, survivorship
from kobe81.data.panel import content_hash
from kobe81.data.providers import provider_names
from kobe81.preflight.data_quality import check

IMPORTED = "imported"
"""The source under which `kobe data import` keeps what it was given."""


def cached_market(options: DataOptions, reference: dict[str, Any]) -> Market:
    """All cached symbols, or those asked for, each from the first source that has it: imports, then the vendors."""
    cache = BarCache(home.cached_bars())
    sources = [IMPORTED, *provider_names()]
    holders = {symbol: source for source in reversed(sources) for symbol in cache.symbols(source)}
    wanted = wanted_symbols(options.symbols) if options.symbols else sorted(holders)
    if not wanted:
        raise DataError(f"the cache in {cache.folder} is empty; fetch first: kobe data fetch AAPL MSFT, "
                        f"or use bars that are already here: --data sample")
    clean, report = check(cache.frame(wanted, sources), options.policy or "drop")
    used = sorted({holders[symbol] for symbol in wanted if symbol in holders})
    bars = Bars.from_frame(clean, Origin(f"cache ({', '.join(used)})"))
    bars = replace(bars, origin=bars.origin._replace(synthetic=is_synthetic(bars), note=survivorship(bars)))
    warnings = () if report.findings.is_empty() else (report.summary.line,)
    return Market(bars, content_hash(bars), reference, (*warnings, *_mixed(cache, holders, wanted)), None, lambda: None)


def _mixed(cache: BarCache, holders: dict[str, str], wanted: list[str]) -> tuple[str, ...]:
    """A warning where the symbols' prices are not adjusted alike."""
    found = (cache.provenance(holders[s], s) for s in wanted if s in holders)
    kinds = sorted({p.adjustment for p in found if p})
    return (f"prices are adjusted differently: {'; '.join(kinds)}",) if len(kinds) > 1 else ()
