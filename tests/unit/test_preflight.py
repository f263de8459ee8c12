"""kobe preflight: seventeen looks, each of which can find something, and none of which changes anything."""

import json
import os
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import pytest
from alpaca_fixtures import ACCOUNT
from alpaca_server import AlpacaServer, json_answer, refusal
from cli_fixtures import files, folder, kobe  # noqa: F401  (fixtures)
from readiness_fixtures import MORNING, SAMPLE, Bent, journal_of, looked, rehearsed

from kobe81.app.clock import SystemClock
from kobe81.app.live import inspection, readiness
from kobe81.app.live.config import read_config
from kobe81.app.live.station import Places
from kobe81.core import events as e
from kobe81.core.clock import SteppedClock
from kobe81.core.gates import Prohibition
from kobe81.data.providers.sample import sample_bars
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.store.locks import LeaderLock

NAMES = ["config", "secrets", "clock", "calendar", "disk", "journal integrity", "audit chain", "single runner",
         "kill switch", "broker account", "market data freshness", "universe and data quality", "model",
         "prohibited list", "budgets", "reconciliation", "alert channel"]
KEY = {"ALPACA_API_KEY": "PKRIGHT0000000000001", "ALPACA_SECRET_KEY": "right"}
AT = SAMPLE + '[broker]\nname = "alpaca"\n'
Usage, Inodes = namedtuple("Usage", "total used free"), namedtuple("Inodes", "f_files f_favail")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder that is the home, new and empty."""
    monkeypatch.setenv("KOBE_HOME", str(tmp_path))
    return tmp_path


def off(gate):
    return f'{SAMPLE}[gates]\noff = ["{gate}"]\n'


# the command

def test_the_seventeen_looks_in_their_order(kobe):  # noqa: F811
    """Those of rules.md, Readiness, by name and in order, each with a state; exit code 1 because there are no bars."""
    done = kobe("preflight", "--json")
    found = json.loads(done.out)
    assert [item["name"] for item in found] == NAMES
    assert {item["state"] for item in found} <= {"pass", "warn", "fail"}
    assert done.code == 1
    assert "not ready: 4 of 17 looks fail (broker account, market data freshness" in done.err


def test_warnings_alone_are_ready(kobe, tmp_path):  # noqa: F811
    """A played home warns of its end and its alerts, and exit code is 0; every line of the table fits 80 columns."""
    rehearsed(tmp_path / "home")
    done = kobe("preflight")
    assert (done.code, done.err) == (0, "")
    assert "warn" in done.out


def test_the_table_fits_eighty_columns(kobe, tmp_path, monkeypatch):  # noqa: F811
    """No line is wider, and what stands in brackets is not swallowed."""
    monkeypatch.setenv("COLUMNS", "80")
    rehearsed(tmp_path / "home")
    done = kobe("preflight")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "[alerts]" in done.out


def test_nothing_is_changed(kobe, tmp_path):  # noqa: F811
    """Journal, audit, checkpoints, exchange and lock are byte for byte what they were."""
    home = rehearsed(tmp_path / "home")
    before = files(home)
    kobe("preflight")
    assert {name: body for name, body in files(home).items() if not name.startswith("cache/")} == before


def test_a_running_runner_is_not_disturbed(home):
    """Its lock stays its own, its exchange is not opened, and its own reconciliation is told."""
    rehearsed(home)
    lock = LeaderLock(home / "runner.lock", SystemClock())
    before = (home / "exchange.db").read_bytes()
    assert looked(home, "broker account").found == "the exchange within; the runner has it open"
    assert looked(home, "reconciliation").found == "the runner found agreement at 2023-02-03 21:15:00 UTC"
    lock.beat()
    lock.release()
    assert (home / "exchange.db").read_bytes() == before


def test_a_look_that_raises_fails_with_the_error(home, monkeypatch):
    """Whatever went wrong is told by its type and words, and the others are still taken."""
    def broken(look):
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(readiness, "ITEMS", (("config", broken), *readiness.ITEMS[1:]))
    found = looked(home, "config")
    assert (found.state, found.found) == ("fail", "ZeroDivisionError: boom")
    assert looked(home, "model").state == "pass"


def test_the_same_cause_is_told_once(home):
    """With a broken configuration the first look says what is wrong, the others that depend on it name the first."""
    path = home / "kobe.toml"
    path.write_text("[strategies]\nnames = 3\n")
    look = inspection.Inspection("paper", Places(home), lambda: read_config(path, path), {}, SteppedClock(MORNING))
    said = [item.found for item in readiness.items(look) if item.state == "fail"]
    assert "names must be a list of texts" in said[0]
    assert set(said[1:]) == {"cannot be looked at; see config"}


def test_leaving_positions_needs_less(home):
    """With the switch set and old bars, a runner may start that only sells; any other may not."""
    FileKillSwitch(home / "KILL_SWITCH").engage("ann", "enough")
    config = read_config(None, home / "kobe.toml")._replace(data={"data": "sample"})
    late = SteppedClock(MORNING + timedelta(days=30))
    names = {i.name for i in readiness.fails("paper", config, Places(home), {}, late)}
    assert names == {"kill switch", "market data freshness"}
    assert readiness.fails("paper", config, Places(home), {}, late, reduce_only=True) == []


# what each finds

def test_config(home):
    """A mistake names file and table; live wants Alpaca and no vital gate off; a gate that is off is told."""
    assert "[strategies]" in looked(home, "config", "[strategies]\nnames = 3\n").found
    assert looked(home, "config", mode="live").todo == 'write name = "alpaca" under [broker]'
    assert looked(home, "config", AT + '[gates]\noff = ["policy_gate"]\n', mode="live").state == "fail"
    assert looked(home, "config", off("wash_trade"))[1:3] == (
        "warn", "gates off: wash_trade; strategies: donchian, ict_turtle_soup")
    assert looked(home, "config").state == "pass"


def test_secrets(home):
    """A missing key, that of another mode, one of no known kind, and a signing key that others can read."""
    assert "ALPACA_API_KEY" in looked(home, "secrets", AT).found
    assert looked(home, "secrets", AT, **KEY).state == "pass"
    assert looked(home, "secrets", AT, mode="live", **KEY).state == "fail"
    assert looked(home, "secrets", AT, **KEY | {"ALPACA_API_KEY": "ZZ1"}).state == "warn"
    assert looked(home, "secrets").state == "pass"
    (home / "audit.key").write_text("x")
    (home / "audit.key").chmod(0o640)
    assert "chmod 600" in looked(home, "secrets").found


@pytest.mark.parametrize(("jump", "state"), [(0.0, "pass"), (0.09, "pass"), (0.11, "fail"), (-0.11, "fail")])
def test_clock_against_the_monotonic_one(home, jump, state):
    """A tenth of a second within a quarter of one is a clock that somebody sets."""
    assert looked(home, "clock", clock=Bent(MORNING, jump)).state == state


def test_clock_before_the_journal(home):
    """A machine whose clock stands before the last record of the journal would write backwards."""
    journal = journal_of(home)
    journal.append(e.Started(run="r", mode="paper", broker="paper", account="paper", code="", config={}, term=1))
    assert looked(home, "clock", clock=SteppedClock(MORNING)).state == "pass"
    found = looked(home, "clock", clock=SteppedClock(MORNING - timedelta(hours=1)))
    assert (found.state, "2023-09-22 12:00:00 UTC" in found.found) == ("fail", True)


def test_clock_without_time_zones(home, monkeypatch):
    """New York's summer time is four hours behind UTC; data that say otherwise are old or wrong."""
    from kobe81.app.live import ready_home

    monkeypatch.setattr(ready_home, "EXCHANGE_TIME", UTC)
    assert looked(home, "clock").found == "New York's time is wrong on 2026-01-15"


