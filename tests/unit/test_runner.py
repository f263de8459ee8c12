"""The runner: each job once, whatever is killed, late, down, halted or switched off."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from kobe81.app.live.runner import Runner
from kobe81.core.errors import LostLead
from kobe81.core.events import (
    Acknowledged,
    Alerted,
    Decided,
    Failed,
    Halted,
    Intended,
    JobDone,
    Killed,
    Lifted,
    NotReady,
    Ready,
    Record,
    Resumed,
    SessionOpened,
    Started,
    Stopped,
)
from kobe81.execution.exchange.misbehave import Fault, Rule
from kobe81.execution.exchange.wire import Request
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.store.journal import open_journal
from tests.live_fixtures import (
    DOWN,
    FRIDAY,
    HALF_DAY,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Home,
    Troubled,
    at,
    looks,
    made_bars,
)

DAY = [("morning", "done"), ("scan-1", "done"), ("scan-2", "done"), ("scan-3", "done"), ("eod", "done")]
TRADED = [("ACME", "entry", Decimal(9), Decimal("52.51"), "23 09:35")]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def people(home: Home, *events: object) -> None:
    """What a person does to the journal meanwhile."""
    journal = open_journal(home.places.journal, home.clock)
    journal.append(*events)  # type: ignore[arg-type]
    journal.close()


def test_a_day_is_done_once_and_in_order(home: Home):
    """On Monday the candidate is bought at 09:35 at the ask, and at no other time; each job is done once."""
    home.play([MONDAY])
    assert home.jobs == DAY
    assert home.traded == TRADED
    assert not home.alerts("critical") and not home.alerts("warning")


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
        assert home.clock.now() == at("23 09:34:10") and not home.events(Stopped)
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
    """At 14:00 the session is opened, its morning done, both early scans are skipped; the last and the evening follow."""
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
    assert not home.jobs and not home.events(SessionOpened)


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
    assert sum("jumped" in text for text in home.alerts("critical")) == 1


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
    """Not ready, with the reason, and nothing is opened; asked every half minute; ready and at work as soon as it is up."""
    home.script = (DOWN,)
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        home.look(runner, 120)
        assert not runner.book.ready and "503" in runner.book.not_ready[0]
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
        assert not home.events(Decided) and len(home.events(Failed)) <= 5
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
    assert "agree" not in done.note and "the broker does not answer" in done.note


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
    assert not home.traded and "trading_hours" in home.refusals
    assert home.jobs == DAY


# halted and killed


def test_what_nobody_ordered_halts_the_day(home: Home):
    """A stranger's order at the broker: adopted, told, not ready, and no order of ours follows, ever."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        _stranger(exchange)
        home.step(runner, "23 09:35", "23 10:30", "23 15:55", "23 16:15")
        assert not runner.book.ready and "halted" in runner.book.not_ready[0]
        assert exchange.posted == 1, "the stranger's"
    assert not home.events(Intended)
    assert home.jobs == [DAY[0], *((f"scan-{i}", "skipped") for i in (1, 2, 3)), DAY[4]]
    assert any("did not send" in text for text in home.alerts("critical"))


def _stranger(exchange: Troubled) -> None:
    body = (b'{"symbol": "ACME", "qty": "3", "side": "buy", "type": "limit", "limit_price": "1.00", '
            b'"time_in_force": "day", "client_order_id": "by-hand"}')
    keys = {"apca-api-key-id": "paper", "apca-api-secret-key": "paper"}
    assert exchange.handle(Request("POST", "/v2/orders", {}, body, keys)).status == 200


def test_a_halt_by_others_is_seen_at_the_next_look(home: Home):
    """Ready is false, with the reason, as soon as the journal says halted; a person resumes, and it is true again."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        people(home, Halted(reason="a person wants to look"))
        home.look(runner, 1)
        assert runner.book.not_ready == ("trading is halted: a person wants to look",)
        home.step(runner, "23 09:35")
        assert not exchange.posted
        people(home, Resumed(person="ann", reason="looked"))
        home.look(runner, 31)
        assert runner.book.ready
    assert home.traded


def test_the_switch_in_the_middle_of_the_day(home: Home):
    """Set before the scan: not ready, told; the scan decides, the kill switch denies everything, and nothing is sent."""
    with home.runner() as (runner, exchange):
        home.step(runner, "23 08:00")
        FileKillSwitch(home.places.switch).engage("ann", "enough")
        home.look(runner, 1)
        assert "enough" in runner.book.not_ready[0]
        home.step(runner, "23 09:35")
        assert not exchange.posted
    (decided,) = home.events(Decided)
    assert all("kill_switch" in {v.gate for v in c.refusals} for c in decided.decision.considered)
    assert decided.decision.considered and not home.events(Intended)
    assert home.jobs == DAY[:2]
    assert [event.by for event in home.events(Killed)] == ["switch"]
    assert sum("no order is sent any more" in text for text in home.alerts("critical")) == 1


def test_while_killed_a_position_that_is_due_keeps_its_stop(home: Home):
    """The time is up, but the switch denies the exit: the stop at the broker is not taken away."""
    with home.runner() as (runner, exchange):
        home.step(runner, *looks(MONDAY), "24 08:00")
        FileKillSwitch(home.places.switch).engage("ann", "enough")
        home.step(runner, "24 15:55", "24 16:15")
        assert [o.intent.leg for o in runner.book.orders.values() if o.open] == ["stop"]
        assert not [request for request in exchange.asked if request.method == "DELETE"]
    assert [leg for _, leg, *_ in home.traded] == ["entry"]


def test_kobe_kill_is_seen_at_the_next_look(home: Home):
    """`kobe kill` sets the switch and tells the journal itself: ready is false at once all the same."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00")
        FileKillSwitch(home.places.switch).engage("kobe kill (ann)", "enough")
        people(home, Killed(by="kobe kill (ann)", reason="enough"))
        home.look(runner, 1)
        assert runner.book.not_ready == ("killed: kobe kill (ann): enough",)
        FileKillSwitch(home.places.switch).lift()
        people(home, Lifted(person="ann", reason="over"))
        home.look(runner, 31)
        assert runner.book.ready


def test_a_critical_alert_that_nobody_acknowledges_sets_the_switch(home: Home):
    """30 minutes, not a second less; a warning never does."""
    with home.runner() as (runner, _):
        home.step(runner, "23 11:00")
        people(home, Alerted(id="w", severity="warning", text="not so bad"),
               Alerted(id="c", severity="critical", text="look at this"))
        home.step(runner, "23 11:29:59")
        assert not home.places.switch.exists()
        home.step(runner, "23 11:30")
        assert "nobody acknowledged: look at this" in home.places.switch.read_text()
        home.look(runner, 1)
        assert runner.book.killed and not runner.book.ready


def test_an_acknowledged_alert_sets_nothing(home: Home):
    """Somebody knows: trading goes on."""
    with home.runner() as (runner, _):
        home.step(runner, "23 11:00")
        people(home, Alerted(id="c", severity="critical", text="look at this"), Acknowledged(id="c", person="ann"))
        home.step(runner, "23 11:31", "23 12:30")
        assert runner.book.ready and not home.places.switch.exists()


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
    order = [kinds.index(name) for name in ("Started", "AccountOpened", "SessionOpened", "Reconciled", "Ready", "Decided")]
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
