"""Each gate's and each rule's numbers, worked by hand or taken from the rule's page; and the contract they share."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from kobe81 import compliance, ml, risk
from kobe81.compliance.profiles import PROFILES, rule_for
from kobe81.core.errors import KobeError, UsageError
from kobe81.core.gates import ENTRY, Circumstances, Gate, Prohibition, Proposal, Verdict, ask, ask_all, in_force

NOON = datetime(2026, 6, 8, 16, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def usd(text):
    return Decimal(text)


def entry(price="10.50", qty=7, notional=None):
    limit = usd(price)
    return Proposal(symbol="ACME", strategy="donchian", side="buy", leg="entry", qty=qty, limit=limit,
                    notional=usd(notional) if notional else qty * limit)


def leave(leg="time", price: str | None = "10.50"):
    return Proposal(symbol="ACME", strategy="donchian", side="sell", leg=leg, qty=7,
                    limit=None if price is None else usd(price), notional=Decimal(0))


def passes(gate, order=None, **seen):
    """Whether the order passes; the reason is kept for `told`."""
    passes.verdict = ask(gate, order or entry(), Circumstances(**seen))
    return passes.verdict.allowed


def told():
    return passes.verdict.reason


POLICY, LIQUIDITY, COLLAR = (risk.gate(name) for name in ("policy_gate", "liquidity_gate", "price_collar"))
RATE, SWITCH = risk.gate("order_rate"), risk.gate("kill_switch")
RULES = {name: compliance.gate(name) for name in compliance.gates.names()}


@pytest.mark.parametrize(("order", "reserved", "allowed"), [
    (entry("10.50", 7), "310", True),       # $73.50 of $75; $383.50 of $1,000
    (entry("75", 1), "925", True),          # both to the cent
    (entry("75.01", 1), "0", False),        # a cent over the order's
    (entry("75", 1), "925.01", False),      # a cent over the day's
    (entry("3", 1), "0", True),
    (entry("2.99", 1), "0", False),
    (entry("100", 1), "0", False),          # a share dearer than the order's limit is refused, not bought
])
def test_policy_counts_cents(order, reserved, allowed):
    """$75 an order, $1,000 a day with what is in use, no price under $3: limits included."""
    assert passes(POLICY, order, reserved=usd(reserved)) is allowed


def test_policy_has_a_highest_price():
    """$1,000 a share passes where the order may be so large, $1,000.01 does not."""
    large = risk.gate("policy_gate", {"max_order": "5000", "max_day": "5000"})
    assert passes(large, entry("1000", 1), reserved=Decimal(0))
    assert not passes(large, entry("1000.01", 1), reserved=Decimal(0))
    assert told() == "price $1,000.01 is outside $3.00 to $1,000.00"


def test_a_verdict_says_what_it_saw_and_its_limits():
    """Allowed or refused; a refusal names only what does not hold."""
    assert ask(POLICY, entry(), Circumstances(reserved=usd("310"))) == Verdict(
        "policy_gate", True,
        "order $73.50 within $75.00; the day with it $383.50 within $1,000.00; price $10.50 within $3.00 to $1,000.00")
    assert not passes(POLICY, entry("10.50", 8), reserved=usd("920"))
    assert told() == "order $84.00 is over $75.00; the day with it $1,004.00 is over $1,000.00"


LIQUID = {"bid": usd("10.48"), "ask": usd("10.50"), "adv": 5e6, "volatility": 0.02}


@pytest.mark.parametrize(("changes", "allowed"), [
    ({}, True),
    ({"adv": 100_000.0}, True),
    ({"adv": 99_999.0}, False),
    ({"bid": usd("399"), "ask": usd("401")}, True),      # 2 / 400 = 0.50 %
    ({"bid": usd("398.99"), "ask": usd("401")}, False),
    ({"bid": usd("10.50")}, True),                       # locked
    ({"bid": usd("10.51")}, False),                      # crossed
    ({"bid": usd("0")}, False),
    ({"bid": usd("-1"), "ask": usd("-1")}, False),
    ({"volatility": -0.5}, False),
    ({"adv": -5e6}, False),
])
def test_liquidity_of_the_market(changes, allowed):
    """ADV of $100,000 and a spread of half a per cent of the mid are just enough; a quote that cannot be is refused."""
    assert passes(LIQUIDITY, entry(), **LIQUID | changes) is allowed


def test_the_spread_is_measured_on_the_mid_price():
    """0.2 / 10 = 2.00 %; of the bid it would be 2.02 %, of the ask 1.98 %."""
    assert not passes(LIQUIDITY, entry(), **LIQUID | {"bid": usd("9.9"), "ask": usd("10.1")})
    assert told() == "spread 2.00% is over 0.50%"


@pytest.mark.parametrize(("order", "volatility", "allowed"), [
    (entry("10", 100), 0.0, True),       # $1,000 of $100,000: 1 %
    (entry("10.01", 100), 0.0, False),   # 1.001 %
    (entry("10", 9), 0.08, True),        # 8 % x sqrt(90 / 100,000) = 8 % x 3 % = 24 bp
    (entry("10", 10), 0.08, False),      # 8 % x sqrt(0.001) = 8 % x 3.1623 % = 25.3 bp
])
def test_liquidity_of_the_order(order, volatility, allowed):
    """An order is 1 % of ADV at most, and volatility x sqrt(order / ADV) 25 basis points at most."""
    assert passes(LIQUIDITY, order, **LIQUID | {"adv": 100_000.0, "volatility": volatility}) is allowed


def test_the_impact_is_told_in_basis_points():
    """1 x 10 % x sqrt(90 / 100,000) = 30 bp."""
    assert not passes(LIQUIDITY, entry("10", 9), **LIQUID | {"adv": 100_000.0, "volatility": 0.10})
    assert told() == "impact (1 x 10.00% x its root) 30.0 bp is over 25.0 bp"


QUOTE = {"at": NOON, "quote_at": NOON - SECOND, "bid": usd("99"), "ask": usd("101"), "last": usd("100")}


@pytest.mark.parametrize(("order", "changes", "allowed"), [
    (entry("102", 1), {}, True),
    (entry("102.01", 1), {}, False),
    (entry("98", 1), {}, True),
    (entry("97.99", 1), {}, False),
    (leave("time", "98"), {}, True),
    (leave("time", "97.99"), {}, False),
    (leave("target", "102.01"), {}, False),
    (leave("time", None), {}, True),
    (entry("100", 1), {"quote_at": NOON - 59 * SECOND}, True),
    (entry("100", 1), {"quote_at": NOON - 60 * SECOND}, False),    # younger than 60 s
    (entry("100", 1), {"quote_at": NOON + SECOND}, True),          # clocks differ a little
    (entry("100", 1), {"quote_at": NOON + 1.001 * SECOND}, False),
    (leave("time", None), {"quote_at": NOON - MINUTE}, False),
    (entry("100", 1), {"bid": usd("101.01")}, False),
    (entry("100", 1), {"bid": usd("0")}, False),
    (entry("100", 1), {"last": usd("0")}, False),
    (entry("100", 1), {"at": datetime(2026, 6, 8, 16, 0)}, False),  # no time zone: could be any instant
])
def test_price_collar(order, changes, allowed):
    """Within 2 % of the last trade on either side, on a quote younger than a minute and not from the future."""
    assert passes(COLLAR, order, **QUOTE | changes) is allowed


@pytest.mark.parametrize("gate", [COLLAR, RULES["trading_hours"]], ids=lambda g: g.name)
def test_a_protective_stop_may_be_placed_without_a_quote_and_after_hours(gate):
    """It protects most when nobody knows a price, and stands at the broker whatever the hour."""
    assert ask_all([gate], leave("stop", None), Circumstances()) == ()
    assert [v.allowed for v in ask_all([gate], leave("time", None), Circumstances())] == [False]


def test_order_rate_counts_this_order_too():
    """Of 30 orders a minute the 30th passes, the 31st does not, an exit neither."""
    assert passes(RATE, orders_last_minute=29)
    assert not passes(RATE, orders_last_minute=30)
    assert not passes(RATE, leave(), orders_last_minute=30)


@pytest.mark.parametrize(("leg", "killed", "reduce_only", "allowed"), [
    ("entry", False, False, True), ("entry", True, False, False), ("entry", True, True, False),
    ("time", False, False, True), ("time", True, False, False), ("time", True, True, True),
    ("stop", True, False, False), ("stop", True, True, True), ("target", True, True, True),
    ("entry", None, True, False), ("time", None, True, False),
])  # fmt: skip
def test_kill_switch(leg, killed, reduce_only, allowed):
    """Nothing passes while it exists, but exits under reduce-only; not to know is to be killed."""
    order = entry() if leg == "entry" else leave(leg, None if leg == "stop" else "10.50")
    assert passes(SWITCH, order, killed=killed, reduce_only=reduce_only) is allowed


@pytest.mark.parametrize(("rule", "facts", "allowed"), [
    ("position_size", {"equity": usd("1470"), "held_value": usd("0")}, True),         # 5 % of 1,470 = 73.50
    ("position_size", {"equity": usd("1469.99"), "held_value": usd("0")}, False),
    ("position_size", {"equity": usd("10000"), "held_value": usd("426.50")}, True),   # 426.50 + 73.50 = 500
    ("position_size", {"equity": usd("10000"), "held_value": usd("426.51")}, False),
    ("position_size", {"equity": usd("-100"), "held_value": usd("0")}, False),
    ("trades_per_day", {"trades_today": 49}, True),
    ("trades_per_day", {"trades_today": 50}, False),
    ("wash_trade", {"opposite_open": False}, True),
    ("wash_trade", {"opposite_open": True}, False),
    ("pdt", {"day_trades": 2, "equity": usd("1000")}, True),        # a third is no pattern yet
    ("pdt", {"day_trades": 3, "equity": usd("24999.99")}, False),   # a fourth would make one
    ("pdt", {"day_trades": 3, "equity": usd("25000")}, True),
    ("pdt", {"day_trades": 40, "equity": usd("25000")}, True),
    ("intraday_margin", {"buying_power": usd("73.50")}, True),
    ("intraday_margin", {"buying_power": usd("73.49")}, False),
])
def test_rules_of_the_account(rule, facts, allowed):
    """For an entry of 7 shares at $10.50, $73.50: each limit included, a cent or a trade past it refused."""
    assert passes(RULES[rule], entry(), **facts) is allowed


def test_penny_stocks_begin_under_five_dollars():
    """17 CFR 240.3a51-1 excepts a stock with a price of five dollars or more."""
    assert passes(RULES["penny_stocks"], entry("5.00", 1))
    assert not passes(RULES["penny_stocks"], entry("4.99", 15))
    assert told() == "price $4.99 is below $5.00"


@pytest.mark.parametrize(("clock", "allowed"), [
    ("14:29:59", False), ("14:30:00", True), ("17:59:59", True), ("18:00:00", False), ("20:30:00", False),
])  # fmt: skip
def test_trading_hours_of_a_half_day(clock, allowed):
    """On 2026-11-27 New York trades from 09:30 to 13:00, 14:30 to 18:00 UTC, the first instant in and the last out."""
    day = {"opens": datetime(2026, 11, 27, 14, 30, tzinfo=UTC), "closes": datetime(2026, 11, 27, 18, 0, tzinfo=UTC)}
    assert passes(RULES["trading_hours"], at=datetime.fromisoformat(f"2026-11-27T{clock}+00:00"), **day) is allowed


@pytest.mark.parametrize(("start", "until", "symbol", "allowed"), [
    (NOON, NOON + SECOND, "ACME", False),
    (NOON + SECOND, None, "ACME", True),           # not yet
    (NOON - MINUTE, NOON, "ACME", True),           # ended, by itself
    (NOON - MINUTE, None, "ACME", False),          # for good
    (NOON - MINUTE, None, "ACMEX", True),
])
def test_prohibited_list_begins_and_ends_by_itself(start, until, symbol, allowed):
    """A symbol is prohibited from its first instant to just before its last, for entries."""
    listed = (Prohibition(symbol=symbol, reason="earnings", start=start, until=until),)
    assert passes(RULES["prohibited_list"], at=NOON, prohibitions=listed) is allowed
    assert ask_all([RULES["prohibited_list"]], leave(), Circumstances(at=NOON, prohibitions=listed)) == ()


def test_prohibited_list_tells_every_reason_and_denies_all_when_it_cannot_be_read():
    """The person at the terminal sees why, and until when."""
    listed = (Prohibition(symbol="ACME", reason="earnings", start=NOON, until=NOON + MINUTE),
              Prohibition(symbol="ACME", reason="manual", start=NOON))
    assert not passes(RULES["prohibited_list"], at=NOON, prohibitions=listed)
    assert told() == "ACME is prohibited: earnings, until 2026-06-08 16:01:00+00:00; manual, for good"
    assert not passes(RULES["prohibited_list"], at=NOON, prohibitions=None)
    assert told() == "prohibitions not known"


@pytest.mark.parametrize(("confidence", "allowed"), [(0.60, True), (0.5999, False), (1.0, True), (1.01, False)])
def test_confidence_gate(confidence, allowed):
    """From 0.60, included, to 1; what is no probability is refused."""
    assert passes(ml.gate("confidence_gate"), confidence=confidence) is allowed


@pytest.mark.parametrize(("profile", "last_day_of_pdt"), [
    ("alpaca", date(2026, 6, 3)), ("phasing_in", date(2027, 10, 20)),
])  # fmt: skip
def test_margin_rule_changes_on_the_day_the_broker_switched(profile, last_day_of_pdt):
    """SR-FINRA-2025-017: in force on 2026-06-04, brokers may go on with the old rule until 2027-10-20."""
    next_day = last_day_of_pdt + timedelta(days=1)
    assert rule_for(profile, last_day_of_pdt) == "pdt"
    assert rule_for(profile, next_day) == "intraday_margin"
    assert "intraday_margin" not in compliance.applying(profile, last_day_of_pdt)
    assert set(compliance.gates.names()) - set(compliance.applying(profile, next_day)) == {"pdt"}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_margin_rule_that_applies_is_in_force(profile):
    """From 2001-09-28 on there is always one, and the rules' own dates agree with the profiles'."""
    for day in range(date(2001, 9, 28).toordinal(), date(2028, 1, 1).toordinal(), 7):
        session = date.fromordinal(day)
        assert in_force([RULES[rule_for(profile, session)]], session)


def test_unknown_profile_is_named():
    """With the nearest that there is."""
    with pytest.raises(UsageError, match="did you mean 'alpaca'"):
        rule_for("alpacca", date(2026, 1, 1))


def test_dated_gates_are_in_force_on_their_first_and_last_day():
    """pdt from 2001-09-28 to 2027-10-20, intraday margin from 2026-06-04; a gate without dates always."""
    gates = [RULES["pdt"], RULES["intraday_margin"], POLICY]
    names = {day: [g.name for g in in_force(gates, date.fromisoformat(day))] for day in (
        "2001-09-27", "2001-09-28", "2026-06-03", "2026-06-04", "2027-10-20", "2027-10-21")}
    assert list(names.values()) == [
        ["policy_gate"], ["pdt", "policy_gate"], ["pdt", "policy_gate"], ["pdt", "intraday_margin", "policy_gate"],
        ["pdt", "intraday_margin", "policy_gate"], ["intraday_margin", "policy_gate"]]


@pytest.mark.parametrize("changes", [
    {"qty": 0}, {"qty": -7}, {"notional": usd("-73.50")}, {"notional": usd("NaN")}, {"notional": usd("Infinity")},
    {"limit": None}, {"limit": usd("NaN")}, {"limit": usd("Infinity")}, {"limit": usd("0")}, {"limit": usd("-10.50")},
    {"notional": usd("73.49")},   # fewer dollars than 7 shares at $10.50 are: every dollar limit would be passed by
    {"qty": 8},
])
def test_an_order_that_is_none_passes_no_gate(changes):
    """Numbers that are none, and a notional under shares times price, are denied before any gate is asked."""
    verdict = ask(RATE, replace(entry(), **changes), Circumstances(orders_last_minute=0))
    assert not verdict.allowed
    assert verdict.reason
    assert not passes(RATE, replace(leave(), notional=usd("-1")), orders_last_minute=0)


def test_which_gates_an_exit_passes():
    """A stop is asked only what concerns every order; another exit also for a sane price and the exchange's hours."""
    every = [room.gate(name) for room in (risk, compliance, ml) for name in room.gates.names()]
    asked = {leg: {g.name for g in every if leg in g.legs} for leg in ("entry", "stop", "time", "target")}
    assert len(asked["entry"]) == len(every) == 15
    assert asked["stop"] == {"kill_switch", "order_rate", "wash_trade"}
    assert asked["time"] == asked["target"] == asked["stop"] | {"price_collar", "trading_hours"}


