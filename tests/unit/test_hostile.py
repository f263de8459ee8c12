"""What an examiner's own Alpaca server brought to light, each as one small story."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from kobe81.core.events import Adjusted, Halted, Intended
from kobe81.core.orders import TERMINAL, TRANSITIONS, State
from kobe81.core.ports import BrokerOrder
from kobe81.engine.book import Order
from kobe81.engine.decide import unfound_exits
from kobe81.execution.exchange.misbehave import Fault, Rule
from kobe81.oms.order_state import ENDED, ended
from kobe81.oms.reconcile import Reconciler
from tests.engine_fixtures import MINUTE, NOON, SECOND, intent, opened
from tests.live_fixtures import Home, at

REFUSED = Rule(fault=Fault.STATUS, method="POST", path="/v2/orders", status=403)
SHOWS_NO_FILL = Rule(fault=Fault.LOSE, method="GET", path="/v2/account/activities")


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


@pytest.mark.parametrize("word", ENDED)
@pytest.mark.parametrize("order", [Order(intent=intent("ACME", 7), state=State.ACCEPTED),
                                   Order(intent=intent("ACME", 7), state=State.PARTIAL, filled=Decimal(2))])
def test_an_order_ends_in_whatever_way_the_broker_says(order: Order, word: str):
    """Also one that has traded in part and then is "rejected": a runner that dies of a word dies at each start."""
    found = BrokerOrder(id="b", client=order.intent.id, symbol="ACME", side="buy", qty=Decimal(7), filled=order.filled,
                        status=word)
    assert ended(order, found) in TRANSITIONS[order.state] & TERMINAL


def test_a_switch_that_somebody_deleted_is_not_lifted(home: Home):
    """Lifting wants a person and a reason in the journal. The file is set at 08:30 and removed by hand at 09:00: the
    runner says that it is not ready, and at 09:35 it sends nothing."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        home.places.switch.touch()
        home.step(runner, "23 08:30")
        home.places.switch.unlink()
        home.step(runner, "23 09:00", "23 09:35")
        assert runner.book.killed
        assert (runner.book.ready, exchange.posted, home.refusals) == (False, 0, {"kill_switch"})


def test_fills_that_activities_show_later_are_waited_for(home: Home):
    """The entry of 09:35 has filled and the position is there, but activities are entered four minutes later: nothing
    is sent meanwhile, nothing halts, and then book and broker agree and the position has its stop."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        exchange.follow(SHOWS_NO_FILL)
        home.step(runner, "23 09:35", "23 09:37", "23 09:39")
        assert (exchange.posted, runner.book.ready, runner.book.positions) == (1, False, {})
        exchange.follow()
        home.step(runner, "23 09:40")
        assert runner.book.ready
        assert [o.state for o in runner.book.open_orders("ACME")] == [State.ACCEPTED]
    assert home.events(Halted) == []


def test_fills_that_never_come_halt(home: Home):
    """What an order says was filled and no activity shows within five minutes is a difference like any other."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        exchange.follow(SHOWS_NO_FILL)
        home.step(runner, "23 09:35", "23 09:39", "23 09:43")
        assert home.events(Halted) == []
        home.step(runner, "23 09:45")
    assert len(home.events(Halted)) == 1
    assert "ACME: book 0, broker 9" in home.events(Halted)[0].reason


def test_a_difference_that_no_order_explains_halts_at_once(home: Home):
    """While the entry's nine shares are still to be shown, ten are there: one of them is nobody's."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        exchange.follow(SHOWS_NO_FILL)
        home.step(runner, "23 09:35")
        broker = runner.crew.sight.broker
        more = tuple(replace(p, qty=p.qty + 1) for p in broker.positions())
        broker.positions = lambda: more  # type: ignore[method-assign]
        home.step(runner, "23 09:39")
    assert "ACME: book 0, broker 10" in home.events(Halted)[0].reason


def test_a_short_that_both_sides_agree_on_is_a_difference():
    """The account buys only: one share sold too many is wrong, whoever agrees on it."""
    journal = opened()
    short = Decimal(-1)
    book = journal(Adjusted(what="ACME", qty=short, price=Decimal(10), person="ann", reason=""))
    reconciler = Reconciler(SimpleNamespace(book=book), None, None)
    (found,) = reconciler._differences({"ACME": short}, book.cash)
    assert (found.what, found.book, found.broker) == ("ACME", short, short)


def test_an_exit_nobody_finds_for_a_minute_is_told():
    """Its shares stand without a stop: the first look-ups may come too early, those after a minute do not."""
    journal = opened()
    journal.buy("ACME", 7)
    exit_ = journal.order("ACME", 7, State.SENT, State.UNKNOWN, side="sell", leg="time")
    assert [o.intent.id for o in unfound_exits(journal.book, NOON + MINUTE)] == [exit_.id]
    assert unfound_exits(journal.book, NOON + SECOND) == ()
