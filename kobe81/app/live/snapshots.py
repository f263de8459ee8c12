"""Snapshots: what a scan sees, asked of feed, broker, switch and clock. What cannot be had is left out, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import TypeVar

from kobe81.app.live.schedule import EXCHANGE, Job
from kobe81.app.live.watchlist import Watchlist
from kobe81.core.calendar import hours
from kobe81.core.clock import Clock
from kobe81.core.decisions import Quote, Snapshot
from kobe81.core.ports import Broker, BrokerError, Feed, KillSwitch
from kobe81.engine.book import Book

T = TypeVar("T")


@dataclass
class _Asked:
    """Questions, and what became of those that nobody answered."""

    missing: list[str] = field(default_factory=list)

    def of(self, question: Callable[[], T], otherwise: T) -> T:
        """The answer, or `otherwise`, which gates take for unknown."""
        try:
            return question()
        except BrokerError as error:
            self.missing.append(str(error))
            return otherwise


@dataclass(frozen=True)
class Sight:
    """Where a scan looks."""

    broker: Broker
    feed: Feed
    switch: KillSwitch
    clock: Clock

    def snapshot(self, book: Book, watch: Watchlist, job: Job) -> Snapshot:
        """What a scan sees now."""
        asked, candidates = _Asked(), watch.candidates if job.entries else ()
        symbols = sorted({c.symbol for c in candidates} | set(book.positions))
        quotes = asked.of(lambda: self.feed.quotes(symbols), dict[str, Quote]())
        account = asked.of(self.broker.account, None)
        barred = self._untradable(asked, (c.symbol for c in candidates if c.symbol in quotes))
        held = {s: watch.held(s, p.entered, trades_today=s in quotes) for s, p in book.positions.items()}
        opens, closes = self._hours(asked, watch.session)
        return Snapshot(
            session=watch.session, scan=job.scan, at=self.clock.now(), entries=job.entries, exits=job.exits,
            opens=opens, closes=closes, bars=watch.bars, candidates=candidates, quotes=quotes,
            facts={s: watch.facts[s] for s in symbols if s in watch.facts}, held=held, account=account,
            killed=self._killed(book), untradable=barred, missing=tuple(asked.missing))

    def bare(self, book: Book, session: date) -> Snapshot:
        """What a restart sees: enough to put stops where there are none."""
        asked = _Asked()
        opens, closes = hours(EXCHANGE, session) or (None, None)
        return Snapshot(session=session, scan="restart", at=self.clock.now(), entries=False, exits=False, opens=opens,
                        closes=closes, bars="", candidates=(), quotes={}, facts={}, held={},
                        account=asked.of(self.broker.account, None), killed=self._killed(book),
                        missing=tuple(asked.missing))

    def _killed(self, book: Book) -> bool:
        """Whether the switch exists, or was seen and nobody lifted it: a deleted file is not a person with a reason."""
        return bool(self.switch.engaged() or book.killed)

    def _hours(self, asked: _Asked, session: date) -> tuple[datetime | None, datetime | None]:
        """The session's hours; none while the broker says that its market is closed, or does not say."""
        found = hours(EXCHANGE, session)
        if found is None:
            return None, None
        is_open = asked.of(self.broker.market_open, False)
        if not is_open and found[0] <= self.clock.now() < found[1]:
            asked.missing.append("the broker's market is closed although the calendar says that it is open")
        return found if is_open else (None, None)

    def _untradable(self, asked: _Asked, symbols: Iterable[str]) -> dict[str, str]:
        answers = {s: asked.of(partial(self.broker.tradable, s), "the broker does not say") for s in set(symbols)}
        return {s: why for s, why in sorted(answers.items()) if why}
