"""Operators' mistakes, and what markets do to them: each has its words and its exit code, and sends no order."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cli_fixtures import Done, refused, surroundings
from run_books import Books
from run_fixtures import (
    AT_ALPACA,
    BOUGHT,
    DAY,
    MISSING,
    PLAY,
    TRADES,
    JumpyClock,
    Stage,
    account_number,
    configured,
    market,
    process,
    received,
    served,
)

from kobe81.app.cli import main
from kobe81.app.live.schedule import jobs
from kobe81.core.errors import LostLead
from kobe81.core.events import Alerted, JobDone, NotReady, OrderAdopted, Ready, Started
from kobe81.execution.exchange.store import Store
from kobe81.store.journal import open_journal
from kobe81.store.locks import LeaderLock

PAPER_KEY, LIVE_KEY = "PKRIGHT0000000000001", "AKRIGHT0000000000001"


def keys(key, secret="right"):
    return {"ALPACA_API_KEY": key, "ALPACA_SECRET_KEY": secret}


@pytest.fixture
def here(tmp_path, monkeypatch, capfd):
    """Runs a command in this process, with these variables and no other keys."""
    def run(*words, **environment):
        for name in MISSING:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"KOBE_HOME": str(tmp_path / "home"), **environment}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as left:
            main(list(map(str, words)))
        return Done(int(left.value.code or 0), *capfd.readouterr())

    return run


def never_started(home):
    """No runner led here: there is no journal, or none with a start in it."""
    path = home / "journal.db"
    return not path.exists() or not any(
        isinstance(r.event, Started) for r in open_journal(path, JumpyClock(datetime.now(UTC))).since(0))


def test_a_wrong_key_is_refused_by_the_broker(tmp_path):
    """Exit code 1: one question about the account, a message with what to do, the secret nowhere."""
    with served(PAPER_KEY) as url:
        done = process("run", "--mode", "paper", "--config", configured(tmp_path, AT_ALPACA.format(url)),
                    home=tmp_path / "home", **keys(PAPER_KEY, "wrong-secret-0001"))
        assert received(url) == [("GET", "/v2/account")]
    refused(done, 1, "the broker refuses the key", "401", "nothing was started", "make a new one")
    assert "wrong-secret-0001" not in done.err
    assert never_started(tmp_path / "home")


@pytest.mark.parametrize(("mode", "key", "said"), [
    ("paper", LIVE_KEY, "--mode paper and a key that begins with AK do not belong together"),
    ("live", PAPER_KEY, "--mode live and a key that begins with PK do not belong together"),
])
def test_a_key_of_the_other_account_is_never_sent(here, tmp_path, mode, key, said):
    """A live key on paper, a paper key for live: exit code 2, and nobody was asked anything."""
    with served(key) as url:
        done = here("run", "--mode", mode, "--account", "X1", "--config", configured(tmp_path, AT_ALPACA.format(url)),
                    **keys(key))
        assert received(url) == []
    refused(done, 2, said)
    assert never_started(tmp_path / "home")


@pytest.mark.parametrize(("mode", "key", "address", "said"), [
    ("paper", LIVE_KEY, "https://paper-api.alpaca.markets", "a key that begins with AK"),
    ("paper", PAPER_KEY, "https://api.alpaca.markets", "--mode paper and the address https://api.alpaca.markets"),
    ("live", LIVE_KEY, "https://paper-api.alpaca.markets", "--mode live and the address https://paper-api"),
    ("live", PAPER_KEY, "https://api.alpaca.markets", "a key that begins with PK"),
    ("live", LIVE_KEY, "https://data.alpaca.markets", "do not belong together"),
])
def test_mode_address_and_key_must_agree(here, tmp_path, mode, key, address, said):
    """At Alpaca's own addresses, where nothing is asked either."""
    done = here("run", "--mode", mode, "--account", "X1", "--config", configured(tmp_path, AT_ALPACA.format(address)),
                **keys(key))
    refused(done, 2, said)
    assert never_started(tmp_path / "home")


def test_live_wants_the_account_typed_and_right(here, tmp_path):
    """Without --account nobody is asked; with a wrong one the broker is asked whose key it is, and nothing more."""
    with served(LIVE_KEY) as url:
        config = configured(tmp_path, AT_ALPACA.format(url))
        live = ("run", "--mode", "live", "--config", config)
        refused(here(*live, **keys(LIVE_KEY)), 2, "wants --account NUMBER")
        assert received(url) == []
        number = account_number(url, LIVE_KEY)
        done = here(*live, "--account", "PA999", **keys(LIVE_KEY))
        refused(done, 2, f"--account PA999 was given, and the key belongs to {number}")
        assert received(url) == [("GET", "/v2/account")] * 2
    assert never_started(tmp_path / "home")


