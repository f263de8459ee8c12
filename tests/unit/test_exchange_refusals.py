"""What is refused, with Alpaca's statuses, codes and fields; and that nothing a client sends raises."""

from __future__ import annotations

from typing import Any

import pytest
from exchange_market import KEYS, PLAIN, Market
from hypothesis import given, settings
from hypothesis import strategies as st

from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request

WASH = {"code": 40310000, "message": "potential wash trade detected. use complex orders"}


def test_a_client_order_id_is_taken_for_ever() -> None:
    """Also after a cancel, and for orders that were never filled; as an order has it, so can it be fetched."""
    market = Market()
    order = market.order("buy", 1, "limit", limit_price="50", client_order_id="k1-a")
    market.call("DELETE", f"/v2/orders/{order['id']}")
    assert market.post("buy", 1, client_order_id="k1-a") == (
        422, {"code": 40010001, "message": "client_order_id must be unique"})
    assert market.get("/v2/orders:by_client_order_id", client_order_id="k1-a")["status"] == "canceled"


@pytest.mark.parametrize(("length", "status"), [(128, 200), (129, 422)])
def test_a_client_order_id_has_at_most_128_characters(length: int, status: int) -> None:
    """Alpaca's own limit; our own ids keep to 48."""
    assert Market().post("buy", 1, client_order_id="x" * length)[0] == status


