"""Decide: from a book and a snapshot to orders. Pure, and the same in history, on paper and live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from hashlib import sha256

from msgspec.structs import replace

from kobe81.core.approved import Approved, approve
from kobe81.core.decisions import Candidate, Considered, Decision, Quote, Snapshot, encode
from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, ask_all
from kobe81.core.ids import client_order_id, decision_key
from kobe81.core.money import ZERO, decimal, to_tick
from kobe81.core.orders import Intent, Leg, State, TimeInForce
from kobe81.engine.book import Book, Order, Position
from kobe81.engine.circumstances import of_everything, of_symbol, quoted
from kobe81.engine.rules import Rules
from kobe81.risk.circuit_breaker import CircuitBreaker

TRADING_DAYS = 252
PROTECT = "protect"
"""The scan that a decision about stops belongs to."""
LOST_FOR = timedelta(seconds=60)
"""How long a stop may be unknown before it is sent again under its own id."""
STOP_GOOD_FOR = timedelta(days=1)
"""A stop protects as well later; the next session decides it anew."""
MOST_STOPS = 10
"""Stops decided for one symbol in one session at most: a broker that keeps refusing them is a matter for a person."""


def decide(book: Book, snapshot: Snapshot, rules: Rules) -> Decision:
    """What to do in this scan: exits whose time or target has come, then entries, the best candidates first.

    Every candidate and every position due is judged by everything there is, and kept with all verdicts. Within the scan
    each order approved uses up cash, slots, budget and rates for those after it.
    """
    desk = _Desk(book, snapshot, rules, rules.in_force(snapshot.session), of_everything(book, snapshot, rules))
    considered = [*desk.exits(), *desk.entries()]
    trip, reset, kill = desk.breaker()
    return Decision(session=snapshot.session, scan=snapshot.scan, inputs=inputs_digest(book, snapshot, rules),
                    considered=tuple(considered), intents=tuple(desk.intents), trip=trip, reset=reset, kill=kill)


def approved(decision: Decision) -> tuple[Approved[Intent], ...]:
    """The decision's orders, sealed."""
    return tuple(approve(intent) for intent in decision.intents)


def waiting(book: Book) -> tuple[Approved[Intent], ...]:
    """The orders of journaled decisions that were never sent, sealed."""
    return tuple(approve(o.intent) for o in book.orders.values() if o.state is State.INTENT)


def unfound_stops(book: Book, now: datetime) -> tuple[Approved[Intent], ...]:
    """Protective stops sent a while ago that nobody has found since, of positions that are still held, sealed."""
    lost = (o for o in book.orders.values() if o.state is State.UNKNOWN and o.intent.leg == "stop")
    held = {symbol: p.qty for symbol, p in book.positions.items()}
    return tuple(approve(o.intent) for o in lost if o.sent_at is not None and now - o.sent_at >= LOST_FOR
                 and held.get(o.intent.symbol, ZERO) >= o.intent.qty)


def inputs_digest(book: Book, snapshot: Snapshot, rules: Rules) -> str:
    """The hash of everything a decision depends on."""
    return f"sha256:{sha256(encode(snapshot) + encode(book) + rules.digest.encode()).hexdigest()}"


def is_due(position: Position, snapshot: Snapshot) -> Leg | None:
    """Why a position leaves in this scan: its target is reached, its time is up, its symbol's is; None where it stays.

    A time exit that its own session could not fill is due in every later scan.
    """
    quote, held = quoted(snapshot, position.symbol), snapshot.held.get(position.symbol, 0)
    if position.target is not None and quote is not None and quote.last >= position.target:
        return "target"
    if position.hold and held >= position.hold + (0 if snapshot.exits else 1):
        return "time"
    return "end" if snapshot.exits and position.symbol in snapshot.ending else None


def withdrawals(book: Book, snapshot: Snapshot) -> tuple[Order, ...]:
    """The protective stops in the way of positions that are due: to be cancelled before anything else is decided."""
    due = (p.symbol for _, p in sorted(book.positions.items()) if is_due(p, snapshot))
    return tuple(o for symbol in due for o in book.open_orders(symbol) if o.intent.leg == "stop")


