"""A tiny exchange that fills every order at once, and ways to ask one that is served."""

from __future__ import annotations

import json
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid4, uuid5

import httpx2
from websockets.sync.client import ClientConnection, connect

from kobe81.execution.exchange.wire import Request, Response, reply

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the official client uses what websockets has deprecated
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import LimitOrderRequest
    from alpaca.trading.stream import TradingStream

__all__ = ["KEYS", "ORDER", "TinyExchange", "TradingStream", "asker", "exchange_of_bytes", "limit_order", "listener",
           "official", "until"]
KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
ORDER = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit", "limit_price": "100.00",
         "time_in_force": "ioc"}


class TinyExchange:
    """Fills whatever it is sent, whole and at once, for the account of "key"; `received` is every order, in order."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.advanced = 0
        self._listeners: list[Callable[[dict[str, Any]], None]] = []

    def subscribe(self, listener: Callable[[dict[str, Any]], None]) -> None:
        self._listeners.append(listener)

    def advance(self) -> None:
        self.advanced += 1

    def handle(self, request: Request) -> Response:
        if request.headers.get("apca-api-key-id") != "key":
            return reply(401, {"code": 40110000, "message": "request is not authorized"})
        match request.method, request.path:
            case "GET", "/v2/account":
                return reply(200, {"id": str(uuid5(NAMESPACE_URL, "account")), "account_number": "PA1",
                                    "status": "ACTIVE"})
            case "GET", "/v2/orders" | "/v2/account/activities/FILL":
                return reply(200, self.received[::-1])
            case "GET", "/v2/orders:by_client_order_id":
                wanted = request.query["client_order_id"]
                found = [order for order in self.received if order["client_order_id"] == wanted]
                return reply(200, found[0]) if found else reply(404, {"code": 40410000, "message": "order not found"})
            case "POST", "/v2/orders":
                return self._order(json.loads(request.body))
        return reply(404, {"code": 40410000, "message": "endpoint not found."})

    def _order(self, asked: dict[str, Any]) -> Response:
        client_order_id = asked.get("client_order_id") or str(uuid4())
        if any(order["client_order_id"] == client_order_id for order in self.received):
            return reply(422, {"code": 40010001, "message": "client_order_id must be unique"})
        now = datetime.now(UTC).isoformat()
        order = {**asked, "id": str(uuid4()), "client_order_id": client_order_id, "created_at": now, "updated_at": now,
                 "submitted_at": now, "order_class": "simple", "extended_hours": False, "status": "filled",
                 "filled_qty": asked["qty"], "filled_avg_price": "99.95"}
        self.received.append(order)
        for event in ("new", "fill"):
            self.tell(event, order)
        return reply(200, order)

    def tell(self, event: str, order: dict[str, Any]) -> None:
        """Send a trade update to whoever has subscribed."""
        for listener in self._listeners:
            listener({"event": event, "order": order, "timestamp": order["updated_at"], "execution_id": str(uuid4())})


def asker(url: str, **options: Any) -> httpx2.Client:
    """A plain client with the account's keys."""
    return httpx2.Client(base_url=url, **{"timeout": 5.0, "headers": KEYS} | options)


def official(url: str) -> TradingClient:
    """The official client, whose pauses between tries take no time here."""
    client = TradingClient("key", "secret", url_override=url)
    client._retry_wait = 0
    return client


def limit_order(client_order_id: str | None = None) -> LimitOrderRequest:
    return LimitOrderRequest(symbol="AAPL", qty=10, side=OrderSide.BUY, limit_price=100.0,
                             time_in_force=TimeInForce.IOC, client_order_id=client_order_id)


def exchange_of_bytes(url: str, sent: bytes, seconds: float = 5.0) -> bytes:
    """What comes back for these bytes, until the other side closes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as connection:
        connection.sendall(sent)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


@contextmanager
def listener(url: str, key: str = "key", *, listen: bool = True) -> Iterator[ClientConnection]:
    """A websocket that has tried to sign in, and to listen."""
    with connect(url.replace("http", "ws", 1) + "/stream") as ws:
        ws.send(json.dumps({"action": "auth", "key": key, "secret": "secret"}))
        assert json.loads(ws.recv(timeout=5))["stream"] == "authorization"
        if listen:
            ws.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
            assert json.loads(ws.recv(timeout=5))["stream"] in {"listening", "authorization"}
        yield ws


def until(true: Callable[[], object]) -> None:
    """Wait, ten seconds at most, until it holds."""
    deadline = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
