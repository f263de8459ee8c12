"""Exits and stops: when a position leaves, with what order, and that it is never without protection."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kobe81.core import events as e
from kobe81.core.orders import State
from kobe81.engine.decide import bare, decide, is_due, needs_stop, protect, surplus_stops, withdrawals
from tests.engine_fixtures import (
    DAY,
    LIVE,
    MINUTE,
    NO_GATES,
    NOON,
    TODAY,
    Journal,
    candidate,
    opened,
    quote,
    refused,
    rules,
    snapshot,
    usd,
)


def holding(**fields) -> Journal:
    """Seven shares, bought last Monday for five sessions."""
    journal = opened()
    journal.session(TODAY - 7 * DAY)
    journal.buy(price="10.50", **fields)
    journal.session(TODAY)
    return journal


def held(bars, **seen):
    return snapshot(held={"ACME": bars}, **seen)


# when


@pytest.mark.parametrize(("bars", "last_scan", "due"), [
    (4, True, None), (5, False, None), (5, True, "time"),
    (6, False, "time"), (6, True, "time"), (9, False, "time"),     # late ones leave in any scan
    (0, True, None),
])  # fmt: skip
def test_the_time_exit(bars, last_scan, due):
    """At the last scan of the fifth session, and where that one could not fill it, in every scan after."""
    assert is_due(holding().book.positions["ACME"], held(bars, exits=last_scan)) == due


def test_a_position_without_a_plan_stays():
    """Shares that a person put into the book have no time of their own."""
    assert is_due(holding(hold=0).book.positions["ACME"], held(99, exits=True)) is None


@pytest.mark.parametrize(("last", "due"), [("11.99", None), ("12.00", "target"), ("12.01", "target"), ("NaN", None)])
def test_the_target(last, due):
    """In any scan, from the target's price on; it comes before the time. A quote that is no number reaches nothing."""
    position = holding(target=usd(12)).book.positions["ACME"]
    prices = {"ACME": quote(last=last)}
    assert is_due(position, held(1, quotes=prices)) == due
    assert is_due(position, held(5, quotes=prices, exits=True)) == (due or "time")
    assert is_due(position, held(1, quotes={})) is None


def test_a_symbol_that_trades_for_the_last_time():
    """It leaves with the last scan."""
    position = holding().book.positions["ACME"]
    assert is_due(position, held(2, exits=True, ending=("ACME",))) == "end"
    assert is_due(position, held(2, ending=("ACME",))) is None


# how


def test_the_exit_order():
    """$10.48 less 10 basis points is $10.46952, so $10.46: all shares, at once, no budget."""
    decision = decide(holding().book, held(5, exits=True), rules())
    (order,), (found,) = decision.intents, decision.considered
    assert (order.side, order.leg, order.tif, order.qty, order.limit) == ("sell", "time", "ioc", 7, usd("10.46"))
    assert (order.notional, order.expires, order.key) == (0, NOON + MINUTE, "P1|2026-06-08|2|donchian|ACME|sell|time")
    assert (found.why, found.intent) == ("held 5 bars of 5", order.id)
    assert {v.gate for v in found.verdicts} == {
        "quote", "position", "kill_switch", "order_rate", "price_collar", "trading_hours", "wash_trade"}


@pytest.mark.parametrize(("bid", "limit"), [("10.00", "9.99"), ("0.5001", "0.4995"), ("1.0005", "0.9994")])
def test_the_exits_limit(bid, limit):
    """The bid less 10 basis points, down to the tick: 0.49960 - four decimals below a dollar."""
    (found,) = decide(holding().book, held(5, exits=True, quotes={"ACME": quote(bid=bid)}), NO_GATES).considered
    assert found.limit == usd(limit)


@pytest.mark.parametrize("seen", [{"quotes": {}}, {"quotes": {"ACME": quote(bid="NaN")}}])
def test_no_quote_no_exit(seen):
    """It stays due, and the next scan tries again."""
    (found,) = decide(holding().book, held(5, exits=True, **seen), NO_GATES).considered
    assert (refused(found), found.intent) == ({"quote": "no quote for ACME"}, None)