def unfound_exits(book: Book, now: datetime) -> tuple[Order, ...]:
    """Exits sent a while ago that nobody has found since: their shares have no stop, and may be sold already."""
    exits = (o for o in book.orders.values() if o.intent.leg in {"time", "target", "end"})
    return tuple(o for o in exits if o.state is State.UNKNOWN and o.sent_at is not None and now - o.sent_at >= LOST_FOR)


def surplus_stops(book: Book) -> tuple[Order, ...]:
    """Open stops for more shares than are held, as a late fill or a sale by hand leaves them: to be cancelled."""
    stops = sorted((o for o in book.orders.values() if o.open and o.intent.leg == "stop"), key=lambda o: o.intent.id)
    left = {symbol: p.qty for symbol, p in book.positions.items()}
    found = []
    for stop in stops:
        left[stop.intent.symbol] = left.get(stop.intent.symbol, ZERO) - (stop.intent.qty - stop.filled)
        if left[stop.intent.symbol] < 0:
            found.append(stop)
    return tuple(found)


def bare(book: Book, position: Position) -> int:
    """Shares of a position that no open order would sell."""
    covered = sum(o.intent.qty - o.filled for o in book.open_orders(position.symbol) if o.intent.side == "sell")
    return int(position.qty - covered)


def needs_stop(book: Book, position: Position) -> bool:
    """Whether a position stands, in part at least, without an order that would close it."""
    return position.protect is not None and bare(book, position) > 0


def protect(book: Book, snapshot: Snapshot, rules: Rules) -> Decision:
    """Stops for the positions that stand without one."""
    desk = _Desk(book, snapshot, rules, rules.in_force(snapshot.session), of_everything(book, snapshot, rules))
    considered = [found for p in sorted(book.positions.values(), key=lambda p: p.symbol) if needs_stop(book, p)
                  for found in desk.stop(p)]
    return Decision(session=snapshot.session, scan=PROTECT, inputs=inputs_digest(book, snapshot, rules),
                    considered=tuple(considered), intents=tuple(desk.intents))


