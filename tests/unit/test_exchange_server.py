"""The exchange as served: the official clients trade on it, strangers and oversized requests are turned away."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx2
import pytest
from exchange_fixtures import (
    KEYS,
    ORDER,
    TinyExchange,
    asker,
    exchange_of_bytes,
    limit_order,
    listener,
    official,
    until,
)
from websockets.exceptions import ConnectionClosed

from kobe81.app.clock import SystemClock
from kobe81.core.errors import UsageError
from kobe81.execution.exchange.application import Limits
from kobe81.execution.exchange.server import ExchangeServer, serving

FREE = Limits(requests_per_minute=None)


@pytest.fixture(scope="module")
def served():
    exchange = TinyExchange()
    with serving(exchange, SystemClock(), limits=FREE, tick=0.02) as url:
        yield exchange, url


@pytest.fixture
def url(served):
    return served[1]


# ------------------------------------------------------------------------------------------------ REST

def test_the_official_client_trades(url):
    """alpaca-py sends an order, reads its own models out of the answer and finds the order again by its id."""
    client = official(url)
    order = client.submit_order(limit_order("one"))
    assert (order.status.value, float(order.filled_avg_price)) == ("filled", 99.95)
    assert client.get_order_by_client_id("one").id == order.id
    assert client.get_account().status.value == "ACTIVE"


def test_every_answer_has_a_request_id_of_its_own(url):
    with asker(url) as client:
        ids = [client.get("/v2/account").headers["x-request-id"] for _ in range(3)]
        ids.append(client.get("/nowhere").headers["x-request-id"])
    assert len(set(ids)) == 4
    assert all(len(name) == 32 and int(name, 16) for name in ids)


def test_the_log_tells_what_was_received_and_answered(url):
    """Method, path, query, body, both statuses, and a receive time on the clock the test itself reads."""
    before = time.monotonic_ns()
    with asker(url) as client:
        sent = client.post("/v2/orders", json={**ORDER, "client_order_id": "logged"})
        client.get("/v2/orders", params={"status": "all"})
        after = time.monotonic_ns()
        order, listing = client.get("/_log").json()[-2:]
        assert client.get("/_log", params={"after": order["number"]}).json() == [listing]
    assert before - 1000 <= order["received_ns"] <= listing["received_ns"] <= after + 1000
    assert (order["method"], order["path"], order["handled"], order["answered"]) == ("POST", "/v2/orders", 200, 200)
    assert json.loads(order["body"])["client_order_id"] == "logged"
    assert json.loads(order["answer"]) == sent.json()
    assert order["request_id"] == sent.headers["x-request-id"]
    assert (listing["query"], order["faults"]) == ("status=all", [])


def test_no_secret_is_in_the_log(url):
    """The keys come in headers, and headers are not logged."""
    with asker(url, headers={"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "hush-hush"}) as client:
        client.get("/v2/account")
        assert "hush-hush" not in client.get("/_log").text


def test_stops_trigger_while_nobody_asks(served):
    """The exchange is advanced by the server's own timer."""
    seen = served[0].advanced
    until(lambda: served[0].advanced >= seen + 3)


# ------------------------------------------------------------------------------------------------ limits

def test_two_hundred_requests_a_minute_for_each_key():
    """The 201st is refused with Alpaca's headers: nothing left, and a reset within the next minute; another key goes
    on, and what was refused has not reached the exchange."""
    exchange = TinyExchange()
    with serving(exchange, SystemClock()) as url, asker(url) as client:
        first = client.get("/v2/account")
        assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("200", "199")
        assert {client.get("/v2/account").status_code for _ in range(199)} == {200}
        refused = client.post("/v2/orders", json=ORDER)
        assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (429, "0")
        assert 50 <= int(refused.headers["x-ratelimit-reset"]) - time.time() <= 62
        assert client.get("/v2/account", headers={"APCA-API-KEY-ID": "other"}).status_code == 401
        assert client.get("/_log").json()[200]["handled"] is None
    assert exchange.received == []


class _Moved(SystemClock):
    """A clock put forward by hand."""

    ahead = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead


