"""kobe reconcile and kobe resume: book against broker with nobody else writing, and what it takes to go on."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cli_fixtures import folder, kobe, refused  # noqa: F401  (fixtures)
from readiness_fixtures import DAY, journal_of, rehearsed

from kobe81.app.clock import SystemClock
from kobe81.app.live.reconciling import agrees, halted_by, resume, unclean
from kobe81.core import events as e
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import encode
from kobe81.core.events import Record
from kobe81.data.providers.sample import sample_bars
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.wire import Request
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.oms.ledger import Ledger
from kobe81.store.locks import LeaderLock

EVENING = datetime(2023, 2, 3, 21, 16, tzinfo=UTC)
KEYS = {"apca-api-key-id": "any", "apca-api-secret-key": "any"}
NOW = datetime(2026, 6, 8, 16, tzinfo=UTC)


@pytest.fixture
def home(folder, tmp_path):  # noqa: F811
    """The home of a rehearsal that holds 4 GOOG and 2 META."""
    return rehearsed(tmp_path / "home")


def told(home, *kinds):
    journal = journal_of(home, EVENING)
    found = [record.event for record in journal.since(0) if isinstance(record.event, kinds)]
    journal.close()
    return found


def at_exchange(home, *requests):
    """What the exchange within answers, in the evening of the day."""
    exchange = Exchange(BarQuotes(sample_bars()), SteppedClock(EVENING).now, store=home / "exchange.db")
    answers = [json.loads(exchange.handle(Request(*request, KEYS)).body) for request in requests]
    exchange.close()
    return answers


def lost(home):
    """The exchange's file is gone: a new account with $100,000 and nothing else will stand in its place."""
    (home / "exchange.db").unlink()


def record(seq, event, at=NOW):
    return Record(seq=seq, time=at, cause=0, event=event)


def test_agreement_is_shown_line_by_line(kobe, home):  # noqa: F811
    """The cash as the exchange itself has it, and every position, in a table; exit code 0; it is journaled."""
    (account,) = at_exchange(home, ("GET", "/v2/account", {}, b""))
    before = len(told(home, e.Reconciled))
    done = kobe("reconcile")
    lines = [line.split() for line in done.out.splitlines()]
    cash = f"{float(account['cash']):,.2f}"
    assert done.code == 0
    assert ["cash", cash, cash, "yes"] in lines
    assert ["GOOG", "4", "4", "yes"] in lines
    assert ["META", "2", "2", "yes"] in lines
    assert len(told(home, e.Reconciled)) == before + 1
    assert max(r.time for r in journal_of(home).since(0)) == EVENING  # the play's time, not ours


def test_a_difference_halts_and_exits_1(kobe, home):  # noqa: F811
    """Every line that differs says NO, trading is halted, and no order is sent to close the gap."""
    lost(home)
    done = kobe("reconcile")
    lines = [line.split() for line in done.out.splitlines()]
    assert done.code == 1
    assert ["GOOG", "4", "0", "NO"] in lines
    assert ["META", "2", "0", "NO"] in lines
    assert "100,000.00" in done.out
    assert "kobe reconcile --adopt" in done.err
    assert len(told(home, e.Halted)) == 1
    assert at_exchange(home, ("GET", "/v2/orders", {"status": "all"}, b"")) == [[]]


@pytest.mark.parametrize(("what", "apart", "equal"), [
    ("cash", "0.01", True), ("cash", "0.011", False), ("META", "0", True), ("META", "0.001", False)])
def test_shares_are_compared_exactly_and_cash_to_the_cent(what, apart, equal):
    """A broker's rounding is no difference, a thousandth of a share is one."""
    assert agrees(e.Difference(what=what, book=Decimal(5), broker=5 + Decimal(apart))) == equal


def test_adoption_makes_the_book_the_brokers(kobe, home):  # noqa: F811
    """Each difference becomes an Adjusted event with person and reason; it agrees from then on, and stays halted."""
    lost(home)
    done = kobe("reconcile", "--adopt", "--reason", "exchange lost", "--person", "ann", "--yes")
    assert done.code == 0, done
    adjusted = {a.what: a.qty for a in told(home, e.Adjusted)}
    assert adjusted == {"cash": 100_000, "GOOG": 0, "META": 0}
    assert {(a.person, a.reason) for a in told(home, e.Adjusted)} == {("ann", "exchange lost")}
    assert "Trading stays halted until: kobe resume" in done.out
    assert kobe("reconcile").code == 0
    assert at_exchange(home, ("GET", "/v2/orders", {"status": "all"}, b"")) == [[]]


