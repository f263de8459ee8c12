"""Answers that go wrong as the script says, as the official client, plain clients and raw sockets see them."""

import json
import time
from datetime import UTC, datetime

import httpx2
import pytest
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
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

from kobe81.app.clock import SystemClock
from kobe81.execution.exchange.application import Limits
from kobe81.execution.exchange.server import serving

POST = {"method": "POST", "path": "/v2/orders"}
LISTS = "/v2/account/activities/FILL"


class Scripted:
    """A served exchange whose script a test sets by POST /_script."""

    def __init__(self, exchange, url, client):
        self.exchange, self.url, self.client = exchange, url, client

    def script(self, *rules, **settings):
        answered = self.client.post("/_script", json={"rules": rules, **settings})
        assert answered.status_code == 200, answered.text

    def order(self, client_order_id=None, **options):
        given = {} if client_order_id is None else {"client_order_id": client_order_id}
        return self.client.post("/v2/orders", json=ORDER | given, **options)

    def log(self):
        return self.client.get("/_log").json()


@pytest.fixture(scope="module")
def server():
    exchange = TinyExchange()
    with serving(exchange, SystemClock(), limits=Limits(requests_per_minute=None)) as url:
        yield exchange, url


@pytest.fixture
def scripted(server):
    exchange, url = server
    exchange.received.clear()
    with asker(url) as client:
        made = Scripted(exchange, url, client)
        made.script()
        yield made


# ------------------------------------------------------------------------------------------------ the deciding test

def test_the_official_client_sends_an_order_again_after_a_504(scripted):
    """Why our adapter sends its orders by plain HTTP: told 504 after the exchange has accepted the order, alpaca-py
    POSTs it again. Without a client_order_id of ours there are then two orders, both filled, and the caller is told of
    one. Its retry_attempts=0 counts as unset, so this cannot be switched off."""
    scripted.script({"fault": "status", "status": 504, "when": "after", "nth": [1], **POST})
    client = official(scripted.url)
    told = client.submit_order(limit_order())
    assert [entry["handled"] for entry in scripted.log()[-2:]] == [200, 200]
    assert [entry["answered"] for entry in scripted.log()[-2:]] == [504, 200]
    assert len(scripted.exchange.received) == 2
    assert len({order["client_order_id"] for order in scripted.exchange.received}) == 2
    assert str(told.id) == scripted.exchange.received[1]["id"]


def test_with_an_id_the_official_client_makes_of_an_accepted_order_a_refused_one(scripted):
    """Our id keeps the second POST from becoming a second order; but what the caller then hears is 422, "must be
    unique", of an order that is filled: an adapter on alpaca-py would have to know that it means the opposite."""
    scripted.script({"fault": "status", "status": 504, "when": "after", "nth": [1], **POST})
    with pytest.raises(APIError, match="must be unique"):
        official(scripted.url).submit_order(limit_order("ours"))
    assert [order["status"] for order in scripted.exchange.received] == ["filled"]


def test_four_posts_are_sent_before_the_official_client_gives_up(scripted):
    """A 504 each time: the first try and three more, each of them an order; also with retry_attempts=0."""
    scripted.script({"fault": "status", "status": 504, "when": "after", **POST})
    unretried = RESTClient(scripted.url, "key", "secret", retry_attempts=0)
    unretried._retry_wait = 0
    for send in (lambda: official(scripted.url).submit_order(limit_order()), lambda: unretried.post("/orders", ORDER)):
        scripted.exchange.received.clear()
        with pytest.raises(APIError):
            send()
        assert len(scripted.exchange.received) == 4


def test_plain_http_sends_an_order_once(scripted):
    """What our adapter uses: one POST, one order, one answer that says 504."""
    scripted.script({"fault": "status", "status": 504, "when": "after", **POST})
    assert scripted.order("plain").status_code == 504
    assert len(scripted.exchange.received) == 1


# ------------------------------------------------------------------------------------------------ each fault

