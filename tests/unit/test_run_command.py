"""kobe run: its wishes, its plays, its signals, and what people see of it."""

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest
from run_books import Books
from run_fixtures import AT_ALPACA, DAY, MISSING, PLAY, TRADES, account_number, configured, process, received, served
from run_fixtures import started as start

from kobe81.app.cli import main
from kobe81.app.live.keys import alpaca_keys, required
from kobe81.core.clock import SteppedClock
from kobe81.core.errors import UsageError
from kobe81.core.events import Killed, Started, Stopped

KEY = "PKRIGHT0000000000001"
PATIENCE = 60.0
NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def here(home, monkeypatch, capfd):
    """Runs a command in this process; its exit code, what it said, what it complained of."""
    monkeypatch.setenv("KOBE_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    for name in MISSING:
        monkeypatch.delenv(name, raising=False)

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main(list(map(str, words)))
        return (int(left.value.code or 0), *capfd.readouterr())

    return run


def test_check_shows_what_is_in_force_and_starts_nothing(here, home, tmp_path):
    """As a table, and as JSON with the file's values over the defaults."""
    given = configured(tmp_path, TRADES)
    code, out, _ = here("run", "--check", "--config", given)
    assert (code, "The configuration is sound" in out) == (0, True)
    code, out, _ = here("run", "--check", "--json", "--config", given)
    shown = json.loads(out)
    assert (code, shown["trading"]["notional"], shown["gates"]["off"]) == (0, 2000.0, ["confidence_gate"])
    assert shown["gates.policy_gate"]["max_order"] == "2500"
    assert not home.exists()


@pytest.mark.parametrize(("words", "said"), [
    (["run"], "--mode paper or --mode live is required"),
    (["run", "--mode", "demo"], "demo"),
    (["run", "--mode", "live", "--account", "X"], 'broker.name = "paper"'),
    (["run", "--mode", "live", "--play", "2016-10-10"], "--play is for paper"),
    (["run", "--mode", "paper", "--play", "2016-10-09", "--config", "given.toml"], "the exchange is closed"),
    (["run", "--mode", "paper", "--play", "2026-01-05", "--config", "given.toml"], "the bars are of 2015-01-05 to"),
    (["run", "--mode", "paper", "--play", "2015-01-05", "--config", "given.toml"], "the bars are of 2015-01-05 to"),
    (["run", "--mode", "paper", "--play", "2016-10-10", "--sessions", "9999", "--config", "given.toml"], "fewer"),
    (["run", "--mode", "paper", "--play", "2016-10-10", "--sessions", "0", "--config", "given.toml"], "1 at least"),
    (["run", "--mode", "paper", "--play", "2016-10-10", "--speed", "-1", "--config", "given.toml"], "--speed -1.0"),
    (["run", "--mode", "paper", "--play", "2016-10-10", "--speed", "nan", "--config", "given.toml"], "--speed nan"),
    (["run", "--mode", "paper", "--health", "70000"], "port = 70000"),
])
def test_a_wish_that_cannot_be_meant(here, home, tmp_path, monkeypatch, words, said):
    """Exit code 2, and no journal."""
    configured(tmp_path, TRADES)
    monkeypatch.chdir(tmp_path)
    code, _, err = here(*words)
    assert (code, said in err) == (2, True), err
    assert not (home / "journal.db").exists()


def test_a_play_trades_tells_and_ends(here, home, tmp_path):
    """One line an order and a fill; the same command again adds a start and a stop, and nothing else."""
    command = (*PLAY, configured(tmp_path, TRADES))
    code, out, err = here(*command)
    assert (code, err) == (0, "")
    assert "order     buy 62 SYN019, entry, limit 32.29 (donchian)" in out
    assert "fill      bought 62 SYN019 at 32.25" in out
    assert out.splitlines()[-1].endswith("stopped   the last session is over")
    first = Books.of(home)
    assert list(first.differences()) == []
    assert here(*command)[0] == 0
    again = Books.of(home)
    assert again.trades == first.trades
    assert [type(r.event) for r in again.records[len(first.records):] if isinstance(r.event, Started | Stopped)] == [
        Started, Stopped]


def test_a_play_at_a_speed_trades_the_same(here, home, tmp_path):
    """A clock that runs comes to the same orders as one that is stepped; prices are those of the moment."""
    assert here(*PLAY, configured(tmp_path, TRADES), "--speed", "600")[0] == 0
    books = Books.of(home)
    assert list(books.differences()) == []
    assert len(books.intents) == 8


def test_one_home_is_of_one_account(here, home, tmp_path):
    """After a play, trading on paper wants a home of its own."""
    given = configured(tmp_path, TRADES)
    assert here(*PLAY, given)[0] == 0
    code, _, err = here("run", "--mode", "paper", "--config", given)
    assert (code, "is of account play, not of paper" in err) == (2, True)


def test_logs_and_alerts_are_kept_for_their_owner(here, home, tmp_path):
    """JSON lines with every record, and the alerts under the ids that are acknowledged."""
    assert here(*PLAY, configured(tmp_path, TRADES))[0] == 0
    logged = [json.loads(line) for line in (home / "logs/kobe.jsonl").read_text().splitlines()]
    assert [entry["seq"] for entry in logged] == [r.seq for r in Books.of(home).records]
    alerts = (home / "alerts.log").read_text()
    assert f"INFO end of {DAY}: 0 trades closed" in alerts
    for path in (home / "logs/kobe.jsonl", home / "alerts.log", home / "journal.db"):
        assert path.stat().st_mode & 0o077 == 0


def until(look, why):
    """What `look` gives, once it gives anything."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(why)


@pytest.fixture
def trading(tmp_path, home):
    """A runner on paper, in real time, that is ready; killed at the end."""
    running = []

    def begin(*words, config=TRADES, **environment):
        runner = start("run", "--mode", "paper", "--config", configured(tmp_path, config), *words, home=home,
                       **environment)
        running.append(runner)
        seen = []
        while not seen or " ready" not in seen[-1]:
            seen.append(runner.stdout.readline())
            assert seen[-1], runner.stderr.read()
        return runner, "".join(seen)

    yield begin
    for runner in running:
        runner.kill()
        runner.communicate()


def events(home, kind):
    from kobe81.store.journal import open_journal

    journal = open_journal(home / "journal.db", SteppedClock(NOON))
    found = [r.event for r in journal.since(0) if isinstance(r.event, kind)]
    journal.close()
    return found


def test_without_a_source_of_quotes_the_runner_says_so(trading):
    """The bars end years ago: every entry will be refused, and what to do about it is told at once."""
    _, seen = trading()
    assert "! nothing quotes today" in seen
    assert "ALPACA_API_KEY" in seen


def test_signals(trading, home):
    """SIGUSR1 sets the switch; SIGINT ends in order, with 0; SIGTERM is a crash, from which the next start recovers."""
    runner, _ = trading()
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(PATIENCE) == -signal.SIGTERM
    assert events(home, Stopped) == []
    runner, _ = trading()
    runner.send_signal(signal.SIGUSR1)
    until((home / "KILL_SWITCH").exists, "no switch")
    until(lambda: events(home, Killed), "nothing journaled")
    runner.send_signal(signal.SIGINT)
    assert runner.wait(PATIENCE) == 0
    assert [event.reason for event in events(home, Stopped)] == ["interrupted (Ctrl-C)"]
    assert "SIGUSR1" in (home / "KILL_SWITCH").read_text()


def test_health_is_served_beside_and_ends_with_the_runner(trading):
    """Ready while it lives; gone when it is killed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def ready():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                return answer.status
        except (urllib.error.URLError, ConnectionError):
            return 0

    runner, _ = trading("--health", port)
    assert until(ready, "no health") == 200
    runner.kill()
    until(lambda: not ready(), "it outlived the runner")


def test_paper_at_alpaca_keeps_its_secret(trading, home):
    """With the right key it starts under the account's number, and the secret is in no file and on no screen."""
    secret = "canary-secret-0123456789"
    with served(KEY, secret) as url:
        runner, seen = trading(config=AT_ALPACA.format(url), ALPACA_API_KEY=KEY, ALPACA_SECRET_KEY=secret)
        assert [event.account for event in events(home, Started)] == [account_number(url, KEY, secret)]
        runner.send_signal(signal.SIGINT)
        out, err = runner.communicate(timeout=PATIENCE)
        assert not [method for method, _ in received(url) if method != "GET"]
    assert runner.returncode == 0, err
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert secret not in seen + out + err
    assert secret.encode() not in kept


def test_without_a_key_alpaca_is_not_asked(home, tmp_path):
    """Exit code 2, with where to put one."""
    done = process("run", "--mode", "paper", "--config", configured(tmp_path, AT_ALPACA.format("http://127.0.0.1:9")),
                   home=home)
    assert done.code == 2
    assert "set ALPACA_API_KEY and ALPACA_SECRET_KEY, or write id and secret into" in done.err


class TestKeys:
    """An account's key, from where it may be."""

    def test_either_spelling_of_the_environment_will_do(self, tmp_path):
        for names in (("ALPACA_API_KEY", "ALPACA_SECRET_KEY"), ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")):
            keys = alpaca_keys(dict(zip(names, ("one", "two"), strict=True)), tmp_path / "none")
            assert (keys.id.reveal(), keys.secret.reveal()) == ("one", "two")
            assert "two" not in repr(keys)

    def test_half_a_key_is_told(self, tmp_path):
        with pytest.raises(UsageError, match="ALPACA_SECRET_KEY is not set, and ALPACA_API_KEY is"):
            alpaca_keys({"ALPACA_API_KEY": "one"}, tmp_path / "none")

    def test_a_file_must_be_its_owners_alone(self, tmp_path):
        path = tmp_path / "alpaca.toml"
        path.write_text('id = "one"\nsecret = "two"\n')
        path.chmod(0o604)
        with pytest.raises(UsageError, match="can be read by others; run: chmod 600"):
            alpaca_keys({}, path)
        path.chmod(0o600)
        assert alpaca_keys({}, path).secret.reveal() == "two"
        path.write_text('id = "one"\n')
        with pytest.raises(UsageError, match="must have two lines"):
            alpaca_keys({}, path)

    def test_none_is_none_until_it_is_required(self, tmp_path):
        assert alpaca_keys({}, tmp_path / "none") is None
        with pytest.raises(UsageError, match="chmod 600"):
            required(None, tmp_path / "none")
