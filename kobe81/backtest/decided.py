"""History through the decision path: the same `apply` and `decide` as on paper and live, with a SimBroker behind them.

Slower than the kernel and with every gate asked. Without gates it gives the kernel's trades, which a test holds it to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np

from kobe81.backtest.engine import (
    Account,
    Backtest,
    Fills,
    check_defined,
    check_length,
    compute_signals,
    fee_table,
    make_curve,
    mark,
)
from kobe81.backtest.excursions import with_excursions
from kobe81.backtest.orders import END, STOP, TARGET, TIME
from kobe81.backtest.results import Trades
from kobe81.backtest.sim_broker import Bar, SimBroker
from kobe81.core.bars import Bars, Floats, Ints
from kobe81.core.calendar import hours
from kobe81.core.days import day, number
from kobe81.core.decisions import Account as Worth
from kobe81.core.decisions import Candidate, Decision, Quote, Snapshot
from kobe81.core.errors import UsageError
from kobe81.core.events import (
    AccountOpened,
    AnyEvent,
    BreakerReset,
    Decided,
    Filled,
    Intended,
    OrderMoved,
    Record,
    SessionOpened,
    Tripped,
)
from kobe81.core.money import ZERO, decimal
from kobe81.core.orders import Fill, Intent, State
from kobe81.core.signals import LONG, Signals
from kobe81.engine.apply import apply
from kobe81.engine.book import Book, ClosedTrade
from kobe81.engine.candidates import Measured, candidates
from kobe81.engine.decide import approved, decide, protect, withdrawals
from kobe81.engine.rules import Rules
from kobe81.strategies import Strategy

REASONS = {"stop": STOP, "target": TARGET, "time": TIME, "end": END}
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
BEFORE_CLOSE = timedelta(minutes=5)
OUTSIDE = (time(14, 30, tzinfo=UTC), time(21, 0, tzinfo=UTC))
"""Hours of a session that the exchange's calendar does not know."""


@dataclass(frozen=True)
class _Answers:
    """A strategy's signals; entering: for each session, the signals (positions) whose symbol's next bar is there."""

    signals: Signals
    hold: int
    entering: list[Ints]

    @classmethod
    def of(cls, bars: Bars, strategy: Strategy, signals: Signals) -> _Answers:
        """UsageError where a signal's numbers are none."""
        check_defined(strategy, signals)
        return cls(signals, strategy.hold, _arrivals(bars, signals))


