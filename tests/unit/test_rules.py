"""Rules: a configuration that is wrong refuses to start, and one that is right is what it says, and its digest."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest

from kobe81.backtest.engine import Account
from kobe81.core.errors import UsageError
from kobe81.engine.rules import Rules, Trading

DEFAULT = Rules.of({})
# typed from rules.md
GATES = {"policy_gate", "liquidity_gate", "circuit_breaker", "price_collar", "order_rate", "kill_switch",
         "position_size", "trades_per_day", "penny_stocks", "trading_hours", "pdt", "intraday_margin", "wash_trade",
         "prohibited_list", "confidence_gate"}
LIMITS = {"policy_gate": {"max_order": "75", "max_day": "1000", "min_price": "3", "max_price": "1000"},
          "liquidity_gate": {"min_adv": 100_000.0, "max_spread": "0.005", "max_share": 0.01, "max_impact": 25.0},
          "circuit_breaker": {"max_loss": "1000", "max_loss_share": "0.02", "max_drawdown": "0.10", "max_losses": 5,
                              "max_errors": 10, "max_api_failures": 5, "pause": 30, "max_probes": 3},
          "price_collar": {"max_age": 60.0, "width": "0.02"}, "position_size": {"max_share": "0.05"},
          "trades_per_day": {"max_trades": 50}, "penny_stocks": {"min_price": "5"}, "confidence_gate": {"floor": 0.6}}


def test_the_defaults_are_those_of_the_page():
    """Every gate and rule there is, with its published limits; entries reach 10 basis points past the ask."""
    values = DEFAULT.values
    assert set(values["gates"]) - {"off"} == GATES
    for gate, limits in LIMITS.items():
        assert {name: values["gates"][gate][name] for name in limits} == limits
    assert (values["trading"]["reach_bps"], DEFAULT.max_order, values["gates"]["off"]) == (10.0, 75, [])


def test_an_account_and_its_orders_have_the_same_defaults():
    """A backtest by the kernel and one by the decision path size alike where nobody says anything."""
    for name in ("sizing", "notional", "size", "max_positions"):
        assert getattr(Trading(), name) == getattr(Account(), name)


@pytest.mark.parametrize(("values", "said"), [
    ({"gate": {}}, "unknown table of rules 'gate'; did you mean 'gates'"),
    ({"gates": {"policy": {}}}, "unknown gate 'policy'; did you mean 'policy_gate'"),
    ({"gates": {"off": ["confidence"]}}, "unknown gate 'confidence'; did you mean 'confidence_gate'"),
    ({"gates": {"off": "order_rate,confidence"}}, "unknown gate 'confidence'"),
    ({"gates": {"policy_gate": {"max_ordr": 5}}}, "unknown setting of policy_gate 'max_ordr'; did you mean"),
    ({"gates": {"policy_gate": 5}}, "gate policy_gate = 5 is no table"),
    ({"gates": {"policy_gate": {"max_order": "nan"}}}, "max_order = nan is not an amount"),
    ({"gates": {"policy_gate": {"max_order": float("nan")}}}, "max_order = nan is not an amount"),
    ({"gates": {"policy_gate": {"max_order": "inf"}}}, "max_order = inf is not an amount"),
    ({"gates": {"policy_gate": {"max_order": -1}}}, "max_order = -1 is outside 0"),
    ({"gates": {"circuit_breaker": {"max_losses": 2.5}}}, "max_losses = 2.5 is not a whole number"),
    ({"gates": {"confidence_gate": {"floor": float("nan")}}}, "floor = nan is outside 0.0 to 1.0"),
    ({"gates": {"confidence_gate": {"floor": "high"}}}, "floor = 'high' is not a number"),
    ({"trading": {"sizing": "fractoin"}}, "unknown sizing 'fractoin'; did you mean 'fraction'"),
    ({"trading": {"notonal": 5}}, "unknown trading setting 'notonal'; did you mean 'notional'"),
    ({"trading": {"max_positions": 0}}, "max_positions = 0 is outside 1"),
    ({"trading": {"notional": float("nan")}}, "notional = nan is outside"),
    ({"trading": {"reach_bps": 201}}, "reach_bps = 201.0 is outside 0.0 to 200.0"),
])  # fmt: skip
def test_what_is_wrong_refuses_to_start(values, said):
    """A name nobody knows, a number that is none or out of bounds: the message says which, and what was meant."""
    with pytest.raises(UsageError) as refused:
        Rules.of(values)
    assert str(refused.value).startswith(said)


def test_a_profile_nobody_knows_is_refused_when_it_is_asked():
    """Which rules hold on a day is then not known."""
    with pytest.raises(UsageError, match="unknown broker profile 'alpacca'"):
        Rules.of({"trading": {"profile": "alpacca"}}).in_force(date(2026, 6, 8))


SOME = {"account": "PA3X", "reduce_only": True, "trading": {"sizing": "risk", "size": "0.01", "expires": 30},
        "gates": {"policy_gate": {"max_order": "123.45"}, "off": ["order_rate", "pdt"]}}


@pytest.mark.parametrize("values", [{}, SOME])
def test_values_make_the_same_rules_again(values):
    """By way of JSON, as the journal keeps them: equal, with an equal digest."""
    rules = Rules.of(values)
    again = Rules.of(json.loads(json.dumps(rules.values)))
    assert (again, again.digest, again.values) == (rules, rules.digest, rules.values)


def test_values_are_taken_as_given():
    """Each where it belongs."""
    rules = Rules.of(SOME)
    assert (rules.account, rules.reduce_only, rules.off) == ("PA3X", True, ("order_rate", "pdt"))
    assert (rules.trading.sizing, rules.trading.size, rules.trading.expires) == ("risk", 0.01, 30)
    assert rules.max_order == Decimal("123.45")
    assert {g.name for g in rules.gates} == GATES - {"order_rate", "pdt"}
    assert Rules.of({"gates": {"off": "order_rate, pdt"}}).off == ("order_rate", "pdt")
    assert Rules.of({"gates": {"off": ["policy_gate"]}}).max_order is None


def leaves(values, *path):
    """Every single value, with its path."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, *path, name)
        elif name != "off":
            yield (*path, name), value