def test_adopted_shares_have_the_brokers_price_and_no_stop(kobe, home):  # noqa: F811
    """A position the book had lost comes back at the broker's average price, and it is said that nothing sells it."""
    journal = journal_of(home, EVENING)
    journal.append(e.Adjusted(what="META", qty=0, price=0, person="bob", reason="a slip"))
    journal.close()
    positions = {p["symbol"]: p for p in at_exchange(home, ("GET", "/v2/positions", {}, b""))[0]}
    done = kobe("reconcile", "--adopt", "--reason", "bob's slip", "--yes")
    *_, last = told(home, e.Adjusted)
    assert (last.what, last.qty, f"{last.price:.4f}") == (
        "META", 2, f"{float(positions['META']['avg_entry_price']):.4f}")
    assert "because no decision of ours opened them: META" in done.out


@pytest.mark.parametrize(("typed", "code"), [("adopt\n", 0), ("yes\n", 2), ("", 2)])
def test_adoption_asks_for_the_word(kobe, home, monkeypatch, typed, code):  # noqa: F811
    """Anything but the word leaves the book as it was."""
    lost(home)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert kobe("reconcile", "--adopt", "--reason", "lost").code == code
    assert bool(told(home, e.Adjusted)) == (code == 0)


def test_adoption_wants_a_reason_and_no_runner(kobe, home):  # noqa: F811
    """Without a reason, and while somebody trades, nothing is changed."""
    refused(kobe("reconcile", "--adopt"), 2, "--reason")
    lock = LeaderLock(home / "runner.lock", SystemClock())
    refused(kobe("reconcile", "--adopt", "--reason", "x", "--yes"), 2, "a runner trades")
    lock.release()


def test_with_a_runner_its_own_finding_is_shown(kobe, home):  # noqa: F811
    """Nothing is opened or written; a halt of the runner's is exit code 1 with its words."""
    lock, size = LeaderLock(home / "runner.lock", SystemClock()), len(told(home, object))
    done = kobe("reconcile")
    assert (done.code, "Book and broker at 2023-02-03 21:15:00 UTC" in done.out) == (0, True)
    assert ["GOOG", "4", "4", "yes"] in [line.split() for line in done.out.splitlines()]
    assert len(told(home, object)) == size
    lost_one = e.Difference(what="GOOG", book=4, broker=3)
    journal_of(home, EVENING).append(e.Halted(reason="GOOG differs", differences=(lost_one,)))
    done = kobe("reconcile")
    assert (done.code, "GOOG differs" in done.err) == (1, True)
    assert ["GOOG", "4", "3", "NO"] in [line.split() for line in done.out.splitlines()]
    lock.release()


def test_without_a_journal_there_is_nothing_to_compare(kobe):  # noqa: F811
    """Looking makes none."""
    refused(kobe("reconcile"), 2, "there is no journal")


def test_a_journal_that_is_not_what_was_written_is_not_compared(kobe, home):  # noqa: F811
    """One flipped byte: nothing is journaled on top of it."""
    body = (home / "journal.db").read_bytes()
    (home / "journal.db").write_bytes(body.replace(b"donchian", b"donchiaN", 1))
    refused(kobe("reconcile"), 2, "it was edited")


def test_another_broker_than_the_journals_is_refused(kobe, home):  # noqa: F811
    """A configuration for Alpaca says nothing of the account of the exchange within."""
    journal = journal_of(home, EVENING)
    journal.append(e.Started(run="r", mode="paper", broker="paper", account="paper", code="", config={}, term=9))
    journal.close()
    (home / "kobe.toml").write_text('[broker]\nname = "alpaca"\n')
    refused(kobe("reconcile"), 2, "give the --config it was traded with")


# going on

def test_resume_after_a_kill(kobe, home):  # noqa: F811
    """Person and reason are journaled, and the switch is gone."""
    FileKillSwitch(home / "KILL_SWITCH").engage("ann", "enough")
    done = kobe("resume", "--reason", "all well", "--person", "bob")
    assert (done.code, (home / "KILL_SWITCH").exists()) == (0, False)
    assert told(home, e.Lifted, e.Resumed) == [e.Lifted(person="bob", reason="all well")]
    assert "kill switch set by ann: enough" in done.out


