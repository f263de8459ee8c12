"""kobe exchange, started as a person starts it: in a process of its own, ended by Ctrl-C."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from cli_fixtures import finished, folder, kobe, refused, surroundings  # noqa: F401  (fixtures)
from exchange_fixtures import asker, limit_order, official, until

from kobe81.app import cli

PROGRAM = ("from kobe81.app import cli; cli.COMMANDS.setdefault('exchange', "
           "('kobe81.app.commands.exchange:exchange', '')); cli.main()")
NOW = ("--now", "2023-09-01T15:00Z")
"""Within the sample, on a trading day, an hour and a half after the open."""


@pytest.fixture
def served_here(monkeypatch):
    """The command in this process's table as well."""
    monkeypatch.setitem(cli.COMMANDS, "exchange", ("kobe81.app.commands.exchange:exchange", ""))


def begin(*words, **environment):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, "exchange", *map(str, words)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings(environment),
                            start_new_session=True)


@contextmanager
def running(*words):
    """The address, and what was said until it stood there; Ctrl-C at the end."""
    process = begin("--port", 0, *words)
    said = ""
    try:
        while "in it." not in said:
            line = process.stdout.readline()
            assert line, process.communicate()
            said += line
        yield re.search(r"http://127\.0\.0\.1:\d+", said)[0], " ".join(said.split())
        process.send_signal(signal.SIGINT)
        done = finished(process)
        assert (done.code, done.err) == (0, "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("folder")
def test_it_serves_says_how_and_goes_on_after_its_last_event(kobe, served_here, tmp_path):  # noqa: F811
    """The panel tells the address, both clients' calls and what is simulated. Its clock runs 600 times as fast as ours,
    the script strikes the second look at the account. After Ctrl-C a second one has the first one's order, begins not
    before that, and cannot be made to."""
    script = tmp_path / "faults.toml"
    script.write_text('[[rules]]\nfault = "status"\nstatus = 502\npath = "/v2/account"\nnth = [2]\n')
    with running(*NOW, "--speed", 600, "--script", script) as (url, said), asker(url) as client:
        order = official(url).submit_order(limit_order("mine"))
        begun = official(url).get_clock().timestamp
        assert begun.date().isoformat() == "2023-09-01"
        assert [client.get("/v2/account").status_code for _ in range(3)] == [200, 502, 200]
        until(lambda: (official(url).get_clock().timestamp - begun).total_seconds() > 300)
    for words in (f'TradingClient("key", "secret", url_override="{url}")', "2023-09-01 15:00 UTC, and 600 seconds for",
                  "new, $100,000.00; kept in", "1 rules of", "Orders do not move prices"):
        assert words in said
    with running() as (url, said):
        assert official(url).get_order_by_client_id("mine").id == order.id
        assert official(url).get_clock().timestamp >= order.submitted_at
        assert "as of its last event, 2023-09-01 15:" in said
    refused(kobe("exchange", "--port", 0, "--now", "2023-08-31T15:00Z"), 2, "before 2023-09-01 15:")


@pytest.mark.usefixtures("folder")
def test_a_fresh_account_is_kept_nowhere(tmp_path):
    """Its clock begins at the open of the twentieth session from the end of the sample, 2023-09-21."""
    with running("--fresh", "--cash", 500, "--quota", 0) as (url, said), asker(url) as client:
        assert float(client.get("/v2/account").json()["cash"]) == 500.0
        assert "x-ratelimit-limit" not in client.get("/v2/account").headers
        assert "2023-08-24 13:30 UTC, and a second for each" in said
    assert not (tmp_path / "home" / "exchange.db").exists()


REFUSED = {
    ("--speed", "0"): "not over 0", ("--speed", "nan"): "not over 0", ("--quota", "-1"): "not at least 0",
    ("--now", "noon"): "is no instant", ("--now", "2023-09-01T15:00"): "no time zone",
    ("--partial", "1.5"): "partial_fill_probability = 1.5 is outside", ("--cash", "nan"): "cash = nan is outside",
    ("--script", "none.toml"): "No such file", ("--data", "smaple"): "did you mean 'sample'",
    ("--port", "70000"): "give another with --port",
}


@pytest.mark.parametrize(("words", "said"), REFUSED.items())
def test_what_cannot_be_served_is_refused_in_a_line(kobe, served_here, words, said):  # noqa: F811
    """Exit code 2, one line, nothing served."""
    refused(kobe("exchange", "--fresh", *words), 2, said)
