"""Dollars and prices: exact, and on the exchange's grid."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobe81.core.money import cents, decimal, tick, to_tick


@pytest.mark.parametrize(("value", "text"), [(0.1, "0.1"), (10, "10.0"), (1e-7, "1E-7"), (2.675, "2.675")])
def test_a_float_is_what_it_prints_as(value, text):
    """0.1 is a tenth, not 0.1000000000000000055511151231257827."""
    assert decimal(value) == Decimal(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_it_reads_back(value):
    """No float is changed by the way into Decimal and out again."""
    assert float(decimal(value)) == value


@pytest.mark.parametrize(("amount", "rounded"), [
    ("1.004", "1.00"), ("1.005", "1.00"), ("1.015", "1.02"), ("1.0051", "1.01"), ("-1.005", "-1.00"), ("7", "7.00"),
])  # fmt: skip
def test_halves_of_a_cent_go_to_the_even_one(amount, rounded):
    """As bankers round: 1.005 down, 1.015 up."""
    assert str(cents(Decimal(amount))) == rounded


@pytest.mark.parametrize(("price", "step"), [
    ("1", "0.01"), ("999.99", "0.01"), ("0.9999", "0.0001"), ("0.0001", "0.0001"),
])  # fmt: skip
def test_rule_612(price, step):
    """No price below a dollar is quoted finer than $0.0001, none from a dollar on finer than $0.01 (17 CFR 242.612)."""
    assert tick(Decimal(price)) == Decimal(step)


@pytest.mark.parametrize(("price", "down", "up"), [
    ("10.5105", "10.51", "10.52"), ("10.50", "10.50", "10.50"), ("0.50065", "0.5006", "0.5007"),
    ("0.99995", "0.9999", "1.0000"), ("1.0001", "1.00", "1.01"),
])  # fmt: skip
def test_between_two_steps(price, down, up):
    """The lower and the upper one; on the grid it stays."""
    assert (str(to_tick(Decimal(price), up=False)), str(to_tick(Decimal(price), up=True))) == (down, up)


@given(st.decimals("0.0001", "5000", places=7, allow_nan=False))
def test_the_next_step_and_no_further(price):
    """Up is never below, down never above, and neither is a whole step away."""
    below, above = to_tick(price, up=False), to_tick(price, up=True)
    assert below <= price <= above
    assert max(price - below, above - price) < tick(price)