def test_calendar(home):
    """It says what today is, warns when its end comes near, and fails beyond it (2040-12-31)."""
    assert looked(home, "calendar").found == "2023-09-22 is a session; next: 2023-09-25"
    assert looked(home, "calendar", clock=SteppedClock(datetime(2040, 11, 1, tzinfo=UTC))).state == "warn"
    assert looked(home, "calendar", clock=SteppedClock(datetime(2041, 1, 2, tzinfo=UTC))).state == "fail"


@pytest.mark.parametrize(("free", "state"), [(199 * 2**20, "fail"), (250 * 2**20, "fail"), (251 * 2**20, "pass")])
def test_disk_room(home, monkeypatch, free, state):
    """At least 200 MB, and 1,000 days of a quarter MB."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, free - 1))
    assert looked(home, "disk").state == state


def test_disk_room_by_experience(home, monkeypatch):
    """One day that took 8 MB of journal and audit needs 8 GB for a thousand like it."""
    rehearsed(home)
    (home / "audit.jsonl").write_bytes(bytes(8 * 2**20))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 7 * 2**30))
    assert looked(home, "disk").state == "fail"


def test_disk_without_files_left_or_that_cannot_be_written(home, monkeypatch):
    """No room for files fails, a file system that does not count them does not; nor may a write be refused."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 2**40))
    monkeypatch.setattr(os, "statvfs", lambda path: Inodes(10_000, 999))
    assert looked(home, "disk").found == "room for 999 more files"
    monkeypatch.setattr(os, "statvfs", lambda path: Inodes(0, 0))
    assert looked(home, "disk").state == "pass"
    (home / f".preflight-{os.getpid()}").write_text("in the way")
    assert "cannot be written (File exists)" in looked(home, "disk").found
    assert looked(home, "disk").state == "pass"  # and it cleans up behind itself


