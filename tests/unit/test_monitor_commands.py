"""kobe alerts and kobe health, as a person meets them."""

import json
import socket

import pytest

from kobe81.app.commands.health import ack, health, list_
from kobe81.core import events as e
from kobe81.core.errors import KobeError, UsageError
from kobe81.store.journal import open_journal
from tests.monitor_fixtures import clock, started


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A journal with two open alerts and one that asks for nothing, in a home of its own."""
    monkeypatch.setenv("KOBE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    made = open_journal(tmp_path / "journal.db", clock())
    made.append(started(), e.Alerted(id="aaaa2222", severity="critical", text="cash differs\x1b[2J by 3.10"),
                e.Alerted(id="bbbb3333", severity="warning", text="feed is stale"),
                e.Alerted(id="cccc4444", severity="info", text="good morning"))
    yield made
    made.close()


def test_open_alerts_are_listed(journal, capsys):
    """Id, severity, time and text of each that waits, for people without what a terminal would obey."""
    list_()
    told = capsys.readouterr().out
    assert "2 alerts to acknowledge" in told
    assert "aaaa2222" in told
    assert "cash differs\\u001b[2J by 3.10" in told
    assert "good morning" not in told
    list_(json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"id": "aaaa2222", "time": "2026-03-06T14:35:00+00:00", "severity": "critical",
         "text": "cash differs\x1b[2J by 3.10"},
        {"id": "bbbb3333", "time": "2026-03-06T14:35:00+00:00", "severity": "warning", "text": "feed is stale"}]


def test_an_acknowledgement_is_journaled_with_its_cause(journal, capsys):
    """It names the person and the record it answers (I12), and the alert is open no longer."""
    ack("aaaa2222", person="ann")
    *_, last = journal.since(0)
    assert (last.event, last.cause) == (e.Acknowledged(id="aaaa2222", person="ann"), 2)
    list_(json=True)
    assert [a["id"] for a in json.loads(capsys.readouterr().out.partition("\n")[2])] == ["bbbb3333"]


def test_who_does_not_say_who_is_the_user_of_the_machine(journal, monkeypatch):
    """The name of the account, as the environment gives it."""
    monkeypatch.setenv("LOGNAME", "bob")
    ack("bbbb3333")
    *_, last = journal.since(0)
    assert last.event.person == "bob"


@pytest.mark.parametrize("name", ["aaaa2223", "cccc4444", ""])
def test_only_an_open_alert_can_be_acknowledged(journal, name):
    """Another id is refused with the nearest one, and nothing is written."""
    with pytest.raises(UsageError, match="unknown alert"):
        ack(name, person="ann")
    assert journal.head()[0] == 4


@pytest.mark.parametrize("command", [list_, lambda: ack("a"), lambda: health(port=0)])
def test_without_a_journal_nothing_is_made(tmp_path, monkeypatch, command):
    """A person who looks into an empty folder is told so, and the folder stays empty."""
    monkeypatch.setenv("KOBE_HOME", str(tmp_path))
    with pytest.raises(KobeError, match=r"journal\.db does not exist: .*kobe run"):
        command()
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_told(journal):
    """With the address, and what to give instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(KobeError, match=f"cannot listen on 127.0.0.1 port {port} .*--port"):
            health(port=port)
    for wrong in (-1, 70_000):
        with pytest.raises(UsageError, match="outside 0 to 65535"):
            health(port=wrong)