@pytest.mark.parametrize(("fields", "code", "message"), [
    ({"qty": "0"}, 40010001, "qty must be > 0"),
    ({"qty": "-1"}, 40010001, "qty must be > 0"),
    ({"qty": "nan"}, 40010001, "qty must be a number"),
    ({"qty": "1e400"}, 40010001, "qty must be > 0 and at most"),
    ({"qty": True}, 40010001, "qty must be a number"),
    ({"qty": "0.0000000001"}, 40010001, "nine decimals"),
    ({"qty": None}, 40010001, "qty or notional is required"),
    ({"notional": "5"}, 40010001, "qty or notional is required"),
    ({"side": "hold"}, 40010001, "invalid side"),
    ({"type": "iceberg"}, 40010001, "invalid type"),
    ({"time_in_force": None}, 40010001, "time_in_force is required"),
    ({"time_in_force": "gtx"}, 40010001, "invalid time_in_force"),
    ({"order_class": "mleg"}, 40010001, "invalid order_class"),
    ({"symbol": "NONE"}, 42210000, 'asset "NONE" not found'),
    ({"symbol": None}, 40010001, "symbol is required"),
    ({"limit_price": "10"}, 40010001, "market orders require no stop or limit price"),
    ({"type": "limit"}, 40010001, "limit orders require limit price"),
    ({"type": "stop_limit", "limit_price": "9"}, 40010001, "require limit price and stop price"),
    ({"type": "limit", "limit_price": "95.005"}, 42210000, "sub-penny"),
    ({"type": "trailing_stop"}, 40010001, "one of trail_price and trail_percent"),
    ({"type": "trailing_stop", "trail_percent": "100"}, 40010001, "trail_percent must be < 100"),
    ({"type": "stop", "stop_price": "105", "time_in_force": "ioc"}, 42210000, "must be day or gtc"),
    ({"qty": "1.5", "time_in_force": "gtc"}, 42210000, "fractional orders must be DAY orders"),
    ({"extended_hours": True}, 42210000, "extended hours order must be"),
    ({"extended_hours": "yes"}, 40010001, "must be true or false"),
    ({"type": "stop", "stop_price": "99"}, 42210000, "stop price must be greater than current price"),
    ({"order_class": "bracket"}, 40010001, "require take_profit.limit_price and stop_loss.stop_price"),
    ({"order_class": "oto"}, 40010001, "either take_profit or stop_loss"),
    ({"take_profit": {"limit_price": "1"}}, 40010001, "simple orders have no take_profit"),
    ({"order_class": "oto", "stop_loss": {"stop_price": "101"}}, 42210000, "stop_loss.stop_price must be <="),
    ({"order_class": "oto", "take_profit": {"limit_price": "100"}}, 42210000, "take_profit.limit_price must be >="),
    ({"order_class": "oto", "take_profit": [1]}, 40010001, "take_profit must be an object"),
    ({"order_class": "oto", "take_profit": {}}, 40010001, "take_profit.limit_price is required"),
])  # fmt: skip
def test_what_an_order_says_is_checked(fields: dict[str, Any], code: int, message: str) -> None:
    """422 with the code of a wrong parameter, or of an order that cannot be; nothing is taken in."""
    market = Market()
    body = {"symbol": "ACME", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1", **fields}
    status, answer = market.call("POST", "/v2/orders", {k: v for k, v in body.items() if v is not None})
    assert (status, answer["code"]) == (422, code)
    assert message in answer["message"]
    assert market.get("/v2/orders", status="all") == []


def test_a_bracket_enters_and_an_oco_leaves() -> None:
    """As Alpaca says it."""
    market = Market()
    market.order("buy", 5)
    exits = {"take_profit": {"limit_price": "120"}, "stop_loss": {"stop_price": "80"}}
    assert market.post("sell", 5, "limit", limit_price="110", order_class="bracket",
                       **exits)[1]["message"] == "bracket orders must be entry orders"
    assert market.post("buy", 5, "limit", order_class="oco", **exits)[1]["message"] == "oco orders must be exit orders"


def test_a_sell_stop_above_the_market_is_refused_while_it_is_open() -> None:
    """Alpaca: stop price must be less than current price. At night it is taken, and fills at the open."""
    market = Market()
    market.order("buy", 5)
    assert market.post("sell", 5, "stop", stop_price="100")[1] == {
        "code": 42210000, "message": "stop price must be less than current price"}
    assert market.at("04 22:00").post("sell", 5, "stop", stop_price="106")[0] == 200


def test_more_than_the_buying_power_is_refused_with_both_numbers() -> None:
    """998 x 100.20 = 99,999.60 fits in 100,000; 999 do not, and after the first nothing does."""
    market = Market()
    assert market.post("buy", 999, "limit", limit_price="100.20") == (403, {
        "code": 40310000, "message": "insufficient buying power", "buying_power": "100000", "cost_basis": "100099.8"})
    market.order("buy", 998, "limit", limit_price="99.00", client_order_id="first")
    assert market.post("buy", 13, "limit", limit_price="99.00")[1]["buying_power"] == "1198"
    market.call("DELETE", "/v2/orders")
    assert market.post("buy", 998, "limit", limit_price="100.20")[0] == 200


def test_a_market_order_needs_its_price_and_a_collar() -> None:
    """The ask of 100.10 and 2.5 per cent: 974 cost 99,934.84, 975 too much."""
    assert Market().post("buy", 975)[0] == 403
    assert Market().post("buy", 974)[0] == 200


def test_an_order_is_worth_a_dollar_at_least() -> None:
    """0.009 shares at 100 are 90 cents."""
    assert Market().post("buy", "0.009")[1]["message"] == "cost basis must be >= minimal amount of order 1"


def test_margin_doubles_the_buying_power() -> None:
    """Regulation T: 200,000 with 100,000 in cash; with 1,000 bought at 100.10, twice the equity less the shares."""
    market = Market(terms=Terms(half_spread_bps=10.0, partial_fill_probability=0.0, multiplier=2))
    assert market.get("/v2/account")["buying_power"] == "200000"
    market.order("buy", 1000)
    assert market.get("/v2/account")["buying_power"] == str(2 * (100_000 - 100) - 100_000)


def test_shares_that_are_not_there_cannot_be_sold() -> None:
    """None at all: a short sale, which the account may not make. Too few: Alpaca's numbers."""
    market = Market()
    assert market.post("sell", 1) == (403, {"code": 40310000, "message": "account is not allowed to short"})
    market.order("buy", 10)
    stop = market.order("sell", 6, "stop", "gtc", stop_price="92")
    assert market.post("sell", 5) == (403, {
        "code": 40310000, "symbol": "ACME", "available": "4", "existing_qty": "10", "held_for_orders": "6",
        "related_orders": [stop["id"]],
        "message": "insufficient qty available for order (requested: 5, available: 4)"})
    assert market.post("sell", 4)[0] == 200


@pytest.mark.parametrize(("resting", "new", "reason"), [
    (("sell", "stop", {"stop_price": "90"}), ("buy", "limit", {"limit_price": "50"}), "market/stop"),
    (("sell", "limit", {"limit_price": "120"}), ("buy", "market", {}), "limit"),
    (("sell", "limit", {"limit_price": "120"}), ("buy", "limit", {"limit_price": "120"}), "limit"),
    (("sell", "limit", {"limit_price": "120"}), ("buy", "limit", {"limit_price": "119.99"}), None),
    (("sell", "stop_limit", {"stop_price": "90", "limit_price": "89"}), ("buy", "limit", {"limit_price": "88"}), None),
    (("sell", "trailing_stop", {"trail_price": "5"}), ("buy", "market", {}), None),
    (("buy", "limit", {"limit_price": "95"}), ("sell", "stop", {"stop_price": "90"}), "limit"),
    (("buy", "limit", {"limit_price": "95"}), ("sell", "market", {}), "limit"),
    (("buy", "limit", {"limit_price": "95"}), ("sell", "limit", {"limit_price": "95.01"}), None),
    (("buy", "stop", {"stop_price": "105"}), ("sell", "limit", {"limit_price": "200"}), "market/stop"),
])  # fmt: skip
def test_an_order_against_ones_own_is_refused(resting: tuple[str, str, dict[str, str]],
                                              new: tuple[str, str, dict[str, str]], reason: str | None) -> None:
    """Alpaca's table (User Protection): always where either has no limit, else where the limits cross; trailing stops
    are exempt. 403, with the order that stands in the way."""
    market = Market()
    market.order("buy", 10)
    stands = market.order(resting[0], 5, resting[1], "gtc", **resting[2])
    status, answer = market.post(new[0], 5, new[1], "gtc" if new[1] != "market" else "day", **new[2])
    if reason is None:
        assert status == 200
    else:
        assert (status, answer) == (403, {**WASH, "existing_order_id": stands["id"],
                                          "reject_reason": f"opposite side {reason} order exists"})


def test_complex_orders_are_no_wash_trades() -> None:
    """A bracket may stand beside the stop of an older position."""
    market = Market()
    market.order("buy", 10)
    market.order("sell", 10, "stop", "gtc", stop_price="92")
    assert market.post("buy", 5, tif="gtc", order_class="bracket", take_profit={"limit_price": "120"},
                       stop_loss={"stop_price": "80"})[0] == 200


def test_an_untradable_symbol_is_shown_and_refused() -> None:
    """And traded again when the flag is taken back."""
    market = Market()
    market.exchange.ban("ACME")
    assert market.get("/v2/assets/ACME")["tradable"] is False
    assert market.post("buy", 1) == (422, {"code": 42210000, "message": 'asset "ACME" is not tradable'})
    market.exchange.ban("ACME", banned=False)
    assert market.post("buy", 1)[0] == 200


@pytest.mark.parametrize(("method", "path", "status", "code"), [
    ("GET", "/v2/orders/0f0e0d0c-0000-4000-8000-000000000000", 404, 40410000),
    ("DELETE", "/v2/orders/0f0e0d0c-0000-4000-8000-000000000000", 404, 40410000),
    ("PATCH", "/v2/orders/0f0e0d0c-0000-4000-8000-000000000000", 404, 40410000),
    ("GET", "/v2/orders:by_client_order_id", 404, 40410000), ("GET", "/v2/positions/ACME", 404, 40410000),
    ("DELETE", "/v2/positions/ACME", 404, 40410000), ("GET", "/v2/assets/NONE", 404, 40410000),
    ("GET", "/v2/stocks/NONE/quotes/latest", 404, 40410000), ("GET", "/v2/watchlists", 404, None),
    ("PUT", "/v2/orders", 404, None), ("POST", "/v2/orders", 400, 40010000),
])  # fmt: skip
def test_what_does_not_exist_has_its_code(method: str, path: str, status: int, code: int | None) -> None:
    """404 and 40410000 for things, a bare 404 for unknown paths, 400 for an empty body."""
    answered, answer = Market().call(method, path)
    assert (answered, answer.get("code")) == (status, code)


@pytest.mark.parametrize("path", ["/v2/calendar", "/v2/stocks/bars", "/v2/account/activities", "/v2/orders"])
@pytest.mark.parametrize("moment", ["0001-01-01", "1969-12-31", "9999-12-31T23:59:59Z", "2101-01-01", "yesterday",
                                    "2024-02-30", "2024-03-04T00:00:00 05:00", "1970-01-01", "2100-12-31"])
def test_any_date_gets_an_answer(path: str, moment: str) -> None:
    """Outside 1970 to 2100 a refusal, inside it what there is."""
    query = dict.fromkeys(("start", "end", "after", "until"), moment)
    assert MARKET.call("GET", path, symbols="ACME", timeframe="1Day", **query)[0] in {200, 422}


def test_keys_are_wanted_and_where_they_are_set_the_right_ones() -> None:
    """Without keys 403, with wrong ones 401; header names in any case."""
    market = Market(keys=("right", "secret"))
    assert market.call("GET", "/v2/account", headers={}) == (403, {"message": "forbidden."})
    assert market.call("GET", "/v2/account", headers=KEYS) == (
        401, {"code": 40110000, "message": "request is not authorized"})
    right = {"apca-api-key-id": "right", "Apca-Api-Secret-Key": "secret"}
    assert market.call("GET", "/v2/account", headers=right)[0] == 200


PATHS = st.sampled_from(["/v2/orders", "/v2/positions", "/v2/positions/ACME", "/v2/account/activities", "/v2/calendar",
                         "/v2/account/portfolio/history", "/v2/stocks/bars", "/v2/stocks/ACME/bars", "/v2/clock",
                         "/v2/orders:by_client_order_id", "/v2/stocks/snapshots", "/v2/assets"]) | st.text(max_size=20)
QUERY = st.dictionaries(st.sampled_from(["limit", "after", "until", "date", "page_token", "page_size", "qty", "start",
                                         "percentage", "symbols", "period", "direction", "timeframe", "status"]),
                        st.text(max_size=12) | st.sampled_from(["2024-03-04", "99999-01-01", "0001-01-01", "1Day"]),
                        max_size=3)
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(), lambda inner:
                    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6)
FIELDS = st.dictionaries(st.sampled_from(["symbol", "side", "type", "qty", "notional", "time_in_force", "limit_price",
                                          "stop_price", "order_class", "take_profit", "stop_loss", "client_order_id"]),
                         JSON | st.sampled_from(["ACME", "buy", "sell", "limit", "day", "1", "9" * 5000, "1e9999"]))
BODIES = st.binary(max_size=30) | FIELDS | JSON | st.just(b"[" * 100_000)


@settings(max_examples=400, deadline=None)
@given(method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]), path=PATHS, query=QUERY, body=BODIES)
def test_nothing_a_client_sends_raises(method: str, path: str, query: dict[str, str], body: Any) -> None:
    """Every answer is a status below 500, and JSON or nothing."""
    import json

    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = MARKET.exchange.handle(Request(method, path, query, content, KEYS))
    assert 200 <= answer.status < 500
    assert answer.body == b"" or json.loads(answer.body) is not None


MARKET = Market(terms=PLAIN)
MARKET.order("buy", 10)
