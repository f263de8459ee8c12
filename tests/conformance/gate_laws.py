"""The laws every gate obeys, whoever wrote it. Each takes a gate and raises AssertionError where it is broken.

A gate from another package is held to them as soon as it is installed beside kobe81: `pytest tests/conformance`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kobe81.core.errors import UsageError
from kobe81.core.gates import Circumstances, Gate, Prohibition, Proposal, Verdict, ask
from kobe81.core.params import parameters, with_values

Case = tuple[Proposal, Circumstances]
NOW = datetime(2026, 6, 8, 19, 55, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
BANNED = Prohibition(symbol="ACME", reason="earnings", start=NOW - DAY, until=NOW + DAY)
ENDED = Prohibition(symbol="ACME", reason="news", start=NOW - 2 * DAY, until=NOW)
OTHER = Prohibition(symbol="BRK.B", reason="manual", start=NOW - DAY)


def _decimals(*numbers: str) -> list[Any]:
    return [Decimal(n) for n in numbers]


FACTS: dict[str, list[Any]] = {
    "at": [NOW, NOW + 4 * MINUTE, NOW + 5 * MINUTE, NOW - 7 * DAY],
    "session": [NOW.date()],
    "opens": [NOW.replace(hour=13, minute=30), NOW + MINUTE],
    "closes": [NOW.replace(hour=20, minute=0), NOW.replace(hour=17, minute=0)],
    "bid": _decimals("10.48", "10.45", "10.51", "10.30", "0", "-1"),
    "ask": _decimals("10.50", "10.51", "10.60", "0"),
    "last": _decimals("10.49", "10.60", "10.80", "9", "0"),
    "quote_at": [NOW - 2 * timedelta(seconds=1), NOW - MINUTE, NOW - 3 * MINUTE, NOW + timedelta(seconds=1.5)],
    "adv": [5e6, 1e5, 99_999.0, 7_000.0, 100.0, 0.0],
    "volatility": [0.02, 0.0, 0.5, 4.0, -0.1],
    "confidence": [0.7, 0.6, 0.599, 0.2, 0.95, 1.5],
    "equity": _decimals("49990", "24999.99", "25000", "48500", "46000", "39000", "1000", "0"),
    "day_start_equity": _decimals("50000", "49000", "1000000", "0"),
    "peak_equity": _decimals("51000", "55544.44", "60000", "1000000", "0"),
    "buying_power": _decimals("90000", "73.50", "73.49", "0", "-5"),
    "held_value": _decimals("0", "900", "2426", "2427", "50000"),
    "reserved": _decimals("310", "0", "926.50", "926.51", "990", "5000"),
    "trades_today": [4, 0, 49, 50, 90],
    "orders_last_minute": [2, 0, 29, 30, 190],
    "losses_in_row": [1, 0, 4, 5, 9, 10, 40],
    "errors": [0, 9, 10, 30],
    "api_failures": [1, 4, 5, 30],
    "tripped_at": [None, NOW - 10 * MINUTE, NOW - 30 * MINUTE, NOW - 120 * MINUTE, NOW + MINUTE],
    "probes": [0, 1, 2, 3, 7],
    "opposite_open": [False, True],
    "day_trades": [1, 0, 2, 3, 4],
    "bought_today": [False, True],
    "prohibitions": [(), (OTHER,), (ENDED, OTHER), (OTHER, BANNED)],
    "killed": [False, True],
    "reduce_only": [False, True],
}
"""Values of every circumstance; the first ones together let every built-in entry pass."""

GOOD = Circumstances(**{name: values[0] for name, values in FACTS.items()})
PRICES = _decimals("10.50", "0.90", "2.99", "3", "4.99", "5", "11", "37.01", "75", "800", "1500")
NO_NUMBERS = [float("nan"), float("inf"), float("-inf"), *_decimals("NaN", "sNaN", "Infinity", "-Infinity")]


def proposal(leg: Any = "entry", price: Decimal | None = PRICES[0], qty: int = 7) -> Proposal:
    notional = qty * price if leg == "entry" and price is not None else Decimal(0)
    return Proposal(symbol="ACME", strategy="donchian", side="buy" if leg == "entry" else "sell", leg=leg, qty=qty,
                    limit=None if leg == "stop" else price, notional=notional)


def _declared(gate: Gate) -> list[str]:
    return [*gate.reads, *gate.optional]


def _case(gate: Gate, rng: random.Random) -> Case:
    changed = rng.sample(_declared(gate), min(len(_declared(gate)), rng.choice((0, 1, 1, 2, 3))))
    price, qty = rng.choice((PRICES[0], rng.choice(PRICES))), rng.choice((7, 7, 1, 95))
    seen = msgspec.structs.replace(GOOD, **{name: rng.choice(FACTS[name]) for name in changed})
    return proposal(rng.choice(sorted(gate.legs)), price, qty), seen


@cache
def cases(gate: Gate) -> list[Case]:
    """Orders and circumstances around the limits, a few of them at a time out of the ordinary."""
    rng = random.Random(81)
    return [_case(gate, rng) for _ in range(1_500)]


def ladder(gate: Gate, limit: str) -> list[Gate]:
    """The gate with this limit at values from the laxest to the strictest."""
    spec = parameters(gate)[limit]
    low, high, kind = spec.metadata["low"], spec.metadata["high"], type(spec.default)
    steps = {kind(str(min(max(float(spec.default) * k, low), high))) if kind is Decimal else
             kind(min(max(spec.default * k, low), high)) for k in (0, 0.5, 0.9, 1, 1.1, 2, 10)}
    return [replace(gate, **{limit: v}) for v in sorted(steps, reverse=gate.stricter.get(limit, 1) < 0)]  # type: ignore[arg-type]


def what_is_not_known_denies(gate: Gate) -> None:
    """Where anything the gate reads is missing or no finite number, every order is denied, the good ones too."""
    for leg in sorted(gate.legs):
        for name in gate.reads:
            number = isinstance(FACTS[name][0], int | float | Decimal) and not isinstance(FACTS[name][0], bool)
            for bad in [None, *(NO_NUMBERS if number else [])]:
                seen = msgspec.structs.replace(GOOD, **{name: bad})
                assert ask(gate, proposal(leg), seen).allowed is False, f"{name} = {bad!r} is let pass"
            for nan in (float("nan"), Decimal("NaN")) if number else ():
                every = all(_lets_pass(gate, leg, name, value) for value in FACTS[name])
                assert every or not _lets_pass(gate, leg, name, nan), f"{name}: NaN wins where a number loses"


def _lets_pass(gate: Gate, leg: Any, name: str, value: Any) -> bool:
    """Whether the gate itself, without `ask` before it, would say yes."""
    try:
        return gate.judge(proposal(leg), msgspec.structs.replace(GOOD, **{name: value})).allowed
    except Exception:  # noqa: BLE001  (raising is one way to deny)
        return False


class Watched:
    """Circumstances that remember what was looked at."""

    def __init__(self, seen: Circumstances) -> None:
        self.seen, self.touched = seen, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.touched.add(name)
        return getattr(self.seen, name)


def it_looks_where_it_says(gate: Gate) -> None:
    """What is looked at is declared, what is declared is looked at, and the rest does not matter."""
    assert set(_declared(gate)) <= set(FACTS), "a read is no circumstance"
    touched, rest = set(), {n: None for n in FACTS if n not in _declared(gate) and n != "reduce_only"}
    for order, seen in cases(gate):
        watched = Watched(seen)
        gate.judge(order, watched)  # type: ignore[arg-type]
        touched |= watched.touched
        assert ask(gate, order, seen) == ask(gate, order, msgspec.structs.replace(seen, **rest)), "reads undeclared"
    assert touched == set(_declared(gate)), f"looks at {sorted(touched)}, says {sorted(_declared(gate))}"


def it_answers(gate: Gate) -> None:
    """On facts that are known it raises nothing, and its verdict is a yes or a no in its own name."""
    for order, seen in cases(gate):
        verdict = gate.judge(order, seen)
        assert isinstance(verdict, Verdict), f"{verdict!r} is no verdict"
        assert isinstance(verdict.allowed, bool), f"{verdict.allowed!r} is neither yes nor no"
        assert verdict.gate == gate.name, f"{gate.name} speaks for {verdict.gate}"


def it_says_yes_and_no(gate: Gate) -> None:
    """A gate that never refuses protects from nothing; one that always does is a wall. What it passes is asked here."""
    found = {ask(gate, order, seen).allowed for order, seen in cases(gate)}
    assert found == {True, False}, f"all are {'allowed' if True in found else 'denied'}"


def the_same_question_has_the_same_answer(gate: Gate) -> None:
    """Nothing is remembered: asked again, in another order, of a copy, it says the same."""
    first = [ask(gate, order, seen) for order, seen in cases(gate)]
    again = [ask(replace(gate), order, seen) for order, seen in reversed(cases(gate))][::-1]
    assert first == again


def a_stricter_limit_never_allows_more(gate: Gate) -> None:
    """From the laxest value of a limit to the strictest, an order that was refused once is refused from there on."""
    ladders = {limit: ladder(gate, limit) for limit in gate.stricter}

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(cases(gate)), st.decimals("0.01", 2000, places=2), st.integers(1, 100))
    def climb(case: Case, price: Decimal, qty: int) -> None:
        drawn = proposal(case[0].leg, price, qty)
        for limit, rungs in ladders.items():
            for order in (case[0], drawn):
                allowed = [ask(rung, order, case[1]).allowed for rung in rungs]
                assert allowed == sorted(allowed, reverse=True), f"a stricter {limit} allows more: {allowed}"

    climb()


def every_limit_bites_and_is_told(gate: Gate) -> None:
    """Each limit has a stricter side, refuses what a laxer value allows, and stands in reasons of both kinds."""
    assert set(gate.stricter) == set(parameters(gate)), "a limit without a stricter side, or a side without a limit"
    assert set(gate.stricter.values()) <= {1, -1}
    for limit in gate.stricter:
        effects = set[Any]()
        for lax, strict in pairwise(ladder(gate, limit)):
            for order, seen in cases(gate):
                one, other = ask(lax, order, seen), ask(strict, order, seen)
                effects.add("bites" if one.allowed != other.allowed else (one.allowed, one.reason != other.reason))
        assert "bites" in effects, f"{limit} refuses nothing"
        assert (True, True) in effects, f"{limit} is in no reason for letting pass"
        assert (False, True) in effects, f"{limit} is in no reason for refusing"


def reasons_are_one_line_with_numbers(gate: Gate) -> None:
    """One line of printable text; where the gate has limits there is a number in it, allowed or not."""
    for order, seen in cases(gate):
        reason = ask(gate, order, seen).reason
        assert reason.strip() == reason != "", "no reason"
        assert reason.isprintable(), f"more than one line: {reason!r}"
        assert not gate.stricter or any(c.isdigit() for c in reason), f"no number: {reason}"


def limits_are_bounded(gate: Gate) -> None:
    """Every field is a limit with a meaning and bounds; what lies outside and NaN are refused, as text too."""
    assert is_dataclass(gate)
    assert gate.__dataclass_params__.frozen, "the dataclass is not frozen"  # type: ignore[attr-defined]
    known = parameters(gate)
    assert set(known) == {f.name for f in fields(gate)}, "a field is no limit: use param(...)"
    for name, spec in known.items():
        low, high = spec.metadata["low"], spec.metadata["high"]
        assert spec.metadata["meaning"].strip(), f"{name} has no meaning"
        assert low is not None and high is not None, f"{name} has no bounds"  # noqa: PT018
        assert low <= spec.default <= high, f"the default of {name} is outside its bounds"
        for outside in _outside(spec.default, low, high):
            assert _refused(gate, name, outside), f"{name} = {outside} is not refused"


def _outside(default: Any, low: float, high: float) -> Iterator[Any]:
    kind = Decimal if isinstance(default, Decimal) else float
    yield from (type(default)(low - 1), type(default)(high + 1), kind("nan"), kind("inf"), kind("-inf"))


def _refused(gate: Gate, name: str, value: Any) -> bool:
    """Refused when set by Python and when set from text."""
    refusals = 0
    for change in (lambda: replace(gate, **{name: value}), lambda: with_values(gate, {name: str(value)})):
        try:
            change()
        except UsageError:
            refusals += 1
    return refusals == 2


def dates_are_in_order(gate: Gate) -> None:
    """A dated rule begins before it ends."""
    assert gate.since is None or gate.until is None or gate.since <= gate.until


LAWS = (what_is_not_known_denies, it_looks_where_it_says, it_answers, it_says_yes_and_no,
        the_same_question_has_the_same_answer, a_stricter_limit_never_allows_more, every_limit_bites_and_is_told,
        reasons_are_one_line_with_numbers, limits_are_bounded, dates_are_in_order)
