"""Order manager: what the runner does with a snapshot, and what it does after a crash, which is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from kobe81.core.clock import Clock
from kobe81.core.decisions import Decision, Snapshot
from kobe81.core.events import Failed, Scanned
from kobe81.core.orders import Intent
from kobe81.core.ports import Broker, BrokerError
from kobe81.engine.book import Order
from kobe81.engine.decide import decide, needs_stop, protect, surplus_stops, unfound_exits, unfound_stops, withdrawals
from kobe81.engine.rules import Rules
from kobe81.oms.ledger import Ledger
from kobe81.oms.outbox import Outbox
from kobe81.oms.reconcile import Reconciler

PATIENCE = 10.0
"""Seconds to wait for the broker to be done with orders that cannot rest, and with cancellations."""
LOOK_AGAIN = 0.25
"""Seconds between two looks."""


class OrderManager:
    """One account's orders."""

    def __init__(self, ledger: Ledger, broker: Broker, clock: Clock, rules: Rules) -> None:
        self._ledger, self._broker, self._clock, self._rules = ledger, broker, clock, rules
        self.outbox = Outbox(ledger, broker, clock, reduce_only=rules.reduce_only)
        self.reconciler = Reconciler(ledger, broker, clock)

    def recover(self, bare: Snapshot) -> bool:
        """Whatever was under way is brought to its end; whether book and broker agree.

        BrokerError where the broker does not say. bare: a snapshot without candidates, for positions without a stop.
        """
        if not self.reconciler.sweep():
            return False
        self._cancel(surplus_stops(self._ledger.book))
        for order in unfound_stops(self._ledger.book, self._clock.now()):
            self.outbox.send_again(order)
        for lost in unfound_exits(self._ledger.book, self._clock.now()):
            self.outbox.alarm(lost.intent.id, f"{lost.intent.symbol}: nobody finds the exit of {lost.intent.qty} "
                                              f"shares ({lost.reason}); they stand without a stop")
        before = self._ledger.book.seq
        self._finish(bare, None)
        return self._ledger.book.seq == before or self.reconciler.sweep()

    def scan(self, snapshot: Snapshot) -> Decision | None:
        """One scan, from what was seen to stops that stand; None where it was decided before."""
        (seen,) = self._ledger.tell(Scanned(snapshot=snapshot))
        self._withdraw(snapshot)
        key = f"decided|{snapshot.session}|{snapshot.scan}"
        decision = self.outbox.commit(lambda book: decide(book, snapshot, self._rules), seen.seq, key)
        self._finish(snapshot, seen.seq)
        return decision

    def _finish(self, snapshot: Snapshot, cause: int | None) -> None:
        """Send what is waiting, wait for it, and see that every position has its stop."""
        self._settle([o for o in self.outbox.send_waiting() if o.tif == "ioc"])
        book = self._ledger.book
        if not any(needs_stop(book, p) for p in book.positions.values()):
            return
        if cause is None:
            (seen,) = self._ledger.tell(Scanned(snapshot=snapshot))
            cause = seen.seq
        self.outbox.commit(lambda book: protect(book, snapshot, self._rules), cause)
        self.outbox.send_waiting()
        book = self._ledger.book
        for position in [p for p in book.positions.values() if needs_stop(book, p)]:
            self.outbox.alarm(f"{position.entry}|{snapshot.session}",
                              f"{position.symbol}: {position.qty:f} shares stand without a stop; see: kobe orders")

    def _withdraw(self, snapshot: Snapshot) -> None:
        """Cancel the stops of positions that are due, and wait until the broker says what became of them.

        A stop may fill while it is being cancelled; then there is nothing left to sell, and the decision sees that.
        While the switch denies the exit, the stop goes on protecting.
        """
        if snapshot.killed and not self._rules.reduce_only:
            return
        self._cancel(withdrawals(self._ledger.book, snapshot))

    def _cancel(self, stops: Sequence[Order]) -> None:
        known = [stop for stop in stops if stop.broker]
        for stop in known:
            self._asked(partial(self._broker.cancel, stop.broker))
        self._settle([stop.intent for stop in known])

    def _settle(self, orders: Sequence[Intent]) -> None:
        """Wait, within reason, until these orders cannot change any more. What stays open, the next sweep looks at."""
        until = self._clock.monotonic() + PATIENCE
        while any(self._moving(order.id) for order in orders):
            self._asked(self.reconciler.refresh)
            if not (self._clock.monotonic() < until):
                return
            if any(self._moving(order.id) for order in orders):
                self._clock.sleep(LOOK_AGAIN)

    def _moving(self, order: str) -> bool:
        known = self._ledger.book.orders.get(order)
        return known is not None and known.open

    def _asked(self, question: Callable[[], object]) -> None:
        """Ask the broker; that it does not answer is recorded, and stops nothing else."""
        try:
            question()
        except BrokerError as error:
            self._ledger.tell(Failed(source="api", note=str(error)), cause=self._ledger.book.seq)