def test_no_exit_beside_an_open_order():
    """A stop that is not cancelled yet could fill too, and then the shares were sold twice."""
    journal = holding()
    stop = journal.order("ACME", 7, *LIVE, side="sell", leg="stop", tif="gtc")
    seen = held(5, exits=True)
    assert [o.intent for o in withdrawals(journal.book, seen)] == [stop]
    (found,) = decide(journal.book, seen, rules()).considered
    assert refused(found) == {"position": "1 open order still in the way (stop)"}
    journal(e.OrderMoved(order=stop.id, state=State.CANCELLED))
    assert len(decide(journal.book, seen, rules()).intents) == 1


def test_stops_of_positions_that_stay_are_left_alone():
    """Only what is due, and only stops."""
    journal = holding()
    journal.order("ACME", 7, *LIVE, side="sell", leg="stop")
    assert withdrawals(journal.book, held(5)) == ()
    late = holding()
    late.order("ACME", 7, *LIVE, side="sell", leg="time")
    assert withdrawals(late.book, held(6)) == ()


def test_a_partly_filled_exit_leaves_the_rest_to_the_next():
    """Three of seven sold: the next scan sells four."""
    journal = holding()
    exit_ = journal.order("ACME", 7, *LIVE, side="sell", leg="time")
    journal.fill(exit_, 3, 10)
    journal(e.OrderMoved(order=exit_.id, state=State.CANCELLED))
    assert [i.qty for i in decide(journal.book, held(6), rules()).intents] == [4]


def test_exits_come_before_entries_by_name():
    """And take their share of the orders of a minute."""
    journal = holding()
    journal.buy("BETA", 2, "10.50")
    seen = snapshot(candidate("CEDE"), held={"ACME": 6, "BETA": 6}, quotes=dict.fromkeys(["ACME", "BETA", "CEDE"],
                                                                                         quote()))
    decision = decide(journal.book, seen, rules(order_rate={"max_orders": 3}))
    assert [(i.symbol, i.leg) for i in decision.intents] == [("ACME", "time"), ("BETA", "time")]
    assert refused(decision.considered[2]) == {"order_rate": "orders in the last minute 3 reached 3"}


def test_cash_of_an_exit_is_free_when_it_has_filled():
    """Not before: the entry beside it finds the cash there is."""
    journal = opened(100)
    journal.buy(price="10.50")
    seen = held(6, candidates=(candidate("BETA"),), quotes={"ACME": quote(), "BETA": quote()})
    decision = decide(journal.book, seen, NO_GATES)
    assert [i.symbol for i in decision.intents] == ["ACME"]
    assert refused(decision.considered[1])["cash"].endswith("of $26.50 cash")


@pytest.mark.parametrize(("killed", "reduce_only", "leaves"), [
    (False, False, True), (True, False, False), (True, True, True), (False, True, True),
])  # fmt: skip
def test_exits_under_the_kill_switch(killed, reduce_only, leaves):
    """Only where a person has said reduce-only."""
    by = rules().of({**rules().values, "reduce_only": reduce_only})
    assert bool(decide(holding().book, held(5, exits=True, killed=killed), by).intents) is leaves


# stops


def test_a_position_gets_its_stop():
    """A sell stop at the signal's price, down to the tick, that stands until cancelled; the market may be closed."""
    journal = opened()
    journal.buy(protect=usd("9.507"))
    decision = protect(journal.book, snapshot(opens=None, closes=None, quotes={}), rules())
    (order,), (found,) = decision.intents, decision.considered
    assert (order.side, order.leg, order.tif, order.qty, order.limit) == ("sell", "stop", "gtc", 7, None)
    assert (order.stop, order.scan, order.notional, decision.scan) == (usd("9.50"), "p0", 0, "protect")
    assert order.expires == NOON + DAY
    assert found.why == "protects 7 shares at 9.50"
    assert {v.gate for v in found.verdicts} == {"attempts", "kill_switch", "order_rate", "wash_trade"}