@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_status_before_or_after_acceptance(scripted, status, when, orders):
    """The answer is the same; only the exchange, and its log, know whether there is an order."""
    scripted.script({"fault": "status", "status": status, "when": when, **POST})
    answered = scripted.order("x")
    assert (answered.status_code, len(scripted.exchange.received)) == (status, orders)
    assert "filled" not in answered.text
    assert scripted.log()[-1]["handled"] == (200 if orders else None)


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_a_connection_cut_before_or_after_acceptance(scripted, when, orders):
    """Reset, and not a byte before."""
    scripted.script({"fault": "cut", "when": when, **POST})
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError), match=r"reset|disconnected"):
        scripted.order("x")
    assert len(scripted.exchange.received) == orders
    with pytest.raises(ConnectionResetError):
        exchange_of_bytes(scripted.url, raw("POST", "/v2/orders", json.dumps(ORDER).encode()))
    assert [entry["answered"] for entry in scripted.log()[-2:]] == [None, None]


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_no_answer_ever(scripted, when, orders):
    """The connection stands open and silent until the client's own deadline."""
    scripted.script({"fault": "hang", "when": when, **POST})
    with pytest.raises(httpx2.ReadTimeout):
        scripted.order("x", timeout=0.2)
    until(lambda: len(scripted.exchange.received) == orders)
    assert scripted.log()[-1]["answered"] is None


@pytest.mark.parametrize(("when", "after_that"), [("before", True), ("after", False)])
def test_an_answer_that_is_late(scripted, when, after_that):
    """The sender has given up by then. Delayed before handling, its order comes into being after that all the same."""
    scripted.script({"fault": "delay", "seconds": 0.6, "when": when, **POST})
    with pytest.raises(httpx2.ReadTimeout):
        scripted.order("x", timeout=0.2)
    gave_up = datetime.now(UTC).isoformat()
    until(lambda: scripted.exchange.received)
    assert (scripted.exchange.received[0]["created_at"] > gave_up) is after_that
    assert scripted.order("y").elapsed.total_seconds() >= 0.6


@pytest.mark.parametrize("reset", ["", "soon", "-1", "99999999999999", "NaN"])
def test_429_with_a_missing_or_absurd_reset(scripted, reset):
    """The header says what the script says, the exchange sees nothing."""
    scripted.script({"fault": "busy", "reset": reset, **POST})
    answered = scripted.order("x")
    assert (answered.status_code, answered.headers.get("x-ratelimit-reset", "")) == (429, reset)
    assert answered.json()["code"] == 42910000
    assert scripted.exchange.received == []


def test_429_with_a_reset_from_now(scripted):
    """+2 is the epoch second two from now, as Alpaca would send it."""
    scripted.script({"fault": "busy", "reset": "+2", **POST})
    assert 1.9 <= int(scripted.order("x").headers["x-ratelimit-reset"]) - time.time() <= 3.0


def test_a_redirect_leads_elsewhere(scripted):
    """307, which a client that follows would POST again, to another host."""
    scripted.script({"fault": "redirect", "to": "http://elsewhere.example/v2/orders", **POST})
    answered = scripted.order("x")
    assert (answered.status_code, answered.headers["location"]) == (307, "http://elsewhere.example/v2/orders")
    assert scripted.exchange.received == []


def test_an_order_is_unknown_for_a_while(scripted):
    """The first two look-ups of each id answer 404 although the order exists; then it is found."""
    scripted.script({"fault": "unknown", "first": 2})
    scripted.order("a"), scripted.order("b")

    def look(name):
        return scripted.client.get("/v2/orders:by_client_order_id", params={"client_order_id": name}).status_code

    assert [look(name) for name in "aabaab"] == [404, 404, 404, 200, 200, 404]
    assert look("b") == 200


def test_fields_renamed_and_removed(scripted):
    """At every depth; the others stay as they were."""
    plain = scripted.order("a").json()
    scripted.script({"fault": "rename", "fields": {"id": "order_id", "status": ""}})
    (renamed,) = scripted.client.get("/v2/orders").json()
    assert renamed == {("order_id" if k == "id" else k): v for k, v in plain.items() if k != "status"}


def test_a_page_for_people_instead_of_json(scripted):
    scripted.script({"fault": "html", **POST})
    answered = scripted.order("x")
    assert (answered.status_code, answered.headers.get_list("content-type")) == (200, ["text/html"])
    assert answered.text.startswith("<!DOCTYPE html>")
    assert len(scripted.exchange.received) == 1


def test_json_cut_in_the_middle(scripted):
    """Half of the body, of which the headers tell the true length: HTTP is content, JSON is not."""
    scripted.script({"fault": "truncate", **POST})
    answered = scripted.order("x")
    assert len(answered.content) == int(answered.headers["content-length"])
    with pytest.raises(json.JSONDecodeError):
        answered.json()
    assert answered.text in json.dumps(scripted.exchange.received[0], separators=(",", ":"))


