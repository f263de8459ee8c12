"""Alpaca's own client against the exchange: its models read every answer, and read it right."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from exchange_market import Market, utc
from requests.adapters import BaseAdapter

from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the official client uses what websockets has deprecated
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.requests import (
        StockBarsRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
        StockSnapshotRequest,
    )
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading import models
    from alpaca.trading import requests as asks
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, OrderType, QueryOrderStatus, TimeInForce


class InProcess(BaseAdapter):
    """Hands what `requests` would send to an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        answer = self._exchange.handle(Request(request.method or "", unquote(url.path), dict(parse_qsl(url.query)),
                                               body, dict(request.headers)))
        response = requests.Response()
        response.status_code, response._content, response.request = answer.status, answer.body, request
        response.headers.update(answer.headers)
        return response

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def market() -> Market:
    return Market(terms=Terms(half_spread_bps=10.0, partial_fill_probability=0.0))


@pytest.fixture
def client(market: Market) -> Iterator[TradingClient]:
    client = TradingClient("key", "secret", url_override="http://exchange")
    client._session.mount("http://", InProcess(market.exchange))
    yield client
    client._session.close()


@pytest.fixture
def data(market: Market) -> Iterator[StockHistoricalDataClient]:
    client = StockHistoricalDataClient("key", "secret", url_override="http://exchange")
    client._session.mount("http://", InProcess(market.exchange))
    yield client
    client._session.close()


def limit(**fields: Any) -> asks.LimitOrderRequest:
    return asks.LimitOrderRequest(**{"symbol": "ACME", "qty": 10, "side": OrderSide.BUY, "limit_price": 101,
                                     "time_in_force": TimeInForce.IOC, **fields})


def test_an_order_goes_out_and_comes_back_filled(client: TradingClient) -> None:
    """Submitted, then read by id and by client id."""
    order = client.submit_order(limit(client_order_id="k1-20240304-1000-abc"))
    assert order.status == OrderStatus.PENDING_NEW
    done = client.get_order_by_id(order.id)
    assert (done.status, done.filled_qty, done.filled_avg_price) == (OrderStatus.FILLED, "10", "100.1")
    assert client.get_order_by_client_id("k1-20240304-1000-abc") == done


@pytest.mark.parametrize("ask", [
    asks.MarketOrderRequest(symbol="ACME", notional=50.25, side=OrderSide.BUY, time_in_force=TimeInForce.DAY),
    asks.MarketOrderRequest(symbol="ACME", qty=0.5, side=OrderSide.BUY, time_in_force=TimeInForce.DAY),
    asks.StopOrderRequest(symbol="ACME", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, stop_price=105),
    asks.StopLimitOrderRequest(symbol="ACME", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, stop_price=105,
                               limit_price=106),
    asks.TrailingStopOrderRequest(symbol="ACME", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC,
                                  trail_percent=1.5),
    limit(time_in_force=TimeInForce.FOK), limit(time_in_force=TimeInForce.OPG),
    limit(time_in_force=TimeInForce.DAY, extended_hours=True),
])  # fmt: skip
def test_every_type_of_order_can_be_sent_and_read(client: TradingClient, market: Market, ask: Any) -> None:
    """What comes back says what was asked."""
    market.at("05 14:25")
    order = client.submit_order(ask)
    assert (order.symbol, order.type, order.time_in_force) == ("ACME", ask.type, ask.time_in_force)
    market.at("05 21:30")
    assert client.get_order_by_id(order.id).id == order.id


def test_a_bracket_has_legs(client: TradingClient) -> None:
    """Nested in the answer and in the list."""
    order = client.submit_order(limit(
        time_in_force=TimeInForce.GTC, order_class=OrderClass.BRACKET,
        take_profit=asks.TakeProfitRequest(limit_price=120), stop_loss=asks.StopLossRequest(stop_price=80)))
    assert [(leg.type, leg.status) for leg in order.legs] == [(OrderType.LIMIT, OrderStatus.HELD),
                                                              (OrderType.STOP, OrderStatus.HELD)]
    (listed,) = client.get_orders(asks.GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True, symbols=["ACME"]))
    assert [leg.status for leg in listed.legs] == [OrderStatus.NEW, OrderStatus.NEW]


def test_orders_are_replaced_and_canceled(client: TradingClient) -> None:
    """A replacement names the old order; cancels answer 204 for one and 207 for all."""
    order = client.submit_order(limit(limit_price=95, time_in_force=TimeInForce.DAY))
    new = client.replace_order_by_id(order.id, asks.ReplaceOrderRequest(limit_price=96, qty=5))
    assert (new.replaces, new.qty, client.get_order_by_id(order.id).replaced_by) == (order.id, "5", new.id)
    other = client.submit_order(limit(limit_price=94, time_in_force=TimeInForce.DAY))
    client.cancel_order_by_id(other.id)
    assert [(done.id, done.status) for done in client.cancel_orders()] == [(new.id, 200)]