def test_the_minute_ends():
    """After 60 s a key has its whole allowance again."""
    clock = _Moved()
    with serving(TinyExchange(), clock, limits=Limits(requests_per_minute=1)) as url, asker(url) as client:
        assert [client.get("/v2/account").status_code for _ in range(2)] == [200, 429]
        clock.ahead = 59.0
        assert client.get("/v2/account").status_code == 429
        clock.ahead = 61.0
        assert [client.get("/v2/account").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("length", [1 << 20, (1 << 20) + 1])
def test_a_body_has_at_most_a_mebibyte(url, length):
    """One byte more is 413, and the exchange does not see it."""
    with asker(url) as client:
        answered = client.put("/v2/large", content=b" " * length)
    assert answered.status_code == (404 if length == 1 << 20 else 413)
    assert answered.headers["x-request-id"]


def test_a_chunked_body_is_measured_too(url):
    """A body that announces no length is over the limit when it is."""
    with asker(url) as client:
        assert client.post("/v2/orders", content=(b" " * 65536 for _ in range(17))).status_code == 413


def test_a_head_without_end_is_refused(url):
    """32 KiB of header are enough."""
    got = exchange_of_bytes(url, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000)
    assert got.startswith(b"HTTP/1.1 400 ")


def test_half_a_request_is_none(served):
    """Whole JSON under a length that promises more, then the sender is gone: no order, and no line in the log."""
    exchange, url = served
    parts, orders = urlsplit(url), len(exchange.received)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        body = json.dumps(ORDER).encode()
        connection.sendall(b"POST /v2/orders HTTP/1.1\r\nHost: localhost\r\nAPCA-API-KEY-ID: key\r\n"
                           b"APCA-API-SECRET-KEY: secret\r\nContent-Length: %d\r\n\r\n%s" % (len(body) + 1, body))
    with asker(url) as client:
        before = len(client.get("/_log").json())
        time.sleep(0.1)
        assert len(client.get("/_log").json()) == before
    assert len(exchange.received) == orders


def test_connections_over_the_limit_are_told():
    limits = Limits(connections=4)
    with serving(TinyExchange(), SystemClock(), limits=limits) as url:
        parts = urlsplit(url)
        idle = [socket.create_connection((parts.hostname, parts.port)) for _ in range(4)]
        try:
            with asker(url) as client:
                assert client.get("/v2/account").status_code == 503
        finally:
            for connection in idle:
                connection.close()


HOSTS = {"127.0.0.1": 200, "localhost:8081": 200, "LOCALHOST": 200, "[::1]:80": 200, "evil.example": 403,
         "127.0.0.1.evil.example": 403, "localhost:80@evil.example": 403, "127.0.0.2": 403, "": 403}


@pytest.mark.parametrize(("host", "status"), HOSTS.items())
def test_only_loopback_names_are_served(url, host, status):
    """A web page whose name was made to point to this machine gets nothing."""
    lines = ["GET /v2/account HTTP/1.1", f"Host: {host}", "Connection: close", *(f"{k}: {v}" for k, v in KEYS.items())]
    got = exchange_of_bytes(url, "\r\n".join([*lines, "", ""]).encode())
    assert got.startswith(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode())


def test_a_web_page_cannot_script_the_exchange(url):
    """A browser says where a page came from, and sends JSON across origins only if it is invited: it is not."""
    with asker(url) as client:
        assert client.post("/_script", json={}, headers={"Origin": "http://localhost"}).status_code == 403
        assert client.post("/_script", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


def test_a_failing_exchange_shows_no_traceback():
    """The sender of a request that breaks the exchange reads that it broke, and nothing of its inside."""
    exchange = TinyExchange()
    with serving(exchange, SystemClock()) as url, asker(url) as client:
        answered = client.post("/v2/orders", content=b"not json")
        assert answered.status_code == 500
        assert "Traceback" not in answered.text
        assert "json" not in answered.text
        assert client.get("/v2/account").status_code == 200


# ------------------------------------------------------------------------------------------------ life

def test_a_port_in_use_is_said():
    with serving(TinyExchange(), SystemClock()) as url, pytest.raises(UsageError, match="give another with --port"):
        ExchangeServer(TinyExchange(), SystemClock(), port=urlsplit(url).port)


def test_it_stops_while_a_listener_and_a_request_wait():
    """Open connections do not keep a server alive, and their ends learn that it has gone."""
    with ThreadPoolExecutor(1) as threads, ExitStack() as connections:
        with serving(TinyExchange(), SystemClock()) as url:
            ws, client = (connections.enter_context(each) for each in (listener(url), asker(url)))
            client.post("/_script", json={"rules": [{"fault": "hang"}]})
            waiting = threads.submit(client.get, "/v2/account")
            until(lambda: len(client.get("/_log").json()) == 1)
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
            waiting.result(10)
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=5)
        with pytest.raises(httpx2.ConnectError):
            client.get("/v2/account")


class _Broken(TinyExchange):
    def advance(self):
        raise OSError("disk full")


def test_an_exchange_that_cannot_advance_is_not_served_on():
    """Its error is what the server ends with."""
    with pytest.raises(OSError, match="disk full"), ExchangeServer(_Broken(), SystemClock()) as server:
        server.wait()