@pytest.mark.parametrize("gate", ["kill_switch", "policy_gate", "prohibited_list", "price_collar"])
def test_live_is_not_traded_without_its_gates(here, tmp_path, gate):
    """A gate that is switched off on paper stops live before anybody is asked."""
    text = AT_ALPACA.format("http://127.0.0.1:9") + f'[gates]\noff = ["{gate}"]\n'
    done = here("run", "--mode", "live", "--account", "X1", "--config", configured(tmp_path, text), **keys(LIVE_KEY))
    refused(done, 2, f"gate {gate} cannot be switched off here")


@pytest.mark.parametrize(("text", "said"), [
    ("[trading]\nnotionl = 5", "given.toml: [trading] unknown trading setting 'notionl'; did you mean 'notional'?"),
    ("[gates.policy_gate]\nmax_order = nan", "given.toml: [gates.policy_gate] max_order = nan"),
    ("[gates.policy_gate]\nmax_order = -75", "given.toml: [gates.policy_gate] max_order = -75 is outside"),
])
def test_a_configuration_with_a_typo_or_a_nan(here, tmp_path, text, said):
    """Exit code 2 before the home folder is even made."""
    done = here("run", "--mode", "paper", "--config", configured(tmp_path, text))
    refused(done, 2, said)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("way", [("--play", str(DAY)), ()])
def test_a_second_runner(tmp_path, way):
    """It names the first, and opens neither journal nor exchange."""
    home = tmp_path / "home"
    home.mkdir()
    first = LeaderLock(home / "runner.lock", JumpyClock(datetime.now(UTC)))
    try:
        done = process("run", "--mode", "paper", *way, "--config", configured(tmp_path, TRADES), home=home)
    finally:
        first.release()
    assert done.code == 1
    assert "kobe: another runner leads: process " in done.err
    assert not (home / "journal.db").exists()
    assert not (home / "exchange.db").exists()


def played(tmp_path, sessions):
    """The day and those after it, traded in the home folder; what the command left."""
    return process(*PLAY, configured(tmp_path, TRADES), "--sessions", sessions, home=tmp_path / "home")


@pytest.fixture(scope="module")
def two_days(tmp_path_factory):
    """A home folder after two sessions, and beside it, called old, as it was after one."""
    folder = tmp_path_factory.mktemp("played")
    assert played(folder, 1).code == 0
    shutil.copytree(folder / "home", folder / "old")
    assert played(folder, 2).code == 0
    assert len(Books.of(folder / "home").exchange.orders) > len(Books.of(folder / "old").exchange.orders)
    return folder


@pytest.fixture
def kept(two_days, tmp_path):
    """A copy of it to spoil."""
    for name in ("home", "old"):
        shutil.copytree(two_days / name, tmp_path / name)
    return tmp_path


def refuses_to_trade(folder, *said):
    """Exit code 2 with these words, copies of the evidence, and at the exchange nothing that was not there."""
    before = orders(folder)
    done = played(folder, 3)
    assert done.code == 2, done
    assert all(words in done.err for words in ("kobe: ", *said)), done.err
    assert orders(folder) == before


def orders(folder):
    """What the exchange's file has."""
    store = Store(folder / "home/exchange.db")
    known = store.load()
    store.close()
    return known.orders


def test_an_old_backup_of_the_journal(kept):
    """The checkpoints know that there was more."""
    shutil.copy(kept / "old/journal.db", kept / "home/journal.db")
    refuses_to_trade(kept, "journal.db is not what was written", "Nothing is traded", "kobe audit verify")
    assert list((kept / "home/quarantine").glob("*/journal.db"))


def test_a_journal_that_is_gone(kept):
    """It is not begun anew."""
    (kept / "home/journal.db").unlink()
    refuses_to_trade(kept, "journal.db is gone, but", "Restore it")


def test_a_journal_that_is_something_else(kept):
    """A file of noise is told as damaged, and kept as evidence."""
    (kept / "home/journal.db").write_bytes(b"noise" * 4096)
    refuses_to_trade(kept, "journal")
    assert list((kept / "home/quarantine").glob("*/journal.db"))


def test_an_edited_audit(kept):
    """One digit of one line, somewhere in the middle."""
    audit = kept / "home/audit.jsonl"
    lines = audit.read_bytes().splitlines(keepends=True)
    lines[9] = lines[9].replace(b"2016", b"2017", 1)
    audit.write_bytes(b"".join(lines))
    refuses_to_trade(kept, "audit.jsonl is not what was written", "record 10:", "kobe audit verify")
    assert list((kept / "home/quarantine").glob("*/audit.jsonl"))


def test_an_old_backup_of_everything_but_the_broker(kept):
    """Journal, audit and checkpoints of yesterday agree with each other, but not with the broker: trading is halted."""
    for name in ("journal.db", "audit.jsonl", "checkpoints.jsonl"):
        shutil.copy(kept / "old" / name, kept / "home" / name)
    before = orders(kept)
    done = played(kept, 3)
    books = Books.of(kept / "home")
    assert done.code == 0
    assert any(isinstance(r.event, OrderAdopted) for r in books.records)
    assert "an order we do not know" in books.book.halted
    assert {order.id for order in books.exchange.orders} == {order.id for order in before}


