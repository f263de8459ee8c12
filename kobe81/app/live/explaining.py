"""Explaining: what would be decided at the next open, by the same snapshot and the same `decide` as a runner's scan.

The quotes are those of the last close; everything else is as it stands: rules, book, switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from kobe81.app.live.schedule import EXCHANGE, jobs
from kobe81.app.live.snapshots import Sight
from kobe81.app.live.watchlist import Watchlist, watchlist
from kobe81.core.bars import Bars
from kobe81.core.calendar import sessions
from kobe81.core.clock import SteppedClock
from kobe81.core.days import day
from kobe81.core.decisions import Account, Considered, Decision, Quote
from kobe81.core.errors import DataError
from kobe81.core.events import AccountOpened, Record, SessionOpened
from kobe81.core.money import ZERO, decimal
from kobe81.engine.apply import apply
from kobe81.engine.book import Book
from kobe81.engine.decide import decide
from kobe81.engine.rules import Rules
from kobe81.execution.broker_paper import paper_broker
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.strategies import Strategy

NEXT = timedelta(days=10)
"""Days after the last bar among which there is a session."""


@dataclass
class Closes:
    """A feed that shows the last closes as if they were quoted at an instant."""

    watch: Watchlist
    half_spread_bps: float
    at: datetime
    name: str = "closes"

    def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """Bid and ask half a spread beside the close."""
        half = decimal(self.half_spread_bps) / 10_000
        closes = {s: close for s in symbols if s in self.watch.facts and (close := self.watch.facts[s].close)}
        return {s: Quote(bid=c * (1 - half), ask=c * (1 + half), last=c, at=self.at) for s, c in closes.items()}


def explain(bars: Bars, strategies: Sequence[Strategy], rules: Rules, terms: Terms, book: Book, switch: Path
            ) -> Decision:
    """What the first scan after the last bar would decide at its close. book: empty for an account as terms open it."""
    session = _next(bars)
    watch, job = watchlist(bars, strategies, session), next(j for j in jobs(session) if j.is_scan)
    clock = SteppedClock(job.at)
    begun = _begun(book, session, job.at, decimal(terms.cash))
    exchange = Exchange(BarQuotes(bars, terms.half_spread_bps), clock.now, terms=terms)
    killed = FileKillSwitch(switch)
    sight = Sight(paper_broker(exchange, clock, killed), Closes(watch, terms.half_spread_bps, job.at), killed, clock)
    snapshot = replace(sight.snapshot(begun, watch, job), account=_account(begun))
    exchange.close()
    return decide(begun, snapshot, rules)


def _next(bars: Bars) -> date:
    """The first session after the last bar; DataError where the calendar has none."""
    ends = day(bars.sessions[-1])
    found = [session for session in sessions(EXCHANGE, ends, ends + NEXT) if session > ends]
    if not found:
        raise DataError(f"the exchange's calendar has no session after {ends}; give other bars with --data")
    return found[0]


def _begun(book: Book, session: date, at: datetime, cash: Decimal) -> Book:
    """The book on the morning of a session; with an account, where it has none."""
    if book.cash is None:
        book = apply(book, Record(seq=book.seq + 1, time=at, cause=0, event=AccountOpened(account="paper", cash=cash)))
    if book.session is None or book.session < session:
        opened = SessionOpened(session=session, equity=book.equity or book.cash or ZERO)
        book = apply(book, Record(seq=book.seq + 1, time=at, cause=0, event=opened))
    return book


def _account(book: Book) -> Account:
    """What the broker would say of it."""
    cash = book.cash or ZERO
    return Account(number=book.account, status="ACTIVE", cash=cash, equity=book.equity or cash, buying_power=cash)


def outcome(found: Considered) -> str:
    """What would become of it."""
    if found.intent:
        return f"would {'buy' if found.leg == 'entry' else 'sell'} {found.qty}, limit {found.limit}"
    return f"refused by {', '.join(v.gate for v in found.refusals)}"
