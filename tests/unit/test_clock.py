"""Time is handed in, aware and in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from kobe81.core.clock import SteppedClock, utc
from kobe81.core.errors import UsageError

NOON = datetime(2026, 6, 8, 12, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused():
    """It could be any of two dozen instants; the message shows how to say which."""
    with pytest.raises(UsageError, match=r"2026-06-08T12:00:00 has no time zone.*\+00:00"):
        utc(datetime(2026, 6, 8, 12))
    with pytest.raises(UsageError):
        SteppedClock(datetime(2026, 6, 8, 12))
    with pytest.raises(UsageError):
        SteppedClock(NOON).move_to(datetime(2026, 6, 8, 13))


def test_every_zone_becomes_utc():
    """08:00 in New York's summer is noon."""
    moved = utc(datetime(2026, 6, 8, 8, tzinfo=timezone(timedelta(hours=-4))))
    assert (moved, moved.tzinfo) == (NOON, UTC)


def test_it_stands_still_until_told():
    """Looking at it does not move it; sleeping moves both hands alike."""
    clock = SteppedClock(NOON)
    assert (clock.now(), clock.now(), clock.monotonic()) == (NOON, NOON, 0.0)
    clock.sleep(90.5)
    assert (clock.now(), clock.monotonic()) == (NOON + timedelta(seconds=90.5), 90.5)


def test_it_never_goes_back():
    """A moment that has passed changes nothing; one to come is slept until."""
    clock = SteppedClock(NOON)
    clock.move_to(NOON - timedelta(hours=1))
    assert (clock.now(), clock.monotonic()) == (NOON, 0.0)
    clock.move_to(NOON + timedelta(hours=1))
    assert (clock.now(), clock.monotonic()) == (NOON + timedelta(hours=1), 3600.0)
