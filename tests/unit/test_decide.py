"""Entries: ranked, sized, written as orders, judged by everything there is; the numbers worked by hand."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from kobe81.core import events as e
from kobe81.core.decisions import Account, Facts
from kobe81.core.ids import client_order_id
from kobe81.core.orders import State
from kobe81.engine.decide import decide
from tests.engine_fixtures import (
    DAY,
    FRIDAY,
    LIVE,
    MINUTE,
    NOON,
    TODAY,
    candidate,
    opened,
    quote,
    refused,
    rules,
    sent,
    snapshot,
    usd,
)

# typed from rules.md: what a candidate is asked by the account, then by the gates and rules in force in June 2026
ACCOUNT = {"position", "side", "tradable", "entries", "strategy", "stop", "slots", "size", "cash"}
ASKED = ACCOUNT | {"confidence_gate", "circuit_breaker", "kill_switch", "liquidity_gate", "order_rate", "policy_gate",
                   "price_collar", "intraday_margin", "penny_stocks", "position_size", "prohibited_list",
                   "trades_per_day", "trading_hours", "wash_trade"}
WIDE = {"policy_gate": {"max_order": 5_000, "max_day": 50_000}}


def one(c=None, journal=None, by=None, **seen):
    """What came of one candidate."""
    found = decide((journal or opened()).book, snapshot(c or candidate(), **seen), by or rules())
    return found.considered[-1], found


def quoted(**prices):
    return {"quotes": {"ACME": quote(**prices)}}


def test_the_order():
    """$10.50 x 1.001 = $10.5105, so a limit of $10.52; seven shares at that are $73.64 of the $75 an order may be."""
    _, decision = one()
    (order,) = decision.intents
    key = "P1|2026-06-08|2|donchian|ACME|buy|entry"
    assert (order.key, order.id) == (key, client_order_id(key))
    assert (order.side, order.leg, order.tif, order.qty, order.limit) == ("buy", "entry", "ioc", 7, usd("10.52"))
    assert (order.notional, order.stop, order.expires) == (usd("73.64"), None, NOON + MINUTE)
    assert (order.protect, order.target, order.hold, order.signalled, order.score) == (usd("9.50"), None, 5, FRIDAY, 2)
    assert (decision.trip, decision.reset, decision.scan) == (None, None, "2")


def test_everything_is_asked_and_kept():
    """An entry that passes carries the verdict of all there is, each with its reason."""
    found, decision = one()
    assert {v.gate for v in found.verdicts} == ASKED
    assert len(found.verdicts) == len(ASKED)
    assert all(v.allowed and v.reason for v in found.verdicts)
    assert (found.intent, found.why, found.leg) == (decision.intents[0].id, "closed above", "entry")


def test_every_refusal_is_kept_with_its_numbers():
    """Not the first alone: six things are wrong with it, and six say so; the others are kept too."""
    found, decision = one(candidate(confidence=0.3, side="short"), entries=False, killed=True,
                          **quoted(bid="2.40", ask="2.50", last="2.45"))
    assert refused(found) == {
        "side": "short; the account buys only", "entries": "no new positions are opened in this scan",
        "stop": "gapped through the stop: 2.45 is not above 9.50",
        "confidence_gate": "confidence 0.30 is below 0.60",
        "kill_switch": "KILL_SWITCH exists; lift it with: kobe resume",
        "penny_stocks": "price $2.51 is below $5.00",
        "policy_gate": "price $2.51 is outside $3.00 to $1,000.00",
        "liquidity_gate": "spread 4.08% is over 0.50%",
        "price_collar": "limit $2.51 against last $2.45: 2.45% is over 2.00%"}
    assert {v.gate for v in found.verdicts} == ASKED
    assert (found.intent, decision.intents) == (None, ())


def test_ranked_by_confidence_then_score_then_name():
    """Whatever order they come in; one of unknown confidence is last."""
    ranked = [candidate("Z", confidence=0.9, score=1.0), candidate("B", confidence=0.8, score=3.0),
              candidate("A", confidence=0.8, score=2.0), candidate("C", confidence=0.8, score=2.0),
              candidate("D", confidence=None, score=9.0)]
    for seed in range(10):
        mixed = random.Random(seed).sample(ranked, 5)
        decision = decide(opened().book, snapshot(*mixed), rules())
        assert [c.symbol for c in decision.considered] == ["Z", "B", "A", "C", "D"]
        assert [i.symbol for i in decision.intents] == ["Z", "B", "A", "C"]


@pytest.mark.parametrize(("ask", "limit", "qty"), [
    ("10.50", "10.52", 7),
    ("10.00", "10.01", 7),           # on the tick already: 10.01
    ("25.00", "25.03", 2),           # 25.025 is up to 25.03; three would be 75.09
    ("24.97", "25.00", 3),           # 24.99497 is up to 25.00: 75.00 to the cent
    ("74.92", "75.00", 1), ("74.93", "75.01", 1),
    ("0.5001", "0.5007", 149),       # four decimals below a dollar: 149 at 0.5007 are 74.60
    ("0.9995", "1.01", 74),          # 1.0004995: from a dollar on, cents
])  # fmt: skip
def test_limit_and_quantity(ask, limit, qty):
    """The ask and 10 basis points, up to the tick; floor(75 / limit) shares, and a share dearer than that is not
    bought: the gates are asked about a single one."""
    found, _ = one(candidate(stop=usd("0.10")), **quoted(bid=ask, ask=ask, last=ask))
    assert (found.limit, found.qty) == (usd(limit), qty)
    dear = usd(limit) > 75
    assert (refused(found).get("size") is not None, "policy_gate" in refused(found)) == (
        dear, dear or usd(limit) < 3)


@pytest.mark.parametrize(("trading", "qty"), [
    ({"notional": 1_000}, 95),                                    # 1,000 / 10.50
    ({"notional": 5_200}, 475),                                   # 5,000 / 10.52: $5,000 at the limit
    ({"sizing": "fraction", "size": 0.01}, 95),                   # 1 % of 100,000
    ({"sizing": "risk", "size": 0.001}, 100),                     # $100 at risk, $1.00 a share
    ({"sizing": "volatility", "size": 0.001}, 29),                # $100 / (10.50 x 2 % x root of 252 = 3.33)
    ({"notional": 10}, 0),
])  # fmt: skip
def test_sizings(trading, qty):
    """At the ask, whole shares; none where the order buys not even one."""
    found, decision = one(by=rules("policy_gate", trading=trading, **WIDE))
    assert (found.qty, [q for _, q in sent(decision)]) == (max(qty, 1), [qty] if qty else [])
    if not qty:
        assert refused(found) == {"size": "one share at 10.50 costs more than the order"}


@pytest.mark.parametrize(("trading", "seen"), [
    ({"sizing": "volatility"}, {"facts": {}}),
    ({"sizing": "volatility"}, {"facts": {"ACME": Facts(volatility=0.0)}}),
    ({"sizing": "fraction"}, {"account": None}),
    ({"sizing": "risk"}, quoted(ask="9.50", bid="9.50", last="9.60")),
])  # fmt: skip
def test_a_size_nobody_can_work_out_is_none(trading, seen):
    """Without volatility, equity, or a distance to the stop."""
    found, decision = one(by=rules("order_rate", trading=trading), **seen)
    assert ("size" in refused(found), decision.intents) == (True, ())


@pytest.mark.parametrize("seen", [
    {"quotes": {}}, quoted(ask="NaN"), quoted(last="NaN"), quoted(bid="Infinity"), quoted(ask=0), quoted(ask=-1),
])  # fmt: skip
def test_no_quote_no_order(seen):
    """None, or one that is no number: said, and nothing else can be asked."""
    found, decision = one(by=rules("order_rate"), **seen)
    assert (refused(found), decision.intents) == ({"quote": "no quote for ACME"}, ())


def test_an_account_that_is_no_number_is_not_known():
    """The gates that need it deny; the others are asked as ever."""
    worth = Account(number="P1", status="ACTIVE", cash=usd(1), equity=usd("NaN"), buying_power=usd(1))
    for account in (None, worth):
        assert refused(one(account=account)[0]).keys() == {"circuit_breaker", "position_size", "intraday_margin"}


# what one scan's orders leave for the next


@pytest.mark.parametrize(("by", "gate", "reason"), [
    (rules(policy_gate={"max_day": 200}), "policy_gate", "the day with it $220.92 is over $200.00"),
    (rules(trades_per_day={"max_trades": 2}), "trades_per_day", "entries in this session 2 reached 2"),
    (rules(order_rate={"max_orders": 2}), "order_rate", "orders in the last minute 2 reached 2"),
    (rules(trading={"max_positions": 2}), "slots", "0 of 2 slots free"),
])  # fmt: skip
def test_used_up_within_one_scan(by, gate, reason):
    """Two orders of $73.64 pass; the third finds the budget, the count, the rate or the slots used up."""
    decision = decide(opened().book, snapshot(*(candidate(s) for s in "ABC")), by)
    assert list(sent(decision)) == [("A", 7), ("B", 7)]
    assert refused(decision.considered[-1]) == {gate: reason}


def test_cash_is_used_up_at_the_ask():
    """Seven at $10.50 are $73.50: twice that is $147.00, and the third finds $3.00."""
    decision = decide(opened(150).book, snapshot(*(candidate(s) for s in "ABC")), rules())
    assert list(sent(decision)) == [("A", 7), ("B", 7)]
    assert refused(decision.considered[-1]) == {"cash": "$73.50 of $3.00 cash"}
    assert len(decide(opened("220.50").book, snapshot(*map(candidate, "ABC")), rules()).intents) == 3


def test_cash_is_promised_to_entries_that_may_still_fill():
    """Of $150, seven shares at $10.50 that nobody knows of keep $73.50: the $76.50 left are for one more, not two."""
    journal = opened(150)
    journal.order("Z", 7, State.SENT, State.UNKNOWN)
    decision = decide(journal.book, snapshot(*map(candidate, "ABZ")), rules())
    assert list(sent(decision)) == [("A", 7)]
    assert refused(decision.considered[1]) == {"cash": "$73.50 of $3.00 cash"}


def test_buying_power_is_used_up_at_the_limit():
    """$150 less twice $73.64 is $2.72."""
    worth = Account(number="P1", status="ACTIVE", cash=usd(150), equity=usd(100_000), buying_power=usd(150))
    decision = decide(opened().book, snapshot(*map(candidate, "ABC"), account=worth), rules())
    assert list(sent(decision)) == [("A", 7), ("B", 7)]
    assert refused(decision.considered[-1]) == {"intraday_margin": "order $73.64 is over $2.72 of buying power"}


def test_what_is_refused_uses_nothing_up():
    """One refused candidate ahead of two that fit."""
    decision = decide(opened(150).book, snapshot(candidate("A", side="short"), candidate("B"), candidate("C")),
                      rules(trading={"max_positions": 2}))
    assert list(sent(decision)) == [("B", 7), ("C", 7)]


def test_probes_are_used_up():
    """Half an hour after it opened the breaker lets three pass; with one used before, two."""
    journal = opened()
    journal(e.Tripped(reason="x"), at=NOON - 30 * MINUTE)
    for left in (3, 2):
        decision = decide(journal.book, snapshot(*(candidate(s) for s in "ABCD")), rules())
        assert len(decision.intents) == left
        assert "probes 3 reached 3" in refused(decision.considered[-1])["circuit_breaker"]
        journal.book = replace(journal.book, probes=1)


def test_the_breaker_trips_and_resets_in_the_decision():
    """Five losses in a row open it, ten set the kill switch, three used probes close it; the reasons are kept."""
    losing = replace(opened().book, losses_in_row=5)
    decision = decide(losing, snapshot(candidate()), rules())
    assert (decision.trip, decision.reset) == ("losses in a row 5 reached 5", None)
    assert refused(decision.considered[0]) == {"circuit_breaker": "losses in a row 5 reached 5"}
    assert decision.kill is None
    assert decide(replace(losing, losses_in_row=10), snapshot(), rules()).kill == "losses in a row 10 reached 10"
    probed = replace(opened().book, tripped_at=NOON - 31 * MINUTE, probes=3)
    decision = decide(probed, snapshot(), rules())
    assert (decision.trip, decision.reset) == (None, "3 of 3 probes used, no limit reached")
    assert decide(losing, snapshot(), rules(off=("circuit_breaker",))).trip is None


# positions, slots, returns


def test_one_position_a_symbol():
    """Held, or an order open in it, or chosen a moment ago by another strategy."""
    held, ordered = opened(), opened()
    held.buy(price="10.40")
    ordered.order("ACME", 7, State.SENT, State.UNKNOWN)
    for journal in (held, ordered):
        assert refused(one(journal=journal)[0]) == {"position": "already in a position in ACME"}
    decision = decide(opened().book, snapshot(candidate(), candidate(strategy="ict_turtle_soup")), rules())
    assert len(decision.intents) == 1
    assert refused(decision.considered[1]) == {"position": "already in a position in ACME"}


def test_positions_and_open_entries_take_slots():
    """One held and one that may have arrived leave none of two; a symbol that is both takes one."""
    journal = opened()
    journal.buy("BETA")
    entry = journal.order("CEDE", 7, State.SENT, State.UNKNOWN)
    by = rules(trading={"max_positions": 2})
    assert refused(one(journal=journal, by=by)[0]) == {"slots": "0 of 2 slots free"}
    journal(e.OrderMoved(order=entry.id, state=State.EXPIRED))
    journal.order("BETA", 7, *LIVE)
    assert not refused(one(journal=journal, by=by)[0])


@pytest.mark.parametrize(("signalled", "again"), [(FRIDAY, False), (TODAY, True), (TODAY + DAY, True)])
def test_no_entry_on_a_signal_from_before_the_exit(signalled, again):
    """Left today at the open, through a gap: Friday's signal is not taken up again. One of the exit's own bar is."""
    journal = opened()
    journal.buy()
    journal.sell(leg="stop")
    found, decision = one(candidate(session=signalled), journal)
    assert bool(decision.intents) is again
    assert again or refused(found) == {"position": "left on 2026-06-08, after the signal of 2026-06-05"}


@pytest.mark.parametrize(("last", "passes"), [("9.51", True), ("9.50", False), ("9.00", False)])
def test_gapped_through_the_stop(last, passes):
    """The last trade must be above the stop; at it is not."""
    found, decision = one(by=rules("order_rate"), **quoted(last=last))
    assert bool(decision.intents) is passes
    assert passes or refused(found) == {"stop": f"gapped through the stop: {last} is not above 9.50"}


def test_a_strategy_that_stands_down():
    """Its candidates are refused with its reason; the others' are not."""
    journal = opened()
    journal(e.StoodDown(session=TODAY, strategy="ict_turtle_soup", reason="raised ValueError"))
    decision = decide(journal.book, snapshot(candidate("A", strategy="ict_turtle_soup"), candidate("B")), rules())
    assert list(sent(decision)) == [("B", 7)]
    assert refused(decision.considered[0]) == {"strategy": "ict_turtle_soup stands down: raised ValueError"}


