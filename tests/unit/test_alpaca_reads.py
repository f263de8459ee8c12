"""What the broker is asked: answers become our values or a BrokerError, and pages are read to their end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kobe81.core.events import CashMoved
from kobe81.core.orders import Fill
from kobe81.core.ports import BrokerError, BrokerOrder, BrokerPosition
from tests.alpaca_fixtures import ACCOUNT, CLIENT_ID, DIVIDEND, FILL, NOW, ORDER, POSITION, RealClock, broker
from tests.alpaca_server import HTML, AlpacaServer, Answer, answer, json_answer, refusal

NOT_FOUND = refusal(404, 40410000, "order not found")
BUSY = json_answer({"message": "too many requests"}, 429)


@pytest.fixture
def server():
    with AlpacaServer() as running:
        yield running


@pytest.fixture
def trading(server):
    return broker(server.url)


# ------------------------------------------------------------------------------------------------ account and positions

def test_the_account_is_read_without_the_fields_alpaca_took_out(server, trading):
    """pattern_day_trader and its kin are gone since 2026-07-06; nothing asks for them."""
    server.script = [json_answer(ACCOUNT)]
    account = trading.account()
    assert (account.number, account.status) == ("PA3ABCDEFGHI", "ACTIVE")
    assert (account.cash, account.equity, account.buying_power) == (
        Decimal("12000.25"), Decimal("13000.75"), Decimal("24000.5"))


@pytest.mark.parametrize(("changes", "status"), [
    ({"trading_blocked": True}, "TRADING_BLOCKED"), ({"account_blocked": True}, "ACCOUNT_BLOCKED"),
    ({"trade_suspended_by_user": True}, "TRADE_SUSPENDED_BY_USER"), ({"status": "ACCOUNT_CLOSED"}, "ACCOUNT_CLOSED"),
])
def test_an_account_that_may_not_trade_is_not_active(server, trading, changes, status):
    """ACTIVE is what may trade; a block says so instead."""
    server.script = [json_answer(ACCOUNT | changes)]
    assert trading.account().status == status


def test_positions_carry_their_sign(server, trading):
    """Short shares are negative, whether Alpaca writes the minus or not; fractions are kept."""
    server.script = [json_answer([
        POSITION, POSITION | {"symbol": "BRK.B", "side": "short", "qty": "-3"},
        POSITION | {"symbol": "T", "side": "short", "qty": "4"}, POSITION | {"symbol": "F", "qty": "0.123456789"}])]
    assert trading.positions() == (
        BrokerPosition(symbol="AAPL", qty=Decimal(5), price=Decimal(100)),
        BrokerPosition(symbol="BRK.B", qty=Decimal(-3), price=Decimal(100)),
        BrokerPosition(symbol="T", qty=Decimal(-4), price=Decimal(100)),
        BrokerPosition(symbol="F", qty=Decimal("0.123456789"), price=Decimal(100)))


@pytest.mark.parametrize("changes", [{"qty": "-5"}, {"qty": "NaN"}, {"side": "both"}, {"symbol": "../x"},
                                     {"qty": None}])
def test_a_position_that_contradicts_itself_is_an_error(server, trading, changes):
    """Long and negative is neither."""
    server.script = [json_answer([POSITION | changes])]
    with pytest.raises(BrokerError, match="/v2/positions"):
        trading.positions()


# ------------------------------------------------------------------------------------------------ errors

def test_an_error_says_what_was_asked_and_what_came(server, trading):
    """Method, path, status, code, message and request id; and its status as a number."""
    said = {"code": 40110000, "message": "request is not authorized"}
    server.script = [json_answer(said, 401, {"X-Request-ID": "r7"})]
    with pytest.raises(BrokerError) as refused:
        trading.account()
    assert refused.value.status == 401
    assert all(part in str(refused.value) for part in (
        "GET /v2/account", "HTTP 401", "40110000", "request is not authorized", "r7", "check that the key"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("failing", [answer(b"", 500), answer(HTML, 502), answer(b"", 504), Answer(b"", reset=True)])
def test_a_read_is_tried_three_times(server, failing):
    """After no answer or a 5xx; the third failure is the last."""
    clock = RealClock()
    server.script = [failing, failing, json_answer(ACCOUNT)]
    assert broker(server.url, clock=clock).account().status == "ACTIVE"
    assert clock.slept == [1, 2]
    server.requests.clear()
    server.script = [failing]
    with pytest.raises(BrokerError, match="GET /v2/account"):
        broker(server.url, clock=clock).account()
    assert len(server.requests) == 3


def test_a_read_waits_out_a_429(server):
    """As an order does: until its reset, and a minute in all."""
    clock = RealClock()
    server.script = [json_answer({}, 429, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 20)}), json_answer(ACCOUNT)]
    broker(server.url, clock=clock).account()
    assert clock.slept == [20]
    server.requests.clear()
    server.script = [BUSY]
    with pytest.raises(BrokerError, match="too many requests") as refused:
        broker(server.url, clock=RealClock()).account()
    assert refused.value.status == 429
    assert len(server.requests) == 6


@pytest.mark.parametrize("said", [answer(HTML), answer(b""), answer(b"", 204), answer(HTML, 404), NOT_FOUND,
                                  answer(b"", 307, {"Location": "/v2/account"}), json_answer([])])
def test_anything_but_an_answer_is_an_error(server, trading, said):
    """And asking again would not make it one."""
    server.script = [said]
    with pytest.raises(BrokerError):
        trading.account()
    assert len(server.requests) == 1


# ------------------------------------------------------------------------------------------------ orders

def test_an_order_is_found_by_either_id(server, trading):
    """By ours or by the broker's; legs come as ids."""
    leg = ORDER | {"id": "leg-1", "client_order_id": "x", "side": "sell", "status": "held"}
    server.script = [json_answer(ORDER | {"legs": [leg]})]
    expected = BrokerOrder(id=ORDER["id"], client=CLIENT_ID, symbol="AAPL", side="buy", qty=Decimal(10),
                           filled=Decimal(0), status="accepted", legs=("leg-1",))
    assert trading.find(CLIENT_ID) == expected
    assert trading.order(ORDER["id"]) == expected
    by_client, by_id = server.requests
    assert (by_client.path, by_client.query) == ("/v2/orders:by_client_order_id", {"client_order_id": CLIENT_ID})
    assert (by_id.path, by_id.query) == (f"/v2/orders/{ORDER['id']}", {"nested": "true"})


