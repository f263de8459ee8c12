"""What an examiner's own Alpaca server brought to light, each as one small story."""

from __future__ import annotations

from pathlib import Path

import pytest

from kobe81.core.events import Halted, Intended, OrderAdopted, OrderMoved
from kobe81.core.orders import State
from kobe81.execution.exchange.misbehave import Fault, Rule
from tests.live_fixtures import Home

REFUSED = Rule(fault=Fault.STATUS, method="POST", path="/v2/orders", status=403)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def stops(home: Home) -> list[str]:
    """The ids of the stops that were decided."""
    return [event.intent.id for event in home.events(Intended) if event.intent.leg == "stop"]


def test_a_stop_that_failed_before_the_session_opened_is_decided_again_in_it(home: Home):
    """At 03:00 the stop is found cancelled, and the new one cannot be sent, for the switch is set. The session opens
    at 08:00, and the switch is lifted: the position gets its stop, under an id that was never used."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:35")
    with home.exchange() as troubled:
        from kobe81.execution.exchange.wire import Request
        troubled.handle(Request("DELETE", "/v2/orders"))
    home.places.switch.touch()
    home.clock.move_to(__import__("tests.live_fixtures", fromlist=["at"]).at("24 03:00"))
    with home.runner() as (runner, _):
        home.step(runner, "24 03:01")
        print([(e.order, e.state, e.reason) for e in home.events(OrderMoved)])
        print(stops(home))
