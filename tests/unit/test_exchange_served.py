"""The whole exchange behind its server: what alpaca-py's programs see of it over the loopback."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from exchange_fixtures import TradingStream, asker, limit_order, listener, official, until

from kobe81.app.clock import SystemClock
from kobe81.core.bars import Bars
from kobe81.core.clock import SteppedClock
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.server import serving
from kobe81.execution.exchange.terms import Terms

OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
"""A Monday before summer time: New York opens at 14:30 UTC."""
AFTER = {"rules": [{"fault": "status", "status": 504, "when": "after", "method": "POST", "path": "/v2/orders",
                    "nth": [1]}]}


@pytest.fixture
def traded(tmp_path):
    """AAPL at 100 all Monday; on Tuesday from 100 down to 90 in the first third. No partial fills, no spread."""
    frame = pl.DataFrame({"date": [date(2026, 3, 2), date(2026, 3, 3)], "symbol": ["AAPL"] * 2, "open": [100.0, 100.0],
                          "high": [100.0, 100.0], "low": [100.0, 90.0], "close": [100.0, 95.0], "volume": [1e7, 1e7]})
    clock = SteppedClock(OPEN + timedelta(minutes=5))
    terms = Terms(half_spread_bps=0.0, partial_fill_probability=0.0)

    def opened():
        return Exchange(BarQuotes(Bars.from_frame(frame), 0.0), clock.now, store=tmp_path / "exchange.db", terms=terms)

    return opened, clock


def test_the_official_client_doubles_a_position_over_one_504(traded):
    """The exchange accepts, the answer is lost behind a 504, alpaca-py sends the order again: 20 shares where its user
    asked for 10, and cash to match. This is why our adapter uses plain HTTP and an id of its own."""
    opened, _ = traded
    with serving(opened(), SystemClock()) as url, asker(url) as client:
        client.post("/_script", json=AFTER)
        official(url).submit_order(limit_order())
        (position,) = official(url).get_all_positions()
        assert (position.symbol, position.qty) == ("AAPL", "20")
        assert Decimal(client.get("/v2/account").json()["cash"]) == 98_000


def test_with_an_id_there_is_one_order_to_be_found(traded):
    """The same, with our id and one POST: 504, and the order is found by its id, filled once."""
    opened, _ = traded
    with serving(opened(), SystemClock()) as url, asker(url) as client:
        client.post("/_script", json=AFTER)
        order = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit", "limit_price": "100.00",
                 "time_in_force": "ioc", "client_order_id": "k1-2026-03-02-x"}
        assert client.post("/v2/orders", json=order).status_code == 504
        assert official(url).get_order_by_client_id("k1-2026-03-02-x").filled_qty == "10"
        assert [p.qty for p in official(url).get_all_positions()] == ["10"]


def test_a_stop_triggers_while_nobody_asks(traded):
    """The server's timer sees the price fall through 95 on the next day, and the listener hears of the sale."""
    opened, clock = traded
    with serving(opened(), SystemClock(), tick=0.02) as url, asker(url) as client, listener(url) as ws:
        official(url).submit_order(limit_order("entry"))
        stop = {"symbol": "AAPL", "qty": "10", "side": "sell", "type": "stop", "stop_price": "95"}
        assert client.post("/v2/orders", json={**stop, "time_in_force": "gtc"}).status_code == 200
        asked = len(client.get("/_log").json())
        clock.move_to(OPEN + timedelta(days=1, hours=3))
        updates = (json.loads(ws.recv(timeout=5))["data"] for _ in range(10))
        sold = next(told for told in updates if (told["event"], told["order"]["side"]) == ("fill", "sell"))
        assert (sold["qty"], sold["position_qty"]) == ("10", "0")
        assert len(client.get("/_log").json()) == asked


def test_the_official_stream_reads_every_update(traded):
    """new and fill of an order, as alpaca-py's own models."""
    opened, _ = traded
    heard = []
    with serving(opened(), SystemClock()) as url:
        stream = TradingStream("key", "secret", url_override=url.replace("http", "ws", 1) + "/stream")

        async def hear(update):
            heard.append((str(update.event), update.order.client_order_id, update.qty, update.position_qty))

        async def listen():
            running = asyncio.create_task(stream._run_forever())
            while not stream._running:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(official(url).submit_order, limit_order("heard"))
            while not any(event == "fill" for event, *_ in heard):
                await asyncio.sleep(0.01)
            running.cancel()
            await stream.close()

        stream.subscribe_trade_updates(hear)
        asyncio.run(asyncio.wait_for(listen(), 20))
    assert [event for event, *_ in heard if event in {"new", "fill"}] == ["new", "fill"]
    assert heard[-1] == ("fill", "heard", 10.0, 10.0)


def test_a_restart_knows_every_order(traded):
    """A second server on the same file finds the order, the position and the activities of the first."""
    opened, _ = traded
    first = opened()
    with serving(first, SystemClock()) as url:
        order = official(url).submit_order(limit_order("kept"))
    first.close()
    with serving(opened(), SystemClock()) as url, asker(url) as client:
        assert official(url).get_order_by_client_id("kept").id == order.id
        assert [p.qty for p in official(url).get_all_positions()] == ["10"]
        assert [fill["order_id"] for fill in client.get("/v2/account/activities/FILL").json()] == [str(order.id)]


def test_activities_come_twice_and_in_reverse(traded):
    """Faults strike the real answers: two fills become four, the oldest first."""
    opened, _ = traded
    with serving(opened(), SystemClock()) as url, asker(url) as client:
        until(lambda: client.get("/v2/account").status_code == 200)
        for name in ("a", "b"):
            official(url).submit_order(limit_order(name))
        plain = [fill["id"] for fill in client.get("/v2/account/activities/FILL").json()]
        client.post("/_script", json={"rules": [{"fault": "repeat", "path": "/v2/account/activities*"},
                                                {"fault": "reorder", "path": "/v2/account/activities*"}]})
        struck = [fill["id"] for fill in client.get("/v2/account/activities/FILL").json()]
    assert len(plain) == 2
    assert struck == [plain[1], plain[1], plain[0], plain[0]]
