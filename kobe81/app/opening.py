"""From the options that name bars to the bars."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kobe81.app import home
from kobe81.app.market import Market, known_symbols
from kobe81.app.options import DataOptions
from kobe81.core.errors import DataError, UsageError, unknown_name

if TYPE_CHECKING:
    from kobe81.core.bars import Bars
from kobe81.core.days import day, number

BUILT_IN = ("sample", "synthetic", "cache")


def open_market(options: DataOptions) -> Market:
    """The bars the options name. UsageError for a name or a symbol that is wrong, DataError for bars that are."""
    options = options.over({})
    if options.start and options.end and options.start > options.end:
        raise UsageError(f"--start {options.start} is after --end {options.end}")
    market = _source(options, str(options.data))
    bars = market.bars
    if options.symbols:
        bars = bars.select(known_symbols(options.symbols, bars.symbols, bars.origin.source))
    if options.start or options.end:
        bars = _between(bars, options.start, options.end)
    if bars is market.bars:
        return market
    from kobe81.data.panel import content_hash

    bars = replace(bars, origin=market.bars.origin)
    return replace(market, bars=bars, data_hash=content_hash(bars), panel=None, check=_nothing)


def _source(options: DataOptions, data: str) -> Market:
    reference = {k: str(v) if isinstance(v, date) else v for k, v in vars(options).items()}
    if data in {"sample", "cache"} or data.startswith("synthetic"):
        return _built_in(options, data, reference)
    path = Path(data).expanduser()
    if not path.exists() and not path.suffix:
        raise unknown_name("data", data, [*BUILT_IN, "a file or folder of bars"])
    from kobe81.data.load import load, verify_loaded

    loaded = load(path, policy=options.policy or "drop", cache_dir=home.panels(),
                  made_by=home.code_version())
    reference["data"] = str(path.resolve())
    return Market(loaded.bars, loaded.data_hash, reference, loaded.warnings, loaded.panel,
                  lambda: verify_loaded(loaded))


def _built_in(options: DataOptions, data: str, reference: dict[str, Any]) -> Market:
    from kobe81.data.panel import content_hash
    from kobe81.data.providers.sample import sample_bars

    if data == "cache":
        from kobe81.app.cached import cached_market

        return cached_market(options, reference)
    bars = sample_bars() if data == "sample" else _synthetic(data)
    return Market(bars, content_hash(bars), reference, (), None, _nothing)


def _synthetic(text: str) -> Bars:
    """`synthetic`, `synthetic:900x2519` or `synthetic:900x2519:7` (symbols x sessions : seed)."""
    from kobe81.data.providers.synthetic import synthetic_bars

    found = re.fullmatch(r"synthetic(?::(\d{1,5})x(\d{1,5})(?::(\d{1,9}))?)?", text)
    if not found:
        raise UsageError(f"{text!r} is not synthetic:SYMBOLSxSESSIONS[:SEED], as in synthetic:900x2519:7")
    symbols, sessions, seed = (int(n) if n else d for n, d in zip(found.groups(), (120, 2520, 16), strict=True))
    return synthetic_bars(symbols, sessions, seed)


def _between(bars: Bars, start: date | None, end: date | None) -> Bars:
    sessions = bars.sessions
    first = number(start) if start else int(sessions[0])
    last = number(end) if end else int(sessions[-1])
    kept = bars.between(first, last)
    if not len(kept):
        span = f"{day(sessions[0])} to {day(sessions[-1])}"
        raise DataError(f"{bars.origin.source}: no bars from {start or 'the first'} to {end or 'the last'}; "
                        f"the data spans {span}")
    return kept


def _nothing() -> None:
    """Bars made in memory cannot have been damaged on disk."""
