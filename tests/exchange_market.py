"""A market of three symbols over a week, worked out by hand, and a client that calls an exchange in process.

Sessions of 2024-03-04 to 03-08 run from 14:30 to 21:00 UTC, so the low is at 16:40 and the high at 18:50. With a half
spread of 10 basis points, ACME at 100 is 99.90 bid, 100.10 asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from kobe81.core.bars import FIELDS, Bars
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request

KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
BPS = 10.0
PLAIN = Terms(half_spread_bps=BPS, partial_fill_probability=0.0)
"""Every order fills whole; fees are charged."""

MARKET: dict[str, dict[str, tuple[float, ...]]] = {
    "ACME": {
        "2024-03-01": (99.0, 101.0, 98.0, 100.0, 900_000),
        "2024-03-04": (100.0, 110.0, 90.0, 105.0, 1_000_000),
        "2024-03-05": (80.0, 84.0, 78.0, 82.0, 2_000_000),
        "2024-03-06": (82.0, 83.0, 81.0, 82.5, 1_000_000),
        "2024-03-07": (100.0, 120.0, 99.0, 118.0, 1_000_000),
    },
    "BETA": {
        "2024-03-04": (10.0, 11.0, 9.5, 10.5, 50_000),
        "2024-03-06": (10.0, 11.0, 9.5, 10.5, 50_000),
    },
    "PENNY": {"2024-03-04": (0.5, 0.52, 0.48, 0.51, 9_000_000)},
}
"""Open, high, low, close, volume. BETA did not trade on the 5th; nothing trades on the 8th."""


def bars(market: dict[str, dict[str, tuple[float, ...]]] = MARKET) -> Bars:
    """The market as Bars."""
    rows = [(day, values) for symbol in market for day, values in market[symbol].items()]
    days = np.array([(date.fromisoformat(day) - date(1970, 1, 1)).days for day, _ in rows], dtype=np.int32)
    fields = {name: np.array([values[i] for _, values in rows], dtype=np.float64) for i, name in enumerate(FIELDS)}
    offsets = np.cumsum([0, *(len(market[symbol]) for symbol in market)]).astype(np.int64)
    return Bars.of(tuple(market), offsets, days, fields)


def utc(words: str) -> datetime:
    """An instant of March 2024 in UTC: '04 15:35' is the 4th at 15:35."""
    day, _, clock = words.partition(" ")
    return datetime.fromisoformat(f"2024-03-{day}T{clock}").replace(tzinfo=UTC)


class Market:
    """An exchange whose clock stands where it is put, and everything that it told its listener."""

    def __init__(self, now: str = "04 14:30", terms: Terms = PLAIN, store: Path | None = None, seed: int = 7,
                 market: dict[str, dict[str, tuple[float, ...]]] = MARKET,
                 keys: tuple[str, str] | None = None) -> None:
        self.now, self.told = utc(now), list[dict[str, Any]]()
        quotes = BarQuotes(bars(market), terms.half_spread_bps)
        self.exchange = Exchange(quotes, lambda: self.now, store=store, terms=terms, seed=seed, keys=keys)
        self.exchange.subscribe(self.told.append)

    def at(self, now: str) -> Market:
        """Let time go on to an instant of March 2024."""
        self.now = utc(now)
        self.exchange.advance()
        return self

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] = KEYS,
             **query: str) -> tuple[int, Any]:
        """One request: the status, and the answer's JSON."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.exchange.handle(Request(method, path, query, content, headers))
        return answer.status, json.loads(answer.body) if answer.body else None

    def get(self, path: str, **query: str) -> Any:
        """What a GET that works answers."""
        status, answer = self.call("GET", path, **query)
        assert status == 200, answer
        return answer

    def order(self, side: str, qty: Any, kind: str = "market", tif: str = "day", **fields: Any) -> dict[str, Any]:
        """A submitted order as it stands after the market has answered it."""
        status, answer = self.post(side, qty, kind, tif, **fields)
        assert status == 200, answer
        found: dict[str, Any] = self.get(f"/v2/orders/{answer['id']}")
        return found

    def post(self, side: str, qty: Any, kind: str = "market", tif: str = "day", symbol: str = "ACME",
             **fields: Any) -> tuple[int, Any]:
        """The bare answer to an order."""
        body = {"symbol": symbol, "side": side, "type": kind, "time_in_force": tif, "qty": qty, **fields}
        return self.call("POST", "/v2/orders", {name: value for name, value in body.items() if value is not None})

    def again(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as it stands now."""
        found: dict[str, Any] = self.get(f"/v2/orders/{order['id']}")
        return found

    def activities(self, **query: str) -> list[dict[str, Any]]:
        """All activities, collected page by page, oldest first."""
        found: list[dict[str, Any]] = []
        while page := self.get("/v2/account/activities", **{"direction": "asc", **query},
                               **({"page_token": found[-1]["id"]} if found else {})):
            assert page[0] not in found, "a page that comes again would come for ever"
            found += page
        return found

    def fills(self) -> list[tuple[str, str, str, str]]:
        """Every execution, oldest first: time, side, quantity, price."""
        found = self.get("/v2/account/activities/FILL", direction="asc")
        return [(f["transaction_time"], f["side"], f["qty"], f["price"]) for f in found]

    def events(self, order: dict[str, Any]) -> list[str]:
        """What the stream told about an order."""
        return [message["event"] for message in self.told if message["order"]["id"] == order["id"]]

    @property
    def cash(self) -> Decimal:
        return Decimal(self.get("/v2/account")["cash"])


def fold(activities: Sequence[dict[str, Any]], initial: str = "100000") -> tuple[Decimal, dict[str, Decimal]]:
    """Cash and shares as a second program makes them of an account's activities."""
    cash, shares = Decimal(initial), dict[str, Decimal]()
    for activity in activities:
        if activity["activity_type"] != "FILL":
            cash += Decimal(activity["net_amount"])
            continue
        sign = 1 if activity["side"] == "buy" else -1
        cash -= sign * Decimal(activity["qty"]) * Decimal(activity["price"])
        shares[activity["symbol"]] = shares.get(activity["symbol"], Decimal(0)) + sign * Decimal(activity["qty"])
    return cash, {symbol: qty for symbol, qty in shares.items() if qty}