FULL = """
mount -t tmpfs -o size=420k kobe "$1" || exit 77
"$2" -m kobe81 run --mode paper --play 2016-10-10 --sessions 5 --config "$3"
code=$?
cp "$1"/* "$4" 2>/dev/null
exit $code
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare to mount a small disk of its own")
def test_a_full_disk(tmp_path):
    """The runner says so and ends with 1; whatever is at the exchange was decided and durable before; and with space
    again the same command goes on to the end, both books agreeing."""
    home, kept = tmp_path / "home", tmp_path / "kept"
    home.mkdir()
    kept.mkdir()
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", FULL, "sh", home, sys.executable,
               configured(tmp_path, TRADES), kept]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings({"KOBE_HOME": str(home)}),
                          timeout=120)
    if done.returncode in {1, 77} and "kobe" not in done.stderr.replace("kobe81", ""):
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    assert done.returncode == 1, done.stderr
    assert "kobe: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "Free space" in done.stderr
    books = Books.of(kept)
    assert {o.client_order_id for o in books.exchange.orders} <= {event.intent.id for event in books.intents}
    shutil.copytree(kept, home, dirs_exist_ok=True)
    assert played(tmp_path, 5).code == 0
    assert list(Books.of(home).differences()) == []


def test_without_a_mistake_the_stage_trades(tmp_path):
    """The control: what the mistakes below prevent happens without them."""
    stage = Stage(tmp_path)
    with stage.runner() as runner:
        stage.until(runner, "scan-1")
    assert stage.entries == BOUGHT


def test_a_deleted_home_folder(tmp_path):
    """The lead is lost with its file, and nothing is sent."""
    stage = Stage(tmp_path / "home")
    with stage.runner() as runner:
        stage.until(runner, "morning")
        shutil.rmtree(tmp_path / "home")
        with pytest.raises(LostLead, match="removed or replaced while we led"):
            stage.until(runner, "scan-1")
    assert stage.exchange.posts == []


def test_a_clock_that_jumps_is_not_believed_at_once(tmp_path):
    """Ten seconds forward onto the scan: critical, not ready, no order; half a minute later everything was looked at
    again, and the scan is still in time."""
    stage = Stage(tmp_path)
    with stage.runner() as runner:
        stage.until(runner, "scan-1", before=8.0)
        stage.clock.jump(10.0)
        runner.step()
        assert stage.exchange.posts == []
        assert any(isinstance(r.event, Alerted) and "jumped" in r.event.text for r in stage.records)
        assert isinstance([r.event for r in stage.records if isinstance(r.event, Ready | NotReady)][-1], NotReady)
        stage.clock.sleep(31.0)
        runner.step()
        assert stage.entries == BOUGHT


def test_a_clock_that_jumps_over_a_scan(tmp_path):
    """The scan is told as skipped, and is never run late."""
    stage = Stage(tmp_path)
    with stage.runner() as runner:
        stage.until(runner, "scan-1", before=8.0)
        stage.clock.jump(1_200.0)
        for _ in range(3):
            runner.step()
            stage.clock.sleep(31.0)
    done = [r.event for r in stage.records if isinstance(r.event, JobDone) and r.event.job == "scan-1"]
    assert [(event.outcome, stage.exchange.posts) for event in done] == [("skipped", [])]


def test_a_symbol_that_the_broker_does_not_know(tmp_path):
    """It is refused by name, and the others are traded."""
    stage = Stage(tmp_path, quoted=market().select([s for s in market().symbols if s != "SYN019"]))
    with stage.runner() as runner:
        stage.until(runner, "scan-1")
    assert stage.entries == BOUGHT - {"SYN019"}
    assert "no quote for SYN019" in stage.refused("SYN019")


def test_a_symbol_that_the_broker_does_not_trade(tmp_path):
    """The broker's own word is the reason."""
    stage = Stage(tmp_path)
    with stage.runner() as runner:
        stage.exchange.exchange.ban("SYN019")
        stage.until(runner, "scan-1")
    assert stage.entries == BOUGHT - {"SYN019"}
    assert "SYN019" in stage.refused("SYN019")


def test_a_halted_symbol(tmp_path):
    """Its last quote is from before the halt, and no order goes out on it."""
    stage = Stage(tmp_path)
    with stage.runner() as runner:
        stage.clock.move_to(jobs(DAY)[1].at - timedelta(minutes=3))
        runner.step()
        stage.exchange.exchange.halt("SYN019")
        stage.until(runner, "scan-1")
    assert stage.entries == BOUGHT - {"SYN019"}
    assert stage.refused("SYN019")


def test_a_market_that_is_closed_by_surprise(tmp_path):
    """The calendar says open, the broker's clock says shut: the broker is believed."""
    stage = Stage(tmp_path)
    stage.exchange.closed = True
    with stage.runner() as runner:
        stage.until(runner, "scan-1")
    assert stage.exchange.posts == []
    assert "trading_hours" in stage.refused("SYN019")