@pytest.mark.parametrize(("covered", "filled", "part"), [(0, 0, 7), (3, 0, 4), (7, 0, 0), (7, 2, 0), (5, 2, 2)])
def test_a_stop_for_the_part_that_has_none(covered, filled, part):
    """Seven shares, less what open sell orders would still sell; a fill takes as much from both."""
    journal = opened()
    journal.buy()
    if covered:
        stop = journal.order("ACME", covered, *LIVE, side="sell", leg="stop")
        if filled:
            journal.fill(stop, filled, 9)
    position = journal.book.positions["ACME"]
    assert (bare(journal.book, position), needs_stop(journal.book, position)) == (part, part > 0)
    assert [i.qty for i in protect(journal.book, snapshot(), rules()).intents] == ([part] if part else [])


@pytest.mark.parametrize(("held_", "stops", "filled", "surplus"), [
    (7, [7], 0, []), (7, [4, 3], 0, []), (7, [7, 1], 0, [1]), (7, [4, 4], 0, [1]), (0, [7], 0, [0]),
    (7, [7], 2, []),         # a fill takes as much from both
    (5, [7], 0, [0]),        # two were sold by hand
])  # fmt: skip
def test_stops_for_more_than_is_held(held_, stops, filled, surplus):
    """Those past the shares held would sell what is not there; the earlier ones stay."""
    journal = opened()
    if held_:
        journal.buy(qty=held_)
    made = [journal.order("ACME", qty, *LIVE, side="sell", leg="stop") for qty in stops]
    journal.order("ACME", 9, *LIVE, side="sell", leg="time")
    if filled:
        journal.fill(made[0], filled, 9)
    assert [made.index(o.intent) for o in surplus_stops(journal.book)] == surplus


def test_an_open_entry_covers_nothing():
    """Shares that arrived while the rest of the entry is still open want their stop now."""
    journal = opened()
    journal.fill(journal.order("ACME", 7, *LIVE), 3, 10)
    assert bare(journal.book, journal.book.positions["ACME"]) == 3


def test_ten_stops_a_session():
    """Each that is refused is followed by one of another name, p0 to p9; then a person has to look. Another symbol and
    another session have ten of their own."""
    journal, names = opened(), []
    journal.buy()
    for _ in range(10):
        (order,) = protect(journal.book, snapshot(), rules()).intents
        names.append(order.scan)
        journal(e.Intended(intent=order), e.OrderMoved(order=order.id, state=State.SENT),
                e.OrderMoved(order=order.id, state=State.REJECTED))
    assert names == [f"p{n}" for n in range(10)]
    (found,) = protect(journal.book, snapshot(), rules()).considered
    assert refused(found) == {"attempts": "10 of 10 stops decided today"}
    journal.buy("BETA", 2, 10)
    journal.session(TODAY + DAY)
    decision = protect(journal.book, snapshot(session=TODAY + DAY), rules())
    assert [(i.symbol, i.scan) for i in decision.intents] == [("ACME", "p0"), ("BETA", "p0")]


def test_no_stop_without_a_price():
    """Shares nobody decided on have no stop to stand at."""
    journal = opened()
    journal(e.Adjusted(what="ACME", qty=usd(7), price=usd(10), person="ann", reason="gift"))
    assert not needs_stop(journal.book, journal.book.positions["ACME"])
    assert protect(journal.book, snapshot(), rules()).considered == ()


def test_fractions_are_not_sold():
    """Whole shares only: of 7.5 seven are protected."""
    journal = opened()
    journal.buy()
    journal.fill(journal.order("ACME", 1, *LIVE), Decimal("0.5"), 10)
    assert bare(journal.book, journal.book.positions["ACME"]) == 7
