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
    """Somebody cancels the stop in the evening; at 07:50 the broker refuses the one that takes its place. The session
    opens at 08:00, and the broker takes orders again: the position gets its stop, under an id of its own."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:35")
        for order in runner.book.open_orders("ACME"):
            runner.crew.sight.broker.cancel(order.broker)
    home.script = (REFUSED,)
    home.clock.move_to(at("24 07:50"))
    with home.runner() as (runner, troubled):
        assert [o.state for o in runner.book.orders.values() if o.intent.leg == "stop"][-1] is State.REJECTED
        troubled.follow()
        home.step(runner, "24 08:00")
        assert [o.state for o in runner.book.open_orders("ACME") if o.intent.leg == "stop"] == [State.ACCEPTED]
    assert len(stops(home)) == len(set(stops(home))) == 3


def test_a_switch_that_somebody_deleted_is_not_lifted(home: Home):
    """Lifting wants a person and a reason in the journal. The file is set at 08:30 and removed by hand at 09:00: the
    runner says that it is not ready, and at 09:35 it sends nothing."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        home.places.switch.touch()
        home.step(runner, "23 08:30")
        home.places.switch.unlink()
        home.step(runner, "23 09:00", "23 09:35")
        assert not runner.book.ready and runner.book.killed
        assert exchange.posted == 0 and home.refusals == {"kill_switch"}
