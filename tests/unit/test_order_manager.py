"""The order manager, step by step, against a broker that does what its script says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kobe81.core import events as e
from kobe81.core.orders import Intent, State
from kobe81.core.ports import Answer, BrokerError, BrokerPosition
from kobe81.oms.manager import PATIENCE
from tests.engine_fixtures import NOON, usd
from tests.order_fixtures import Desk

TOMORROW = date(2026, 6, 9)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def holding(desk: Desk) -> Desk:
    """Seven shares of ACME, and the stop that protects them, b2."""
    desk.scan()
    assert desk.orders == [("entry", "filled", 7, 7), ("stop", "accepted", 7, 0)]
    desk.broker.said.clear()
    return desk


def test_an_entry_gets_its_stop_in_the_same_scan(desk: Desk):
    """Bought, and then protected, at the signal's stop, until cancelled."""
    desk.scan()
    assert desk.broker.said == ["fill entry 7", "rest stop 7"]
    stop = desk.events(e.Intended)[1].intent
    assert (stop.stop, stop.tif, stop.limit) == (usd("9.50"), "gtc", None)


def test_a_partial_entry_is_protected_as_far_as_it_filled(desk: Desk):
    """Three of seven: the rest is cancelled by the broker, the stop is of three."""
    desk.broker.script = ["fill 3"]
    desk.scan()
    assert desk.orders == [("entry", "cancelled", 7, 3), ("stop", "accepted", 3, 0)]


def test_a_scan_is_decided_once(holding: Desk):
    """The same scan again decides nothing and sends nothing."""
    assert holding.scan() is None
    assert holding.broker.said == []


def test_the_stop_is_withdrawn_before_the_exit_is_sent(holding: Desk):
    """First the cancellation, and its end, then the sale of everything."""
    holding.leave()
    assert holding.broker.said == ["cancel b2", "fill time 7"]
    assert (holding.held, holding.orders[1:]) == (0, [("stop", "cancelled", 7, 0), ("time", "filled", 7, 7)])


def test_a_stop_that_fills_while_it_is_cancelled_leaves_nothing_to_sell(holding: Desk):
    """One of the two legs closes the trade, never both: no exit is decided."""
    holding.broker.cancels = "fills"
    decision = holding.leave()
    assert holding.broker.said == ["cancel b2"]
    assert decision.intents == ()
    assert (holding.held, holding.orders[1]) == (0, ("stop", "filled", 7, 7))


def test_a_stop_that_is_not_gone_in_time_keeps_the_exit_back(holding: Desk):
    """Ten seconds, then the scan goes on: the exit is refused, because the stop is still in the way."""
    holding.broker.cancels = "stays"
    before = holding.clock.monotonic()
    decision = holding.leave()
    assert decision.intents == ()
    assert "still in the way (stop)" in decision.considered[0].refusals[0].reason
    assert PATIENCE <= holding.clock.monotonic() - before < PATIENCE + 1
    assert holding.held == 7


def test_what_an_exit_does_not_sell_gets_a_stop_again(holding: Desk):
    """Four of seven are sold; three stay, under a stop of three."""
    holding.broker.script = ["fill 4"]
    holding.leave()
    assert holding.orders[2:] == [("time", "cancelled", 7, 4), ("stop", "accepted", 3, 0)]


def test_a_refused_exit_gets_its_stop_back(holding: Desk):
    """No quote, no exit: the stop was withdrawn for nothing, and stands again under another id."""
    holding.leave(quotes={})
    assert holding.orders[1:] == [("stop", "cancelled", 7, 0), ("stop", "accepted", 7, 0)]
    assert len({i.intent.id for i in holding.events(e.Intended)}) == 3


def test_while_killed_no_stop_is_withdrawn(holding: Desk):
    """The switch will deny the exit, so the stop stays where it is."""
    holding.leave(killed=True)
    assert holding.broker.said == []
    assert holding.orders[1] == ("stop", "accepted", 7, 0)


def test_an_unknown_order_is_found_by_its_id_and_not_sent_again(desk: Desk):
    """The answer is lost, the order filled: found in the same scan, protected, posted once."""
    desk.broker.script = ["lost"]
    desk.scan()
    assert desk.orders == [("entry", "accepted", 7, 0)]
    desk.broker.fill("b1", 7, usd("10.50"))
    assert desk.recover()
    assert desk.orders == [("entry", "filled", 7, 7), ("stop", "accepted", 7, 0)]
    assert [said for said in desk.broker.said if "entry" in said] == ["lost entry 7"]


def test_an_unknown_entry_is_never_sent_again_and_holds_its_budget(desk: Desk):
    """Nobody finds it: it stays UNKNOWN, its dollars stay reserved, and no other order takes its place that day."""
    desk.broker.script = ["gone"]
    desk.scan()
    assert desk.orders == [("entry", "unknown", 7, 0)]
    reserved = desk.ledger.book.reserved
    assert reserved > 70
    for _ in range(3):
        desk.clock.sleep(180)
        assert desk.recover()
    decision = desk.scan("3")
    assert decision.intents == ()
    assert (desk.orders, desk.ledger.book.reserved) == ([("entry", "unknown", 7, 0)], reserved)
    assert len(desk.broker.said) == 1


def test_the_next_session_ends_what_was_never_found(desk: Desk):
    """What no look-up of the next session finds never arrived: EXPIRED, not rejected."""
    desk.broker.script = ["gone"]
    desk.scan()
    desk.clock.move_to(NOON + timedelta(days=1))
    desk.ledger.tell(e.SessionOpened(session=TOMORROW, equity=usd(100_000)))
    assert desk.recover()
    assert desk.orders == [("entry", "expired", 7, 0)]
    assert desk.events(e.OrderMoved)[-1].reason == "not at the broker a session later"


