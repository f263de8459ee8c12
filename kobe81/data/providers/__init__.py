"""Providers: the vendors that daily bars come from, one file each, found by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kobe81.core.errors import Refused, unknown_name

if TYPE_CHECKING:
    import polars as pl

_CLASSES = {
    "polygon": "polygon:Polygon",
    "massive": "polygon:Polygon",  # what Polygon.io has been called since 2025-10-30
    "stooq": "stooq:Stooq",
    "yahoo": "yahoo:Yahoo",
    "binance": "binance:Binance",
}


class Exhausted(Refused):  # reads as what happened, like its parent
    """The vendor will refuse every symbol: no key, a bad key, a used-up quota, a ban."""


@dataclass(frozen=True)
class Manners:
    """How every vendor is spoken to; times in seconds.

    deadline: for one whole request, from connecting to the last byte. attempts: per request, the first included.
    wait: before the second attempt, doubled for each further one. longest_wait: up to which a vendor's Retry-After is
    obeyed. body_cap: bytes of a body after decompression. period: what `calls_per_minute` is counted over (a minute,
    except in tests). folder: where a vendor's own client may keep its files.
    """

    deadline: float = 30.0
    attempts: int = 4
    wait: float = 1.0
    longest_wait: float = 60.0
    body_cap: int = 64 << 20
    period: float = 60.0
    folder: Path | None = None


class Provider(Protocol):
    """A vendor of daily bars.

    adjustment: what its prices are adjusted for ("none", "splits", "splits and dividends"). needs_key: the environment
    variables its key may stand in, or None. calls_per_minute: its rate, or None where it has no stated one.
    calendar: a name of core.calendar.CALENDARS.
    """

    name: str
    adjustment: str
    needs_key: tuple[str, ...] | None
    calls_per_minute: int | None
    calendar: str

    def daily(self, symbol: str, first: date, last: date) -> pl.DataFrame:
        """The symbol's bars dated first..last: date, open, high, low, close, volume; ascending, one row a date.

        Refused where the vendor answers no or has no such bars (Exhausted where it would for every symbol),
        Unavailable where it does not answer, or not in its format.
        """
        ...


def provider_names() -> tuple[str, ...]:
    """The names `provider` knows, aliases included."""
    return tuple(_CLASSES)


def provider(name: str, environ: Mapping[str, str], *, base: str | None = None,
             manners: Manners | None = None) -> Provider:
    """The provider of this name, its key taken from `environ` (the caller's copy of the environment).

    base: another address to ask, https or loopback. UsageError where nobody has the name.
    """
    if name not in _CLASSES:
        raise unknown_name("source", name, _CLASSES)
    module, _, attribute = _CLASSES[name].partition(":")
    make: Any = getattr(import_module(f"{__name__}.{module}"), attribute)
    key = next((environ[variable] for variable in make.needs_key or () if environ.get(variable)), None)
    made: Provider = make(key=key, base=base or make.base, manners=manners or Manners())
    return made


def no_key(source: str, variables: tuple[str, ...]) -> Exhausted:
    """The refusal of a source whose key is not set."""
    return Exhausted(f"{source} needs a key: set {' or '.join(variables)}, "
                     "or use a source that needs none, such as yahoo (--source yahoo)")
