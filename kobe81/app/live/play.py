"""Play: the runner on bars of the past, with a clock of its own; killed, it goes on where its journal stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Protocol

from kobe81.app.clock import SystemClock
from kobe81.app.live.paper import STORE
from kobe81.app.live.runner import NAP, Runner
from kobe81.app.live.schedule import EXCHANGE, jobs
from kobe81.app.live.station import Places
from kobe81.core.bars import Bars
from kobe81.core.calendar import sessions
from kobe81.core.clock import Clock, SteppedClock, utc
from kobe81.core.days import day
from kobe81.core.errors import StoreError, UsageError
from kobe81.store import locks
from kobe81.store.journal import open_journal

ACCOUNT = "play"
EVENING = timedelta(minutes=1)
"""How long after its last job a day is over."""
LOOK_EVERY = timedelta(minutes=30)
"""Between jobs of a stepped day, so that stops that fill are noticed."""
FASTEST = 600.0
"""Beyond it the five minutes within which a scan may begin are over before it can."""


class PlayClock(Clock, Protocol):
    """A clock that can be put forward."""

    def move_to(self, moment: datetime) -> None:
        """Let the time until then be over; a moment that has passed changes nothing."""


class HastenedClock:
    """A clock that began at an instant and runs so many times as fast as the machine's."""

    def __init__(self, begins: datetime, speed: float) -> None:
        self._begins, self._speed, self._machine = utc(begins), speed, SystemClock()
        self._zero, self._skipped = self._machine.monotonic(), 0.0

    def now(self) -> datetime:
        return self._begins + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (self._machine.monotonic() - self._zero) * self._speed + self._skipped

    def sleep(self, seconds: float) -> None:
        self._machine.sleep(seconds / self._speed)

    def move_to(self, moment: datetime) -> None:
        self._skipped += max((utc(moment) - self.now()).total_seconds(), 0.0)


def play_clock(begins: datetime, speed: float) -> PlayClock:
    """A clock at so many times the speed of ours; at 0, one that stands still until it is moved."""
    if not 0.0 <= speed <= FASTEST:
        raise UsageError(f"--speed {speed} is outside 0 (as fast as it can) to {FASTEST:g}")
    return HastenedClock(begins, speed) if speed else SteppedClock(begins)


def played_sessions(bars: Bars, first: date, count: int) -> list[date]:
    """So many sessions from `first` on; UsageError where the exchange is closed, or the bars do not reach."""
    if not jobs(first):
        raise UsageError(f"--play {first}: the exchange is closed on that day")
    if count < 1:
        raise UsageError(f"--sessions {count} must be 1 at least")
    ends = day(bars.sessions[-1])
    found = list(islice(sessions(EXCHANGE, first, ends), count)) if first <= ends else []
    if len(found) < count or first <= day(bars.sessions[0]):
        raise UsageError(f"--play {first} --sessions {count}: the bars are of {day(bars.sessions[0])} to {ends}, and "
                         f"a day is played on those before it; give another day, or fewer sessions")
    return found


def resumes(folder: Path, first: date) -> datetime:
    """When to begin: at the first job of the first session, or where journal and exchange stopped, if that is later.

    StoreError where another runner leads.
    """
    begins = jobs(first)[0].at
    if found := locks.leader(Places(folder).lock):
        raise StoreError(f"another runner leads: {found}. Stop it first; two would send twice")
    return max(begins, *_stopped(Places(folder), begins))


def play(runner: Runner, clock: PlayClock, days: Sequence[date], speed: float) -> None:
    """Run these sessions to their evenings; what is over already is not run again."""
    begins = clock.now()
    for moment in _looks(days, begins):
        if runner.stopping:
            break
        if speed and moment > clock.now():
            _wait(runner, clock, moment)
        clock.move_to(moment)
        runner.step()
    runner.stop(runner.stopping or "the last session is over")


def _wait(runner: Runner, clock: PlayClock, moment: datetime) -> None:
    """Work until then; a night, and a morning before the first scan, are skipped."""
    if moment - clock.now() > 2 * LOOK_EVERY:
        return
    while not runner.stopping and clock.now() < moment:
        runner.step()
        clock.sleep(NAP)


def _looks(days: Sequence[date], begins: datetime) -> Iterator[datetime]:
    """When to look: now, where the play is under way, then at each job and every half hour, for stops that fill."""
    every = sorted(moment for session in days for moment in _of_day(session))
    if every[0] < begins <= every[-1]:
        yield begins
    yield from (moment for moment in every if moment >= begins)


def _of_day(session: date) -> set[datetime]:
    due = [job.at for job in jobs(session)]
    between = {due[1] + i * LOOK_EVERY for i in range(1, 48)}
    return {*due, *(t for t in between if t < due[-1]), due[-1] + EVENING}


def _stopped(places: Places, begins: datetime) -> list[datetime]:
    """When journal and exchange were last written. Of a journal that cannot be read, the station tells."""
    from kobe81.execution.exchange.store import Store

    moments = [begins]
    if places.journal.exists():
        try:
            journal = open_journal(places.journal, SteppedClock(begins))
            moments += [record.time for record in journal.since(journal.head()[0] - 1)]
            journal.close()
        except StoreError:
            return moments
    if (places.folder / STORE).exists():
        store = Store(places.folder / STORE)
        moments += [known.at] if (known := store.load()) else []
        store.close()
    return moments
