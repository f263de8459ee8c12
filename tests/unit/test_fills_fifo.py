"""Lots, first in, first out: worked by hand, and against a second program that moves one share at a time."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobe81.engine.fills import Lot, match

FILLS = st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 99_999)), max_size=12)
"""Shares (negative: sold) and cents a share."""


def lots(*pairs: tuple[str, str]) -> tuple[Lot, ...]:
    return tuple(Lot(Decimal(qty), Decimal(price)) for qty, price in pairs)


def run(*pairs: tuple[str, str]) -> tuple[tuple[Lot, ...], list[Decimal], list[Decimal]]:
    """The lots after these fills, and what each of them gained and closed."""
    held: tuple[Lot, ...] = ()
    gained, closed = [], []
    for qty, price in pairs:
        held, won, shares = match(held, Decimal(qty), Decimal(price))
        gained.append(won)
        closed.append(shares)
    return held, gained, closed


@pytest.mark.parametrize(("fills", "left", "gained", "closed"), [
    ([("100", "10.00"), ("50", "12.00")], [("100", "10.00"), ("50", "12.00")], "0 0", "0 0"),
    # 120 of them at 11: the 100 at 10 gain a dollar each, 20 of those at 12 lose one
    ([("100", "10.00"), ("50", "12.00"), ("-120", "11.00")], [("30", "12.00")], "0 0 80.00", "0 0 120"),
    ([("100", "10.00"), ("-40", "10.10"), ("-60", "9.95")], [], "0 4.00 -3.00", "0 40 60"),
    ([("3", "10.01"), ("-1", "10.04"), ("4", "10.02"), ("-4", "10.00")], [("2", "10.02")], "0 0.03 0 -0.06", "0 1 0 4"),
    ([("10", "5"), ("-15", "6")], [("-5", "6")], "0 10", "0 10"),              # sold more than there was: 5 short
    ([("-5", "6"), ("2", "5"), ("3", "7")], [], "0 2 -3", "0 2 3"),            # bought back
    ([("0.5", "100.00"), ("-0.2", "101.00")], [("0.3", "100.00")], "0 0.2", "0 0.2"),
])  # fmt: skip
def test_worked_by_hand(fills, left, gained, closed):
    """The oldest shares leave first; a partial exit splits a lot and keeps what it cost."""
    assert run(*fills) == (lots(*left), [Decimal(g) for g in gained.split()], [Decimal(c) for c in closed.split()])


def test_cents_are_exact():
    """Ten shares at 0.10 sold at 0.30 gain two dollars, where binary floats gain 1.9999999999999998."""
    assert run(*[("1", "0.1")] * 10, ("-10", "0.3"))[1][-1] == Decimal("2.0")


def share_by_share(fills: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """The second program: a queue of single shares, (way, cents) each, and cents gained and shares closed by fill."""
    queue: deque[tuple[int, int]] = deque()
    gained, closed = [], []
    for qty, cents in fills:
        way, won, met = (1 if qty > 0 else -1), 0, 0
        for _ in range(abs(qty)):
            if queue and queue[0][0] == -way:
                other, paid = queue.popleft()
                won += (cents - paid) * other
                met += 1
            else:
                queue.append((way, cents))
        gained.append(won)
        closed.append(met)
    return list(queue), gained, closed


@given(FILLS)
def test_the_lots_are_those_of_single_shares(fills):
    """However shares come and go, long or short: the same shares remain in the same order, the same cents are won."""
    held, gained, closed = run(*((str(q), str(Decimal(cents) / 100)) for q, cents in fills))
    shares = [(1 if lot.qty > 0 else -1, int(lot.price * 100)) for lot in held for _ in range(abs(int(lot.qty)))]
    assert (shares, [int(g * 100) for g in gained], [int(c) for c in closed]) == share_by_share(fills)


@given(FILLS)
def test_money_is_kept(fills):
    """What was gained is what came in less what went out, and what the remaining shares cost."""
    held, gained, _ = run(*((str(q), str(Decimal(cents) / 100)) for q, cents in fills))
    spent = sum(Decimal(q) * Decimal(cents) / 100 for q, cents in fills)
    assert sum(gained) == sum(lot.qty * lot.price for lot in held) - spent
    assert all(lot.qty for lot in held)