@pytest.mark.parametrize(("seconds", "again"), [(59, False), (60, True)])
def test_a_stop_that_nobody_finds_is_sent_again_under_its_id(desk: Desk, seconds: int, again: bool):
    """After a minute, not before: the position must not stand without it, and the same id cannot stand twice."""
    desk.broker.script = ["fill", "gone"]
    desk.scan()
    assert desk.orders[1] == ("stop", "unknown", 7, 0)
    sent = desk.clock.now()
    desk.clock.move_to(sent + timedelta(seconds=seconds))
    desk.recover()
    assert desk.orders[1] == ("stop", "accepted" if again else "unknown", 7, 0)
    assert desk.broker.said == ["fill entry 7", "gone stop 7", *(["rest stop 7"] if again else [])]
    assert len(desk.broker.known) == 1 + again


def test_halted_sends_nothing(holding: Desk):
    """What was decided expires where it stands, exits and stops included."""
    holding.ledger.tell(e.Halted(reason="a person looks"))
    holding.broker.said.clear()
    holding.leave()
    assert not [said for said in holding.broker.said if not said.startswith("cancel")]
    assert holding.orders[-1][1] == "expired"


def test_a_broker_that_falls_silent_during_a_scan(desk: Desk):
    """The order is out, nobody answers: ten seconds of patience, each failure recorded, the scan ends; and later the
    fill is found, and protected."""
    desk.broker.script = ["rest"]
    seen = desk.broker.submit

    def submit(order: Any, **options: Any) -> Answer:
        answer = seen(order, **options)
        desk.broker.silent = True
        return answer

    desk.broker.submit = submit  # type: ignore[method-assign]
    desk.scan()
    assert desk.orders == [("entry", "accepted", 7, 0)]
    assert 3 <= len(desk.events(e.Failed)) <= 11
    with pytest.raises(BrokerError):
        desk.recover()
    desk.broker.silent, desk.broker.submit = False, seen  # type: ignore[method-assign]
    desk.broker.fill("b1", 7, usd("10.50"))
    assert desk.recover()
    assert desk.orders == [("entry", "filled", 7, 7), ("stop", "accepted", 7, 0)]


def test_an_order_that_was_being_sent_is_unknown_after_a_restart_and_then_found(desk: Desk):
    """The process dies in the POST: the next one looks for the order before it does anything else."""
    def dies(order: Any, **options: Any) -> Answer:
        seen(order, **options)
        raise KeyboardInterrupt

    seen = desk.broker.submit
    desk.broker.submit = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        desk.scan()
    assert desk.orders == [("entry", "sent", 7, 0)]
    desk.broker.submit = seen  # type: ignore[method-assign]
    desk.again()
    assert desk.recover()
    assert desk.orders == [("entry", "filled", 7, 7), ("stop", "accepted", 7, 0)]
    moved = [event.state for event in desk.events(e.OrderMoved)][:3]
    assert moved == [State.SENT, State.UNKNOWN, State.ACCEPTED]


@pytest.mark.parametrize(("seconds", "state"), [(59, "filled"), (60, "expired")])
def test_what_was_decided_and_not_sent_is_sent_after_a_restart_while_it_is_good(desk: Desk, seconds: int, state: str):
    """60 seconds: an INTENT was never sent, so it may be; after that its price is old, and it expires."""
    def dies() -> list[Intent]:
        raise KeyboardInterrupt

    desk.manager.outbox.send_waiting = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        desk.scan()
    assert desk.orders == [("entry", "intent", 7, 0)]
    desk.clock.sleep(seconds)
    desk.again()
    desk.recover()
    assert desk.orders[0][1] == state
    assert desk.broker.said == (["fill entry 7", "rest stop 7"] if state == "filled" else [])


def test_an_order_of_somebody_else_is_adopted_once_and_halts(holding: Desk):
    """Recorded and told once, however often it is seen; trading is halted until a person has looked."""
    holding.broker.known["z"] = {"id": "z", "client": "by-hand", "symbol": "XYZ", "side": "buy", "qty": Decimal(3),
                                 "filled": Decimal(0), "status": "new"}
    assert [holding.recover() for _ in range(3)] == [False] * 3
    assert [event.client for event in holding.events(e.OrderAdopted)] == ["by-hand"]
    assert len([a for a in holding.events(e.Alerted) if "did not send" in a.text]) == 1
    assert holding.ledger.book.halted


def test_a_difference_halts_with_its_numbers_and_is_told_once(holding: Desk):
    """A dollar is gone, and three shares have come: both are named, neither is mended."""
    holding.broker.cash -= 1
    assert [holding.recover() for _ in range(3)] == [False] * 3
    (halted,) = holding.events(e.Halted)
    assert [(d.what, d.book - d.broker) for d in halted.differences] == [("cash", Decimal(1))]
    assert len(holding.broker.known) == 2


def test_a_fill_is_taken_once_however_often_it_is_told(holding: Desk):
    """Activities repeat; executions do not."""
    holding.broker.fills *= 3
    holding.broker.positions = lambda: (BrokerPosition(symbol="ACME", qty=usd(7), price=usd(10)),)  # type: ignore
    assert holding.recover()
    assert len(holding.events(e.Filled)) == 1


def test_a_rejected_stop_is_told_as_critical_and_tried_again(desk: Desk):
    """A position without protection is a matter for a person; the next look decides another stop."""
    desk.broker.script = ["fill", "reject"]
    desk.scan()
    assert [a.severity for a in desk.events(e.Alerted)] == ["warning", "critical"]
    assert desk.events(e.Alerted)[1].text.startswith("ACME: 7 shares stand without a stop")
    assert desk.recover()
    assert desk.orders[1:] == [("stop", "rejected", 7, 0), ("stop", "accepted", 7, 0)]
