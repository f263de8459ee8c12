"""The runner: each job once, whatever is killed, late, down, halted or switched off."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from kobe81.app.live.runner import Runner
from kobe81.core.errors import LostLead
from kobe81.core.events import (
    Alerted,
    Decided,
    Failed,
    Intended,
    JobDone,
    NotReady,
    Ready,
    Record,
    SessionOpened,
    Started,
    Stopped,
)
from kobe81.execution.exchange.misbehave import Fault, Rule
from tests.live_fixtures import (
    DOWN,
    FRIDAY,
    HALF_DAY,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Home,
    at,
    looks,
    made_bars,
    people,
)

DAY = [("morning", "done"), ("scan-1", "done"), ("scan-2", "done"), ("scan-3", "done"), ("eod", "done")]
TRADED = [("ACME", "entry", Decimal(9), Decimal("52.51"), "23 09:35")]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_day_is_done_once_and_in_order(home: Home):
    """On Monday the candidate is bought at 09:35 at the ask, and at no other time; each job is done once."""
    home.play([MONDAY])
    assert home.jobs == DAY
    assert home.traded == TRADED
    assert not home.alerts("critical")
    assert not home.alerts("warning")


def test_a_position_leaves_with_the_last_scan_of_its_last_bar(home: Home):
    """Held for two bars, that of the entry included: in on Monday, out on Tuesday at 15:55."""
    home.play([MONDAY, TUESDAY])
    assert home.jobs == DAY * 2
    assert [(leg, qty, when) for _, leg, qty, _, when in home.traded] == [
        ("entry", 9, "23 09:35"), ("time", 9, "24 15:55")]


def test_the_first_event_is_the_start_and_the_last_of_a_stop_is_the_stop(home: Home):
    """A runner says when it begins, by which terms, and when it ends in order; its positions' stops stay."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00", "23 09:35")
        runner.stop("enough")
        assert [o.intent.leg for o in runner.book.orders.values() if o.open] == ["stop"]
        assert not [request for request in exchange.asked if request.method == "DELETE"]
    assert isinstance(home.records[0].event, Started)
    assert home.events(Stopped) == [Stopped(reason="enough")]
    with home.runner():
        assert [event.term for event in home.events(Started)] == [1, 2]


def test_run_works_until_it_is_told_to_stop(home: Home):
    """`run` looks every second; once `stopping` says why, it stops in order."""
    def stop_at_the_scan(record: Record) -> None:
        if isinstance(record.event, JobDone) and record.event.job == "scan-1":
            found[0].stopping = "Ctrl-C"

    found: list[Runner] = []
    home.listeners, home.begins = [stop_at_the_scan], "23 09:34"
    home.clock.move_to(at("23 09:34"))
    with home.runner() as (runner, _):
        found.append(runner)
        runner.run(at("23 09:34:10"))
        assert home.clock.now() == at("23 09:34:10")
        assert not home.events(Stopped)
        runner.run()
    assert home.clock.now() < at("23 09:35:10")
    assert home.events(Stopped) == [Stopped(reason="Ctrl-C")]


def test_listeners_hear_every_record_once_and_in_order(tmp_path: Path):
    """What the journal has since the runner's start is told, also what others wrote meanwhile."""
    heard: list[int] = []
    home = Home(tmp_path, listeners=[lambda record: heard.append(record.seq)])
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00")
        people(home, Alerted(id="x", severity="warning", text="by hand"))
        home.step(runner, "23 09:35")
        runner.stop("done")
    assert heard == [record.seq for record in home.records]


# time


def test_a_missed_scan_is_skipped_with_an_alert_and_never_run_late(home: Home):
    """Asleep from 09:34 to 10:00: the first scan is skipped and told; the second buys instead."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:34", "23 10:00")
        assert not home.events(Decided)
        home.step(runner, "23 10:30")
    assert home.jobs == [("morning", "done"), ("scan-1", "skipped"), ("scan-2", "done")]
    assert [text.partition(":")[0] for text in home.alerts("warning")] == [
        "scan-1 of 2026-11-23 was missed and is skipped"]
    assert [when for *_, when in home.traded] == ["23 10:30"]


@pytest.mark.parametrize(("late", "outcome"), [("09:39:59", "done"), ("09:40:00", "done"), ("09:40:01", "skipped")])
def test_a_scan_is_caught_up_within_five_minutes(home: Home, late: str, outcome: str):
    """Five minutes late is in time, a second more is not."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", f"23 {late}")
    assert home.jobs[1] == ("scan-1", outcome)
    assert bool(home.events(Intended)) == (outcome == "done")