def test_journal_integrity(home):
    """One flipped byte in a record, and a journal that is gone though checkpoints vouch for it."""
    rehearsed(home)
    assert looked(home, "journal integrity").state == "pass"
    body = (home / "journal.db").read_bytes()
    (home / "journal.db").write_bytes(body.replace(b"donchian", b"donchiaN", 1))
    assert looked(home, "journal integrity").state == "fail"
    (home / "journal.db").unlink()
    assert "is gone" in looked(home, "journal integrity").found


def test_audit_chain(home):
    """An edited line fails, one that is missing too, and none at all before the first checkpoint is told."""
    rehearsed(home)
    assert looked(home, "audit chain").state == "pass"
    text = (home / "audit.jsonl").read_bytes()
    (home / "audit.jsonl").write_bytes(text.replace(b"donchian", b"donchiaN", 1))
    assert looked(home, "audit chain").state == "fail"
    (home / "audit.jsonl").unlink()
    assert looked(home, "audit chain").state == "fail"
    (home / "checkpoints.jsonl").unlink()
    assert looked(home, "audit chain").state == "warn"


def test_single_runner(home):
    """One that leads is told; one that holds the lead and has not beaten for over a minute hangs."""
    assert looked(home, "single runner").state == "pass"
    lock = LeaderLock(home / "runner.lock", SteppedClock(MORNING))
    assert looked(home, "single runner", clock=SteppedClock(MORNING + timedelta(seconds=60))).state == "warn"
    assert looked(home, "single runner", clock=SteppedClock(MORNING + timedelta(seconds=61))).state == "fail"
    lock.release()


def test_kill_switch(home):
    """Set, or recorded and never lifted: both forbid orders."""
    FileKillSwitch(home / "KILL_SWITCH").engage("ann", "enough")
    found = looked(home, "kill switch")
    assert (found.state, found.found) == ("fail", "kill switch set by ann: enough")
    FileKillSwitch(home / "KILL_SWITCH").lift()
    journal_of(home).append(e.Killed(by="ann", reason="enough"))
    assert looked(home, "kill switch").found == "ann: enough"


@pytest.mark.parametrize(("answer", "state", "words"), [
    (json_answer(ACCOUNT), "pass", "PA3ABCDEFGHI, equity $13,000.75, cash $12,000.25"),
    (json_answer(ACCOUNT | {"status": "ACCOUNT_UPDATED"}), "fail", "ACCOUNT_UPDATED"),
    (json_answer(ACCOUNT | {"buying_power": "0"}), "warn", "no buying power"),
    (refusal(401, 40110000, "request is not authorized"), "fail", "refuses the key"),
])
def test_broker_account(home, answer, state, words):
    """What the broker says of the account, or that it does not know the key."""
    with AlpacaServer() as server:
        server.script = [answer]
        found = looked(home, "broker account", AT + f'url = "{server.url}"\n', **KEY)
    assert found.state == state
    assert words in found.found


def test_broker_account_of_another_journal(home):
    """The exchange's file was lost, so that it would open a new account: not the one the journal is of."""
    rehearsed(home)
    assert looked(home, "broker account").state == "pass"
    journal_of(home).append(e.AccountOpened(account="PA0OTHER", cash=0))
    assert "the journal is of account PA0OTHER" in looked(home, "broker account").found


@pytest.mark.parametrize(("days", "state"), [(0, "warn"), (1, "warn"), (3, "warn"), (4, "fail")])
def test_market_data_freshness(home, days, state):
    """The sample ends on Thursday, 2023-09-21. Without a key nothing quotes; from the close of the second session
    after it on (Monday's, seen on Tuesday), the bars are too old to trade on."""
    assert looked(home, "market data freshness", clock=SteppedClock(MORNING + timedelta(days=days))).state == state


