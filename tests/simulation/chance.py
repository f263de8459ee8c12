"""Chance that can be asked again: the answer depends on the seed and on what is asked, not on what was asked before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Chance(NamedTuple):
    """seed: the day's; salt: differs after each crash, so that the same call may meet another fate."""

    seed: int
    salt: int = 0

    def draw(self, *what: object) -> float:
        """A number in [0, 1)."""
        asked = "|".join(map(str, (*self, *what)))
        return int.from_bytes(blake2b(asked.encode(), digest_size=7).digest(), "big") / 2**56

    def one_of(self, odds: Sequence[tuple[float, T]], *what: object) -> T:
        """One of the values, by their odds, which add up to 1."""
        drawn = self.draw(*what)
        for share, value in odds:
            drawn -= share
            if drawn < 0:
                return value
        return odds[-1][1]

    def whole(self, low: int, high: int, *what: object) -> int:
        """An integer from low to high, both included."""
        return low + int(self.draw(*what) * (high - low + 1))

    def seconds(self, low: float, high: float, *what: object) -> timedelta:
        """A duration, to the millisecond."""
        return timedelta(milliseconds=round(1000 * (low + self.draw(*what) * (high - low))))