def nearby(value):
    """Whole numbers beside it, and something that is none."""
    return [int(value) + 1, int(value) - 1, value * 0.99]


NAMED = {"account": "P2", "sizing": "risk", "profile": "phasing_in", "reduce_only": True}


@pytest.mark.parametrize(("path", "value"), list(leaves(DEFAULT.values)), ids=str)
def test_every_value_is_in_the_digest(path, value):
    """One value changed to another that is allowed, whichever: another digest."""
    *owners, name = path
    made = []
    for other in [NAMED[name]] if name in NAMED else nearby(float(value)):
        changed = table = json.loads(json.dumps(DEFAULT.values))
        for owner in owners:
            table = table[owner]
        table[name] = other
        with suppress(UsageError):  # out of its bounds
            made.append(Rules.of(changed))
    different = [rules for rules in made if rules.values != DEFAULT.values]
    assert different
    assert DEFAULT.digest not in {rules.digest for rules in different}


def test_gates_switched_off_are_in_the_digest():
    """A gate that is not asked makes other rules."""
    digests = {Rules.of({"gates": {"off": [name]}}).digest for name in GATES} | {DEFAULT.digest}
    assert len(digests) == 1 + len(GATES)


@pytest.mark.parametrize(("session", "profile", "margin"), [
    (date(2026, 6, 3), "alpaca", {"pdt"}), (date(2026, 6, 4), "alpaca", {"intraday_margin"}),
    (date(2026, 6, 4), "phasing_in", {"pdt"}), (date(2027, 10, 20), "phasing_in", {"pdt"}),
    (date(2027, 10, 21), "phasing_in", {"intraday_margin"}), (date(2001, 9, 27), "alpaca", set()),
])  # fmt: skip
def test_dated_rules(session, profile, margin):
    """FINRA 4210(f)(8)(B) from 2001-09-28; intraday margin in its place on 2026-06-04, or on 2027-10-21 at brokers that
    phase it in."""
    asked = {g.name for g in Rules.of({"trading": {"profile": profile}}).in_force(session)}
    assert asked & {"pdt", "intraday_margin"} == margin
    assert asked | {"pdt", "intraday_margin"} == GATES


def test_what_must_not_be_switched_off():
    """The caller names it; the message says what to take out."""
    off = Rules.of({"gates": {"off": ["kill_switch"]}})
    off.require("policy_gate")
    with pytest.raises(UsageError, match=r"gate kill_switch cannot be switched off here; take it out of gates\.off"):
        off.require("policy_gate", "kill_switch")
