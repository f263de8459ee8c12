"""The day's jobs, against the exchange's calendar and days that were looked up by hand."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from exchange_calendars import get_calendar

from kobe81.app.live.schedule import GRACE, jobs, session_at

NEW_YORK = ZoneInfo("America/New_York")
NAMES = ["morning", "scan-1", "scan-2", "scan-3", "eod"]


def local(session: date) -> list[str]:
    """When the jobs are due, by clocks in New York."""
    return [f"{job.at.astimezone(NEW_YORK):%m-%d %H:%M}" for job in jobs(session)]


def test_a_day_is_five_jobs():
    """Tuesday 2026-03-10, an ordinary day of 09:30 to 16:00."""
    assert [job.name for job in jobs(date(2026, 3, 10))] == NAMES
    assert local(date(2026, 3, 10)) == ["03-10 08:00", "03-10 09:35", "03-10 10:30", "03-10 15:55", "03-10 16:15"]


def test_half_day_has_no_third_scan_at_1555():
    """On 2026-11-27 the exchange closes at 13:00, so the last scan runs at 12:55 and the day ends at 13:15."""
    assert local(date(2026, 11, 27)) == ["11-27 08:00", "11-27 09:35", "11-27 10:30", "11-27 12:55", "11-27 13:15"]


@pytest.mark.parametrize(("day", "utc"), [
    (date(2026, 3, 6), ["13:00", "14:35", "15:30", "20:55", "21:15"]),
    (date(2026, 3, 9), ["12:00", "13:35", "14:30", "19:55", "20:15"]),
    (date(2026, 10, 30), ["12:00", "13:35", "14:30", "19:55", "20:15"]),
    (date(2026, 11, 2), ["13:00", "14:35", "15:30", "20:55", "21:15"]),
])
def test_summer_time_moves_the_day_in_utc(day: date, utc: list[str]):
    """New York goes from UTC-5 to UTC-4 on Sunday 2026-03-08, and back on Sunday 2026-11-01."""
    found = jobs(day)
    assert [f"{job.at:%H:%M}" for job in found] == utc
    assert all(job.at.tzinfo is UTC or job.at.utcoffset() == timedelta(0) for job in found)
    assert {job.at.date() for job in found} == {day}


@pytest.mark.parametrize("day", [
    date(2025, 1, 9), date(2026, 7, 3), date(2027, 12, 24), date(2026, 12, 25), date(2026, 11, 26), date(2026, 3, 8),
    date(2026, 11, 1), date(2012, 10, 29), date(2018, 12, 5)])
def test_a_closed_day_has_no_jobs(day: date):
    """Two days of mourning, observed and other holidays, a hurricane, and Sundays."""
    assert jobs(day) == ()


def test_every_session_of_22_years():
    """All days of 2007 to 2028: jobs exactly on the exchange's sessions, at these distances from their hours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = get_calendar("XNYS", start="2007-01-01", end="2028-12-31").schedule
    hours = {row.Index.date(): (row.open.to_pydatetime(), row.close.to_pydatetime()) for row in schedule.itertuples()}
    assert len(hours) == 5533  # the sum of the years' published counts, 251 for 2007 to 251 for 2028
    day, minutes = date(2007, 1, 1), timedelta(minutes=1)
    while day <= date(2028, 12, 31):
        found = jobs(day)
        assert bool(found) == (day in hours), day
        if found:
            opens, closes = hours[day]
            morning = datetime.combine(day, time(8), NEW_YORK).astimezone(UTC)
            expected = [morning, opens + 5 * minutes, opens + 60 * minutes, closes - 5 * minutes, closes + 15 * minutes]
            assert [job.at for job in found] == expected, day
        day += timedelta(days=1)


def test_entries_come_with_the_first_two_scans_and_exits_with_the_last():
    """What a scan may do is said by its place in the day, on half-days as well."""
    for day in (date(2026, 3, 10), date(2026, 11, 27)):
        assert [(job.scan, job.entries, job.exits) for job in jobs(day) if job.is_scan] == [
            ("1", True, False), ("2", True, False), ("3", False, True)]


def test_scans_have_five_minutes_of_grace_and_other_jobs_are_caught_up():
    """A scan is not begun more than five minutes late; morning and end of day are done however late."""
    assert timedelta(minutes=5) == GRACE
    assert [job.until and job.until - job.at for job in jobs(date(2026, 3, 10))] == [None, GRACE, GRACE, GRACE, None]


@pytest.mark.parametrize(("moment", "day"), [
    ("2026-03-10T03:59:59+00:00", date(2026, 3, 9)), ("2026-03-10T04:00:00+00:00", date(2026, 3, 10)),
    ("2026-01-10T04:59:59+00:00", date(2026, 1, 9)), ("2026-01-10T05:00:00+00:00", date(2026, 1, 10))])
def test_the_exchange_s_date_changes_at_its_midnight(moment: str, day: date):
    """Midnight in New York is 04:00 UTC in summer, 05:00 in winter."""
    assert session_at(datetime.fromisoformat(moment)) == day
