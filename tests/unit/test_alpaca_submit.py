"""An order and its answers: what goes out, what each answer means, and when nothing may go out any more."""

import json
import warnings
from decimal import Decimal

import pytest

from kobe81.core.ports import Accepted, Lost, NotSent, Rejected
from tests.alpaca_fixtures import CLIENT_ID, NOW, ORDER, RealClock, Switch, approved, broker, intent
from tests.alpaca_server import HTML, AlpacaServer, Answer, answer, json_answer, refusal

with warnings.catch_warnings():  # the client imports a part of websockets that is going away
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import LimitOrderRequest, StopOrderRequest

UNIQUE = refusal(422, 40010001, "client_order_id must be unique")
BUSY = json_answer({"code": 42910000, "message": "rate limit exceeded"}, 429)


@pytest.fixture
def server():
    with AlpacaServer() as running:
        yield running


# ------------------------------------------------------------------------------------------------ what goes out

@pytest.mark.parametrize(("changes", "official"), [
    ({}, LimitOrderRequest(symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.IOC, limit_price=187.69,
                           client_order_id=CLIENT_ID)),
    ({"side": "sell", "leg": "time", "limit": Decimal("187.50")},
     LimitOrderRequest(symbol="AAPL", qty=10, side=OrderSide.SELL, time_in_force=TimeInForce.IOC, limit_price=187.5,
                       client_order_id=CLIENT_ID)),
    ({"side": "sell", "leg": "stop", "limit": None, "stop": Decimal("0.1234"), "tif": "gtc", "symbol": "BRK.B"},
     StopOrderRequest(symbol="BRK.B", qty=10, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, stop_price=0.1234,
                      client_order_id=CLIENT_ID)),
], ids=["entry", "exit", "stop"])
def test_the_request_is_the_official_clients(server, changes, official):
    """Entries, exits and stops have the fields and values that alpaca-py sends, the numbers as text."""
    broker(server.url).submit(approved(**changes))
    sent, fields = server.requests[0], official.to_request_fields()
    numbers = {"qty", "limit_price", "stop_price"} & fields.keys()
    assert all(isinstance(sent.json()[name], str) for name in numbers)
    assert {k: float(v) if k in numbers else v for k, v in sent.json().items()} == fields
    assert (sent.method, sent.path, sent.headers["content-type"]) == ("POST", "/v2/orders", "application/json")


def test_quantity_is_whole_and_prices_are_plain(server):
    """10 shares are "10", and a price is never written with an exponent."""
    broker(server.url).submit(approved(limit=Decimal("1E+2")))
    assert server.requests[0].json()["qty"] == "10"
    assert server.requests[0].json()["limit_price"] == "100"


@pytest.mark.parametrize("changes", [
    {"limit": None}, {"stop": Decimal("180")}, {"limit": Decimal("NaN")}, {"limit": Decimal("Infinity")},
    {"limit": Decimal("-1")}, {"limit": Decimal(0)}, {"qty": 0}, {"qty": -5},
])
def test_what_is_no_order_is_not_sent(server, changes):
    """Without one finite price above zero and whole shares there is nothing to send; a market order least of all."""
    assert isinstance(broker(server.url).submit(approved(**changes)), NotSent)
    assert server.connections == 0


@pytest.mark.parametrize("thing", [intent(), None, "AAPL"])
def test_nothing_is_sent_without_the_seal(server, thing):
    """An intent that no gate has seen does not go out."""
    with pytest.raises(TypeError, match="Approved"):
        broker(server.url).submit(thing)
    assert server.connections == 0


# ------------------------------------------------------------------------------------------------ what an answer means

@pytest.mark.parametrize("status", [200, 201])
def test_an_order_of_ours_is_accepted(server, status):
    """The answer is the order: the broker's id, what is filled, its state."""
    server.script = [json_answer(ORDER | {"filled_qty": "4", "status": "partially_filled"}, status)]
    taken = broker(server.url).submit(approved())
    assert isinstance(taken, Accepted)
    assert (taken.order.id, taken.order.client, taken.order.qty, taken.order.filled, taken.order.status) == (
        ORDER["id"], CLIENT_ID, Decimal(10), Decimal(4), "partially_filled")
    assert len(server.requests) == 1


