"""Laws of the exchange, over any sequence of requests, steps in time and restarts."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange_market import Market, fold, utc
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kobe81.execution.exchange.terms import Terms

TERMINAL = {"filled", "canceled", "expired", "replaced"}
SYMBOLS = st.sampled_from(["ACME", "ACME", "BETA"])
QTYS = st.sampled_from(["1", "2", "7", "30", "400", "0.5", "3.123456789"])
PRICES = st.integers(75, 122).map(str)
TIMES = st.sampled_from(["day", "gtc", "ioc", "fok", "opg", "cls"])
TYPES = st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop"])


class Trading(RuleBasedStateMachine):
    """One account through a week: orders of every kind, in any order."""

    @initialize(probability=st.sampled_from([0.0, 0.3, 1.0]), multiplier=st.sampled_from([1, 2]),
                latency=st.sampled_from([0, 5_000]))
    def open(self, probability: float, multiplier: int, latency: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.terms = Terms(cash=20_000.0, half_spread_bps=10.0, partial_fill_probability=probability,
                           latency_ms=latency, multiplier=multiplier)
        self.store = Path(self.folder.name) / "exchange.db"
        self.market = Market("04 14:00", self.terms, self.store)
        self.last: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        if hasattr(self, "market"):
            self.market.exchange.close()
            self.folder.cleanup()

    @rule(symbol=SYMBOLS, side=st.sampled_from(["buy", "sell"]), kind=TYPES, tif=TIMES, qty=QTYS, limit=PRICES,
          stop=PRICES, trail=st.integers(1, 9).map(str))
    def order(self, symbol: str, side: str, kind: str, tif: str, qty: str, limit: str, stop: str, trail: str) -> None:
        prices = {"limit_price": limit if kind in {"limit", "stop_limit"} else None,
                  "stop_price": stop if kind in {"stop", "stop_limit"} else None,
                  "trail_percent": trail if kind == "trailing_stop" else None}
        self.market.post(side, qty, kind, tif, symbol, **prices)

    @rule(kind=st.sampled_from(["market", "limit"]), qty=st.sampled_from(["2", "10", "50"]), limit=PRICES,
          stop=st.integers(70, 95).map(str), goal=st.integers(96, 125).map(str),
          name=st.sampled_from(["bracket", "oto", "oco"]), tif=st.sampled_from(["day", "gtc"]))
    def complex(self, kind: str, qty: str, limit: str, stop: str, goal: str, name: str, tif: str) -> None:
        exits = {"stop_loss": {"stop_price": stop}, "take_profit": {"limit_price": goal}}
        if name == "oto":
            del exits["take_profit"]
        if name == "oco":
            kind, limit = "limit", goal
        self.market.post("sell" if name == "oco" else "buy", qty, kind, tif, order_class=name,
                         limit_price=limit if kind == "limit" else None, **exits)

    @rule(side=st.sampled_from(["buy", "sell"]), notional=st.sampled_from(["1.00", "99.99", "2500"]))
    def notional(self, side: str, notional: str) -> None:
        self.market.post(side, None, notional=notional)

    @rule(which=st.integers(0, 50), action=st.sampled_from(["cancel", "price", "stop", "qty", "tif"]), value=PRICES)
    def touch(self, which: int, action: str, value: str) -> None:
        orders = self.market.get("/v2/orders", limit="500")
        if not orders:
            return
        path = f"/v2/orders/{orders[which % len(orders)]['id']}"
        if action == "cancel":
            self.market.call("DELETE", path)
        else:
            change = {"price": {"limit_price": value}, "stop": {"stop_price": value}, "qty": {"qty": value},
                      "tif": {"time_in_force": "gtc"}}[action]
            self.market.call("PATCH", path, change)

    @rule(percentage=st.sampled_from(["10", "33.3", "100"]))
    def close(self, percentage: str) -> None:
        self.market.call("DELETE", "/v2/positions/ACME", percentage=percentage)

    @rule(minutes=st.sampled_from([0, 1, 17, 65, 240, 1000, 1440]))
    def wait(self, minutes: int) -> None:
        moment = min(self.market.now.timestamp() + 60 * minutes, utc("08 20:00").timestamp())
        self.market.now = self.market.now.fromtimestamp(moment, self.market.now.tzinfo)
        self.market.exchange.advance()

    @rule(halted=st.booleans())
    def halt(self, halted: bool) -> None:
        self.market.exchange.halt("ACME", halted)

    @rule()
    def restart(self) -> None:
        self.market.exchange.close()
        now = self.market.now
        self.market = Market(f"{now:%d %H:%M:%S}", self.terms, self.store)

    @invariant()
    def the_books_add_up(self) -> None:
        activities = self.market.activities()
        cash, shares = fold(activities, "20000")
        positions = self.market.get("/v2/positions")
        assert Decimal(self.market.get("/v2/account")["cash"]) == cash
        assert {p["symbol"]: Decimal(p["qty"]) for p in positions} == shares
        assert all(qty > 0 for qty in shares.values()), "sold more than there was"
        assert all(0 <= Decimal(p["qty_available"]) <= Decimal(p["qty"]) for p in positions), "held more than there is"
        self.check_orders(activities)

    def check_orders(self, activities: list[dict[str, Any]]) -> None:
        orders = {o["id"]: o for o in self.market.get("/v2/orders", status="all", limit="500")}
        filled: dict[str, list[dict[str, Any]]] = {}
        for activity in activities:
            if activity["activity_type"] == "FILL":
                filled.setdefault(activity["order_id"], []).append(activity)
        for name, order in orders.items():
            fills = filled.get(name, [])
            total = sum((Decimal(f["qty"]) for f in fills), Decimal(0))
            assert Decimal(order["filled_qty"]) == total
            assert [Decimal(f["cum_qty"]) for f in fills[-1:]] == [total] * bool(fills)
            if order["status"] == "filled" and order["qty"]:
                assert total == Decimal(order["qty"])
            before = self.last.get(name)
            if before and before["status"] in TERMINAL:
                assert order == before, "a terminal state was left"
            for fill in fills:
                price, limit = Decimal(fill["price"]), order["limit_price"]
                assert limit is None or (price <= Decimal(limit) if order["side"] == "buy" else price >= Decimal(limit))
        assert set(self.last) <= set(orders), "an order was lost"
        self.last = orders


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
