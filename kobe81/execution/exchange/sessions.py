"""Sessions of the New York Stock Exchange as an exchange sees them: the one that trades, the one before, the next."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from kobe81.core import calendar
from kobe81.execution.exchange.quotes import CALENDAR

_LONGEST_CLOSURE = timedelta(days=30)


class Session(NamedTuple):
    """A trading day and its hours in UTC."""

    day: date
    opens: datetime
    closes: datetime

    def trades(self, at: datetime) -> bool:
        """Whether the market is open at an instant, the close itself included."""
        return self.opens <= at <= self.closes


def sessions(first: date, last: date) -> list[Session]:
    """The sessions dated first..last, ascending, as far as the calendar knows."""
    first, last = max(first, calendar.FIRST_DAY), min(last, calendar.LAST_DAY)
    days = calendar.sessions(CALENDAR, first, last) if first <= last else []
    return [Session(day, *times) for day in days if (times := calendar.hours(CALENDAR, day)) is not None]


def session_at(now: datetime) -> Session:
    """The session that trades now, or the next."""
    return next(s for s in sessions(now.date(), now.date() + _LONGEST_CLOSURE) if s.closes > now)


def session_before(day: date) -> Session:
    """The last session before a day."""
    return sessions(day - _LONGEST_CLOSURE, day - timedelta(days=1))[-1]


def session_after(day: date) -> Session:
    """The first session after a day."""
    return sessions(day + timedelta(days=1), day + _LONGEST_CLOSURE)[0]
