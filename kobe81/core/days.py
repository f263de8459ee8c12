"""Day numbers: dates as the days since 1970-01-01 that arrays hold."""

from __future__ import annotations

from datetime import date
from typing import SupportsInt

EPOCH = date(1970, 1, 1).toordinal()


def day(number: SupportsInt) -> date:
    """The date of a day number."""
    return date.fromordinal(EPOCH + int(number))


def number(when: date) -> int:
    """The day number of a date."""
    return when.toordinal() - EPOCH