@pytest.mark.parametrize("changes", [
    {"client_order_id": "k1-another"}, {"symbol": "MSFT"}, {"side": "sell"}, {"qty": "11"}, {"qty": "10.5"},
    {"qty": None}, {"id": ""}, {"status": 7}, {"filled_qty": None}, {"filled_qty": "NaN"}, {"qty": "1e999999999"},
    {"submitted_at": "2026-03-02T14:35:00"}, {"client_order_id": None},
])
def test_an_answer_about_anything_else_is_lost(server, changes):
    """A 200 that is not about our order, or not an order, does not say what became of ours."""
    server.script = [json_answer(ORDER | changes)]
    assert isinstance(broker(server.url).submit(approved()), Lost)
    assert len(server.requests) == 1


TWICE = json.dumps(ORDER)[:-1].encode() + b', "client_order_id": "k1-another"}'
UNREADABLE = {
    "page": answer(HTML), "empty": answer(b""), "no content": answer(b"", 204), "list": json_answer([ORDER]),
    "null": json_answer(None), "a key twice": answer(TWICE), "NaN": json_answer(ORDER | {"hwm": float("nan")}),
    "endless depth": answer(b'{"legs":' + b"[" * 200_000),
    "deep object": answer(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "half": answer(json.dumps(ORDER)[:300].encode()), "latin": answer(b'{"id": "\xff\xfe"}'),
    "announced longer": answer(json.dumps(ORDER).encode(), length=5000),
    "announced shorter": answer(json.dumps(ORDER).encode(), length=50),
    "over the cap": answer(b'"' + b"x" * (1 << 20) + b'"'), "no HTTP": Answer(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "reset": Answer(b"", reset=True), "closed": Answer(b""), "half a head": Answer(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "endless head": Answer(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 40_000),
    "huge number": answer(b'{"qty": ' + b"9" * 10_000 + b"}"), "bad chunk": answer(
        b"zz\r\n{}\r\n0\r\n\r\n", headers={"Content-Length": "", "Transfer-Encoding": "chunked"}),
    "compressed": answer(b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"}),
}  # fmt: skip


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_unreadable_200_is_lost(server, what):
    """Whatever a 200 carries that is not an order leaves it open what became of ours; nothing is sent again."""
    server.script = [UNREADABLE[what]]
    assert isinstance(broker(server.url).submit(approved()), Lost)
    assert (len(server.requests), server.connections) == (1, 1)


@pytest.mark.parametrize("status", [202, 301, 302, 303, 307, 308, 402, 404, 405, 408, 409, 413, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [HTML, b'{"code": 1, "message": "no"}', json.dumps(ORDER).encode()],
                         ids=["page", "refusal", "order"])
def test_other_statuses_prove_nothing(server, status, body):
    """Only 200, 201, 400, 401, 403 and 422 say what became of an order. No redirect is followed, nothing sent again."""
    server.script = [answer(body, status, {"Location": f"{server.url}/v2/orders"})]
    assert isinstance(broker(server.url).submit(approved()), Lost)
    assert (len(server.requests), server.connections) == (1, 1)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_in_the_brokers_format_is_a_refusal(server, status):
    """Status, code and message come along; a message without a code has code 0."""
    server.script = [refusal(status, 40310000, "insufficient buying power"),
                     json_answer({"message": "forbidden."}, status)]
    assert broker(server.url).submit(approved()) == Rejected(status, 40310000, "insufficient buying power")
    assert broker(server.url).submit(approved()) == Rejected(status, 0, "forbidden.")


@pytest.mark.parametrize("status", [400, 401, 403, 422])
@pytest.mark.parametrize("body", [HTML, b"", b"{}", b"[]", b'{"code": "x", "message": "no"}', b'{"code": 1}',
                                  b'{"message": 5}', b'{"message": "no", "message": "yes"}'])
def test_a_refusal_in_any_other_format_is_none(server, status, body):
    """A proxy's page with status 403 does not mean that the broker has refused."""
    server.script = [answer(body, status)]
    assert isinstance(broker(server.url).submit(approved()), Lost)


def test_nobody_there_means_not_sent():
    """Where no connection comes about, not a byte of the order has left."""
    with AlpacaServer() as gone:
        url = gone.url
    assert isinstance(broker(url).submit(approved()), NotSent)


# ------------------------------------------------------------------------------------------------ the id exists already

@pytest.mark.parametrize(("code", "message"), [(40010001, "client_order_id must be unique"), (42210000, "once more")])
def test_a_422_whose_order_is_there_is_accepted(server, code, message):
    """Whatever its code and words, a refused id that the broker knows is our order, and it is adopted."""
    server.script = [refusal(422, code, message), json_answer(ORDER)]
    assert isinstance(broker(server.url).submit(approved()), Accepted)
    assert [r.method for r in server.requests] == ["POST", "GET"]
    assert server.requests[1].path == "/v2/orders:by_client_order_id"
    assert server.requests[1].query == {"client_order_id": CLIENT_ID}


@pytest.mark.parametrize("then", [
    answer(b"", 500), answer(HTML, 404), answer(HTML), json_answer(ORDER | {"client_order_id": "k1-another"}),
    json_answer(ORDER | {"qty": "11"}), json_answer(ORDER | {"side": "sell"}),
    refusal(404, 40410000, "order not found"), json_answer({"message": "forbidden."}, 403),
])
def test_an_id_said_to_be_there_that_cannot_be_fetched_is_lost(server, then):
    """Said to exist and not to be found as ours: nobody knows."""
    server.script = [UNIQUE, then]
    assert isinstance(broker(server.url).submit(approved()), Lost)
    assert len(server.posts()) == 1


def test_an_invalid_order_is_rejected(server):
    """A 422 about something else, whose id the broker does not know, is a refusal."""
    server.script = [refusal(422, 42210000, "invalid limit_price 187.6901"), refusal(404, 40410000, "order not found")]
    assert broker(server.url).submit(approved()) == Rejected(422, 42210000, "invalid limit_price 187.6901")


# ------------------------------------------------------------------------------------------------ too many requests

@pytest.mark.parametrize(("reset", "waited"), [
    (str(int(NOW.timestamp()) + 7), 7.0), (str(NOW.timestamp() + 0.5), 0.5), (None, 1.0), ("soon", 1.0), ("nan", 1.0),
    ("", 1.0), ("-5", 1.0), (str(int(NOW.timestamp()) - 60), 1.0), ("99999999999999", 30.0), ("inf", 30.0),
    (str(int(NOW.timestamp() * 1000)), 30.0),
])
def test_a_429_waits_for_its_reset_and_sends_the_same_order(server, reset, waited):
    """The reset is an epoch second; without one in the future it waits 1 s, for an absurd one 30 s."""
    clock = RealClock()
    server.script = [BUSY if reset is None else json_answer({}, 429, {"X-RateLimit-Reset": reset}), json_answer(ORDER)]
    assert isinstance(broker(server.url, clock=clock).submit(approved()), Accepted)
    assert clock.slept == [pytest.approx(waited)]
    first, second = server.posts()
    assert first.body == second.body


def test_a_429_without_end_is_given_up_within_a_minute(server):
    """1, 2, 4, 8 and 16 s; the next pause would be 30 s and make more than 60. What became of the order is not said."""
    clock = RealClock()
    server.script = [BUSY]
    assert isinstance(broker(server.url, clock=clock).submit(approved()), Lost)
    assert clock.slept == [1, 2, 4, 8, 16]
    assert len(server.posts()) == 6


def test_no_order_goes_out_once_the_switch_is_set_while_waiting(server):
    """Set during the wait for a reset: no second POST. One was made, so it is not as if nothing had gone out."""
    switch = Switch()
    server.script = lambda request: switch.engage("test", "now") or BUSY
    assert isinstance(broker(server.url, switch=switch).submit(approved()), Lost)
    assert len(server.posts()) == 1


def test_no_order_goes_out_once_it_has_expired_while_waiting(server):
    """An order valid for 5 s does not go out again after a wait of 7."""
    reset = {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 7)}
    server.script = [json_answer({}, 429, reset)]
    expires = NOW.replace(second=5)
    assert isinstance(broker(server.url).submit(approved(expires=expires)), Lost)
    assert len(server.posts()) == 1


@pytest.mark.parametrize("then", [answer(b"", 504), Answer(b"", reset=True), refusal(403, 40310000, "no")])
def test_what_comes_after_a_429_counts(server, then):
    """The answer to the second POST is the answer."""
    server.script = [BUSY, then]
    answered = broker(server.url).submit(approved())
    assert isinstance(answered, Rejected if then.raw.startswith(b"HTTP/1.1 403") else Lost)
    assert len(server.posts()) == 2