def test_quotes_that_do_not_come(home):
    """With a key the feed is asked, and a broken answer is no quote."""
    with AlpacaServer() as server:
        server.script = [refusal(500, 50010000, "internal")]
        text = AT + f'url = "{server.url}"\n'
        assert looked(home, "market data freshness", text, **KEY).state == "fail"


def test_universe_and_data_quality(home):
    """Bars that no market made: told on paper, refused live. Bars too few to judge, and those a check dropped."""
    made = '[data]\ndata = "synthetic:4x300"\n'
    assert looked(home, "universe and data quality", made).state == "warn"
    live = made + '[broker]\nname = "alpaca"\n'
    assert looked(home, "universe and data quality", live, mode="live").state == "fail"
    frame = sample_bars().to_frame()
    frame.group_by("symbol", maintain_order=True).tail(200).write_csv(home / "few.csv")
    found = looked(home, "universe and data quality", f'[data]\ndata = "{home / "few.csv"}"\n')
    assert (found.state, "none has 252 bars" in found.found) == ("fail", True)
    assert looked(home, "universe and data quality").found.endswith("2 end early")


def test_model(home):
    """There is none, and the scores need their gate."""
    assert looked(home, "model")[1:3] == ("pass", "no model: the strategies' own scores stand in")
    assert looked(home, "model", off("confidence_gate")).state == "warn"


def test_prohibited_list(home):
    """It counts what is in force now, and warns where nobody asks it."""
    def barred(symbol, until):
        return e.ProhibitionSet(person="ann", prohibition=Prohibition(
            symbol=symbol, reason="news", start=MORNING - timedelta(days=2), until=until))

    journal_of(home).append(barred("META", None), barred("AAPL", MORNING), barred("GOOG", MORNING + timedelta(1)))
    assert looked(home, "prohibited list").found == "2 symbols may not be bought now"
    assert looked(home, "prohibited list", off("prohibited_list")).state == "warn"


def test_budgets(home):
    """No limit at all, an account that cannot pay one order, and a limit that buys no share of anything."""
    assert looked(home, "budgets", off("policy_gate")).state == "warn"
    poor = looked(home, "budgets", SAMPLE + "[paper]\ncash = 74.99\n")
    assert (poor.state, "the account has $74.99" in poor.found) == ("warn", True)
    low = looked(home, "budgets", SAMPLE + "[gates.policy_gate]\nmax_order = 5\n")
    assert (low.state, "not one of 8 symbols" in low.found) == ("warn", True)
    assert looked(home, "budgets", SAMPLE + "[gates.policy_gate]\nmax_order = 900\n").state == "pass"


def test_budgets_in_use(home):
    """What the day's entries cost is what the account lacks of its $100,000: $781.32."""
    rehearsed(home)
    assert "$781.32 of it used" in looked(home, "budgets").found
    assert "cash $99,218.68" in looked(home, "broker account").found


def test_reconciliation(home):
    """Agreement with the copy of the exchange; a difference; a halt that nobody lifted."""
    rehearsed(home)
    assert looked(home, "reconciliation").found == "the cash and 2 positions agree"
    kept = (home / "exchange.db").rename(home / "kept")
    assert looked(home, "reconciliation").state == "fail"
    kept.rename(home / "exchange.db")
    journal_of(home).append(e.Halted(reason="cash differs"))
    assert looked(home, "reconciliation").found == "halted: cash differs"


def test_alert_channel(home):
    """Nobody but the terminal; a service nobody knows; alerts that cannot be kept; one nobody acknowledged."""
    assert looked(home, "alert channel").state == "warn"
    bad = looked(home, "alert channel", SAMPLE + '[alerts]\nurls = ["nosuch://secret"]\n')
    assert (bad.state, "secret" in bad.found) == ("fail", False)
    assert looked(home, "alert channel", SAMPLE + '[alerts]\nurls = ["json://localhost"]\n').state == "pass"
    journal_of(home, MORNING - timedelta(hours=1)).append(e.Alerted(id="a1", severity="critical", text="look"))
    assert looked(home, "alert channel").found == "nobody acknowledged: look"
    (home / "alerts.log").mkdir()
    assert "alerts.log" in looked(home, "alert channel").found
