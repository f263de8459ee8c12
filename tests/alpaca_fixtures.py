"""Answers as Alpaca's documentation shows them, an order to send, and the parts to send it with."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from kobe81.core.approved import Approved, approve
from kobe81.core.clock import SteppedClock
from kobe81.core.orders import Intent
from kobe81.core.secret import Secret
from kobe81.execution.alpaca_http import HttpWire, Keys
from kobe81.execution.broker_alpaca import AlpacaBroker

NOW = datetime(2026, 3, 2, 14, 35, tzinfo=UTC)
KEY_ID, KEY_SECRET = "PKCANARY0KEY0ID00001", "cAnArY/sEcReT+0123456789abcdefABCDEF0001"
KEYS = Keys(Secret(KEY_ID), Secret(KEY_SECRET))
CLIENT_ID = "k1-20260302-0935-abcdefghij0123456789"

ORDER: dict[str, Any] = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_order_id": CLIENT_ID,
    "created_at": "2026-03-02T14:35:00.123456789Z", "updated_at": "2026-03-02T14:35:00.2Z",
    "submitted_at": "2026-03-02T14:35:00.123456789Z", "filled_at": None, "expired_at": None, "canceled_at": None,
    "failed_at": None, "replaced_at": None, "replaced_by": None, "replaces": None,
    "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "symbol": "AAPL", "asset_class": "us_equity", "notional": None,
    "qty": "10", "filled_qty": "0", "filled_avg_price": None, "order_class": "", "order_type": "limit",
    "type": "limit", "side": "buy", "time_in_force": "ioc", "limit_price": "187.69", "stop_price": None,
    "status": "accepted", "extended_hours": False, "legs": None, "trail_percent": None, "trail_price": None,
    "hwm": None,
}  # fmt: skip

ACCOUNT: dict[str, Any] = {
    "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98", "account_number": "PA3ABCDEFGHI", "status": "ACTIVE",
    "crypto_status": "ACTIVE", "currency": "USD", "buying_power": "24000.5", "regt_buying_power": "24000.5",
    "cash": "12000.25", "portfolio_value": "13000.75", "trading_blocked": False, "transfers_blocked": False,
    "account_blocked": False, "created_at": "2026-01-02T00:00:00Z", "trade_suspended_by_user": False,
    "multiplier": "2", "shorting_enabled": True, "equity": "13000.75", "last_equity": "12900",
    "long_market_value": "1000.5", "short_market_value": "0", "initial_margin": "500.25",
    "maintenance_margin": "300.15", "sma": "0",
}  # fmt: skip
"""Without the five fields that Alpaca took out of it on 2026-07-06."""

POSITION: dict[str, Any] = {
    "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "symbol": "AAPL", "exchange": "NASDAQ",
    "asset_class": "us_equity", "avg_entry_price": "100.0", "qty": "5", "qty_available": "5", "side": "long",
    "market_value": "600.0", "cost_basis": "500.0", "unrealized_pl": "100.0", "unrealized_plpc": "0.2",
    "current_price": "120.0", "lastday_price": "119.0", "change_today": "0.0084",
}  # fmt: skip

FILL: dict[str, Any] = {
    "activity_type": "FILL", "cum_qty": "7", "id": "20260302143501977::8efc7b9a-8b2b-4000-9955-d36e7db0df74",
    "leaves_qty": "3", "price": "187.63", "qty": "2", "side": "buy", "symbol": "AAPL",
    "transaction_time": "2026-03-02T14:35:01.977123456Z", "order_id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
    "type": "partial_fill", "order_status": "partially_filled",
}  # fmt: skip

DIVIDEND: dict[str, Any] = {
    "activity_type": "DIV", "id": "20260227011955195::5f596936-6f23-4cef-bdf1-3806aae57dbf", "date": "2026-02-27",
    "net_amount": "1.02", "symbol": "T", "qty": "2", "per_share_amount": "0.51", "description": "Cash DIV @ 0.51",
    "status": "executed",
}  # fmt: skip

SNAPSHOT: dict[str, Any] = {
    "latestTrade": {"t": "2026-03-02T14:34:59.123456789Z", "x": "V", "p": 187.6, "s": 100, "c": ["@"], "i": 1,
                    "z": "C"},
    "latestQuote": {"t": "2026-03-02T14:34:59.987654321Z", "ax": "V", "ap": 187.65, "as": 2, "bx": "V", "bp": 187.55,
                    "bs": 3, "c": ["R"], "z": "C"},
    "minuteBar": None, "dailyBar": None, "prevDailyBar": None,
}  # fmt: skip


class RealClock:
    """The machine's clocks, for what is measured over a socket; a sleep ends at once, and is written down."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Switch:
    """A kill switch in memory; asked: how often it was looked at."""

    def __init__(self, reason: str = "") -> None:
        self.reason, self.asked = reason, 0

    def engaged(self) -> str:
        self.asked += 1
        return self.reason

    def engage(self, by: str, reason: str) -> None:
        self.reason = f"{by}: {reason}"


def intent(**changes: Any) -> Intent:
    """A limit order to buy 10 AAPL at 187.69, valid for five minutes."""
    fields: dict[str, Any] = {
        "key": "PA3|2026-03-02|0935|donchian|AAPL|buy|entry", "id": CLIENT_ID, "session": date(2026, 3, 2),
        "scan": "0935", "strategy": "donchian", "symbol": "AAPL", "side": "buy", "leg": "entry", "qty": 10,
        "tif": "ioc", "expires": NOW + timedelta(minutes=5), "limit": Decimal("187.69")}  # fmt: skip
    return Intent(**(fields | changes))


def approved(**changes: Any) -> Approved[Intent]:
    return approve(intent(**changes))


def broker(url: str, *, switch: Switch | None = None, clock: RealClock | SteppedClock | None = None,
           deadline: float = 10.0) -> AlpacaBroker:
    clock = clock or RealClock()
    return AlpacaBroker(HttpWire(url, KEYS, clock, deadline), clock, switch or Switch())