@dataclass
class _Desk:
    """One scan's work: what is judged, and what the orders approved so far have used up."""

    book: Book
    snapshot: Snapshot
    rules: Rules
    gates: tuple[Gate, ...]
    base: Circumstances
    intents: list[Intent] = field(default_factory=list)

    def __post_init__(self) -> None:
        entering = [o for o in self.book.orders.values() if o.open and o.intent.leg == "entry"]
        promised = sum((o.intent.notional - o.value for o in entering), ZERO)
        self.cash = None if self.book.cash is None else self.book.cash - promised
        occupied = {o.intent.symbol for o in entering} | set(self.book.positions)
        self.slots = self.rules.trading.max_positions - len(occupied)

    def breaker(self) -> tuple[str | None, str | None, str | None]:
        """Why the circuit breaker opens now, why it closes, why it sets the kill switch."""
        for gate in self.gates:
            if isinstance(gate, CircuitBreaker):
                return gate.trips(self.base), gate.resets(self.base), gate.kills(self.base)
        return None, None, None

    # exits

    def exits(self) -> Iterator[Considered]:
        """Positions whose time or target has come."""
        for symbol in sorted(self.book.positions):
            position = self.book.positions[symbol]
            leg = is_due(position, self.snapshot)
            if leg:
                yield self._exit(position, leg)

    def _exit(self, position: Position, leg: Leg) -> Considered:
        quote, qty = quoted(self.snapshot, position.symbol), int(position.qty)
        reach = 1 - decimal(self.rules.trading.reach_bps) / 10_000
        limit = to_tick(quote.bid * reach, up=False) if quote and quote.bid > 0 else None
        own = self._standing(position, quote)
        proposal = Proposal(symbol=position.symbol, strategy=position.strategy, side="sell", leg=leg, qty=qty,
                            limit=limit, notional=qty * (limit or ZERO))
        held = self.snapshot.held.get(position.symbol, 0)
        why = {"time": f"held {held} bars of {position.hold}", "target": f"target {position.target} reached"}.get(
            leg, f"{position.symbol} trades for the last time")
        return self._judge(proposal, own, why, None, tif="ioc", scan=self.snapshot.scan)

    def _standing(self, position: Position, quote: Quote | None) -> list[Verdict]:
        others = [o.intent for o in self.book.open_orders(position.symbol)]
        free = not others
        return [
            Verdict("quote", quote is not None, "quoted" if quote else f"no quote for {position.symbol}"),
            Verdict("position", free, f"{position.qty} shares free to sell" if free else
                    f"{len(others)} open order still in the way ({', '.join(i.leg for i in others)})"),
        ]

    def stop(self, position: Position) -> Iterator[Considered]:
        """The protective stop of a position without one."""
        decided = sum(o.intent.symbol == position.symbol and o.intent.leg == "stop"
                      and o.intent.session == self.snapshot.session for o in self.book.orders.values())
        price, qty = to_tick(position.protect or ZERO, up=False), bare(self.book, position)
        proposal = Proposal(symbol=position.symbol, strategy=position.strategy, side="sell", leg="stop", qty=qty,
                            limit=None, notional=qty * price)
        own = [Verdict("attempts", decided < MOST_STOPS, f"{decided} of {MOST_STOPS} stops decided today")]
        yield self._judge(proposal, own, f"protects {qty} shares at {price}", None, tif="gtc", scan=f"p{decided}",
                          stop=price)

    # entries

    def entries(self) -> Iterator[Considered]:
        """The candidates, the most confident first, then by score, then by name."""
        def rank(c: Candidate) -> tuple[float, float, str]:
            return (-(c.confidence if c.confidence is not None else -1.0), -c.score, c.symbol)

        for candidate in sorted(self.snapshot.candidates, key=rank):
            yield self._entry(candidate)

    def _entry(self, c: Candidate) -> Considered:
        quote = quoted(self.snapshot, c.symbol)
        if quote is None or not quote.ask > 0:
            missing = Verdict("quote", False, f"no quote for {c.symbol}")
            return Considered(symbol=c.symbol, strategy=c.strategy, leg="entry", why=c.reason, qty=0, limit=None,
                              verdicts=(missing,))
        limit = to_tick(quote.ask * (1 + decimal(self.rules.trading.reach_bps) / 10_000), up=True)
        qty = self._shares(c, quote.ask, limit)
        own = self._room(c, quote, qty)
        asked = max(qty, 1)  # the gates say what they think of a single share where none can be bought
        proposal = Proposal(symbol=c.symbol, strategy=c.strategy, side="buy", leg="entry", qty=asked, limit=limit,
                            notional=asked * limit)
        done = self._judge(proposal, own, c.reason, c, tif="ioc", scan=self.snapshot.scan)
        if done.intent:
            self._use(qty, quote.ask, limit)
        return done

    def _shares(self, c: Candidate, ask: Decimal, limit: Decimal) -> int:
        """Whole shares: what the sizing gives at the ask, and no more than the policy lets an order be at its limit."""
        trading, equity = self.rules.trading, self.base.equity
        if trading.sizing == "notional":
            budget: Decimal | None = decimal(trading.notional)
        else:
            budget = None if equity is None else decimal(trading.size) * equity
        uses = self._uses(c, ask)
        if budget is None or uses is None or not (uses > 0):
            return 0
        shares = budget / uses
        most = self.rules.max_order
        return int((shares if most is None else min(shares, most / limit)).to_integral_value(ROUND_FLOOR))

    def _uses(self, c: Candidate, ask: Decimal) -> Decimal | None:
        """Dollars of the budget that one share takes."""
        if self.rules.trading.sizing == "risk":
            return ask - c.stop
        if self.rules.trading.sizing == "volatility":
            facts = self.snapshot.facts.get(c.symbol)
            daily = facts.volatility if facts else None
            return None if daily is None else ask * decimal(daily * TRADING_DAYS**0.5)
        return ask

    def _room(self, c: Candidate, quote: Quote, qty: int) -> list[Verdict]:
        """What the account itself has to say."""
        book, cost, left = self.book, qty * quote.ask, self.book.left.get(c.symbol)
        taken = c.symbol in book.positions or bool(book.open_orders(c.symbol)) or any(
            i.symbol == c.symbol for i in self.intents)
        again = left is not None and left > c.session
        resting, refused = c.strategy in book.stood_down, self.snapshot.untradable.get(c.symbol, "")
        cash, opening = self.cash, self.snapshot.entries and not self.rules.reduce_only
        return [
            Verdict("position", not taken and not again, f"already in a position in {c.symbol}" if taken else
                    f"left on {left}, after the signal of {c.session}" if again else "flat"),
            Verdict("side", c.side == "long", f"{c.side}; the account buys only"),
            Verdict("tradable", not refused, f"{c.symbol}: {refused}" if refused else "nothing against the symbol"),
            Verdict("entries", opening, f"{'' if opening else 'no '}new positions are opened in this scan"),
            Verdict("strategy", not resting, f"{c.strategy} stands down: {book.stood_down[c.strategy]}" if resting else
                    f"{c.strategy} is trading"),
            Verdict("stop", quote.last > c.stop, f"last trade {quote.last:.2f}, stop {c.stop:.2f}" if
                    quote.last > c.stop else f"gapped through the stop: {quote.last:.2f} is not above {c.stop:.2f}"),
            Verdict("slots", self.slots > 0, f"{self.slots} of {self.rules.trading.max_positions} slots free"),
            Verdict("size", qty >= 1, f"{qty} shares at {quote.ask:.2f}" if qty else
                    f"one share at {quote.ask:.2f} costs more than the order"),
            Verdict("cash", cash is not None and cost <= cash, f"${cost:,.2f} of ${cash or ZERO:,.2f} cash"),
        ]

    def _use(self, qty: int, ask: Decimal, limit: Decimal) -> None:
        """What an entry leaves for those after it."""
        base, notional = self.base, qty * limit
        self.cash, self.slots = (self.cash or ZERO) - qty * ask, self.slots - 1
        self.base = replace(
            base, reserved=(base.reserved or ZERO) + notional, trades_today=(base.trades_today or 0) + 1,
            probes=(base.probes or 0) + 1 if base.tripped_at else base.probes,
            buying_power=None if base.buying_power is None else base.buying_power - notional)

    # both

    def _judge(self, proposal: Proposal, own: list[Verdict], why: str, c: Candidate | None, *, tif: TimeInForce,
               scan: str, stop: Decimal | None = None) -> Considered:
        confidence = c.confidence if c else None
        seen = of_symbol(self.base, self.book, self.snapshot, proposal.symbol, proposal.side, confidence)
        verdicts = (*own, *ask_all(self.gates, proposal, seen))
        intent = None
        if all(v.allowed for v in verdicts):
            intent = self._intend(proposal, c, tif, scan, stop)
        return Considered(symbol=proposal.symbol, strategy=proposal.strategy, leg=proposal.leg, why=why,
                          qty=proposal.qty, limit=proposal.limit, verdicts=verdicts, intent=intent)

    def _intend(self, p: Proposal, c: Candidate | None, tif: TimeInForce, scan: str, stop: Decimal | None) -> str:
        session = self.snapshot.session
        good_for = timedelta(seconds=self.rules.trading.expires) if stop is None else STOP_GOOD_FOR
        key = decision_key(self.rules.account, session, scan, p.strategy, p.symbol, p.side, p.leg)
        intent = Intent(key=key, id=client_order_id(key), session=session, scan=scan, strategy=p.strategy,
                        symbol=p.symbol, side=p.side, leg=p.leg, qty=p.qty, tif=tif, limit=p.limit, stop=stop,
                        expires=self.snapshot.at + good_for)
        if c:
            intent = replace(intent, notional=p.notional, protect=c.stop, target=c.target, hold=c.hold,
                             signalled=c.session, score=c.score)
        self.intents.append(intent)
        self.base = replace(self.base, orders_last_minute=(self.base.orders_last_minute or 0) + 1)
        return intent.id
