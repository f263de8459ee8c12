"""Parity: the same sessions through the backtest, and every difference to what was done, explained or not.

An explanation is checked, not guessed: a price differs because the quote of the scan did, which the journal has; shares
differ because the order was sized at that quote or filled in part; a trade is missing because a gate refused it, in
words. What nothing explains fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from kobe81.app.live.replay import Made, decisions, differ
from kobe81.app.live.watchlist import watchlist
from kobe81.backtest.decided import History
from kobe81.backtest.engine import Account, fee_table
from kobe81.core.bars import Bars
from kobe81.core.days import number
from kobe81.core.decisions import Decision, Quote
from kobe81.core.errors import DataError
from kobe81.core.events import Filled, Intended, OrderMoved, Record
from kobe81.core.money import ZERO
from kobe81.core.orders import TERMINAL, Fill, Intent

UNEXPLAINED = "UNEXPLAINED"


@dataclass(frozen=True)
class Difference:
    """One thing that live and the backtest did otherwise. why begins with UNEXPLAINED where nothing explains it."""

    session: date
    symbol: str
    what: str
    live: str
    backtest: str
    why: str

    @property
    def explained(self) -> bool:
        """Whether there is a reason that the journal bears out."""
        return not self.why.startswith(UNEXPLAINED)


@dataclass
class Deed:
    """What one side did in one symbol on one day and leg."""

    qty: Decimal = ZERO
    value: Decimal = ZERO
    prices: list[Decimal] = field(default_factory=list)
    intent: Intent | None = None
    quote: Quote | None = None

    @property
    def price(self) -> Decimal:
        """The mean price."""
        return self.value / self.qty if self.qty else ZERO

    def add(self, fill: Fill) -> None:
        """One more fill."""
        self.qty, self.value = self.qty + fill.qty, self.value + fill.qty * fill.price
        self.prices.append(fill.price)

    def __str__(self) -> str:
        return f"{self.qty:f} at {self.price:.4f}"


Deeds = dict[tuple[date, str, str], Deed]
"""By session, symbol and leg."""


@dataclass
class Parity:
    """What was compared, and what differed."""

    first: date
    last: date
    decisions: int = 0
    same: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything that differs is explained."""
        return all(d.explained for d in self.differences)


def differences(found: Parity) -> list[str]:
    """What differed, for people: what was done on each side, and why."""
    return [f"{d.session} {d.symbol} {d.what}: {d.live} live, {d.backtest} in the backtest; {d.why}"
            for d in found.differences]


def parity(records: Sequence[Record], bars: Bars, first: date, last: date, slippage_bps: float) -> Parity:
    """Compare the sessions first..last of a journal with the backtest on these bars.

    DataError where the journal has no decision in them, or the account did not begin them flat.
    """
    days = [d for d in sorted({m.decision.session for m in decisions(records, _all(records))}) if first <= d <= last]
    made = list(decisions(records, days))
    if not made:
        raise DataError(f"the journal has no decision from {first} to {last}")
    begin = made[0].book
    if begin.positions:
        raise DataError(f"the account held {', '.join(sorted(begin.positions))} when {days[0]} began; compare from a "
                        f"session that began flat")
    found = Parity(days[0], days[-1], len(made))
    for m in made:
        found.differences += _signals(m, bars)
    backtest = _backtest(bars, made, begin.cash or ZERO, slippage_bps)
    live, history = _live(records, made, days), _history(backtest)
    both = _Both(made, backtest, _ends(records))
    for key in sorted({*live, *history}):
        differing = list(both.compare(key, live.get(key), history.get(key)))
        found.same += not differing
        found.differences += differing
    return found


def _all(records: Iterable[Record]) -> list[date]:
    from kobe81.core.events import SessionOpened

    return [r.event.session for r in records if isinstance(r.event, SessionOpened)]


def _signals(made: Made, bars: Bars) -> Iterator[Difference]:
    """A candidate that the strategies do not give on these bars is a difference nothing explains."""
    if not made.snapshot.entries:
        return
    again = watchlist(bars, made.strategies, made.snapshot.session)
    wrong = differ(made.snapshot.candidates, again.candidates)
    if wrong:
        why = "the bars are others now" if again.bars != made.snapshot.bars else "the strategies answer otherwise"
        yield Difference(made.decision.session, wrong.partition(" ")[0], "signals",
                         f"{len(made.snapshot.candidates)} candidates", f"{len(again.candidates)} candidates",
                         f"{UNEXPLAINED}: {wrong}; {why}")


def _backtest(bars: Bars, made: Sequence[Made], cash: Decimal, slippage_bps: float) -> History:
    account = Account(cash=float(cash), slippage_bps=slippage_bps)
    position = bars.sessions.searchsorted
    begin, end = (int(position(number(m.decision.session))) for m in (made[0], made[-1]))
    run = History.of(bars, made[0].strategies, account, made[0].rules, fee_table(bars, account))
    return run.run(begin, end)