@pytest.mark.parametrize("by", [100, -10])
def test_a_wrong_length(scripted, by):
    """Announced longer than it is, a body ends too soon; announced shorter, it is not whole JSON."""
    scripted.script({"fault": "length", "by": by})
    head, _, body = exchange_of_bytes(scripted.url, raw("GET", "/v2/account")).partition(b"\r\n\r\n")
    assert f"content-length: {len(body) + by}".encode() in head.lower()
    assert json.loads(body)["status"] == "ACTIVE"
    with pytest.raises((httpx2.RemoteProtocolError, json.JSONDecodeError)):
        scripted.client.get("/v2/account").json()


def test_a_body_that_drips(scripted):
    """Every byte resets a read timeout of 0.4 s, so that only a deadline over the whole answer ends it."""
    scripted.script({"fault": "drip", "seconds": 0.01})
    began = time.monotonic()
    answered = scripted.client.get("/v2/account", timeout=0.4)
    assert time.monotonic() - began >= 0.01 * len(answered.content) > 0.8
    assert answered.json()["status"] == "ACTIVE"


@pytest.mark.parametrize(("fault", "shown"), [("repeat", "ccbbaa"), ("reorder", "abc"), ("lose", "ba")])
def test_lists_repeated_reordered_and_short(scripted, fault, shown):
    """Activities come latest first: c, b, a."""
    for name in "abc":
        scripted.order(name)
    scripted.script({"fault": fault, "path": LISTS})
    assert "".join(fill["client_order_id"] for fill in scripted.client.get(LISTS).json()) == shown


STREAMED = [
    ({"fault": "repeat", "path": "fill"}, ["new a", "fill a", "fill a", "new b", "fill b", "fill b"]),
    ({"fault": "reorder", "path": "new"}, ["fill a", "new a", "fill b", "new b"]),
    ({"fault": "reorder"}, ["fill a", "new a", "fill b", "new b"]),
    ({"fault": "lose", "path": "fill", "nth": [1]}, ["new a", "new b", "fill b"]),
    ({"fault": "delay", "path": "new", "seconds": 0.5, "nth": [1]}, ["fill a", "new b", "fill b", "new a"]),
]


@pytest.mark.parametrize(("rule", "heard"), STREAMED)
def test_trade_updates_repeated_reordered_lost_and_late(scripted, rule, heard):
    """What a listener hears of two orders; the answers to their senders are not touched."""
    with listener(scripted.url) as ws:
        scripted.script({"method": "STREAM", **rule})
        assert [scripted.order(name).status_code for name in "ab"] == [200, 200]
        updates = [json.loads(ws.recv(timeout=5))["data"] for _ in heard]
        with pytest.raises(TimeoutError):
            ws.recv(timeout=0.05)
    assert [f"{update['event']} {update['order']['client_order_id']}" for update in updates] == heard


def test_faults_add_up(scripted):
    """A late 502 after acceptance, whose page is for people."""
    scripted.script({"fault": "status", "status": 502, "when": "after", **POST}, {"fault": "html", **POST},
                    {"fault": "delay", "seconds": 0.1, "when": "after", **POST})
    answered = scripted.order("x")
    assert (answered.status_code, answered.text[:9], len(scripted.exchange.received)) == (502, "<!DOCTYPE", 1)
    assert answered.elapsed.total_seconds() >= 0.1
    assert scripted.log()[-1]["faults"] == ["status", "html", "delay"]


def test_another_script_begins_to_count_anew(scripted):
    rule = {"fault": "status", "nth": [2]}
    for _ in range(2):
        scripted.script(rule)
        assert [scripted.client.get("/v2/account").status_code for _ in range(3)] == [200, 500, 200]
    assert scripted.client.get("/_script").json() == {"rules": [rule]}


def test_a_wrong_script_changes_nothing(scripted):
    """It is answered 422 with what is wrong, and the script that ran goes on."""
    scripted.script({"fault": "status"})
    answered = scripted.client.post("/_script", json={"rules": [{"fault": "html", "mehtod": "GET"}]})
    assert (answered.status_code, "unknown field `mehtod`" in answered.json()["message"]) == (422, True)
    assert scripted.client.get("/v2/account").status_code == 500


def raw(method, path, body=b""):
    """A request by hand, after which the connection is to be closed."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}",
             *(f"{name}: {value}" for name, value in KEYS.items()), "", ""]
    return "\r\n".join(lines).encode() + body
