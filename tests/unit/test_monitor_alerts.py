"""Alerts: told once, through every channel, whatever a channel does; and what happens when nobody listens."""

import http.server
import io
import json
import stat
import sys
import threading
from datetime import timedelta

import pytest

from kobe81.core import events as e
from kobe81.core.errors import MissingExtra, UsageError
from kobe81.monitor import alerts as alerts_module
from kobe81.monitor.alerts import Alerts, Apprise, ChannelFailed, Console, LogFile, open_alerts, overdue, text_key
from tests.monitor_fixtures import START, clock, story


class Heard:
    """A channel with a script: None is heard, an error is raised, an event is waited for."""

    def __init__(self, *script, name="heard"):
        self.script, self.name, self.texts = list(script), name, []

    def send(self, alert):
        step = self.script.pop(0) if self.script else None
        if isinstance(step, threading.Event):
            step.wait(10)
        elif step:
            raise step
        self.texts.append(alert.text)


def test_the_same_is_told_once_in_fifteen_minutes():
    """Repeated at 14:59 it is not, at 15:00 it is; counted from when it was told, not from the repeats."""
    heard, time = Heard(), clock()
    alerts = Alerts([heard], time)
    told = []
    for wait in (0, 60, 839, 1, 899, 1):
        time.sleep(wait)
        told.append(alerts.tell("warning", "feed is stale") is not None)
    assert told == [True, False, False, True, False, True]
    assert len(heard.texts) == 3


def test_other_numbers_do_not_make_another_alert():
    """The text without its numbers is what repeats; another severity or another word is another alert."""
    alerts = Alerts([], clock())
    assert text_key("equity 9,812.50 is 3.1 % down") == text_key("equity 10,004 is 12 % down")
    told = [alerts.tell(s, t) is not None for s, t in (
        ("warning", "5 orders unknown"), ("warning", "12 orders unknown"), ("critical", "5 orders unknown"),
        ("warning", "5 orders lost"), ("info", "5 orders unknown"))]
    assert told == [True, False, True, True, True]


def test_a_restart_repeats_nothing():
    """What the journal says was told within 15 minutes counts; what is older does not."""
    time = clock()
    alerts = Alerts([], time)
    alerts.remember(story(e.Alerted(id="a", severity="warning", text="old"), 600,
                          e.Alerted(id="b", severity="warning", text="new"), e.Ready()))
    time.sleep(901)
    assert alerts.tell("warning", "old") is not None
    assert alerts.tell("warning", "new") is None


def test_a_clock_set_back_hides_no_alert():
    """What was told in what is now the future does not keep the same from being told."""
    time = clock()
    alerts = Alerts([], time)
    alerts.remember(story(3600, e.Alerted(id="a", severity="critical", text="cash differs")))
    assert alerts.tell("critical", "cash differs") is not None


def test_twenty_an_hour_and_the_critical_ones():
    """Of thirty different warnings within an hour twenty are sent, all are to be journaled; critical ones always go."""
    heard, time = Heard(), clock()
    alerts = Alerts([heard], time)
    words = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(30)]
    raised = [alerts.tell("warning", word) for word in words]
    assert [r.held for r in raised] == [False] * 20 + [True] * 10
    assert heard.texts == words[:20]
    assert not alerts.tell("critical", "cash differs").held
    time.sleep(3601)
    assert not alerts.tell("warning", "later").held


def test_a_channel_that_fails_is_told_of_and_keeps_no_other_from_hearing():
    """Any exception is that channel's failure; ours in words, a foreign one by its type, for it may quote a URL."""
    heard = Heard()
    broken = [Heard(ChannelFailed("busy"), name="one"), Heard(ValueError("https://u:hunter22@x"), name="two"),
              Heard(OSError("disk"), name="three")]
    raised = Alerts([*broken, heard], clock()).tell("critical", "x")
    assert [(f.channel, f.reason) for f in raised.failures] == [
        ("one", "busy"), ("two", "ValueError"), ("three", "OSError")]
    assert heard.texts == ["x"]


def test_a_channel_that_hangs_is_not_waited_for(monkeypatch):
    """All channels have a few seconds together; who has not answered then has failed, and the others were told."""
    monkeypatch.setattr(alerts_module, "PATIENCE", 0.2)
    release, heard = threading.Event(), Heard()
    raised = Alerts([Heard(release, name="slow"), Heard(release, name="slow"), heard], clock()).tell("warning", "x")
    assert [f.channel for f in raised.failures] == ["slow", "slow"]
    assert "no answer" in raised.failures[0].reason
    assert heard.texts == ["x"]
    release.set()