@dataclass
class History:
    """One pass through history: an account, and what happened to it so far.

    decisions and snapshots stand side by side; fills with the orders they belong to.
    """

    bars: Bars
    answers: list[_Answers]
    rules: Rules
    broker: SimBroker
    measured: Measured
    book: Book = field(default_factory=Book)
    moment: datetime = BEFORE_ALL
    closed: list[ClosedTrade] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    decisions: list[Decision] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    fills: list[tuple[Fill, Intent]] = field(default_factory=list)

    @classmethod
    def of(cls, bars: Bars, strategies: Sequence[Strategy], account: Account, rules: Rules, fees: Floats) -> History:
        """An account with its full cash and nothing else."""
        found = zip(strategies, compute_signals(bars, strategies), strict=True)
        answers = [_Answers.of(bars, strategy, signals) for strategy, signals in found]
        broker = SimBroker(bars, account.slippage_bps / 10_000.0, fees)
        run = cls(bars, answers, rules, broker, Measured.of(bars))
        run.tell(AccountOpened(account="sim", cash=decimal(account.cash)))
        return run

    def run(self, first: int, last: int) -> History:
        """Trade the sessions first..last (positions in bars.sessions)."""
        for d in range(first, last + 1):
            self.session(d)
        return self

    def tell(self, *events: AnyEvent) -> None:
        """Events happen: the book follows."""
        for event in events:
            if isinstance(event, Filled):
                self.fills.append((event.fill, self.book.orders[event.fill.order].intent))
            record = Record(seq=self.book.seq + 1, time=self.moment, cause=0, event=event)
            self.book = apply(self.book, record)

    def session(self, d: int) -> None:
        """One trading day, in the order of docs/spec.md, Portfolio mode."""
        today = day(self.bars.sessions[d])
        opens, closes = hours("XNYS", today) or tuple(datetime.combine(today, at) for at in OUTSIDE)
        self.moment = opens
        self.tell(SessionOpened(session=today, equity=self._equity(d - 1)))
        self.tell(*self.broker.gaps(self.book, d, today, opens))
        self._scan(d, self._snapshot(d, "1", opens, (opens, closes), entries=True))
        for stop in self.broker.stops(self.book, d, opens):
            self.tell(stop)
        for i, (symbol, price) in enumerate(list(self.broker.targets(self.book, d))):
            self._scan(d, self._snapshot(d, f"t{i}", opens, (opens, closes), reached={symbol: price}))
        self.moment = closes - BEFORE_CLOSE
        if self.book.positions:
            self._scan(d, self._snapshot(d, "3", self.moment, (opens, closes), exits=True))
        self.closed.extend(self.book.closed)

    def _scan(self, d: int, snapshot: Snapshot) -> None:
        """Withdraw, decide, send, protect: what a scan does everywhere."""
        for stop in withdrawals(self.book, snapshot):
            self.tell(OrderMoved(order=stop.intent.id, state=State.CANCELLED))
        decision = decide(self.book, snapshot, self.rules)
        self.decisions.append(decision)
        self.snapshots.append(snapshot)
        self._send(decision, snapshot, d)
        for considered in decision.considered:
            self.refusals.update({v.gate for v in considered.refusals})
        if any(p.protect is not None and not self.book.open_orders(s) for s, p in self.book.positions.items()):
            self._send(protect(self.book, snapshot, self.rules), snapshot, d)

    def _send(self, decision: Decision, snapshot: Snapshot, d: int) -> None:
        self.tell(Decided(decision=decision))
        if decision.trip:
            self.tell(Tripped(reason=decision.trip))
        if decision.reset:
            self.tell(BreakerReset(reason=decision.reset))
        self.tell(*(Intended(intent=i) for i in decision.intents), *self.broker.take(approved(decision)))
        for intent in decision.intents:
            if intent.leg != "stop":
                quote = snapshot.quotes[intent.symbol]
                price = quote.ask if intent.side == "buy" else quote.bid
                self.tell(self.broker.fill(intent, price, d, snapshot.at))

    def _snapshot(self, d: int, scan: str, at: datetime, open_hours: tuple[datetime, datetime], *,
                  entries: bool = False, exits: bool = False, reached: dict[str, float] | None = None) -> Snapshot:
        """What this moment shows: prices at the open or the close, or of the symbols whose target is reached."""
        found, rows = self._arriving(d) if entries else ([], {})
        symbols = [*rows, *self.book.positions] if reached is None else list(reached)
        today = {s: b for s in symbols if (b := self.broker.bar(s, d)) and not (entries and self._at_target(s, b))}
        prices = reached or {s: b.close if exits else b.open for s, b in today.items()}
        quotes: dict[str, Quote] = {s: self.broker.quote(price, at) for s, price in prices.items()}
        cash, equity = self.book.cash or ZERO, self.book.start_equity or ZERO
        held = {s: self.broker.bars_held(s, int(self.bars.sessions.searchsorted(number(p.entered))), d)
                for s, p in self.book.positions.items() if s in today}
        return Snapshot(
            session=day(self.bars.sessions[d]), scan=scan, at=at, entries=entries, exits=exits, opens=open_hours[0],
            closes=open_hours[1], bars="", candidates=tuple(found), quotes=quotes,
            facts={s: self.measured.at(row) for s, row in rows.items()}, held=held,
            account=Worth(number="sim", status="ACTIVE", cash=cash, equity=equity, buying_power=cash), killed=False,
            ending=tuple(s for s, b in today.items() if self.broker.ends(b)) if exits else ())

    def _at_target(self, symbol: str, bar: Bar) -> bool:
        """Whether a position opens at its target or above: it leaves in the course of the day, after its stop was
        looked at, and frees nothing for the open. So the opening scan is shown no price of it."""
        held = self.book.positions.get(symbol)
        return held is not None and held.target is not None and bar.open >= float(held.target)

    def _arriving(self, d: int) -> tuple[list[Candidate], dict[str, int]]:
        """The candidates of a session, and the row of each symbol's signal."""
        found: list[Candidate] = []
        rows: dict[str, int] = {}
        for a in self.answers:
            new = candidates(self.bars, a.signals, a.entering[d], a.hold)
            rows |= {c.symbol: int(a.signals.bar[k]) for c, k in zip(new, a.entering[d], strict=True)}
            found += new
        return found, rows

    def _equity(self, d: int) -> Decimal:
        """Cash and positions at the close of session d."""
        held = (p.qty * self.broker.last_close(s, d) for s, p in self.book.positions.items())
        return (self.book.cash or ZERO) + sum(held, ZERO)


