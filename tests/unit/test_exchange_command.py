"""kobe exchange, started as a person starts it: in a process of its own, ended by Ctrl-C."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from cli_fixtures import finished, folder, kobe, refused, surroundings  # noqa: F401  (fixtures)
from exchange_fixtures import asker, limit_order, official

from kobe81.app import cli

PROGRAM = ("from kobe81.app import cli; cli.COMMANDS.setdefault('exchange', "
           "('kobe81.app.commands.exchange:exchange', '')); cli.main()")
NOW = ("--now", "2023-09-01T15:00Z")
"""Within the sample, on a trading day, an hour and a half after the open."""


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
def test_it_serves_says_how_and_goes_on_where_it_was_left(tmp_path):
    """The panel tells the address, both clients' calls and what is simulated. After Ctrl-C a second one has the first
    one's order and begins not before it."""
    with running(*NOW) as (url, said):
        order = official(url).submit_order(limit_order("mine"))
        assert official(url).get_clock().timestamp.date().isoformat() == "2023-09-01"
    for words in (f'TradingClient("key", "secret", url_override="{url}")', "2023-09-01 15:00 UTC", "$100,000.00",
                  "Orders do not move prices"):
        assert words in said
    assert (tmp_path / "home" / "exchange.db").exists()
    with running() as (url, said):
        assert official(url).get_order_by_client_id("mine").id == order.id
        assert "as it was left at 2023-09-01 15:0" in said
    with running("--fresh", "--cash", 500) as (url, said), asker(url) as client:
        assert client.get("/v2/orders", params={"status": "all"}).json() == []
        assert float(client.get("/v2/account").json()["cash"]) == 500.0
        assert "2023-08-24 13:30 UTC" in said  # the open of the twentieth session from the end, 2023-09-21


@pytest.mark.usefixtures("folder")
def test_its_clock_runs_as_fast_as_asked_and_faults_come_from_the_file(tmp_path):
    """At 3,600 times our speed an hour passes in a second; the script answers the second look at the account."""
    script = tmp_path / "faults.toml"
    script.write_text('[[rules]]\nfault = "status"\nstatus = 502\npath = "/v2/account"\nnth = [2]\n')
    with running(*NOW, "--speed", 3600, "--script", script, "--fresh") as (url, said), asker(url) as client:
        begun = official(url).get_clock().timestamp
        assert [client.get("/v2/account").status_code for _ in range(3)] == [200, 502, 200]
        while (official(url).get_clock().timestamp - begun).total_seconds() < 1800:
            pass
    assert "1 rules of" in said


REFUSED = {
    ("--speed", "0"): "not over 0", ("--speed", "nan"): "not over 0", ("--now", "noon"): "is no instant",
    ("--now", "2023-09-01T15:00"): "no time zone", ("--partial", "1.5"): "partial_fill_probability = 1.5 is outside",
    ("--cash", "nan"): "cash = nan is outside", ("--script", "none.toml"): "No such file",
    ("--data", "smaple"): "did you mean 'sample'", ("--port", "70000"): "give another with --port",
}


@pytest.mark.parametrize(("words", "said"), REFUSED.items())
def test_what_cannot_be_served_is_refused_in_a_line(kobe, monkeypatch, words, said):  # noqa: F811
    """Exit code 2, one line, nothing served."""
    monkeypatch.setitem(cli.COMMANDS, "exchange", ("kobe81.app.commands.exchange:exchange", ""))
    refused(kobe("exchange", "--fresh", *words), 2, said)


@pytest.mark.usefixtures("folder")
def test_time_does_not_go_back():
    """An account left on 2023-09-01 is not opened on the day before."""
    with running(*NOW) as (url, _):
        official(url).submit_order(limit_order("first"))
    done = finished(begin("--port", 0, "--now", "2023-08-31T15:00Z"))
    assert done.code == 2
    assert "before 2023-09-01 15:0" in done.err
