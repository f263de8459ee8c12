"""Where an order may go from each state: every pair of states, by the table of the order path."""

import pytest
from msgspec.structs import replace

from kobe81.core.events import OrderMoved
from kobe81.core.orders import MAYBE_AT_BROKER, OPEN, TERMINAL, IllegalTransition, State, check_transition
from kobe81.engine.book import Order
from tests.engine_fixtures import Journal, intent

# Typed from "The order path": an intent is durable, then sent, or withdrawn without the broker having seen it. What is
# sent is accepted, refused by a parsed answer, stopped by the switch, or UNKNOWN, which is found or outlives its
# session and is never refused. What the broker has, it fills in parts or whole, cancels, lets expire or refuses.
TABLE = """
from \\ to  intent sent unknown accepted partial filled cancelled rejected expired
intent     -      x    -       -        -       -      x         -        x
sent       -      -    x       x        -       -      x         x        -
unknown    -      -    -       x        -       -      -         -        x
accepted   -      -    -       -        x       x      x         x        x
partial    -      -    -       -        x       x      x         -        x
filled     -      -    -       -        -       -      -         -        -
cancelled  -      -    -       -        -       -      -         -        -
rejected   -      -    -       -        -       -      -         -        -
expired    -      -    -       -        -       -      -         -        -
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
PAIRS = [(State(row[0]), State(new), mark == "x") for row in ROWS for new, mark in zip(HEAD[3:], row[1:], strict=True)]


def test_the_table_is_whole():
    """Nine states, 81 pairs."""
    assert len(PAIRS) == 81
    assert {old for old, _, _ in PAIRS} == {new for _, new, _ in PAIRS} == set(State)


@pytest.mark.parametrize(("old", "new", "allowed"), PAIRS)
def test_every_pair(old, new, allowed):
    """Allowed, or IllegalTransition with the order and both states; the book's own step asks the same table."""
    journal, order = Journal(), intent()
    journal.book = replace(journal.book, orders={order.id: Order(intent=order, state=old)})
    moved = OrderMoved(order=order.id, state=new, reason="why")
    if allowed:
        check_transition(order.id, old, new)
        assert journal(moved).orders[order.id].state is new
        return
    words = rf"{order.id} cannot go from {old} to {new}"
    with pytest.raises(IllegalTransition, match=words):
        check_transition(order.id, old, new)
    with pytest.raises(IllegalTransition, match=words):
        journal(moved)


def test_open_and_ended():
    """Four states are ends; an order may be at the broker in the open ones but the first."""
    assert {"filled", "cancelled", "rejected", "expired"} == TERMINAL
    assert {"intent", "sent", "unknown", "accepted", "partial"} == OPEN
    assert OPEN - {"intent"} == MAYBE_AT_BROKER