def test_positions_are_read_and_closed(client: TradingClient, market: Market) -> None:
    """One, all, a part, by symbol and by asset id."""
    client.submit_order(limit())
    position = client.get_open_position("ACME")
    assert client.get_open_position(position.asset_id) == position == client.get_all_positions()[0]
    part = client.close_position("ACME", asks.ClosePositionRequest(qty="4"))
    assert (part.side, part.qty) == (OrderSide.SELL, "4")
    (closed,) = client.close_all_positions(cancel_orders=True)
    assert (closed.status, closed.symbol, closed.body.qty) == (200, "ACME", "6")
    assert client.get_all_positions() == []
    client.submit_order(limit())
    client.submit_order(limit(side=OrderSide.SELL, limit_price=200, time_in_force=TimeInForce.GTC))
    (refused,) = client.close_all_positions()
    assert isinstance(refused.body, models.FailedClosePositionDetails)
    assert refused.body.held_for_orders == 10


def test_the_account_and_the_calendar_are_read(client: TradingClient) -> None:
    """Without the fields that Alpaca removed on 2026-07-06, which the models allow."""
    account = client.get_account()
    assert (account.cash, account.status.value, account.pattern_day_trader) == ("100000", "ACTIVE", None)
    assert client.get_account_configurations().no_shorting
    assert client.get_portfolio_history().equity == [100_000.0]
    clock = client.get_clock()
    assert (clock.is_open, clock.next_close.astimezone(UTC)) == (True, utc("04 21:00"))
    (day,) = client.get_calendar(asks.GetCalendarRequest(start=date(2024, 7, 3), end=date(2024, 7, 4)))
    assert (day.open, day.close) == (datetime(2024, 7, 3, 9, 30), datetime(2024, 7, 3, 13))
    assert {asset.symbol for asset in client.get_all_assets()} == {"ACME", "BETA", "PENNY"}
    assert client.get_asset("BETA").tradable


def test_market_data_is_read(data: StockHistoricalDataClient, market: Market) -> None:
    """Quotes, trades, snapshots and daily bars."""
    market.at("04 15:35")
    quote = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["ACME", "BETA"]))["ACME"]
    assert (quote.bid_price, quote.ask_price, quote.timestamp) == (94.9, 95.1, utc("04 15:35"))
    assert data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="ACME"))["ACME"].price == 95
    snapshot = data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="ACME"))["ACME"]
    assert (snapshot.daily_bar.close, snapshot.previous_daily_bar.close) == (95, 100)
    ask = StockBarsRequest(symbol_or_symbols=["ACME", "BETA"], timeframe=TimeFrame.Day, start=datetime(2024, 3, 1))
    assert [bar.close for bar in data.get_stock_bars(ask)["ACME"]] == [100, 95]


def test_activities_are_what_the_models_expect(client: TradingClient, market: Market) -> None:
    """The trading client has no call for them, so its models read the raw answer."""
    client.submit_order(limit())
    client.submit_order(limit(side=OrderSide.SELL, limit_price=90))
    raw = client.get("/account/activities")
    read = [models.TradeActivity(**a) if a["activity_type"] == "FILL" else models.NonTradeActivity(**a) for a in raw]
    assert [type(a).__name__ for a in read] == ["NonTradeActivity"] * 2 + ["TradeActivity"] * 2
    assert (read[3].price, read[3].qty, read[3].leaves_qty, read[3].order_status) == (100.1, 10, 0, OrderStatus.FILLED)


def test_trade_updates_are_what_the_models_expect(client: TradingClient, market: Market) -> None:
    """Every message is a TradeUpdate; a fill has its price, quantity, execution id and the position after it."""
    client.submit_order(limit())
    client.submit_order(limit(limit_price=50))
    updates = [models.TradeUpdate(**json.loads(json.dumps(message))) for message in market.told]
    assert [update.event for update in updates] == ["new", "fill", "new", "canceled"]
    fill = updates[1]
    assert (fill.price, fill.qty, fill.position_qty, fill.timestamp) == (100.1, 10, 10, utc("04 14:30"))
    assert fill.execution_id is not None


def test_refusals_arrive_as_the_clients_errors(client: TradingClient) -> None:
    """With status, code and message."""
    with pytest.raises(APIError) as refused:
        client.submit_order(limit(side=OrderSide.SELL))
    assert (refused.value.status_code, refused.value.code) == (403, 40310000)
    assert refused.value.message == "account is not allowed to short"
