"""Bars to trade on, with everything a run must know of where they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kobe81.core.symbols import parse_symbol

if TYPE_CHECKING:
    from kobe81.core.bars import Bars

EPOCH = date(1970, 1, 1)


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
    return [parse_symbol(part) for part in text.split(",") if part.strip()]


def day(number: int) -> date:
    """The date of a day number."""
    return date.fromordinal(EPOCH.toordinal() + int(number))