def test_an_alert_is_the_same_in_every_run():
    """Its id comes from time, severity and text alone, so a seeded day gives the same journal."""
    one, two = (Alerts([], clock()).tell("critical", "x") for _ in range(2))
    assert one == two
    assert one.event == e.Alerted(id=one.alert.id, severity="critical", text="x")
    assert len(one.alert.id) == 8
    later = clock()
    later.sleep(1)
    assert Alerts([], later).tell("critical", "x").alert.id != one.alert.id


def test_console_and_file_say_it_on_one_line(tmp_path):
    """With time, severity, and how to acknowledge it; what a terminal would obey is spelt out. The file is 0600."""
    stream, path = io.StringIO(), tmp_path / "alerts.log"
    alerts = Alerts([Console(stream), LogFile(path)], clock())
    first = alerts.tell("critical", "cash differs\x1b[2J\nready: \u202eyes")
    alerts.tell("info", "good morning")
    assert path.read_text() == stream.getvalue()
    assert stream.getvalue().splitlines() == [
        "2026-03-06 14:35:00Z CRITICAL cash differs\\u001b[2J\\u000aready: \\u202eyes "
        f"(acknowledge: kobe alerts ack {first.alert.id})", "2026-03-06 14:35:00Z INFO good morning"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_is_a_failure_of_the_file_alone(tmp_path):
    """A file that cannot be written, and a closed console, stop nothing."""
    closed = io.StringIO()
    closed.close()
    raised = Alerts([LogFile(tmp_path / "none" / "alerts.log"), Console(closed)], clock()).tell("warning", "x")
    assert [f.channel for f in raised.failures] == ["file", "console"]


class Hook(http.server.BaseHTTPRequestHandler):
    """A web hook that keeps what it is sent, and answers as its server says."""

    def do_POST(self):
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    server.heard, server.answer = [], 200
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_apprise_sends_to_its_services(hook):
    """Apprise's own client posts the line and the severity to a web hook; a 500 is a failure without the URL."""
    channel = Apprise(f"json://ann:hunter22@127.0.0.1:{hook.server_port}/hook")
    alerts = Alerts([channel], clock())
    raised = alerts.tell("critical", "cash differs")
    assert raised.failures == ()
    assert hook.heard[0]["title"] == "Kobe81: critical"
    assert hook.heard[0]["message"] == raised.alert.line
    hook.answer = 500
    failure, = alerts.tell("critical", "positions differ").failures
    assert failure.channel == "json"
    assert "hunter22" not in repr(failure)


def test_a_channel_nobody_understands_is_refused_without_its_secret():
    """The message names the service, never the URL."""
    with pytest.raises(UsageError, match=r"nosuch://\*\*\*") as refused:
        Apprise("nosuch://ann:hunter22@host")
    assert "hunter22" not in str(refused.value)


def test_without_apprise_the_message_says_what_to_install(monkeypatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(MissingExtra, match=r"kobe81\[alerts\]"):
        Apprise("json://localhost")


CRITICAL = e.Alerted(id="c1", severity="critical", text="cash differs")
LATER = e.Alerted(id="c2", severity="critical", text="positions differ")
WARNING = e.Alerted(id="w1", severity="warning", text="feed is stale")
INFO = e.Alerted(id="i1", severity="info", text="good morning")


def test_open_are_those_that_ask_and_have_no_answer():
    """Information asks for nothing; an acknowledged alert that comes again is open again."""
    records = story(INFO, WARNING, CRITICAL, e.Acknowledged(id="w1", person="ann"), LATER,
                    e.Acknowledged(id="nobody", person="ann"))
    assert {name: a.seq for name, a in open_alerts(records).items()} == {"c1": 3, "c2": 5}
    assert list(open_alerts([*records, *story(WARNING, first=7)])) == ["c1", "c2", "w1"]


@pytest.mark.parametrize(("after", "late"), [(0, None), (1799, None), (1800, "c1"), (1801, "c1"), (90_000, "c1"),
                                             (-60, None)])
def test_a_critical_alert_may_stand_for_half_an_hour(after, late):
    """Then trading is to stop, for the first of them; a warning never asks for it."""
    found = overdue(open_alerts(story(CRITICAL, WARNING, LATER)), START + timedelta(seconds=after))
    assert (found and found.id) == late


def test_who_acknowledges_in_time_goes_on_trading():
    """An acknowledgement ends it, for that alert alone; the time allowed is a setting."""
    records = story(CRITICAL, 60, LATER, 1, e.Acknowledged(id="c1", person="ann"))
    assert overdue(open_alerts(records), START + timedelta(minutes=30)) is None
    assert overdue(open_alerts(records), START + timedelta(minutes=31, seconds=1)).id == "c2"
    assert overdue(open_alerts(records), START + timedelta(minutes=7), timedelta(minutes=5)).id == "c2"
