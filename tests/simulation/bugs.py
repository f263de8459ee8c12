"""Mistakes that people make in such programs, planted in the real code, one place each. The simulation finds them all.

Where another layer would hide a bug, that layer is switched off as well, and named: a harness that only ever sees the
layers together cannot say that each of them works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import patch

from msgspec.structs import replace

from kobe81.core.approved import Approved, approve
from kobe81.core.decisions import Decision, Snapshot
from kobe81.core.events import Decided, Filled, Record
from kobe81.core.gates import Verdict
from kobe81.core.orders import OPEN, TERMINAL, Intent, State
from kobe81.core.ports import Answer, Lost, Rejected
from kobe81.engine import apply as applying
from kobe81.engine.book import Book, Order
from kobe81.engine.decide import _Desk, approved
from kobe81.oms import outbox
from kobe81.oms.manager import OrderManager
from kobe81.oms.outbox import Outbox
from kobe81.oms.reconcile import Reconciler
from kobe81.store import verification
from kobe81.store.journal import SqliteJournal
from tests.simulation.broker import SimulatedBroker
from tests.simulation.world import Masks

Plant = Callable[[], AbstractContextManager[Any]]


class Bug(NamedTuple):
    """plant: puts it in; unmask: switches off what would hide it in our code, masks: at the broker, off: in words;
    race: it takes several deciders at once."""

    plant: Plant
    off: str = ""
    masks: Masks = Masks()
    unmask: Plant | None = None
    race: bool = False

    @property
    def name(self) -> str:
        return self.plant.__name__

    @property
    def words(self) -> str:
        return (self.plant.__doc__ or "").strip()

    @contextmanager
    def planted(self, *, unmasked: bool = True) -> Iterator[None]:
        """The bug is in the code, and nothing hides it."""
        with ExitStack() as stack:
            if unmasked and self.unmask:
                stack.enter_context(self.unmask())
            stack.enter_context(self.plant())
            yield


def blind_retry() -> AbstractContextManager[Any]:
    """An order whose answer was lost is sent again under a new id."""
    return _sent_twice(lambda intent: replace(intent, id=f"{intent.id}2"))


def hasty_retry() -> AbstractContextManager[Any]:
    """An order whose answer was lost is sent again at once under its own id."""
    return _sent_twice(lambda intent: intent)


def _sent_twice(name: Callable[[Intent], Intent]) -> AbstractContextManager[Any]:
    send = Outbox._send

    def twice(self: Outbox, order: Approved[Intent]) -> bool:
        done = send(self, order)
        if self._ledger.book.orders[order.value.id].state is State.UNKNOWN:
            self._broker.submit(approve(name(order.value)))
        return done

    return patch.object(Outbox, "_send", twice)


def no_dedupe() -> AbstractContextManager[Any]:
    """Every fill that the broker tells is taken, told before or not."""
    def every(self: Reconciler, activities: Any, book: Book) -> Iterator[tuple[Filled, None]]:
        return ((Filled(fill=replace(fill, order=self._ours(fill))), None) for fill in activities.fills)

    return patch.object(Reconciler, "_new_fills", every)


def cumulative_as_delta() -> AbstractContextManager[Any]:
    """What an order has filled so far is taken for what it has filled just now."""
    new = Reconciler._new_fills

    def summed(self: Reconciler, activities: Any, book: Book) -> Iterator[tuple[Filled, str]]:
        for event, key in new(self, activities, book):
            order = self._ledger.book.orders.get(event.fill.order)
            before = order.filled if order else Decimal(0)
            self._ledger.tell(Filled(fill=replace(event.fill, qty=before + event.fill.qty)),
                              cause=self._ledger.book.seq, keys=(key,))
        yield from ()

    return patch.object(Reconciler, "_new_fills", summed)


def unknown_fills_dropped() -> AbstractContextManager[Any]:
    """Fills of orders that are not ours are none of our business."""
    new = Reconciler._new_fills

    def ours(self: Reconciler, activities: Any, book: Book) -> Iterator[tuple[Filled, str]]:
        return ((event, key) for event, key in new(self, activities, book) if event.fill.order in book.orders)

    return patch.object(Reconciler, "_new_fills", ours)


def late_fill_ignored() -> AbstractContextManager[Any]:
    """An order that was cancelled cannot have been filled."""
    filled = applying._filled

    def only_of_open(book: Book, record: Record, event: Filled) -> Book:
        order = book.orders.get(event.fill.order)
        return filled(book, record, event) if order is None or order.state in OPEN else book

    return patch.dict(applying._STEPS, {Filled: only_of_open})


def timeout_as_rejection() -> AbstractContextManager[Any]:
    """No answer is taken for a no."""
    events = outbox._events

    def refused(intent: Intent, answer: Answer) -> Any:
        return events(intent, Rejected(408, 0, answer.reason) if isinstance(answer, Lost) else answer)

    return patch.object(outbox, "_events", refused)


def expired_today() -> AbstractContextManager[Any]:
    """An order that a look-up of today does not find is given up today."""
    return patch.object(Reconciler, "_given_up", lambda self, order: State.EXPIRED if order.state is State.UNKNOWN
                        else None)


def freed_on_404() -> AbstractContextManager[Any]:
    """The budget of an order that nobody finds is used for another."""
    def in_use(order: Order) -> Decimal:
        if order.state is State.UNKNOWN:
            return order.value
        return order.value if order.state in TERMINAL else max(order.intent.notional, order.value)

    freed = property(lambda book: sum((in_use(o) for o in book.todays_entries), Decimal(0)))
    return patch.object(Book, "reserved", freed)


def switch_read_once() -> AbstractContextManager[Any]:
    """The kill switch is looked at when the process starts, and never again."""
    build = SimulatedBroker.__init__

    def remembering(self: SimulatedBroker, *parts: Any) -> None:
        build(self, *parts)
        seen = self._switch.engaged()
        self._stopped = lambda intent, reduce_only: seen  # type: ignore[method-assign]

    return patch.object(SimulatedBroker, "__init__", remembering)


def no_sweep() -> AbstractContextManager[Any]:
    """A process goes on where the last one died, without asking the broker what became of it."""
    recover = OrderManager.recover

    def at_once(self: OrderManager, bare: Snapshot) -> bool:
        if self._ledger.book.cash is None:
            return recover(self, bare)
        self._finish(bare, None)
        return True

    return patch.object(OrderManager, "recover", at_once)


def torn_tail_trusted() -> AbstractContextManager[Any]:
    """The journal is opened without being held against its last checkpoint."""
    return patch.object(verification, "verify", lambda journal, checkpoints: [])


def no_write_ahead() -> AbstractContextManager[Any]:
    """Orders go out while the transaction with their intents is still open."""
    tell_all = Outbox._tell_all

    def early(self: Outbox, decision: Decision, cause: int) -> None:
        tell_all(self, decision, cause)
        for order in approved(decision):
            self._broker.submit(order)

    return patch.object(Outbox, "_tell_all", early)


def no_fsync() -> AbstractContextManager[Any]:
    """The journal does not wait for the disk."""
    prepare = SqliteJournal._prepare

    def hasty(self: SqliteJournal, patience: float) -> None:
        prepare(self, patience)
        self._execute("PRAGMA synchronous = OFF")

    return patch.object(SqliteJournal, "_prepare", hasty)


def key_not_unique() -> AbstractContextManager[Any]:
    """Nothing stops a decision from being journaled twice."""
    append = SqliteJournal.append

    def unkeyed(self: SqliteJournal, *events: Any, cause: int = 0, keys: Any = ()) -> tuple[Record, ...]:
        kept = [None if str(key).startswith(("order|", "decided|")) else key for key in keys]
        return append(self, *events, cause=cause, keys=kept)

    return patch.object(SqliteJournal, "append", unkeyed)


def stop_not_withdrawn() -> AbstractContextManager[Any]:
    """A position is sold while its stop still stands."""
    return patch.object(OrderManager, "_withdraw", lambda self, snapshot: None)


def _no_look_at_open_orders() -> AbstractContextManager[Any]:
    return patch.object(_Desk, "_standing", lambda self, position, quote: [Verdict("quote", quote is not None, "")])


def halt_ignored() -> AbstractContextManager[Any]:
    """Orders go out although book and broker differ."""
    spoiled = Outbox._spoiled
    return patch.object(Outbox, "_spoiled", lambda self, intent, book: spoiled(self, intent, replace(book, halted="")))


def decided_outside() -> AbstractContextManager[Any]:
    """A decision is made first, and the journal is locked for writing it."""
    def late(self: Outbox, decider: Callable[[Book], Decision], cause: int, key: str | None = None) -> Decision:
        decision = decider(self._ledger.catch_up())
        with self._ledger.exclusively():
            (decided,) = self._ledger.tell(Decided(decision=decision), cause=cause, keys=(key,))
            self._tell_all(decision, decided.seq)
        return decision

    return patch.object(Outbox, "commit", late)


UNIQUE_OFF, COVERED_OFF = Masks(unique=False), Masks(covered=False, calm=True)
BUGS = (
    Bug(blind_retry),
    Bug(hasty_retry, "the broker's refusal of ids it has had", UNIQUE_OFF),
    Bug(no_dedupe, "the journal's unique keys"),
    Bug(cumulative_as_delta),
    Bug(unknown_fills_dropped),
    Bug(late_fill_ignored),
    Bug(timeout_as_rejection),
    Bug(expired_today),
    Bug(freed_on_404),
    Bug(switch_read_once),
    Bug(no_sweep),
    Bug(torn_tail_trusted),
    Bug(no_write_ahead),
    Bug(no_fsync),
    Bug(key_not_unique),
    Bug(stop_not_withdrawn, "the look at open orders before an exit, and the broker's refusal to sell shares twice",
        COVERED_OFF, _no_look_at_open_orders),
    Bug(halt_ignored),
    Bug(decided_outside, race=True),
)
