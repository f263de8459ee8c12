"""A home with a runner in it, on a market worked out by hand: it can be killed between any two steps, and its exchange
misbehaves by script.

The sessions run from 2026-10-01 to 2026-12-04; the 26th of November is closed, the 27th closes at 13:00. Each symbol
stands at $50, rises to its breakout's close on one day and stays there: a candidate on the session after it, and never
again. A breakout to $52.50 is 2.0 above a channel at $50.50 whose ATR is 1.0, so its score is 2.0 and its stop $50.50.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from kobe81.app.live.runner import Runner
from kobe81.app.live.schedule import jobs
from kobe81.app.live.station import Listener, Market, Places, station
from kobe81.core.bars import FIELDS, Bars
from kobe81.core.calendar import sessions
from kobe81.core.clock import SteppedClock, utc
from kobe81.core.days import number
from kobe81.core.events import Alerted, AnyEvent, Decided, Filled, Intended, JobDone, Record
from kobe81.engine.rules import Rules
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.broker_paper import InProcess, paper_broker
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.misbehave import Fault, Misbehaviour, Rule, Script, instead, spoiled
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request, Response
from kobe81.store.journal import open_journal
from kobe81.strategies import Strategy
from kobe81.strategies.donchian import Donchian

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2026, 10, 1), date(2026, 12, 4)
FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, d) for d in (20, 23, 24, 25))
HALF_DAY = date(2026, 11, 27)
PLAIN = Terms(partial_fill_probability=0.0)
RULES = Rules.of({"account": "trial", "trading": {"notional": 500}, "gates": {"policy_gate": {"max_order": "600"}}})
DONCHIAN = Donchian(lookback=3, trend=5, atr=3, hold=2)
BREAKOUTS = {"ACME": FRIDAY}
E = TypeVar("E")


def made_bars(breakouts: Mapping[str, date] = BREAKOUTS, *, closes: float = 52.5, volume: float = 1e6,
              last: date = LAST, changed: Mapping[tuple[str, date], tuple[float, ...]] | None = None) -> Bars:
    """The market above; changed: open, high, low, close of single bars."""
    days = sessions("XNYS", FIRST, last)
    rows = [(changed or {}).get((symbol, day)) or _bar(day, breakout, closes)
            for symbol, breakout in sorted(breakouts.items()) for day in days]
    values = np.array([(*row, volume) for row in rows])
    dates = np.array([number(day) for _ in breakouts for day in days], np.int32)
    fields = {name: values[:, i].copy() for i, name in enumerate(FIELDS)}
    return Bars.of(sorted(breakouts), np.arange(len(breakouts) + 1, dtype=np.int64) * len(days), dates, fields)


def _bar(day: date, breakout: date, closes: float) -> tuple[float, ...]:
    if day < breakout:
        return (50.0, 50.5, 49.5, 50.0)
    return (50.0, closes, 50.0, closes) if day == breakout else (closes, closes + 0.1, closes - 0.5, closes)


class Killed(BaseException):
    """The process is gone."""


class MortalClock(SteppedClock):
    """A stepped clock whose owner dies when it asks for the so manieth time, as it does before each record."""

    dies_at, asked = 0, 0

    def now(self) -> datetime:
        self.asked += 1
        if self.dies_at and self.asked == self.dies_at:
            raise Killed
        return super().now()

    def jump(self, seconds: float) -> None:
        """The wall clock alone moves."""
        self._now += timedelta(seconds=seconds)


class Immortal:
    """The same time, asked for by those who do not die of it."""

    def __init__(self, clock: MortalClock) -> None:
        self._clock, self.monotonic, self.sleep = clock, clock.monotonic, clock.sleep

    def now(self) -> datetime:
        return SteppedClock.now(self._clock)


class Troubled:
    """An exchange whose answers go wrong by script. asked: every request."""

    def __init__(self, exchange: Exchange, *rules: Rule) -> None:
        self.exchange, self.asked = exchange, list[Request]()
        self.misbehaviour = Misbehaviour(Script(rules))

    def follow(self, *rules: Rule) -> None:
        """Another script from now on."""
        self.misbehaviour.follow(Script(rules))

    def handle(self, request: Request) -> Response:
        self.asked.append(request)
        due = self.misbehaviour.due(request.method, request.path, request.query.get("client_order_id", ""))
        return instead(request, due, 0.0) or spoiled(self.exchange.handle(request), due)

    @property
    def posted(self) -> int:
        """Orders it was sent."""
        return sum(request.method == "POST" for request in self.asked)


IN_LOCK = 2
"""How often taking the lead asks for the time. Who dies in it lets go of the file only with its whole process."""
DOWN = Rule(fault=Fault.STATUS, status=503)
"""Nothing is answered."""


@dataclass
class Home:
    """A folder, a clock, and what is traded. Each `runner()` is a process."""

    folder: Path
    begins: str = "2026-11-23 08:00"
    bars: Bars = field(default_factory=made_bars)
    strategies: Sequence[Strategy] = (DONCHIAN,)
    rules: Rules = RULES
    terms: Terms = PLAIN
    script: tuple[Rule, ...] = ()
    listeners: Sequence[Listener] = ()
    dies_sending: bool = False
    """Whether a process may die between the record that an order is sent and its first byte; then it is lost."""

    def __post_init__(self) -> None:
        self.clock = MortalClock(at(self.begins))
        self.places = Places(self.folder)

    @contextmanager
    def exchange(self) -> Iterator[Troubled]:
        """The exchange, with its books of the processes before."""
        exchange = Exchange(BarQuotes(self.bars, self.terms.half_spread_bps), Immortal(self.clock).now,
                            store=self.folder / "exchange.db", terms=self.terms)
        try:
            yield Troubled(exchange, *self.script)
        finally:
            exchange.close()

    @contextmanager
    def runner(self) -> Iterator[tuple[Runner, Troubled]]:
        """A process: a runner that has started, and its way to the exchange."""
        with self.exchange() as troubled:
            clock = self.clock if self.dies_sending else Immortal(self.clock)
            market = Market(lambda switch: paper_broker(troubled, clock, switch),
                            AlpacaFeed(InProcess(troubled, clock), clock, "iex"), lambda: self.bars, self.strategies,
                            self.rules, "paper")
            with station(self.places, market, self.clock, self.listeners) as runner:
                yield runner, troubled

    def step(self, runner: Runner, *moments: str | datetime) -> None:
        """Let the runner look at each of these moments."""
        for moment in moments:
            self.clock.move_to(at(moment))
            runner.step()

    def look(self, runner: Runner, seconds: float) -> None:
        """Let the runner look every second for so long."""
        for _ in range(int(seconds)):
            self.clock.sleep(1.0)
            runner.step()

    def play(self, days: Sequence[date]) -> None:
        """Whole days in one process."""
        with self.runner() as (runner, _):
            self.step(runner, *(moment for day in days for moment in looks(day)))

    def step_and_die(self, moment: str | datetime, dies_at: int) -> bool:
        """A look by a process that dies when it asks the time the so manieth time, and by another if so; whether."""
        self.clock.move_to(at(moment))
        self.clock.asked, self.clock.dies_at = -IN_LOCK, dies_at
        try:
            with self.runner() as (runner, _):
                runner.step()
        except Killed:
            self.clock.dies_at = 0
            with self.runner() as (runner, _):
                runner.step()
            return True
        return False

    @property
    def records(self) -> list[Record]:
        """The journal."""
        journal = open_journal(self.places.journal, SteppedClock(at(self.begins)))
        try:
            return list(journal.since(0))
        finally:
            journal.close()

    def events(self, kind: type[E]) -> list[E]:
        """What the journal has of one kind of event."""
        return [r.event for r in self.records if isinstance(r.event, kind)]

    @property
    def jobs(self) -> list[tuple[str, str]]:
        """What was done: job and outcome, with the day where there are several."""
        return [(event.job, event.outcome) for event in self.events(JobDone)]

    def alerts(self, severity: str) -> list[str]:
        """What people were told."""
        return [event.text for event in self.events(Alerted) if event.severity == severity]

    @property
    def refusals(self) -> set[str]:
        """The gates that denied anything."""
        return {v.gate for event in self.events(Decided) for c in event.decision.considered for v in c.refusals}

    @property
    def traded(self) -> list[tuple[str, str, Decimal, Decimal, str]]:
        """Every fill: symbol, leg, shares, price, New York time."""
        legs = {event.intent.id: event.intent.leg for event in self.events(Intended)}
        return [(f.symbol, legs.get(f.order, "unknown"), f.qty, f.price, f"{f.at.astimezone(NEW_YORK):%d %H:%M}")
                for f in (event.fill for event in self.events(Filled))]


def at(moment: str | datetime) -> datetime:
    """An instant; as text in New York time, as 2026-11-23 09:35, or 23 09:35 for November 2026."""
    if isinstance(moment, datetime):
        return moment
    text = moment if moment.count("-") else f"2026-11-{moment}"
    return utc(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK))


def looks(day: date) -> list[datetime]:
    """When something is due on that day, and two looks more: between the scans, and in the evening."""
    due = [job.at for job in jobs(day)]
    return sorted({*due, due[2] + timedelta(minutes=30), due[-1] + timedelta(minutes=1)})


def worth(done: Home) -> dict[str, Any]:
    """What a run came to, whoever was killed on the way: jobs, fills and the orders that were no stops."""
    jobs_done = [(event.session, event.job, event.outcome) for event in done.events(JobDone)]
    orders = [(i.id, i.qty, i.limit) for i in (event.intent for event in done.events(Intended)) if i.leg != "stop"]
    return {"jobs": jobs_done, "orders": orders, "fills": done.traded}


def people(home: Home, *events: AnyEvent) -> None:
    """What somebody else writes into the journal meanwhile."""
    journal = open_journal(home.places.journal, home.clock)
    journal.append(*events)
    journal.close()
