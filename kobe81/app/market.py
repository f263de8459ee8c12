"""Bars to trade on, with everything a run must know of where they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kobe81.core.errors import UsageError
from kobe81.core.symbols import parse_symbol

if TYPE_CHECKING:
    from kobe81.core.bars import Bars


@dataclass(frozen=True, eq=False)
class Market:
    """Bars to trade on. reference: the options that load them again; check: raises where the bars no longer are what
    their hash says."""

    bars: Bars
    data_hash: str
    reference: dict[str, Any]
    warnings: tuple[str, ...]
    panel: Path | None
    check: Callable[[], None]


def wanted_symbols(text: str) -> list[str]:
    """Symbols from a comma-separated list, or from a universe file."""
    from kobe81.data.universe import read_universe

    path = Path(text)
    if path.is_file():
        return read_universe(path)
    found = [parse_symbol(part) for part in text.split(",") if part.strip()]
    if not found:
        raise UsageError("--symbols names no symbol; write them as in --symbols AAPL,MSFT")
    return found


def known_symbols(text: str, known: Sequence[str], source: str) -> list[str]:
    """The symbols of `wanted_symbols`, all of them known; UsageError with the nearest name for one that is not."""
    wanted, names = wanted_symbols(text), set(known)
    for symbol in wanted:
        if symbol not in names:
            near = get_close_matches(symbol, known, n=1, cutoff=0.5)
            raise UsageError(f"{source} has no symbol {symbol!r}; " + (
                f"did you mean {near[0]!r}?" if near else f"it has {len(names):,}, such as {', '.join(known[:5])}"))
    return wanted
