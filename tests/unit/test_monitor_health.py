"""Health endpoints: the real command in a process of its own, over HTTP, beside a journal, a lock and a switch."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kobe81.app.clock import SystemClock
from kobe81.core import events as e
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.monitor.health_endpoints import FRESH_SECONDS
from kobe81.store.journal import open_journal
from kobe81.store.locks import LeaderLock
from tests.monitor_fixtures import started

SERVE = ("import kobe81.monitor.health_endpoints as h; h.SLOWEST_REQUEST = 0.3; "
         "from kobe81.app.commands.health import health; health(port=0, allow=('kobe.example',))")
PATIENCE = 20


class Served:
    """The endpoints' process, and the runner's things beside it."""

    def __init__(self, home):
        self.home = home
        self.journal = open_journal(home / "journal.db", SystemClock())
        self.switch = FileKillSwitch(home / "KILL_SWITCH")
        self.process = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, "KOBE_HOME": str(home)})
        said = self.process.stdout.readline()
        assert said.startswith("http://127.0.0.1:"), said + self.process.stderr.read()
        self.port = int(said.partition("127.0.0.1:")[2].partition("/")[0])

    def ask(self, path, method="GET", host=None):
        """The answer's status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def raw(self, request):
        """All that comes back for these bytes, until the other side hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def reasons(self, *words):
        """Why it is not ready, once all these words are among it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status, _, body = self.ask("/ready")
            said = json.loads(body)
            assert status == (503 if said.get("reasons") else 200)
            told = " | ".join(said.get("reasons", []))
            if all(word in told for word in words) and bool(words) == bool(told):
                return told
            assert time.monotonic() < deadline, f"waited for {words}, last heard: {said}"
            time.sleep(0.02)

    def end(self):
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)
        self.journal.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("home"))
    yield made
    made.end()


def test_ready_follows_the_day_of_a_runner(tmp_path):
    """I11 step by step: 200 only while lead, journal and switch all allow it; each refusal says what to do."""
    served = Served(tmp_path)
    try:
        append = served.journal.append
        assert "kobe run" in served.reasons("no runner has started", "no runner has ever led here")
        lock = LeaderLock(tmp_path / "runner.lock", SystemClock())
        append(started())
        served.reasons("still to come")
        append(e.NotReady(reasons=("cash differs by 3.10",)))
        served.reasons("cash differs by 3.10")
        append(e.Ready())
        served.reasons()
        append(e.Halted(reason="positions differ"))
        assert "kobe resume" in served.reasons("trading is halted: positions differ")
        append(e.Ready())
        served.reasons("halted")
        append(e.Resumed(person="ann", reason="mended"))
        served.reasons()
        served.switch.engage("ann", "a test")
        append(e.Killed(by="ann", reason="a test"))
        served.reasons("kill switch set by ann", "the kill switch was set by ann")
        served.switch.lift()
        assert "KILL_SWITCH" not in served.reasons("the kill switch was set by ann: a test")
        append(e.Lifted(person="ann", reason="over"))
        served.reasons()
        lock.release()
        served.reasons("no runner holds the lead")
        lock = LeaderLock(tmp_path / "runner.lock", SystemClock())
        served.reasons()
        old = time.time() - 61
        os.utime(tmp_path / "runner.lock", (old, old))
        served.reasons("heartbeat is 6", "kobe status")
        lock.beat()
        served.reasons()
        append(e.Stopped(reason="end of the week"))
        served.reasons("stopped: end of the week")
        append(started())
        served.reasons("still to come")
        append(e.Ready())
        served.reasons()
        lock.release()
    finally:
        served.end()


def test_alive_is_told_whatever_else_is_wrong(served):
    """/health answers 200 while the process lives, though no runner ever led."""
    status, headers, body = served.ask("/health")
    assert (status, json.loads(body)) == (200, {"status": "alive"})
    assert headers["Content-Type"] == "application/json"


def test_no_browser_can_make_anything_of_an_answer(served):
    """Nothing is kept, sniffed, framed or run, and the server does not say what it is."""
    for path in ("/health", "/ready", "/metrics", "/nothing"):
        headers = served.ask(path)[1]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'"
        assert headers["Server"] is None