def test_started_in_the_afternoon_the_morning_is_caught_up_and_scans_are_skipped(home: Home):
    """At 14:00 the session is opened, its morning done, both early scans skipped; last scan and evening follow."""
    with home.runner() as (runner, _):
        home.step(runner, "23 14:00", "23 15:55", "23 20:00")
    assert home.jobs == [DAY[0], ("scan-1", "skipped"), ("scan-2", "skipped"), *DAY[3:]]


def test_asleep_through_a_day_it_is_told_and_the_next_is_a_day_as_any(home: Home):
    """From Monday 10:00 to Wednesday 08:00: nothing of Monday or Tuesday is run late; it is told, once."""
    home.bars = made_bars({"ACME": FRIDAY, "LATE": TUESDAY})
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:35", "23 10:00", *looks(WEDNESDAY))
    assert home.jobs == [*DAY[:2], *DAY]
    (told,) = [text for text in home.alerts("warning") if "nobody ran" in text]
    assert told == ("nobody ran, and nobody will: scan-2 of 2026-11-23, scan-3 of 2026-11-23, eod of 2026-11-23, "
                    "morning of 2026-11-24, scan-1 of 2026-11-24 and 3 more")
    assert [(s, leg, when) for s, leg, _, _, when in home.traded] == [
        ("ACME", "entry", "23 09:35"), ("ACME", "time", "25 09:35"), ("LATE", "entry", "25 09:35")]


def test_a_half_day_ends_at_one(home: Home):
    """On 2026-11-27 the last scan, which sells what was bought on Wednesday, runs at 12:55."""
    home.bars = made_bars({"ACME": TUESDAY})
    home.play([WEDNESDAY, HALF_DAY])
    assert [(leg, when) for _, leg, _, _, when in home.traded] == [("entry", "25 09:35"), ("time", "27 12:55")]
    assert home.jobs == DAY * 2


def test_nothing_happens_on_a_closed_day(tmp_path: Path):
    """Thanksgiving, and a Sunday: no session, no job; the runner is ready all the same."""
    home = Home(tmp_path, begins="2026-11-22 12:00")
    with home.runner() as (runner, _):
        home.step(runner, "22 12:00", "22 23:59", "26 10:00", "26 16:00")
        assert runner.book.ready
    assert not home.jobs
    assert not home.events(SessionOpened)


@pytest.mark.parametrize("seconds", [3.0, -3.0, 7200.0, -7200.0])
def test_a_clock_that_jumps_is_not_believed_until_everything_was_looked_at(home: Home, seconds: float):
    """Three seconds against the monotonic clock: not ready, told; ready again after the next look, half a minute on."""
    with home.runner() as (runner, _):
        home.step(runner, "23 12:00")
        home.clock.jump(seconds)
        home.look(runner, 1)
        assert not runner.book.ready
        assert "the clock jumped" in home.events(NotReady)[-1].reasons[0]
        home.look(runner, 28)
        assert not runner.book.ready
        home.look(runner, 2)
        assert runner.book.ready
    assert sum("jumped" in text for text in home.alerts("warning")) == 1


def test_a_clock_that_is_corrected_a_little_is_believed(home: Home):
    """Two seconds and less are what time servers do."""
    with home.runner() as (runner, _):
        home.step(runner, "23 12:00")
        home.clock.jump(1.9)
        home.look(runner, 2)
        assert runner.book.ready
    assert not home.events(NotReady)


