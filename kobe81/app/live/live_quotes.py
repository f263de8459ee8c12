"""Live quotes for the exchange within: what a feed showed, look by look, as the path that orders meet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from kobe81.core import decisions
from kobe81.core.clock import Clock
from kobe81.core.ports import BrokerError, Feed
from kobe81.execution.exchange.quotes import BarQuotes, DayBar, Leg, Quote

LOOK_EVERY = 1.0
"""Seconds between two questions about a symbol."""
KEPT = 2
"""Legs of a symbol that are remembered: what was matched once is not asked for again."""
SIZE = 100
"""Shares at bid and ask; the feed's quotes do not say."""


class LiveQuotes:
    """A source of quotes for symbols that the bars know; between two looks the price goes straight.

    A feed that does not answer shows nothing new: orders rest.
    """

    def __init__(self, feed: Feed, history: BarQuotes, clock: Clock) -> None:
        self._feed, self._history, self._clock = feed, history, clock
        self._legs: dict[str, list[Leg]] = {}
        self._looked: dict[str, float] = {}

    def symbols(self) -> Sequence[str]:
        """All symbols of the bars, ascending."""
        return self._history.symbols()

    def quote(self, symbol: str, at: datetime) -> Quote | None:
        """The last quote not after `at`."""
        known = [leg for leg in self._seen(symbol) if leg.begins <= at]
        return known[-1].quote(known[-1].price(at), min(at, known[-1].ends)) if known else None

    def span(self, symbol: str, after: datetime, until: datetime) -> list[Leg]:
        """What was seen from `after` to `until`."""
        return [leg for leg in self._seen(symbol) if leg.ends >= after and leg.begins <= until]

    def bars(self, symbol: str, first: date, last: date, at: datetime) -> list[DayBar]:
        """The bars of the past."""
        return self._history.bars(symbol, first, last, at)

    def _seen(self, symbol: str) -> list[Leg]:
        """The symbol's legs, with whatever is new."""
        now = self._clock.monotonic()
        if now - self._looked.get(symbol, now - LOOK_EVERY) >= LOOK_EVERY:
            self._looked[symbol] = now
            self._look(symbol)
        return self._legs.get(symbol, [])

    def _look(self, symbol: str) -> None:
        try:
            found = self._feed.quotes([symbol]).get(symbol)
        except BrokerError:
            return
        known = self._legs.get(symbol, [])
        if found and (not known or found.at > known[-1].ends):
            self._legs[symbol] = [*known[1 - KEPT :], _leg(known[-1] if known else None, found)]


def _leg(before: Leg | None, quote: decisions.Quote) -> Leg:
    """From the last price seen, of the same day, to the middle of this quote, at its spread."""
    middle = (quote.bid + quote.ask) / 2
    half = (quote.ask - quote.bid) / 2 / middle if middle else Decimal(0)
    if before is None or before.ends.date() != quote.at.date():
        return Leg(quote.at, quote.at, middle, middle, half, SIZE)
    return Leg(before.ends, quote.at, before.last, middle, half, SIZE)
