"""The seal that only the decision path can set."""

import pytest

from kobe81.core.approved import Approved, approve
from kobe81.core.orders import State
from kobe81.engine.decide import approved, decide, unfound_stops, waiting
from tests.engine_fixtures import LIVE, MINUTE, NOON, SECOND, candidate, opened, rules, snapshot


@pytest.mark.parametrize("seal", [None, object(), True, "seal"])
def test_nobody_else_has_the_seal(seal):
    """Whatever else is handed in, there is no Approved."""
    with pytest.raises(TypeError, match="no way around the gates"):
        Approved("order", seal)


def test_it_holds_what_was_approved():
    """The value itself, which cannot be joined by anything else."""
    sealed = approve("order")
    assert sealed.value == "order"
    with pytest.raises(AttributeError):
        sealed.note = "x"


def test_a_decisions_orders_are_sealed():
    """All of them and nothing else."""
    decision = decide(opened().book, snapshot(candidate(), candidate("BETA"), candidate("CEDE", confidence=0.1)),
                      rules())
    assert [a.value for a in approved(decision)] == list(decision.intents)
    assert [a.value.symbol for a in approved(decision)] == ["ACME", "BETA"]


def test_what_waits_is_what_was_never_sent():
    """After a crash, the orders still in INTENT are sealed again; those that went out in any way are not."""
    journal = opened()
    first = journal.order("ACME")
    for state in (State.SENT, State.CANCELLED, State.EXPIRED):
        journal.order("BETA", 7, state)
    journal.order("CEDE", 7, *LIVE)
    assert [a.value for a in waiting(journal.book)] == [first]


@pytest.mark.parametrize(("leg", "state", "held", "after", "again"), [
    ("stop", State.UNKNOWN, 7, 60, True),
    ("stop", State.UNKNOWN, 7, 59, False),      # it may still turn up
    ("stop", State.ACCEPTED, 7, 60, False),     # it did
    ("time", State.UNKNOWN, 7, 60, False),      # an exit may have traded: it is never sent twice
    ("stop", State.UNKNOWN, 6, 60, False),      # it would sell more than there is
    ("stop", State.UNKNOWN, 0, 60, False),
])  # fmt: skip
def test_a_lost_stop_may_be_sent_again(leg, state, held, after, again):
    """A minute later, under its own id, while the shares it protects are all held."""
    journal = opened()
    if held:
        journal.buy(qty=held)
    stop = journal.order("ACME", 7, State.SENT, state, side="sell", leg=leg, at=NOON + MINUTE)
    found = [a.value for a in unfound_stops(journal.book, NOON + MINUTE + after * SECOND)]
    assert found == ([stop] if again else [])
