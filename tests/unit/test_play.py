"""A play: when it looks, and where it goes on after a kill."""

from datetime import UTC, date, datetime, timedelta

from kobe81.app.live.play import HastenedClock, play
from kobe81.core.clock import SteppedClock

NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
DAY = date(2016, 10, 10)
SCAN_1 = datetime(2016, 10, 10, 13, 35, tzinfo=UTC)


class Steps:
    """A runner that writes down when it was stepped; it is told to stop at the so many-th."""

    def __init__(self, clock, most=1_000):
        self.stopping, self.reason, self.moments = "", "", []
        self._clock, self._most = clock, most

    def step(self):
        self.moments.append(self._clock.now())
        if len(self.moments) == self._most:
            self.stopping = "enough"

    def stop(self, reason):
        self.reason = reason


def test_a_day_is_looked_at_with_each_job_and_every_half_hour():
    """08:00 in New York, five minutes and an hour after the open, five before the close, and to a minute after the
    end-of-day job; in between never more than half an hour apart."""
    clock = SteppedClock(datetime(2016, 10, 10, 12, 0, tzinfo=UTC))
    runner = Steps(clock)
    play(runner, clock, [DAY], 0.0)
    wanted = [(12, 0), (13, 35), (14, 30), (19, 55), (20, 15), (20, 16)]
    assert {datetime(2016, 10, 10, h, m, tzinfo=UTC) for h, m in wanted} <= set(runner.moments)
    gaps = [b - a for a, b in zip(runner.moments[1:], runner.moments[2:], strict=False)]
    assert max(gaps) == timedelta(minutes=30)
    assert runner.reason == "the last session is over"


def test_after_a_kill_the_first_look_is_where_it_stopped():
    """A quarter of a second after the scan's time the scan is still due; half an hour later it would be skipped."""
    clock = SteppedClock(SCAN_1 + timedelta(seconds=0.25))
    runner = Steps(clock)
    play(runner, clock, [DAY], 0.0)
    assert runner.moments[:2] == [SCAN_1 + timedelta(seconds=0.25), SCAN_1 + timedelta(minutes=30)]


def test_a_play_that_is_over_looks_at_nothing():
    """The same command again, a day later."""
    clock = SteppedClock(SCAN_1 + timedelta(days=1))
    runner = Steps(clock)
    play(runner, clock, [DAY], 0.0)
    assert (runner.moments, runner.reason) == ([], "the last session is over")


def test_a_play_that_is_told_to_stop_stops_once():
    """With the reason it was given."""
    clock = SteppedClock(SCAN_1)
    runner = Steps(clock, most=3)
    play(runner, clock, [DAY], 0.0)
    assert (len(runner.moments), runner.reason) == (3, "enough")


def test_a_hastened_clock_runs_as_told_and_can_be_put_forward():
    """Wall and monotonic time go together, so that nothing looks like a jump."""
    clock = HastenedClock(NOON, 600.0)
    before = clock.now(), clock.monotonic()
    clock.sleep(60.0)
    clock.move_to(NOON + timedelta(hours=5))
    clock.move_to(NOON)
    after = clock.now(), clock.monotonic()
    assert after[0] >= NOON + timedelta(hours=5)
    assert abs((after[0] - before[0]).total_seconds() - (after[1] - before[1])) < 0.5
