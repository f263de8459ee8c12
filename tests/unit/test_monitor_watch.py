"""What health is told from: how often the journal is looked at, what a broken one means, and the leader's lease."""

import os
from decimal import Decimal

import pytest

from kobe81.core import events as e
from kobe81.core.errors import StoreError
from kobe81.monitor.health_endpoints import Endpoints, Lease, Watch
from kobe81.store.locks import LeaderLock
from tests.monitor_fixtures import SESSION, START, HeldLease, ListJournal, Switch, clock, intent, started, story


def watch(journal, **parts):
    return Watch(journal, **{"lease": HeldLease(), "switch": Switch(), "clock": clock(), **parts})


READY = story(started(), e.Ready())


def test_a_journal_is_looked_at_ten_times_a_second_at_most():
    """A thousand requests within 99 ms cost no look; the first after 100 ms costs one."""
    journal, time_ = ListJournal(READY), clock()
    made = watch(journal, clock=time_)
    for _ in range(1000):
        time_.sleep(0.099 / 1000)
        made.pages()
    assert journal.looks == 1
    time_.sleep(0.002)
    made.pages()
    assert journal.looks == 2


@pytest.mark.parametrize("failure", [StoreError("locked"), OSError("gone")])
def test_a_journal_that_cannot_be_read_is_not_ready(failure):
    """Fail closed, with the reason; metrics go on with what is known and say so; a journal that is back is read on."""
    journal, time_ = ListJournal(READY), clock()
    made = watch(journal, clock=time_)
    assert made.pages()["/ready"].status == 200
    journal.fails = failure
    time_.sleep(1)
    assert str(failure) in made.pages()["/ready"].body.decode()
    assert made.pages()["/ready"].status == 503
    page = made.pages()["/metrics"].body
    assert b"kobe_journal_readable 0.0" in page
    assert b"kobe_ready 0.0" in page
    assert b"kobe_audit_records 2.0" in page
    journal.fails = None
    time_.sleep(1)
    assert made.pages()["/ready"].status == 200


def test_a_number_that_is_none_stops_readiness_not_the_endpoints():
    """A journal with NaN in it is damaged: 503 with a reason, no 500."""
    made = watch(ListJournal([*READY, *story(*(e.Valued(session=SESSION, equity=Decimal(x)) for x in (1, "sNaN", 2)),
                                             first=3)]))
    assert made.pages()["/ready"].status == 503


def test_another_journal_in_its_place_is_read_from_its_beginning():
    """A shorter journal than the one that was told is another one."""
    journal, time_ = ListJournal(story(started(), e.Ready(), e.Failed(source="api", note=""))), clock()
    made = watch(journal, clock=time_)
    journal.records = story(started())
    time_.sleep(1)
    assert b"still to come" in made.pages()["/ready"].body
    assert b'kobe_failures_total{source="api"} 0.0' in made.pages()["/metrics"].body


@pytest.mark.parametrize("event", [e.OrderAdopted(broker="", client="", symbol="T", side="buy", qty=Decimal(1),
                                                  note=""),
                                   e.Killed(by="", reason=""), e.Halted(reason=""), e.NotReady(reasons=()),
                                   e.Stopped(reason=""), started()])
def test_what_stops_trading_needs_no_good_reason_to_be_told(event):
    """An event whose reason is empty makes not ready as well."""
    made = watch(ListJournal(story(started(), e.Ready(), event)))
    assert made.reasons
    assert all(made.reasons)


def test_an_order_on_its_way_is_no_reason():
    """Work in progress does not make a runner unready."""
    assert watch(ListJournal([*READY, *story(e.Intended(intent=intent()), first=3)])).reasons == ()


@pytest.mark.parametrize(("age", "problem"), [(0, ""), (59.9, ""), (60.5, "heartbeat"), (-1.9, ""),
                                              (-2.5, "heartbeat")])
def test_a_heartbeat_is_good_for_a_minute(tmp_path, age, problem):
    """Up to 60 s old, and not from the future by more than two clocks may differ."""
    time_ = clock()
    lock = LeaderLock(tmp_path / "lock", time_)
    os.utime(tmp_path / "lock", (START.timestamp() - age,) * 2)
    found = Lease(tmp_path / "lock").problem(START)
    assert problem in found
    assert bool(problem) == bool(found)
    lock.release()


def test_a_lease_that_cannot_be_read_is_a_problem(tmp_path):
    """A file in the folder's place is neither a lead nor a crash."""
    (tmp_path / "file").write_text("")
    assert "cannot be read" in Lease(tmp_path / "file" / "lock").problem(START)


def test_looking_at_the_lease_takes_no_lead(tmp_path):
    """The lock is free again after each look."""
    time_ = clock()
    LeaderLock(tmp_path / "lock", time_).release()
    lease = Lease(tmp_path / "lock")
    assert all("no runner holds" in lease.problem(START) for _ in range(5))
    LeaderLock(tmp_path / "lock", time_).release()


def test_endpoints_answer_only_what_was_allowed():
    """Without further names only the loopback's."""
    pages = [Endpoints(watch(ListJournal(READY)))._page({"headers": [(b"host", h)], "method": "GET", "path": "/ready"})
             for h in (b"localhost", b"kobe.example")]
    assert [page.status for page in pages] == [200, 400]
