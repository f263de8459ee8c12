"""Sessions of the New York Stock Exchange, and of markets that never close. Expected days come from the exchange."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from kobe81.core.calendar import last_complete_session, missing_sessions, sessions
from kobe81.core.errors import UsageError


def test_holidays_are_no_sessions():
    """In the week of Thanksgiving 2026 the exchange is closed on Thursday, the 26th."""
    week = sessions("XNYS", date(2026, 11, 23), date(2026, 11, 29))
    assert week == [date(2026, 11, d) for d in (23, 24, 25, 27)]


@pytest.mark.parametrize("day", [date(2025, 1, 9), date(2026, 7, 3), date(2027, 12, 24), date(2001, 9, 11),
                                 date(2012, 10, 29)])
def test_days_the_exchange_was_or_will_be_closed(day):
    """A president's funeral, two holidays observed on a Friday, an attack, a hurricane."""
    assert sessions("XNYS", day, day) == []


def test_the_number_of_sessions_in_known_years():
    """252 in 2024, 250 in 2023; 2001 lost four days to September."""
    counts = [len(sessions("XNYS", date(y, 1, 1), date(y, 12, 31))) for y in (2001, 2023, 2024)]
    assert counts == [248, 250, 252]


def test_a_session_is_complete_at_its_close_and_not_before():
    """In winter 16:00 in New York is 21:00 UTC, in summer 20:00."""
    monday, friday = date(2026, 1, 12), date(2026, 1, 9)
    assert last_complete_session("XNYS", datetime(2026, 1, 12, 20, 59, 59, tzinfo=UTC)) == friday
    assert last_complete_session("XNYS", datetime(2026, 1, 12, 21, 0, tzinfo=UTC)) == monday
    assert last_complete_session("XNYS", datetime(2026, 7, 13, 20, 0, tzinfo=UTC)) == date(2026, 7, 13)


def test_a_half_day_is_complete_at_one():
    """On 2026-11-27 the exchange closes at 13:00 in New York, 18:00 UTC."""
    assert last_complete_session("XNYS", datetime(2026, 11, 27, 18, 0, tzinfo=UTC)) == date(2026, 11, 27)
    assert last_complete_session("XNYS", datetime(2026, 11, 27, 17, 59, tzinfo=UTC)) == date(2026, 11, 25)


def test_the_instant_counts_and_not_its_zone():
    tokyo = timezone(timedelta(hours=9))
    assert last_complete_session("XNYS", datetime(2026, 1, 13, 6, 0, tzinfo=tokyo)) == date(2026, 1, 12)


def test_a_market_that_never_closes_has_a_session_every_day():
    assert len(sessions("24/7", date(2024, 1, 1), date(2024, 12, 31))) == 366
    assert last_complete_session("24/7", datetime(2024, 2, 29, 23, 59, tzinfo=UTC)) == date(2024, 2, 28)
    assert last_complete_session("24/7", datetime(2024, 3, 1, 0, 0, tzinfo=UTC)) == date(2024, 2, 29)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(UsageError, match="has no time zone"):
        last_complete_session("XNYS", datetime(2026, 1, 12, 21, 0))


def test_a_date_outside_the_calendars_is_refused():
    """Rather than answered with no sessions."""
    for first, last in ((date(1900, 1, 1), date(2024, 1, 1)), (date(2024, 1, 1), date(2099, 1, 1))):
        with pytest.raises(UsageError, match="outside the calendars"):
            sessions("XNYS", first, last)
    with pytest.raises(UsageError, match="outside the calendars"):
        last_complete_session("24/7", datetime(2099, 1, 1, tzinfo=UTC))


def test_missing_sessions_are_those_without_a_bar():
    """The 26th is missing nobody: it is no session."""
    have = [date(2026, 11, 23), date(2026, 11, 27)]
    assert missing_sessions("XNYS", have, date(2026, 11, 23), date(2026, 11, 27)) == [
        date(2026, 11, 24), date(2026, 11, 25)]


def test_an_unknown_calendar_is_refused():
    with pytest.raises(UsageError, match="unknown calendar 'XNYC'; did you mean 'XNYS'"):
        sessions("XNYC", date(2024, 1, 1), date(2024, 1, 2))