def decide_history(bars: Bars, strategy: Strategy, account: Account, rules: Rules) -> Backtest:
    """Trade a strategy over all bars by the decision path; rules: what it decides by, gates included.

    The result's refusals count the gates that denied. UsageError for what the path does not do: shorts, and symbols on
    their own.
    """
    if account.mode != "portfolio" or getattr(strategy, "allow_short", False):
        raise UsageError("the decision path trades one account and buys only; "
                         "use --engine kernel for --mode independent and for allow_short")
    check_length(bars, strategy)
    fees = fee_table(bars, account)
    run = History.of(bars, [strategy], account, rules, fees).run(0, len(bars.sessions) - 1)
    trades = _trades(bars, run.closed)
    daily = mark(bars, Fills.of(bars, trades), np.zeros(len(trades), np.int64), np.zeros(1, np.int64),
                 len(bars.sessions), fees).daily
    return Backtest(bars, strategy, account, run.answers[0].signals, with_excursions(bars, trades),
                    make_curve(daily[:, 0], bars.sessions, account.cash), dict(run.refusals.most_common()))


def _arrivals(bars: Bars, signals: Signals) -> list[Ints]:
    """For each session, the signals (positions) whose symbol's next bar is there."""
    following = signals.bar + 1
    has = following < bars.offsets[bars.symbol_index[signals.bar] + 1]
    at = np.flatnonzero(has & (signals.side == LONG))
    when = bars.session[following[at]]
    order = np.argsort(when, kind="stable")
    borders = np.searchsorted(when[order], np.arange(len(bars.sessions) + 1))
    return [at[order[a:b]] for a, b in pairwise(borders)]


def _trades(bars: Bars, closed: Iterable[ClosedTrade]) -> Trades:
    """The finished trades as arrays, ordered by entry session, then symbol."""
    ordered = sorted(closed, key=lambda t: (t.entered, t.symbol))
    symbol = np.array([bars.symbols.index(t.symbol) for t in ordered], np.int64)

    def rows(days: list[date]) -> Ints:
        return np.array([bars.offsets[s] + bars.date[bars.offsets[s] : bars.offsets[s + 1]].searchsorted(number(d))
                         for s, d in zip(symbol, days, strict=True)], np.int64)

    def column(values: Iterable[Decimal | float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([np.nan if v is None else float(v) for v in values])

    unknown = np.full(len(ordered), np.nan)
    return Trades(
        signal=rows([t.signalled or t.entered for t in ordered]), entry=rows([t.entered for t in ordered]),
        exit=rows([t.left for t in ordered]), side=np.ones(len(ordered), np.int8),
        qty=column(t.qty for t in ordered), entry_price=column(t.entry_price for t in ordered),
        exit_price=column(t.exit_price for t in ordered), stop=column(t.stop for t in ordered),
        target=column(t.target for t in ordered), score=column(t.score for t in ordered),
        fees=column(t.fees for t in ordered), reason=np.array([REASONS[t.leg] for t in ordered], np.int8),
        mae=unknown, mfe=unknown)
