"""Fills into lots, first in, first out, in Decimal."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from kobe81.core.money import ZERO


class Lot(Struct, frozen=True):
    """Shares bought together (negative: sold short) at one price."""

    qty: Decimal
    price: Decimal


class Matched(NamedTuple):
    """What a fill leaves: the lots after it, and dollars gained on the shares it closed, and how many those were."""

    lots: tuple[Lot, ...]
    gained: Decimal
    closed: Decimal


def match(lots: tuple[Lot, ...], qty: Decimal, price: Decimal) -> Matched:
    """A fill of `qty` shares (negative: a sale) against the lots, oldest first; what finds no lot opens one."""
    left, gained, closed = qty, ZERO, ZERO
    while left and lots and (lots[0].qty > 0) != (left > 0):
        lot, taken = lots[0], min(abs(left), abs(lots[0].qty))
        way = 1 if lot.qty > 0 else -1
        gained += taken * (price - lot.price) * way
        closed += taken
        left += taken * way
        rest = lot.qty - taken * way
        lots = (Lot(rest, lot.price), *lots[1:]) if rest else lots[1:]
    return Matched((*lots, Lot(left, price)) if left else lots, gained, closed)
