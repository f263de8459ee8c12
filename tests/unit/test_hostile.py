"""What an examiner's own Alpaca server brought to light, each as one small story."""

from __future__ import annotations

from pathlib import Path

import pytest

from kobe81.core.events import Intended
from kobe81.core.orders import State
from kobe81.execution.exchange.misbehave import Fault, Rule
from tests.live_fixtures import Home, at

REFUSED = Rule(fault=Fault.STATUS, method="POST", path="/v2/orders", status=403)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def stops(home: Home) -> list[str]:
    """The ids of the stops that were decided."""
    return [event.intent.id for event in home.events(Intended) if event.intent.leg == "stop"]


def test_a_stop_that_failed_before_the_session_opened_is_decided_again_in_it(home: Home):
    """Somebody cancels the stop in the evening; at 03:00 the broker refuses the one that takes its place. The session
    opens at 08:00, and the broker takes orders again: the position gets its stop, under an id of its own."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:35")
        for order in runner.book.open_orders("ACME"):
            runner.crew.sight.broker.cancel(order.broker)
    home.script = (REFUSED,)
    home.clock.move_to(at("24 03:00"))
    with home.runner() as (runner, troubled):
        assert [o.state for o in runner.book.orders.values() if o.intent.leg == "stop"][-1] is State.REJECTED
        troubled.follow()
        home.step(runner, "24 08:00", "24 09:31", "24 09:35")
        assert [o.state for o in runner.book.open_orders("ACME") if o.intent.leg == "stop"] == [State.ACCEPTED]
    assert len(stops(home)) == len(set(stops(home))) == 3