def test_resume_after_a_halt_acknowledges_what_is_critical(kobe, home):  # noqa: F811
    """Halted, with a critical alert and a warning: the first would trip the switch at once, the second is not about
    this."""
    journal = journal_of(home, EVENING)
    journal.append(e.Halted(reason="cash differed"), e.Alerted(id="c1", severity="critical", text="halted"),
                   e.Alerted(id="w1", severity="warning", text="slow"))
    journal.close()
    assert kobe("resume", "--reason", "found it", "--person", "ann").code == 0
    assert told(home, e.Lifted, e.Resumed, e.Acknowledged) == [
        e.Resumed(person="ann", reason="found it"), e.Acknowledged(id="c1", person="ann")]


def test_resume_is_refused_while_book_and_broker_differ(kobe, home):  # noqa: F811
    """The switch stays, nothing is lifted, and it says where to look."""
    lost(home)
    FileKillSwitch(home / "KILL_SWITCH").engage("ann", "enough")
    refused(kobe("resume", "--reason", "hope"), 1, "nothing was lifted", "kobe reconcile")
    assert (home / "KILL_SWITCH").exists()
    assert told(home, e.Lifted, e.Resumed, e.Acknowledged) == []


def test_resume_wants_a_reason_and_something_to_lift(kobe, home):  # noqa: F811
    """Blanks are no reason; where trading goes on already, that is said and nothing is written."""
    refused(kobe("resume", "--reason", "  "), 2, "--reason TEXT is required")
    done = kobe("resume", "--reason", "just so")
    assert (done.code, "nothing to resume" in done.out) == (0, True)
    assert told(home, e.Lifted, e.Resumed) == []


def test_resume_beside_a_runner(kobe, home):  # noqa: F811
    """It goes by the runner's reconciliation, two minutes old in the play's time; the journal is told first."""
    lock = LeaderLock(home / "runner.lock", SystemClock())
    FileKillSwitch(home / "KILL_SWITCH").engage("ann", "enough")
    assert kobe("resume", "--reason", "well", "--person", "ann").code == 0
    lock.release()
    assert told(home, e.Lifted) == [e.Lifted(person="ann", reason="well")]
    assert not (home / "KILL_SWITCH").exists()


AGREED, HALT = e.Reconciled(cash=1, positions={}), e.Halted(reason="META differs")
RESUMED = e.Resumed(person="ann", reason="")


@pytest.mark.parametrize(("events", "minutes", "words"), [
    ([], 0, "not compared"),
    ([AGREED], 10, ""),
    ([AGREED], 10.1, "too long ago"),
    ([HALT, AGREED], 1, ""),
    ([AGREED, HALT], 1, "META differs"),
    ([AGREED, e.OrderAdopted(broker="b", client="c", symbol="T", side="buy", qty=1, note="")], 1, "since the halt"),
    ([HALT, RESUMED, AGREED], 1, ""),
])
def test_what_a_runner_must_have_found(events, minutes, words):
    """Agreement, not more than ten minutes ago, and after whatever halted trading."""
    records = [record(i, event) for i, event in enumerate(events, 1)]
    found = unclean(records, NOW + timedelta(minutes=minutes))
    assert words in found if words else not found


def test_the_halt_is_the_record_that_began_it():
    """Not a later one, and none once it is lifted."""
    records = [record(1, HALT), record(2, HALT), record(3, RESUMED)]
    assert halted_by(records[:2]).seq == 1
    assert halted_by(records) is None
    assert halted_by([*records, record(4, HALT)]).seq == 4


def test_the_journal_is_told_before_the_switch_goes(home):
    """Whoever dies in between leaves the switch set; and what a runner recorded of it meanwhile is lifted as well."""
    class Seen:
        """A switch that a runner sees just before it goes."""

        def engaged(self):
            return "set"

        def lift(self):
            assert told(home, e.Lifted)
            journal_of(home, EVENING).append(e.Killed(by="switch", reason="set"),
                                             e.Alerted(id="k", severity="critical", text="no order is sent any more"))

    ledger = Ledger(journal_of(home, EVENING))
    resume(ledger, Seen(), "ann", "well")
    assert ledger.book.killed == ""
    assert {alert.severity for alert in ledger.book.alerts.values()} == {"warning"}
    assert encode(ledger.book) == encode(Ledger(journal_of(home)).book)
    assert ledger.book.session == DAY