def test_no_scan_is_decided_right_after_a_jump(home: Home):
    """The clock jumps over the scan's moment: nothing is decided before the look half a minute later."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:34:30")
        home.clock.jump(30)
        home.look(runner, 5)
        assert not home.events(Decided)
        home.look(runner, 30)
    assert [when for *_, when in home.traded] == ["23 09:35"]


# the broker


def test_a_broker_that_is_down_at_the_start(home: Home):
    """Not ready, and why; nothing is opened; asked every half minute; ready and at work as soon as it is up."""
    home.script = (DOWN,)
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        home.look(runner, 120)
        assert not runner.book.ready
        assert "503" in runner.book.not_ready[0]
        assert not home.jobs
        assert 4 <= len(home.events(Failed)) <= 6
        exchange.follow()
        home.look(runner, 31)
        assert runner.book.ready
    assert home.jobs == [("morning", "done")]


def test_a_broker_that_is_down_when_the_scan_is_due(home: Home):
    """Nothing is decided while it is down; within the grace the scan is caught up, without a storm of questions."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00", "23 09:34:59")
        exchange.follow(DOWN)
        home.look(runner, 90)
        assert not home.events(Decided)
        assert len(home.events(Failed)) <= 5
        exchange.follow()
        home.look(runner, 31)
    assert home.jobs == DAY[:2]
    assert home.traded, "a single failure in half a minute opens no circuit breaker"


def test_a_broker_that_is_down_in_the_evening(home: Home):
    """The day ends all the same, and its summary does not say that book and broker agree."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00", "23 15:55")
        exchange.follow(DOWN)
        home.step(runner, "23 16:15")
    (done,) = [event for event in home.events(JobDone) if event.job == "eod"]
    assert "agree" not in done.note
    assert "the broker does not answer" in done.note


def test_book_and_broker_are_compared_every_three_minutes_of_the_day(home: Home):
    """From the morning to the evening; at night nobody asks."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00", "23 09:35", "23 12:00")
        before = len(exchange.asked)
        home.step(runner, "23 12:02:59")
        assert len(exchange.asked) == before
        home.step(runner, "23 12:03")
        assert len(exchange.asked) > before
        home.step(runner, "23 15:55", "23 16:15", "23 16:16")
        before = len(exchange.asked)
        home.step(runner, "23 17:00", "23 23:00")
        assert len(exchange.asked) == before


def test_a_market_closed_by_surprise_denies(home: Home):
    """The broker says that its market is closed while the calendar says open: every candidate is refused, and told."""
    home.script = (Rule(fault=Fault.RENAME, path="/v2/clock", fields={"is_open": "was_open"}),)
    home.play([MONDAY])
    assert not home.traded
    assert "trading_hours" in home.refusals
    assert home.jobs == DAY


# the lead


def test_who_lost_the_lead_writes_and_sends_nothing_more(home: Home):
    """Its lock file is removed, another leads: the first stops at its next look with LostLead."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        home.places.lock.unlink()
        seq, posted = runner.book.seq, exchange.posted
        with pytest.raises(LostLead):
            home.step(runner, "23 09:35")
        assert (home.records[-1].seq, exchange.posted) == (seq, posted)


def test_a_second_runner_of_a_higher_term_ends_the_first(home: Home):
    """Even with the lock in its hands: a journal that another has started on takes nothing of the first."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        first = home.events(Started)[0]
        people(home, Started(run="other", mode=first.mode, broker=first.broker, account=first.account,
                             code=first.code, config=first.config, term=2))
        with pytest.raises(LostLead):
            home.step(runner, "23 09:35")
        assert not exchange.posted


def test_ready_comes_after_the_sweep_and_before_any_decision(home: Home):
    """I11: in the journal, account, session and reconciliation stand before Ready, Ready before the first decision."""
    home.play([MONDAY])
    kinds = [type(record.event).__name__ for record in home.records]
    steps = ("Started", "AccountOpened", "SessionOpened", "Reconciled", "Ready", "Decided")
    order = [kinds.index(name) for name in steps]
    assert order == sorted(order)
    assert len(home.events(Ready)) == 1


def test_every_event_names_what_led_to_it(home: Home):
    """I12: only the beginnings have no cause; an order's is its decision, a decision's is what was seen."""
    home.play([MONDAY, TUESDAY])
    records = {record.seq: record for record in home.records}
    for record in records.values():
        assert 0 <= record.cause < record.seq
        if isinstance(record.event, Intended):
            assert isinstance(records[record.cause].event, Decided)
        if isinstance(record.event, Decided):
            assert type(records[record.cause].event).__name__ == "Scanned"
