"""Outbox: the way of an order from a decision to the broker. Nothing is sent that is not durable before.

    decide, and insert decision and intents in one transaction -> SENT, durably -> the broker's submit, which looks at
    the kill switch last -> ACCEPTED, REJECTED, UNKNOWN or, where not a byte went out, CANCELLED

An INTENT was never sent, so after a crash it is simply sent, while it is still good. A SENT order may have been, so
after a crash it is UNKNOWN. Starting and recovering are the same steps.

Source: docs/trading.md, The order path.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from kobe81.core.approved import Approved
from kobe81.core.clock import Clock
from kobe81.core.decisions import Decision
from kobe81.core.events import Alerted, AnyEvent, BreakerReset, Decided, Failed, Intended, OrderMoved, Tripped
from kobe81.core.orders import Intent, State
from kobe81.core.ports import Accepted, AlreadyThere, Answer, Broker, Lost, NotSent, Rejected
from kobe81.engine.book import Book
from kobe81.engine.decide import waiting
from kobe81.oms.ledger import Ledger


class Outbox:
    """Sends what was decided. reduce_only: exits may pass the kill switch."""

    def __init__(self, ledger: Ledger, broker: Broker, clock: Clock, *, reduce_only: bool = False) -> None:
        self._ledger, self._broker, self._clock, self._reduce_only = ledger, broker, clock, reduce_only

    def commit(self, decider: Callable[[Book], Decision], cause: int, key: str | None = None) -> Decision | None:
        """Decide on the newest book and make decision and intents durable together.

        Nobody else can decide meanwhile, so what several deciders spend is never more than the budget. None where the
        decision of this key, or of one of its orders, is in the journal already.
        """
        try:
            with self._ledger.exclusively() as book:
                decision = decider(book)
                (decided,) = self._ledger.tell(Decided(decision=decision), cause=cause, keys=(key,))
                self._tell_all(decision, decided.seq)
        except AlreadyThere:
            return None
        return decision

    def _tell_all(self, decision: Decision, cause: int) -> None:
        events: list[AnyEvent] = [Tripped(reason=decision.trip)] if decision.trip else []
        events += [BreakerReset(reason=decision.reset)] if decision.reset else []
        intents = [Intended(intent=i) for i in decision.intents]
        keys = [*(None for _ in events), *(f"order|{i.id}" for i in decision.intents)]
        if events or intents:
            self._ledger.tell(*events, *intents, cause=cause, keys=keys)

    def send_waiting(self) -> list[Intent]:
        """Send every order that was decided and not sent; those that may be at the broker now."""
        return [order.value for order in waiting(self._ledger.catch_up()) if self._send(order)]

    def _send(self, order: Approved[Intent]) -> bool:
        intent, book = order.value, self._ledger.book
        spoiled = self._spoiled(intent, book)
        if spoiled:
            self._ledger.tell(OrderMoved(order=intent.id, state=State.EXPIRED, reason=spoiled), cause=book.seq)
            return False
        (sent,) = self._ledger.tell(OrderMoved(order=intent.id, state=State.SENT), cause=book.seq)
        answer = self._broker.submit(order, reduce_only=self._reduce_only)
        self._ledger.tell(*_events(intent, answer), cause=sent.seq)
        return isinstance(answer, Accepted | Lost)

    def _spoiled(self, intent: Intent, book: Book) -> str:
        """Why an order that was never sent must not be sent any more."""
        if book.halted:
            return f"trading halted: {book.halted}"
        if intent.side == "sell":
            position = book.positions.get(intent.symbol)
            held = position.qty if position else 0
            if held < intent.qty:
                return f"{intent.qty} shares to sell, {held} held"
        if not (self._clock.now() < intent.expires):
            return f"not sent before {intent.expires:%H:%M:%S} UTC"
        return ""

    def send_again(self, order: Approved[Intent]) -> None:
        """Send a protective stop once more, whose first sending nobody can find, under the same id.

        The broker refuses an id it has, and then the order is found: there is one, whichever of the two arrived.
        """
        answer = self._broker.submit(order, reduce_only=self._reduce_only)
        intent = order.value
        if isinstance(answer, Accepted):
            found = OrderMoved(order=intent.id, state=State.ACCEPTED, broker=answer.order.id)
            self._ledger.tell(found, cause=self._ledger.book.seq)
        else:
            self.alarm(intent.id, f"{intent.symbol}: {intent.qty} shares may be without a stop: {answer.reason}")

    def alarm(self, what: str, text: str) -> None:
        """A position that stands without its stop is for a person to look at; it is told once."""
        alert = Alerted(id=f"bare|{what}", severity="critical", text=text)
        with suppress(AlreadyThere):
            self._ledger.tell(alert, cause=self._ledger.book.seq, keys=(alert.id,))


def _events(intent: Intent, answer: Answer) -> list[AnyEvent]:
    """What a broker's answer to an order comes to."""
    if isinstance(answer, Accepted):
        return [OrderMoved(order=intent.id, state=State.ACCEPTED, broker=answer.order.id)]
    if isinstance(answer, NotSent):
        return [OrderMoved(order=intent.id, state=State.CANCELLED, reason=answer.reason)]
    if isinstance(answer, Rejected):
        state, reason = State.REJECTED, f"{answer.status} {answer.code}: {answer.reason}"
    else:
        state, reason = State.UNKNOWN, answer.reason
    said = f"{intent.symbol}: {intent.leg} order of {intent.qty} shares {state}: {reason}"
    alert = Alerted(id=f"{state}|{intent.id}", severity="warning", text=said)
    failed: list[AnyEvent] = [Failed(source="api", note=said)] if state is State.UNKNOWN else []
    return [OrderMoved(order=intent.id, state=state, reason=reason), *failed, alert]