def test_only_the_broker_can_say_that_there_is_no_order(server, trading):
    """A 404 in its format; a page with that status may come from anywhere."""
    server.script = [NOT_FOUND, NOT_FOUND, answer(HTML, 404)]
    assert trading.find("x") is None
    assert trading.order("x") is None
    with pytest.raises(BrokerError, match="page for people"):
        trading.find("x")


def test_another_order_is_no_answer(server, trading):
    """What was not asked for tells nothing."""
    server.script = [json_answer(ORDER)]
    for ask in (trading.find, trading.order):
        with pytest.raises(BrokerError, match="nothing can be told"):
            ask("another")


def test_ids_stay_in_their_place(server, trading):
    """An id with a slash or a question mark in it does not become another path."""
    server.script = [NOT_FOUND]
    trading.order("../account?x=1")
    assert server.requests[0].path == "/v2/orders/..%2Faccount%3Fx%3D1"


def exchange_of(orders, page):
    """Alpaca's listing: submitted strictly after `after`, ascending, `page` at once, open ones alone where asked."""
    def listing(request):
        after = datetime.fromisoformat(request.query.get("after", "1970-01-01T00:00:00+00:00"))
        found = [o for o in orders if datetime.fromisoformat(o["submitted_at"]) > after
                 and (request.query["status"] == "all" or o["status"] == "accepted")]
        assert (request.query["direction"], request.query["nested"]) == ("asc", "true")
        return json_answer(sorted(found, key=lambda o: o["submitted_at"])[: min(page, int(request.query["limit"]))])
    return listing


def order_at(name, moment, status="filled"):
    return ORDER | {"id": name, "client_order_id": f"c-{name}", "submitted_at": moment.isoformat(), "status": status}


