"""Quotes: where prices come from, and the path that daily bars make of each session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple, Protocol

import numpy as np

from kobe81.core.bars import Bars
from kobe81.core.calendar import hours
from kobe81.core.days import day as day_of
from kobe81.core.days import number
from kobe81.core.money import decimal, to_tick
from kobe81.execution.exchange.terms import HALF_SPREAD_BPS

CALENDAR = "XNYS"
PRINT = Decimal("0.0001")
REMEMBERED = 4096
_HAIR = Decimal("1e-10")
"""What multiplying and dividing by the spread may leave behind, and no tick is made of."""


class Quote(NamedTuple):
    """What the market showed at an instant: the last price (dollars, four decimals), bid and ask, their shares."""

    at: datetime
    price: Decimal
    bid: Decimal
    ask: Decimal
    size: int


class DayBar(NamedTuple):
    """A session's bar, or what there is of it so far."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: float


class Leg(NamedTuple):
    """A stretch of the path: the price goes straight from `first` at `begins` to `last` at `ends`.

    Bid and ask stand `half_spread` (a fraction) from it, rounded outwards to the tick.
    """

    begins: datetime
    ends: datetime
    first: Decimal
    last: Decimal
    half_spread: Decimal
    size: int

    def price(self, at: datetime) -> Decimal:
        """The price at an instant of the leg."""
        if at >= self.ends:
            return self.last
        return self.first + (self.last - self.first) * _micros(at - self.begins) / _micros(self.ends - self.begins)

    def reaches(self, price: Decimal) -> datetime:
        """The first whole microsecond at which the leg, which crosses `price`, has reached it."""
        passed = (price - self.first) * _micros(self.ends - self.begins) / (self.last - self.first)
        return min(self.begins + timedelta(microseconds=int(passed.to_integral_value(ROUND_CEILING))), self.ends)

    def quote(self, price: Decimal, at: datetime) -> Quote:
        """What the market shows when the price is `price`."""
        bid = to_tick((price * (1 - self.half_spread)).quantize(_HAIR), up=False)
        ask = to_tick((price * (1 + self.half_spread)).quantize(_HAIR), up=True)
        return Quote(at, price.quantize(PRINT), bid, ask, self.size)


class QuoteSource(Protocol):
    """Where the exchange gets its prices. Times are aware and UTC."""

    def symbols(self) -> Sequence[str]:
        """All symbols that trade here, ascending."""

    def quote(self, symbol: str, at: datetime) -> Quote | None:
        """The last quote not after `at`, with its own time; None where there was none yet."""

    def span(self, symbol: str, after: datetime, until: datetime) -> Sequence[Leg]:
        """The legs that overlap [after, until], whole, in order of time: which prices were visited, and when."""

    def bars(self, symbol: str, first: date, last: date, at: datetime) -> list[DayBar]:
        """The daily bars dated first..last as known at `at`, ascending; the last of them may be unfinished."""


class BarQuotes:
    """Quotes made from daily bars: open, low at a third of the session, high at two thirds, close; straight between.

    The low comes before the high because the backtest takes stops before targets. Outside sessions the last quote
    stands with its old time; a session without a bar has no quotes, as if the symbol were halted.
    """

    def __init__(self, bars: Bars, half_spread_bps: float = HALF_SPREAD_BPS) -> None:
        self._bars = bars
        self._position = {symbol: i for i, symbol in enumerate(bars.symbols)}
        self._half_spread = decimal(half_spread_bps) / 10_000
        self._paths: dict[int, list[Leg]] = {}

    def symbols(self) -> Sequence[str]:
        return self._bars.symbols

    def quote(self, symbol: str, at: datetime) -> Quote | None:
        for row in reversed(self._rows(symbol, date.min, at.date())):
            legs = self._legs(row)
            if legs and legs[0].begins <= at:
                leg = next(leg for leg in reversed(legs) if leg.begins <= at)
                return leg.quote(leg.price(at), min(at, leg.ends))
        return None

    def span(self, symbol: str, after: datetime, until: datetime) -> list[Leg]:
        rows = self._rows(symbol, after.date(), until.date())
        return [leg for row in rows for leg in self._legs(row) if leg.ends >= after and leg.begins <= until]

    def bars(self, symbol: str, first: date, last: date, at: datetime) -> list[DayBar]:
        rows = self._rows(symbol, first, min(last, at.date()))
        return [bar for row in rows for bar in self._bar(row, at)]

    def _rows(self, symbol: str, first: date, last: date) -> range:
        """The rows of the symbol's bars dated first..last; none for a symbol that is not here."""
        if symbol not in self._position or last < first:
            return range(0)
        begin, end = self._bars.offsets[self._position[symbol] :][:2]
        days = [number(first), number(last) + 1]
        return range(*(int(begin + i) for i in np.searchsorted(self._bars.date[begin:end], days)))

    def _legs(self, row: int) -> list[Leg]:
        """The row's path; the latest rows asked for are remembered."""
        if row not in self._paths:
            if len(self._paths) >= REMEMBERED:
                self._paths.clear()
            self._paths[row] = self._path(row)
        return self._paths[row]

    def _path(self, row: int) -> list[Leg]:
        """The row's session in three legs; none where the calendar knows no session that day."""
        day = hours(CALENDAR, day_of(self._bars.date[row]))
        if day is None:
            return []
        third = (day[1] - day[0]) / 3
        times = (day[0], day[0] + third, day[0] + 2 * third, day[1])
        prices = [decimal(getattr(self._bars, name)[row]) for name in ("open", "low", "high", "close")]
        size = max(100, int(self._bars.volume[row] / 1000) // 100 * 100)
        return [Leg(times[i], times[i + 1], prices[i], prices[i + 1], self._half_spread, size) for i in range(3)]

    def _bar(self, row: int, at: datetime) -> Iterator[DayBar]:
        legs = self._legs(row)
        if not legs or at < legs[0].begins:
            return
        day, values = day_of(self._bars.date[row]), [float(getattr(self._bars, n)[row]) for n in DayBar._fields[1:]]
        if at >= legs[-1].ends:
            yield DayBar(day, *values)
            return
        seen = [float(price) for leg in legs if leg.begins <= at for price in (leg.first, leg.price(at))]
        passed = (at - legs[0].begins) / (legs[-1].ends - legs[0].begins)
        yield DayBar(day, values[0], max(seen), min(seen), seen[-1], float(int(values[-1] * passed)))


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
