"""The embedded default: an exchange in this process, its account kept in the home folder, its quotes made from bars or
taken from a live feed. It needs no account, no key and no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kobe81.app.live.config import LiveConfig
from kobe81.app.live.live_quotes import LiveQuotes
from kobe81.app.live.schedule import session_at
from kobe81.app.live.station import Market
from kobe81.core.bars import Bars
from kobe81.core.clock import Clock
from kobe81.core.decisions import Quote
from kobe81.core.ports import Feed
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.broker_paper import InProcess, paper_broker
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes, QuoteSource
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request, Response

STORE = "exchange.db"


@dataclass
class Embedded:
    """An exchange that is opened when it is first asked, which is when the lead has been taken."""

    quotes: QuoteSource
    terms: Terms
    clock: Clock
    store: Path

    @cached_property
    def exchange(self) -> Exchange:
        """The exchange."""
        return Exchange(self.quotes, self.clock.now, store=self.store, terms=self.terms)

    def handle(self, request: Request) -> Response:
        """One request."""
        return self.exchange.handle(request)

    def close(self) -> None:
        """Let go of the file, where it was opened."""
        if "exchange" in vars(self):
            self.exchange.close()


@dataclass
class Todays:
    """A feed without the quotes that other days have left behind."""

    feed: Feed
    clock: Clock
    name: str = "bars"

    def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """The latest quotes of this session."""
        today = session_at(self.clock.now())
        return {s: quote for s, quote in self.feed.quotes(symbols).items() if session_at(quote.at) == today}


def embedded(config: LiveConfig, bars: Bars, folder: Path, clock: Clock, live: Feed | None = None) -> Embedded:
    """The exchange of a home folder. live: where its quotes come from; the bars where there is none."""
    quotes = BarQuotes(bars, config.paper.half_spread_bps)
    return Embedded(LiveQuotes(live, quotes, clock) if live else quotes, config.paper, clock, folder / STORE)


def paper(config: LiveConfig, exchange: Embedded, account: str, bars: Callable[[], Bars], live: Feed | None = None, *,
          reduce_only: bool = False) -> Market:
    """The market that this exchange is."""
    clock = exchange.clock
    feed = live or Todays(AlpacaFeed(InProcess(exchange, clock), clock, "iex"), clock)
    return Market(lambda switch: paper_broker(exchange, clock, switch), feed, bars, config.strategies,
                  config.rules(account, reduce_only=reduce_only), "paper")
