"""Reconcile: what the broker has, into the book; and a halt where the two still disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from kobe81.core.clock import Clock
from kobe81.core.events import (
    AccountOpened,
    Alerted,
    AnyEvent,
    CashMoved,
    Difference,
    Filled,
    Halted,
    OrderAdopted,
    OrderMoved,
    Reconciled,
    Valued,
)
from kobe81.core.money import CENT, ZERO
from kobe81.core.orders import MAYBE_AT_BROKER, Fill, State
from kobe81.core.ports import Activities, Broker, BrokerOrder
from kobe81.engine.book import Book, Order
from kobe81.oms.ledger import Ledger
from kobe81.oms.order_state import ENDED, ended

OVERLAP = timedelta(days=7)
"""How far back activities and orders are asked for again: late ones are found, known ones recognised by their id."""

ROUNDS = 5
"""How often book and broker are compared while fills keep arriving in between."""

LATE = timedelta(minutes=5)
"""How long fills that orders tell of may be missing among the activities."""


class Reconciler:
    """Brings the book up to the broker. Facts are recorded, whatever they are; no order is invented to close a gap."""

    def __init__(self, ledger: Ledger, broker: Broker, clock: Clock) -> None:
        self._ledger, self._broker, self._clock = ledger, broker, clock
        self._differ_since: float | None = None

    # orders and fills

    def refresh(self) -> None:
        """Look up every order that may be at the broker, take in new fills and cash, and end what has ended."""
        self._interrupted()
        found = {order.intent.id: answer for order in self._at_broker() if (answer := self._look_up(order))}
        self._take_activities()
        for order in self._at_broker():
            state = ended(order, found[order.intent.id]) if order.intent.id in found else self._given_up(order)
            if state:
                self._move(order, state, f"the broker says {found[order.intent.id].status}"
                           if order.intent.id in found else "not at the broker a session later")

    def _interrupted(self) -> None:
        """An order that was being sent when we died may have arrived."""
        for order in self._at_broker():
            if order.state is State.SENT:
                self._move(order, State.UNKNOWN, "interrupted while it was being sent")

    def _at_broker(self) -> list[Order]:
        return [o for o in self._ledger.book.orders.values() if o.state in MAYBE_AT_BROKER]

    def _look_up(self, order: Order) -> BrokerOrder | None:
        """The broker's order; an UNKNOWN one that is found is known from then on."""
        if order.broker:
            return self._broker.order(order.broker)
        found = self._broker.find(order.intent.id)
        if found:
            self._move(order, State.ACCEPTED, "found by its id", found.id)
        return found

    def _given_up(self, order: Order) -> State | None:
        """A 404 proves nothing in the session of the order; what no look-up of the next finds, never arrived."""
        over = self._ledger.book.session is not None and order.intent.session < self._ledger.book.session
        return State.EXPIRED if over and order.state is State.UNKNOWN else None

    def _move(self, order: Order, state: State, reason: str, broker: str = "") -> None:
        moved = OrderMoved(order=order.intent.id, state=state, reason=reason, broker=broker)
        self._ledger.tell(moved, cause=self._ledger.book.seq)

    def _take_activities(self) -> int:
        """New fills and cash movements, each once; how many there were."""
        book = self._ledger.book
        activities = self._broker.activities(self._since(book))
        new: list[tuple[AnyEvent, str]] = [*self._new_fills(activities, book), *self._new_moves(activities, book)]
        for event, key in new:
            self._ledger.tell(event, cause=self._ledger.book.seq, keys=(key,))
        return len(new)

    def _since(self, book: Book) -> datetime:
        return (book.reconciled_at or book.opened_at or self._clock.now()) - OVERLAP

    def _new_fills(self, activities: Activities, book: Book) -> Iterator[tuple[Filled, str]]:
        keys = {f"fill|{fill.execution}": fill for fill in activities.fills if fill.execution not in book.before}
        known = self._ledger.journal.known(list(keys))
        for key, fill in keys.items():
            if key not in known:
                yield Filled(fill=replace(fill, order=self._ours(fill))), key

    def _ours(self, fill: Fill) -> str:
        """Our id of the order that a fill belongs to, or the broker's where it is not ours."""
        orders = self._ledger.book.orders
        for order in orders.values():
            if order.broker == fill.order:
                return order.intent.id
        found = self._broker.order(fill.order)
        if found and found.client in orders and orders[found.client].state is State.UNKNOWN:
            self._move(orders[found.client], State.ACCEPTED, "found by its fill", found.id)
            return found.client
        return fill.order

    def _new_moves(self, activities: Activities, book: Book) -> Iterator[tuple[CashMoved, str]]:
        keys = {f"cash|{move.activity}": move for move in activities.moves if move.activity not in book.before}
        known = self._ledger.journal.known(list(keys))
        return ((move, key) for key, move in keys.items() if key not in known)

    # the whole account

    def sweep(self) -> bool:
        """Everything: orders, fills, cash, orders nobody knows, and the comparison; whether book and broker agree."""
        self.open_account()
        self.refresh()
        self._adopt(self._broker.orders(self._since(self._ledger.book)))
        for _ in range(ROUNDS):
            account, positions = self._broker.account(), self._broker.positions()
            if not self._take_activities():
                break
        held = {p.symbol: p.qty for p in positions if p.qty}
        differences = tuple(self._differences(held, account.cash))
        if differences:
            if not self._are_coming(differences):
                self._halt(differences)
            return False
        book, self._differ_since = self._ledger.book, None
        if book.session:
            self._ledger.tell(Valued(session=book.session, equity=account.equity), cause=book.seq)
        self._ledger.tell(Reconciled(cash=account.cash, positions=held), cause=book.seq)
        return not self._ledger.book.halted

    def open_account(self) -> None:
        """The first look at an account: its cash is where counting begins, its past is not ours."""
        if self._ledger.book.cash is not None:
            return
        since = self._clock.now() - OVERLAP
        done, before = self._broker.orders(since), self._broker.activities(since)
        account = self._broker.account()
        seen = tuple(sorted({*(f.execution for f in before.fills), *(m.activity for m in before.moves),
                             *(o.id for o in done if o.status in {"filled", *ENDED})}))
        self._ledger.tell(AccountOpened(account=account.number, cash=account.cash, before=seen))

    def _adopt(self, orders: Iterable[BrokerOrder]) -> None:
        """Record what others have ordered; it stops trading until a person has looked."""
        book = self._ledger.book
        ours = {*book.orders, *book.before, *(o.broker for o in book.orders.values() if o.broker)}
        strange = [o for o in orders if o.client not in ours and o.id not in ours and o.id not in book.foreign]
        known = self._ledger.journal.known([key for o in strange for key in (f"order|{o.client}", f"adopted|{o.id}")])
        for order in strange:
            if not known & {f"order|{order.client}", f"adopted|{order.id}"}:
                self._ledger.tell(
                    OrderAdopted(broker=order.id, client=order.client, symbol=order.symbol, side=order.side,
                                 qty=order.qty, note=order.status), cause=book.seq, keys=(f"adopted|{order.id}",))
                self._alert(f"adopted|{order.id}", f"{order.symbol}: the broker has an order we did not send "
                                                   f"({order.side} {order.qty}, {order.status})")

    def _differences(self, held: dict[str, Decimal], cash: Decimal) -> Iterator[Difference]:
        book = self._ledger.book
        for symbol in sorted({*held, *book.positions}):
            position = book.positions.get(symbol)
            ours, theirs = position.qty if position else ZERO, held.get(symbol, ZERO)
            if ours != theirs or theirs < 0:  # the account buys only: a short both agree on is wrong all the same
                yield Difference(what=symbol, book=ours, broker=theirs)
        if not (book.cash is not None and abs(book.cash - cash) <= CENT):
            yield Difference(what="cash", book=book.cash or ZERO, broker=cash)

    def _are_coming(self, differences: tuple[Difference, ...]) -> bool:
        """Whether fills explain them that activities do not show yet: those that our orders tell of, or may have had
        where they are unknown. Until they are shown book and broker do not agree, and nothing is sent."""
        now = self._clock.monotonic()
        since = self._differ_since = now if self._differ_since is None else self._differ_since
        told: dict[str, Decimal] = {}
        for order in self._at_broker():
            found, intent = self._look_up(order), order.intent
            filled = found.filled if found else Decimal(intent.qty) if order.state is State.UNKNOWN else order.filled
            way = 1 if intent.side == "buy" else -1
            told[intent.symbol] = told.get(intent.symbol, ZERO) + way * (filled - order.filled)
        shares = [(d.broker - d.book, told.get(d.what, ZERO)) for d in differences if d.what != "cash"]
        explained = any(told.values()) and all(min(ZERO, due) <= more <= max(ZERO, due) for more, due in shares)
        return explained and now - since <= LATE.total_seconds()

    def _halt(self, differences: tuple[Difference, ...]) -> None:
        told = "; ".join(f"{d.what}: book {d.book}, broker {d.broker}" for d in differences)
        if told not in self._ledger.book.halted:
            self._ledger.tell(Halted(reason=f"book and broker differ: {told}", differences=differences),
                              cause=self._ledger.book.seq)
            self._alert(f"halted-{self._ledger.book.seq}", f"trading halted, book and broker differ: {told}")

    def _alert(self, name: str, text: str) -> None:
        self._ledger.tell(Alerted(id=name, severity="critical", text=text), cause=self._ledger.book.seq)