def test_a_symbol_the_broker_does_not_trade():
    """Halted, or unknown to it: no order, and why."""
    assert refused(one(untradable={"ACME": "halted", "BETA": "unknown"})[0]) == {"tradable": "ACME: halted"}


def test_the_rule_of_the_day_is_asked():
    """Before 2026-06-04 four day trades end entries (pdt); from then on buying power decides (intraday_margin)."""
    for session, rule in ((date(2026, 6, 3), "pdt"), (date(2026, 6, 4), "intraday_margin")):
        moved = {"session": session, "at": NOON + (session - TODAY) / timedelta(days=1) * DAY}
        asked = {v.gate for v in one(**moved)[0].verdicts}
        assert asked & {"pdt", "intraday_margin"} == {rule}


def test_a_gate_switched_off_is_not_asked():
    """And what it would have refused passes."""
    found, decision = one(candidate(confidence=0.1), by=rules(off=("confidence_gate",)))
    assert {v.gate for v in found.verdicts} == ASKED - {"confidence_gate"}
    assert len(decision.intents) == 1


def test_reduce_only_decides_no_entries():
    """A person said that positions may only be left."""
    by = rules().of({**rules().values, "reduce_only": True})
    assert refused(one(by=by)[0]) == {"entries": "no new positions are opened in this scan"}
