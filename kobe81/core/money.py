"""Money: dollars and order prices as Decimal, on the grid the exchange trades on."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")
SMALL_TICK = Decimal("0.0001")
ZERO = Decimal(0)


def decimal(value: float) -> Decimal:
    """The shortest decimal that reads back as this float: 0.1 is Decimal('0.1')."""
    return Decimal(repr(float(value)))


def cents(amount: Decimal) -> Decimal:
    """The amount to the cent, halves to the even one."""
    return amount.quantize(CENT, ROUND_HALF_EVEN)


def tick(price: Decimal) -> Decimal:
    """The smallest step of a price: $0.01 from $1 on, $0.0001 below (Regulation NMS, rule 612)."""
    return CENT if price >= 1 else SMALL_TICK


def to_tick(price: Decimal, *, up: bool) -> Decimal:
    """The price on the grid, the next step up or down where it lies between two."""
    return price.quantize(tick(price), ROUND_CEILING if up else ROUND_FLOOR)