def _live(records: Iterable[Record], made: Sequence[Made], days: Sequence[date]) -> Deeds:
    """What the journal says was traded."""
    quotes = {i.id: m.snapshot.quotes.get(i.symbol) for m in made for i in m.decision.intents}
    intents = {r.event.intent.id: r.event.intent for r in records if isinstance(r.event, Intended)}
    return _deeds(((r.event.fill, intents.get(r.event.fill.order)) for r in records if isinstance(r.event, Filled)),
                  days, quotes)


def _history(run: History) -> Deeds:
    """What the backtest traded."""
    quotes = {i.id: m.quotes.get(i.symbol) for m, d in zip(run.snapshots, run.decisions, strict=True)
              for i in d.intents}
    return _deeds(run.fills, None, quotes)


def _deeds(fills: Iterable[tuple[Fill, Intent | None]], days: Sequence[date] | None,
           quotes: dict[str, Quote | None]) -> Deeds:
    from kobe81.app.live.schedule import session_at

    deeds: Deeds = {}
    for fill, intent in fills:
        session = session_at(fill.at)
        if days is None or session in days:
            deed = deeds.setdefault((session, fill.symbol, intent.leg if intent else "unknown"), Deed())
            deed.add(fill)
            deed.intent, deed.quote = intent, quotes.get(fill.order)
    return deeds


def _ends(records: Iterable[Record]) -> dict[str, OrderMoved]:
    """How each order ended that did not end by filling."""
    moves = (r.event for r in records if isinstance(r.event, OrderMoved))
    return {move.order: move for move in moves if move.state in TERMINAL}


@dataclass(frozen=True)
class _Both:
    """What either side decided; ends: how live orders ended."""

    made: Sequence[Made]
    run: History
    ends: Mapping[str, OrderMoved]

    def compare(self, key: tuple[date, str, str], live: Deed | None, history: Deed | None) -> Iterator[Difference]:
        """What differs in one deed, and why."""
        session, symbol, leg = key

        def told(what: str, why: str) -> Difference:
            return Difference(session, symbol, f"{leg} {what}", str(live or "–"), str(history or "–"), why)

        if live is None:
            yield told("not done live", _why_not(key, (m.decision for m in self.made), self.ends))
        elif history is None:
            yield told("live only", _why_not(key, self.run.decisions, {}))
        else:
            if live.price != history.price:
                yield told("price", _why_price(leg, live, history))
            if live.qty != history.qty:
                yield told("shares", _why_qty(live, history))


def _why_not(key: tuple[date, str, str], decided: Iterable[Decision], ends: Mapping[str, OrderMoved]) -> str:
    """What the other side has to say: that it refused, that its order did not fill, that it has no such position."""
    session, symbol, leg = key
    seen = [c for d in decided if d.session == session for c in d.considered if (c.symbol, c.leg) == (symbol, leg)]
    unfilled = [ends[c.intent] for c in seen if c.intent is not None and c.intent in ends]
    if unfilled:
        return f"ordered, and nothing filled ({unfilled[-1].state}: {unfilled[-1].reason})"
    refusals = [f"{v.gate}: {v.reason}" for c in seen for v in c.refusals]
    if refusals:
        return f"refused there ({refusals[0]})"
    if leg != "entry":
        return "the other side does not hold the position, or left it otherwise: see its entry and exits"
    return f"{UNEXPLAINED}: the other side did not consider it"


def _why_price(leg: str, live: Deed, history: Deed) -> str:
    """The scan's quote against the bar, where the fill is inside what the order allowed."""
    intent, quote = live.intent, live.quote
    if leg == "stop":
        return (f"stop at {intent.stop}: filled at the quote when the price went through it" if intent and intent.stop
                else f"{UNEXPLAINED}: no stop price")
    if intent is None or quote is None or intent.limit is None:
        return f"{UNEXPLAINED}: no quote in the journal"
    kept = max(live.prices) <= intent.limit if intent.side == "buy" else min(live.prices) >= intent.limit
    if not kept:
        return f"{UNEXPLAINED}: filled beyond its limit {intent.limit}"
    bar = history.quote.last if history.quote else None
    return f"quote against bar: {quote.bid}/{quote.ask} when it was decided, the bar's price is {bar:.4f}"


def _why_qty(live: Deed, history: Deed) -> str:
    if live.intent and live.qty < live.intent.qty:
        return f"partial fill: {live.qty:f} of {live.intent.qty} shares"
    if live.intent and history.intent and live.intent.leg == "entry" and live.qty == live.intent.qty:
        return f"sized at the quote: the order was limited at {live.intent.limit}, the backtest's at " \
               f"{history.intent.limit}"
    if live.intent and live.intent.leg != "entry":
        return "as many as the entry had bought"
    return f"{UNEXPLAINED}: {live.qty:f} against {history.qty:f} shares"
