"""Time, handed in: the wall clock in UTC for facts, the monotonic clock for durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from kobe81.core.errors import UsageError


class Clock(Protocol):
    """Where time comes from. Below app/ nobody asks anything else."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class SteppedClock:
    """A clock that moves only when it is told to, or slept on: for simulated days and for tests."""

    def __init__(self, start: datetime) -> None:
        self._now, self._elapsed = utc(start), 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self._now, self._elapsed = self._now + timedelta(seconds=seconds), self._elapsed + seconds

    def move_to(self, moment: datetime) -> None:
        """Sleep until `moment`; a moment that has passed changes nothing."""
        self.sleep(max((utc(moment) - self._now).total_seconds(), 0.0))


def utc(moment: datetime) -> datetime:
    """The same instant in UTC; UsageError for one without a time zone, which could mean any."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone; give an instant, as in {moment.isoformat()}+00:00")
    return moment.astimezone(UTC)