@pytest.mark.parametrize("page", [3, 7, 500])
def test_all_orders_come_whatever_the_page(server, trading, page):
    """All since an instant, that instant included, and the open ones from before it, once each, also where several
    were submitted at the same microsecond."""
    old = [order_at("old-open", NOW - timedelta(days=30), "accepted"), order_at("old-done", NOW - timedelta(days=30))]
    new = [order_at(f"o{i}", NOW + timedelta(microseconds=i // 2)) for i in range(20)]
    server.script = exchange_of(old + new, page)
    found = [order.id for order in trading.orders(NOW)]
    assert sorted(found) == sorted(["old-open", *(o["id"] for o in new)])


def test_legs_are_orders_too(server, trading):
    """A bracket's legs stand in the list beside it."""
    server.script = [json_answer([ORDER | {"legs": [order_at("leg-1", NOW), order_at("leg-2", NOW)]}])]
    assert [order.id for order in trading.orders(NOW)] == [ORDER["id"], "leg-1", "leg-2"]


def test_orders_that_cannot_be_told_apart_by_time_are_an_error(server, trading):
    """A full page of one instant has no next page; to stop there would be to lose what follows."""
    server.script = [json_answer([order_at(f"o{i}", NOW) for i in range(500)])]
    with pytest.raises(BrokerError, match="500 orders of one instant"):
        trading.orders(NOW)


def test_since_ever_is_since_ever(server, trading):
    """The first instant there is may be asked from."""
    server.script = [json_answer([])]
    ever = datetime.min.replace(tzinfo=UTC)
    assert trading.orders(ever) == ()
    assert trading.activities(ever).fills == ()
    assert {request.query.get("after", "")[:4] for request in server.requests} == {"", "1999"}


@pytest.mark.parametrize(("said", "reason"), [
    (answer(b"", 204), ""), (refusal(422, 42210000, "order is not cancelable"), "order is not cancelable"),
    (NOT_FOUND, "order not found"),
])
def test_a_cancel_is_taken_up_or_says_why_not(server, trading, said, reason):
    """204 is yes; 404 and 422 are the broker's reasons."""
    server.script = [said]
    assert trading.cancel("abc") == reason
    assert (server.requests[0].method, server.requests[0].path) == ("DELETE", "/v2/orders/abc")


@pytest.mark.parametrize("said", [answer(HTML, 422), answer(b"", 404), answer(b"", 504), answer(b"", 307),
                                  json_answer({"message": "forbidden."}, 403)])
def test_a_cancel_that_nobody_answered_is_an_error(server, trading, said):
    """Then nobody knows whether the order is still there."""
    server.script = [said]
    with pytest.raises(BrokerError, match="DELETE /v2/orders/abc"):
        trading.cancel("abc")


# ------------------------------------------------------------------------------------------------ activities

def test_a_fill_is_this_execution_alone(server, trading):
    """2 shares of 7 so far are 2; the order is the broker's id of it."""
    server.script = [json_answer([FILL])]
    assert trading.activities(NOW).fills == (Fill(
        execution=FILL["id"], order=FILL["order_id"], symbol="AAPL", side="buy", qty=Decimal(2),
        price=Decimal("187.63"), at=datetime(2026, 3, 2, 14, 35, 1, 977123, UTC)),)


@pytest.mark.parametrize(("entry", "kind", "amount", "words"), [
    (DIVIDEND, "DIV", "1.02", "T; Cash DIV @ 0.51"),
    ({"activity_type": "FEE", "net_amount": "-0.03", "symbol": None}, "FEE", "-0.03", "Cash DIV"),
    ({"activity_type": "CSD", "net_amount": "5000"}, "CSD", "5000", ""),
    ({"activity_type": "DIV", "status": "canceled"}, "DIV", "1.02", "canceled"),
    ({"activity_type": "SPLIT", "net_amount": None, "qty": "15"}, "SPLIT", "0", "15 shares"),
    ({"activity_type": "MA", "net_amount": "120.5", "qty": "-5"}, "MA", "120.5", "-5 shares"),
])
def test_money_moves_without_a_trade(server, trading, entry, kind, amount, words):
    """Fees, dividends, deposits; what moves shares has the money it moves, or none, and says so."""
    server.script = [json_answer([DIVIDEND | entry])]
    (moved,) = trading.activities(NOW).moves
    assert (moved.activity, moved.activity_type, moved.amount) == (DIVIDEND["id"], kind, Decimal(amount))
    assert moved.at == datetime(2026, 2, 27, tzinfo=UTC)
    assert words in moved.note


@pytest.mark.parametrize("changes", [
    {"qty": "0"}, {"qty": "-2"}, {"price": "0"}, {"qty": None}, {"id": None}, {"side": "hold"}, {"order_id": ""},
    {"transaction_time": "2026-03-02"}, {"price": "NaN"}, {"activity_type": None},
    {"activity_type": "DIV", "date": "2026-02-30"}, {"activity_type": "FEE", "date": "2026-02-27"},
])
def test_an_activity_that_does_not_fit_is_an_error(server, trading, changes):
    """A fill without shares, a fee without an amount: the books would be wrong, so they are not kept."""
    server.script = [json_answer([FILL | changes])]
    with pytest.raises(BrokerError, match="activities"):
        trading.activities(NOW)


def ledger(count, page, spoil=lambda entries: entries):
    """Alpaca's listing of `count` fills a second apart: after an instant, after the page token, `page` at once."""
    fills = [FILL | {"id": f"2026030214{i // 60:02}{i % 60:02}000::{i}",
                     "transaction_time": f"2026-03-02T14:{i // 60:02}:{i % 60:02}Z"} for i in range(count)]

    def listing(request):
        assert request.query["direction"] == "asc"
        after, token = datetime.fromisoformat(request.query["after"]), request.query.get("page_token")
        found = [f for f in fills if datetime.fromisoformat(f["transaction_time"]) > after]
        start = next((i for i, f in enumerate(found, 1) if f["id"] == token), 0)
        return json_answer(spoil(found[start : start + min(page, int(request.query["page_size"]))]))
    return listing


@pytest.mark.parametrize("page", [1, 7, 100])
def test_activities_are_read_to_the_end(server, trading, page):
    """Each once and in order, whatever the page, from the instant on, that instant included."""
    server.script = ledger(25, page)
    times = [fill.at for fill in trading.activities(datetime(2026, 3, 2, 14, 0, 5, tzinfo=UTC)).fills]
    assert times == [datetime(2026, 3, 2, 14, 0, second, tzinfo=UTC) for second in range(5, 25)]


@pytest.mark.parametrize("spoil", [lambda page: page * 2, lambda page: page[::-1]], ids=["repeated", "reordered"])
def test_repeated_and_reordered_activities_are_one_ledger(server, trading, spoil):
    """Each once, in the order they happened."""
    server.script = ledger(20, 100, spoil)
    fills = trading.activities(datetime(2026, 3, 2, tzinfo=UTC)).fills
    assert [fill.execution.partition("::")[2] for fill in fills] == [str(i) for i in range(20)]


def test_fills_and_movements_come_apart(server, trading):
    """One list of the broker's, two of ours."""
    server.script = [json_answer([DIVIDEND, FILL])]
    found = trading.activities(NOW)
    assert ([type(f) for f in found.fills], [type(m) for m in found.moves]) == ([Fill], [CashMoved])


# ------------------------------------------------------------------------------------------------ market and assets

@pytest.mark.parametrize("open_now", [True, False])
def test_the_broker_knows_whether_the_market_is_open(server, trading, open_now):
    """A closure that no calendar knew shows here."""
    server.script = [json_answer({"timestamp": "2026-03-02T14:35:00Z", "is_open": open_now,
                                  "next_open": "2026-03-03T14:30:00Z", "next_close": "2026-03-02T21:00:00Z"})]
    assert trading.market_open() is open_now


@pytest.mark.parametrize(("said", "why"), [
    (json_answer({"symbol": "BRK.B", "status": "active", "tradable": True}), ""),
    (json_answer({"symbol": "BRK.B", "status": "inactive", "tradable": False}), "inactive"),
    (json_answer({"symbol": "BRK.B", "status": "active", "tradable": False}), "halted"),
    (refusal(404, 40410000, "asset not found for BRK.B"), "unknown"),
])
def test_a_symbol_that_cannot_be_traded_says_why(server, trading, said, why):
    """Unknown to the broker, no longer active, or halted."""
    server.script = [said]
    told = trading.tradable("BRK.B")
    assert why in told
    assert bool(told) is bool(why)
    assert server.requests[0].path == "/v2/assets/BRK.B"


@pytest.mark.parametrize("said", [
    json_answer({"symbol": "MSFT", "status": "active", "tradable": True}), answer(HTML, 404), json_answer([]),
    json_answer({"symbol": "BRK.B", "status": "active"}),
])
def test_what_is_not_about_the_symbol_is_an_error(server, trading, said):
    """Another symbol's answer does not make this one tradable."""
    server.script = [said]
    with pytest.raises(BrokerError, match=r"/v2/assets/BRK\.B"):
        trading.tradable("BRK.B")
