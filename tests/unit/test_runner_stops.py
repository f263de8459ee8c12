"""What stops a runner: a halt, the switch, an alert nobody acknowledges; and what it keeps doing meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from kobe81.core.events import (
    Acknowledged,
    Alerted,
    Decided,
    Halted,
    Intended,
    Killed,
    Lifted,
    Resumed,
)
from kobe81.execution.exchange.wire import Request
from kobe81.execution.kill_switch import FileKillSwitch
from tests.live_fixtures import MONDAY, Home, Troubled, looks, people

DAY = [("morning", "done"), ("scan-1", "done"), ("scan-2", "done"), ("scan-3", "done"), ("eod", "done")]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_what_nobody_ordered_halts_the_day(home: Home):
    """A stranger's order at the broker: adopted, told, not ready, and no order of ours follows, ever."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        _stranger(exchange)
        home.step(runner, "23 09:35", "23 10:30", "23 15:55", "23 16:15")
        assert not runner.book.ready
        assert "halted" in runner.book.not_ready[0]
        assert exchange.posted == 1, "the stranger's"
    assert not home.events(Intended)
    assert home.jobs == [DAY[0], *((f"scan-{i}", "skipped") for i in (1, 2, 3)), DAY[4]]
    assert any("did not send" in text for text in home.alerts("critical"))


def _stranger(exchange: Troubled) -> None:
    body = (b'{"symbol": "ACME", "qty": "3", "side": "buy", "type": "limit", "limit_price": "1.00", '
            b'"time_in_force": "day", "client_order_id": "by-hand"}')
    keys = {"apca-api-key-id": "paper", "apca-api-secret-key": "paper"}
    assert exchange.handle(Request("POST", "/v2/orders", {}, body, keys)).status == 200


def test_a_halt_by_others_is_seen_at_the_next_look(home: Home):
    """Ready is false, with the reason, as soon as the journal says halted; a person resumes, and it is true again."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        people(home, Halted(reason="a person wants to look"))
        home.look(runner, 1)
        assert runner.book.not_ready == ("trading is halted: a person wants to look",)
        home.step(runner, "23 09:35")
        assert not exchange.posted
        people(home, Resumed(person="ann", reason="looked"))
        home.look(runner, 31)
        assert runner.book.ready
    assert home.traded


def test_the_switch_in_the_middle_of_the_day(home: Home):
    """Set before the scan: not ready, told; the scan decides, the kill switch denies everything; nothing is sent."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        FileKillSwitch(home.places.switch).engage("ann", "enough")
        home.look(runner, 1)
        assert "enough" in runner.book.not_ready[0]
        home.step(runner, "23 09:35")
        assert not exchange.posted
    (decided,) = home.events(Decided)
    assert all("kill_switch" in {v.gate for v in c.refusals} for c in decided.decision.considered)
    assert decided.decision.considered
    assert not home.events(Intended)
    assert home.jobs == DAY[:2]
    assert [event.by for event in home.events(Killed)] == ["switch"]
    assert sum("no order is sent any more" in text for text in home.alerts("critical")) == 1


def test_while_killed_a_position_that_is_due_keeps_its_stop(home: Home):
    """The time is up, but the switch denies the exit: the stop at the broker is not taken away."""
    with home.runner() as (runner, exchange):
        home.step(runner, *looks(MONDAY), "24 08:00")
        FileKillSwitch(home.places.switch).engage("ann", "enough")
        home.step(runner, "24 15:55", "24 16:15")
        assert [o.intent.leg for o in runner.book.orders.values() if o.open] == ["stop"]
        assert not [request for request in exchange.asked if request.method == "DELETE"]
    assert [leg for _, leg, *_ in home.traded] == ["entry"]


def test_kobe_kill_is_seen_at_the_next_look(home: Home):
    """`kobe kill` sets the switch and tells the journal itself: ready is false at once all the same."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00")
        FileKillSwitch(home.places.switch).engage("kobe kill (ann)", "enough")
        people(home, Killed(by="kobe kill (ann)", reason="enough"))
        home.look(runner, 1)
        assert runner.book.not_ready == ("killed: kobe kill (ann): enough",)
        FileKillSwitch(home.places.switch).lift()
        people(home, Lifted(person="ann", reason="over"))
        home.look(runner, 31)
        assert runner.book.ready


def test_a_critical_alert_that_nobody_acknowledges_sets_the_switch(home: Home):
    """30 minutes, not a second less; a warning never does."""
    with home.runner() as (runner, _):
        home.step(runner, "23 11:00")
        people(home, Alerted(id="w", severity="warning", text="not so bad"),
               Alerted(id="c", severity="critical", text="look at this"))
        home.step(runner, "23 11:29:59")
        assert not home.places.switch.exists()
        home.step(runner, "23 11:30")
        assert "nobody acknowledged: look at this" in home.places.switch.read_text()
        home.look(runner, 1)
        assert runner.book.killed
        assert not runner.book.ready


def test_an_acknowledged_alert_sets_nothing(home: Home):
    """Somebody knows: trading goes on."""
    with home.runner() as (runner, _):
        home.step(runner, "23 11:00")
        people(home, Alerted(id="c", severity="critical", text="look at this"), Acknowledged(id="c", person="ann"))
        home.step(runner, "23 11:31", "23 12:30")
        assert runner.book.ready
        assert not home.places.switch.exists()