def test_metrics_follow_the_journal(served):
    """A record appended by another process is in the page at the latest 100 ms later, with the journal's hash."""
    served.journal.append(e.AccountOpened(account="A1", cash=Decimal("1234.56")), e.Failed(source="api", note=""))
    size, head = served.journal.head()
    time.sleep(FRESH_SECONDS)
    status, headers, body = served.ask("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = {(s.name, *s.labels.values()): s.value for f in text_string_to_metric_families(body.decode())
             for s in f.samples}
    assert found["kobe_cash_dollars",] == 1234.56
    assert found["kobe_audit_records",] == size
    assert found["kobe_audit_info", head.hex()] == 1


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_head_is_get_without_the_body(served, path):
    """The same status and the length the body would have."""
    status, headers, body = served.ask(path, "HEAD")
    get = served.ask(path)
    assert (status, body) == (get[0], b"")
    assert headers["Content-Length"] == get[1]["Content-Length"] == str(len(get[2]))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed_here(served, method):
    """Any other method is 405, and says which are allowed."""
    status, headers, _ = served.ask("/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/health?x=1/../../etc/passwd", "/%2e%2e/etc", "/READY"])
def test_other_paths_are_not_there(served, path):
    """404 for all but the three; a query is not part of a path."""
    assert served.ask(path)[0] == (200 if path.startswith("/health?") else 404)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:99", "[::1]", "[::1]:80", "kobe.example:8801"])
def test_names_of_this_machine_are_answered(served, host):
    """The loopback's names and those that were allowed, with or without a port, in any case."""
    assert served.ask("/health", host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8801", "localhost.evil.example", "127.0.0.1.nip.io", "",
                                  "localhost:80:80", "[::1]x", "127.0.0.1@evil.example", "localhost:", "::1"])
def test_other_names_are_refused(served, host):
    """DNS rebinding: a page under its own name that leads to this machine gets nothing."""
    status, _, body = served.ask("/metrics", host=host)
    assert status == 400
    assert b"kobe_" not in body


@pytest.mark.parametrize("head", [b"", b"Host: localhost\r\nHost: evil.example\r\n", b"Host: localhost\r\nHost: x\r\n"])
def test_a_request_names_one_host(served, head):
    """None, or two of which one is ours, is refused."""
    answer = served.raw(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n" + head + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("request_", [
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000,
    b"GET /" + b"a" * 70_000,
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000,
])
def test_a_request_without_end_is_cut_off(served, request_):
    """A header longer than 16 KiB gets no answer but the end of the connection."""
    with suppress(ConnectionResetError, BrokenPipeError):
        assert served.raw(request_) == b""
    assert served.ask("/health")[0] == 200


@pytest.mark.parametrize("first", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea"])
def test_a_request_that_does_not_come_is_not_waited_for(served, first):
    """A connection that dribbles, at first or after an answer, is closed; the tests' process waits 0.3 s, not 10."""
    assert served.raw(first).count(b"HTTP/1.1 ") == first.count(b"\r\n\r\n")


def test_one_connection_asks_many_times(served):
    """Keep-alive: the limit of bytes is each request's, not the connection's."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
    for _ in range(50):
        connection.request("GET", "/health", headers={"X": "a" * 1000})
        assert connection.getresponse().read() == b'{"status": "alive"}'
    connection.close()


@pytest.mark.parametrize("request_", [b"\x00\x01\x02\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n",
                                      b"G\xc3\x8bT / HTTP/1.1\r\n\r\n",
                                      b"GET http:// HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                                      b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"])
def test_junk_gets_no_traceback(served, request_):
    """Bytes that are no request are answered shortly or not at all, and the next request is."""
    answer = served.raw(request_)
    assert len(answer) < 500
    assert b"Traceback" not in answer
    assert b"File" not in answer
    assert served.ask("/health")[0] == 200


def test_so_many_connections_and_no_more(served):
    """Sixty-four at a time; who comes then is told to come later, and is answered once others have gone."""
    crowd = [socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) for _ in range(64)]
    try:
        for connection in crowd:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert {connection.recv(12) for connection in crowd} == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        assert served.ask("/health")[0] == 503
    finally:
        for connection in crowd:
            connection.close()
    deadline = time.monotonic() + PATIENCE
    while served.ask("/health")[0] != 200:
        assert time.monotonic() < deadline


def test_sigterm_ends_it(tmp_path):
    """The process goes when it is told to."""
    served = Served(tmp_path)
    served.end()
    assert served.process.returncode == -signal.SIGTERM
