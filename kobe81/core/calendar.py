"""Sessions: which days a market trades, and when each of them is over."""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import NamedTuple

from kobe81.core.errors import UsageError, unknown_name

CALENDARS = ("XNYS", "24/7")
"""The New York Stock Exchange, and markets that never close (a session there is a day of UTC)."""

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2040, 12, 31)
"""What the calendars cover; holidays beyond the exchange's own announcements are its standing rules."""

_DAY = timedelta(days=1)


class _Sessions(NamedTuple):
    days: list[date]
    opens: list[datetime]
    closes: list[datetime]


def sessions(calendar: str, first: date, last: date) -> list[date]:
    """The calendar's sessions from `first` to `last`, both included, ascending."""
    known = _sessions(calendar)
    _within(first)
    _within(last)
    return known.days[bisect_left(known.days, first) : bisect_right(known.days, last)]


def last_complete_session(calendar: str, now: datetime) -> date:
    """The latest session whose close is not after `now`, an instant with a time zone."""
    if now.tzinfo is None:
        raise UsageError(f"{now.isoformat()} has no time zone; give an instant, as in {now.isoformat()}+00:00")
    _within(now.astimezone(UTC).date())
    known = _sessions(calendar)
    return known.days[bisect_right(known.closes, now) - 1]


def hours(calendar: str, session: date) -> tuple[datetime, datetime] | None:
    """When that day's session opens and closes, in UTC; None where the market is closed all day."""
    _within(session)
    known = _sessions(calendar)
    position = bisect_left(known.days, session)
    if position == len(known.days) or known.days[position] != session:
        return None
    return known.opens[position], known.closes[position]


def missing_sessions(calendar: str, days: Iterable[date], first: date, last: date) -> list[date]:
    """The sessions from `first` to `last` that are not among `days`, ascending."""
    present = set(days)
    return [day for day in sessions(calendar, first, last) if day not in present]


def _within(day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UsageError(f"{day} is outside the calendars, which cover {FIRST_DAY} to {LAST_DAY}")


@cache
def _sessions(calendar: str) -> _Sessions:
    if calendar == "XNYS":
        return _exchange(calendar)
    if calendar == "24/7":
        return _every_day()
    raise unknown_name("calendar", calendar, CALENDARS)


def _every_day() -> _Sessions:
    days = [FIRST_DAY + timedelta(days=i) for i in range((LAST_DAY - FIRST_DAY).days + 1)]
    opens = [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in days]
    return _Sessions(days, opens, [start + _DAY for start in opens])


def _exchange(name: str) -> _Sessions:
    from exchange_calendars import get_calendar

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exchange_calendars uses what newer releases of pandas deprecate
        known = get_calendar(name, start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())
    days = [stamp.date() for stamp in known.closes.index]
    return _Sessions(days, *([stamp.to_pydatetime() for stamp in side] for side in (known.opens, known.closes)))