class Scripted(Gate):
    """Does what it is told."""

    def __init__(self, act):
        object.__setattr__(self, "act", act)

    def judge(self, order, seen):
        return self.act()


def fail():
    raise ValueError("two\nlines")


@pytest.mark.parametrize(("act", "reason"), [
    (fail, "could not answer: ValueError: two lines"),
    (lambda: None, "answered with a NoneType, which is no verdict"),
    (lambda: True, "answered with a bool, which is no verdict"),
    (lambda: Verdict("x", "no", "truthy"), "answered with a Verdict, which is no verdict"),
])
def test_a_gate_that_raises_or_answers_junk_denies(act, reason):
    """In its own name, on one line."""
    assert ask(Scripted(act), entry(), Circumstances()) == Verdict("test_gates_each", False, reason)


def test_all_gates_of_the_leg_are_asked():
    """Refusals do not hide what the others say, and a gate of other legs says nothing."""
    assert POLICY.legs == ENTRY
    assert [v.allowed for v in ask_all([POLICY, RATE, SWITCH], entry(), Circumstances(orders_last_minute=1))] == [
        False, True, False]
    assert [v.gate for v in ask_all([POLICY, RATE, SWITCH], leave(), Circumstances())] == ["order_rate", "kill_switch"]


def test_a_price_nobody_gave_is_an_error():
    """A gate for entries may take the limit for given."""
    with pytest.raises(KobeError, match="not known"):
        _ = leave("stop", None).price
