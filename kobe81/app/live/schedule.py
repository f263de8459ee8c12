"""The day's jobs: when each is due, relative to the session, half-days included."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kobe81.core.calendar import hours

EXCHANGE = "XNYS"
EXCHANGE_TIME = ZoneInfo("America/New_York")
GRACE = timedelta(minutes=5)
"""A scan later than this is skipped, never run late."""


class Job(NamedTuple):
    """A job of one session. until: not begun after this; None where it is caught up however late."""

    name: str
    at: datetime
    until: datetime | None = None
    entries: bool = False
    exits: bool = False

    @property
    def is_scan(self) -> bool:
        """Whether it decides."""
        return self.name.startswith("scan")

    @property
    def scan(self) -> str:
        """The scan's name in decisions: 1, 2 or 3."""
        return self.name.removeprefix("scan-")


def jobs(session: date) -> tuple[Job, ...]:
    """What happens on that day, in order; nothing where the exchange is closed.

    08:00 New York time morning; scans at open + 5 min, open + 60 min, close - 5 min; close + 15 min end of day. New
    positions are opened by the first two scans, positions whose time is up leave with the last.
    Source: docs/trading.md, The day.
    """
    found = hours(EXCHANGE, session)
    if found is None:
        return ()
    opens, closes = found
    morning = datetime.combine(session, time(8), EXCHANGE_TIME).astimezone(opens.tzinfo)
    scans = ((opens + timedelta(minutes=5), True), (opens + timedelta(minutes=60), True),
             (closes - timedelta(minutes=5), False))
    return (Job("morning", morning),
            *(Job(f"scan-{i}", at, at + GRACE, entries, not entries) for i, (at, entries) in enumerate(scans, 1)),
            Job("eod", closes + timedelta(minutes=15)))


def session_at(now: datetime) -> date:
    """The exchange's date at an instant."""
    return now.astimezone(EXCHANGE_TIME).date()
