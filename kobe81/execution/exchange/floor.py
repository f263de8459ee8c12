"""The floor: orders meet prices here, in the order of time, and everything that follows from a fill follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from kobe81.core.money import ZERO
from kobe81.execution.exchange.accounts import Account, Fee, Fill, activity_id, sale_fees
from kobe81.execution.exchange.book import Book
from kobe81.execution.exchange.chance import identifier, uniform
from kobe81.execution.exchange.matching import Event, Kind, next_event, stretch_trail
from kobe81.execution.exchange.orders import AT_ONCE, Order, Status
from kobe81.execution.exchange.quotes import Leg, Quote, QuoteSource
from kobe81.execution.exchange.store import Facts, State
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.views import update_view
from kobe81.execution.exchange.wire import NEW_YORK

NANO = Decimal("1e-9")
RETRY = timedelta(seconds=1)
"""After a part of an order was filled, the rest is tried again so much later."""


class Floor:
    """The account, its orders, and the instant up to which they have been matched. Not thread-safe.

    told: messages for the stream of trade updates that nobody has taken yet.
    """

    def __init__(self, quotes: QuoteSource, terms: Terms, state: State) -> None:
        self.quotes, self.terms, self.seed = quotes, terms, state.seed
        self.symbols = frozenset(quotes.symbols())
        self.at, self.opened_at = state.at, state.opened_at
        self.halted, self.banned = dict(state.halted), set(state.banned)
        self.book = Book(state.orders)
        self.account = Account(state.cash, state.activities)
        self.told: list[dict[str, Any]] = []
        self._foreseen: dict[str, tuple[Order, datetime, Event | None]] = {}

    @property
    def account_id(self) -> str:
        return identifier(self.seed, "account")

    def advance(self, until: datetime) -> None:
        """Let the prices up to `until` do what they do; time never goes back."""
        while (found := self._next(until)) is not None:
            order, event = found
            self._pass(event.at)
            self._happen(self.book[order.id], event)
        self._pass(until)

    def quote(self, symbol: str, at: datetime | None = None) -> Quote | None:
        """The last quote; of a halted symbol, the last before the halt."""
        at = at or self.at
        return self.quotes.quote(symbol, min(at, self.halted.get(symbol, at)))

    def take(self, order: Order) -> None:
        """Take in an order that has been checked."""
        self.book.put(order)
        if order.status is Status.ACCEPTED:
            self._tell("accepted", order)

    def cancel(self, order: Order) -> None:
        """Cancel an open order, and with it the others of its complex order."""
        self._end(order, Status.CANCELED)

    def replace(self, old: Order, new: Order) -> None:
        """Put a checked order in the place of an open one."""
        old = old.but(status=Status.REPLACED, replaced_at=self.at, updated_at=self.at, replaced_by=new.id)
        self.book.put(old)
        self._tell("replaced", old)
        self.take(new)

    def halt(self, symbol: str, halted: bool) -> None:
        """Stop or resume trading in a symbol; what its price does meanwhile moves no order."""
        self._foreseen.clear()
        if halted:
            self.halted.setdefault(symbol, self.at)
        else:
            self.halted.pop(symbol, None)

    def ban(self, symbol: str, banned: bool) -> None:
        """Refuse new orders in a symbol, or take them again."""
        (self.banned.add if banned else self.banned.discard)(symbol)

    def facts(self) -> Facts:
        """What a store keeps besides orders and activities."""
        return Facts(at=self.at, opened_at=self.opened_at, cash=self.account.initial, seed=self.seed,
                     halted=self.halted, banned=tuple(sorted(self.banned)))

    def _next(self, until: datetime) -> tuple[Order, Event] | None:
        """The first thing that happens to any open order; at one instant, to the oldest order first."""
        coming = [(event.at, event.kind, order.seq, order, event) for order in self.book.open()
                  if (event := self._foresee(order, until)) is not None]
        return min(coming)[3:] if coming else None

    def _foresee(self, order: Order, until: datetime) -> Event | None:
        """The next event of one order, which stands until the order changes or later prices are known."""
        known, seen, event = self._foreseen.get(order.id, (None, until, None))
        if known is not order or (event is None and seen < until):
            event = next_event(order, self._legs(order, until), self.at, until)
            self._foreseen[order.id] = (order, until, event)
        return event

    def _legs(self, order: Order, until: datetime) -> list[Leg]:
        start = max(order.live_at, self.at)
        if order.symbol in self.halted or start > until:
            return []
        return list(self.quotes.span(order.symbol, start, until))

    def _pass(self, until: datetime) -> None:
        """Let time go by in which nothing happens but that trailing stops follow the price."""
        if until <= self.at:
            return
        for order in self.book.open():
            if order.type == "trailing_stop":
                followed = stretch_trail(order, self._legs(order, until), self.at, until)
                if followed != order:
                    self.book.put(followed)
        self.at = until

    def _happen(self, order: Order, event: Event) -> None:
        if event.kind is Kind.ROUTE:
            self._show(order)
        elif event.kind is Kind.TRIGGER:
            self.book.put(order.but(triggered=True, live_at=event.at, updated_at=event.at))
        elif event.quote is not None:
            self._fill(order, event.quote)
        else:
            self._end(order, Status.EXPIRED if event.kind is Kind.EXPIRE else Status.CANCELED)

    def _show(self, order: Order) -> None:
        """The order is in the market."""
        order = order.but(status=Status.NEW, updated_at=self.at)
        order = stretch_trail(order, self._legs(order, self.at), self.at, self.at)
        self.book.put(order)
        self._tell("new", order)

    def _fill(self, order: Order, quote: Quote) -> None:
        price = quote.ask if order.buys else quote.bid
        wanted = self._wanted(order, price)
        qty = self._available(order, wanted)
        if not qty or (qty < wanted and order.time_in_force == "fok"):
            self._end(order, Status.CANCELED)
            return
        done = qty == wanted
        order = order.but(
            status=Status.FILLED if done else Status.PARTIALLY_FILLED, filled_qty=order.filled_qty + qty,
            filled_value=order.filled_value + qty * price, fills=order.fills + 1, updated_at=self.at,
            filled_at=self.at if done else None, live_at=self.at + RETRY)
        self.book.put(order)
        self._record(order, price, qty, wanted - qty)
        self._follow(order, qty)
        if not done and order.time_in_force in AT_ONCE:
            self._end(order, Status.CANCELED)

    def _wanted(self, order: Order, price: Decimal) -> Decimal:
        """Shares that the order is for at this price; a notional sale is for no more than there are to sell."""
        if order.notional is None:
            return order.leaves
        shares = (order.notional / price).quantize(NANO, ROUND_DOWN)
        free = self.account.shares(order.symbol) - self.book.held_shares(order.symbol)
        return shares if order.buys else min(shares, free)

    def _available(self, order: Order, wanted: Decimal) -> Decimal:
        """Shares of `wanted` that fill now: mostly all; of limit and IOC orders, sometimes only a part."""
        limited = order.type in {"limit", "stop_limit"} or order.time_in_force in {"ioc", "fok"}
        luck = uniform(self.seed, "part", order.id, order.fills)
        if not limited or wanted < 2 or not luck < self.terms.partial_fill_probability:
            return wanted
        return Decimal(1 + int(uniform(self.seed, "size", order.id, order.fills) * (int(wanted) - 1)))

    def _record(self, order: Order, price: Decimal, qty: Decimal, left: Decimal) -> None:
        name = identifier(self.seed, "execution", order.id, order.fills)
        fill = Fill(
            seq=len(self.account.activities), id=activity_id(self.at, name), at=self.at, order_id=order.id,
            execution_id=name, symbol=order.symbol, side=order.side, price=price, qty=qty, cum_qty=order.filled_qty,
            leaves_qty=left, order_status=order.status.value)
        self.account.record(fill)
        if self.terms.fees and not order.buys:
            self._charge(fill)
        self._tell("partial_fill" if left else "fill", order, fill)

    def _charge(self, fill: Fill) -> None:
        for amount, words in sale_fees(self.at.astimezone(NEW_YORK).date(), fill.qty, fill.qty * fill.price):
            seq = len(self.account.activities)
            name = activity_id(self.at, identifier(self.seed, "fee", fill.execution_id, seq))
            self.account.record(Fee(seq=seq, id=name, at=self.at, net_amount=-amount, description=words))

    def _follow(self, order: Order, qty: Decimal) -> None:
        """What a fill means for the rest of its complex order."""
        for other in self.book.family(order):
            if order.role == "entry":
                if order.status is Status.FILLED:
                    self._show(other.but(live_at=self.at))
            elif order.status is Status.FILLED:
                self._end(other, Status.CANCELED)
            else:
                self.book.put(other.but(qty=(other.qty or ZERO) - qty, updated_at=self.at))

    def _end(self, order: Order, status: Status) -> None:
        """The order is over without a (further) fill, and so is what is left of its complex order."""
        over = "canceled_at" if status is Status.CANCELED else "expired_at"
        for one in (order, *self.book.family(order)):
            ended = one.but(status=status, updated_at=self.at, **{over: self.at})
            self.book.put(ended)
            self._tell(status.value, ended)

    def _tell(self, event: str, order: Order, fill: Fill | None = None) -> None:
        self.told.append(update_view(event, order, self.at, fill, self.account.shares(order.symbol)))
