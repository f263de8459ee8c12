"""The adapter against the exchange of our own, in process and over the loopback: the same day, to the cent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2
import pytest
from exchange_market import Market, utc

from kobe81.app.clock import SystemClock
from kobe81.core.clock import SteppedClock
from kobe81.core.ports import Accepted, BrokerError, BrokerPosition, Lost, Rejected
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.alpaca_http import HttpWire
from kobe81.execution.broker_alpaca import AlpacaBroker
from kobe81.execution.broker_paper import paper_broker
from kobe81.execution.exchange.application import Limits
from kobe81.execution.exchange.server import serving
from tests.alpaca_fixtures import KEYS, RealClock, Switch, approved

OPENED = utc("04 14:30")


class MarketClock(SteppedClock):
    """The clock of both sides; what is slept passes for the market too."""

    def __init__(self, market):
        super().__init__(OPENED)
        self._market = market

    def sleep(self, seconds):
        super().sleep(seconds)
        self._market.now = self.now()


@pytest.fixture
def market():
    return Market()


@pytest.fixture(params=["in process", "over the loopback"])
def trading(request, market):
    if request.param == "in process":
        yield paper_broker(market.exchange, MarketClock(market), Switch())
        return
    with serving(market.exchange, SystemClock(), limits=Limits(requests_per_minute=None)) as url:
        clock = MarketClock(market)
        yield AlpacaBroker(HttpWire(url, KEYS, clock), clock, Switch())


def acme(name, **changes):
    fields = {"id": f"k1-{name}", "symbol": "ACME", "limit": Decimal("100.20"), "expires": OPENED + timedelta(days=9)}
    return approved(**(fields | changes))


def test_a_trade_from_entry_to_the_last_cent(trading, market):
    """10 ACME bought at the ask of 100.10, protected at 95, stopped out on the way down to 90: orders, positions,
    activities and cash tell one story, and the fees are in it."""
    entry = trading.submit(acme("entry"))
    assert isinstance(entry, Accepted)
    market.at("04 14:31")
    stop = trading.submit(acme("stop", side="sell", leg="stop", limit=None, stop=Decimal(95), tif="gtc"))
    assert isinstance(stop, Accepted)
    assert trading.positions() == (BrokerPosition(symbol="ACME", qty=Decimal(10), price=trading.positions()[0].price),)
    assert trading.find("k1-entry").filled == 10
    market.at("04 20:00")
    sold = trading.order(stop.order.id)
    assert (sold.client, sold.status, sold.filled) == ("k1-stop", "filled", Decimal(10))
    assert trading.positions() == ()
    market.at("05 15:00")
    found = trading.activities(OPENED - timedelta(days=7))
    bought, left = found.fills
    assert (bought.order, left.order) == (entry.order.id, stop.order.id)
    assert bought.price == Decimal("100.1")
    flow = left.qty * left.price - bought.qty * bought.price + sum(move.amount for move in found.moves)
    assert trading.account().cash == 100_000 + flow
    assert {move.activity_type for move in found.moves} == {"FEE"}
    assert {order.client for order in trading.orders(OPENED)} == {"k1-entry", "k1-stop"}


def test_the_same_id_twice_is_one_order(trading):
    """The second answer is the first order."""
    first, again = trading.submit(acme("one")), trading.submit(acme("one"))
    assert isinstance(again, Accepted)
    assert again.order.id == first.order.id
    assert len(trading.orders(OPENED)) == 1


def test_the_same_id_for_another_order_is_lost(trading):
    """What was meant is not what the broker has."""
    trading.submit(acme("one"))
    assert isinstance(trading.submit(acme("one", qty=11)), Lost)


@pytest.mark.parametrize(("changes", "status"), [
    ({"qty": 100_000}, 403), ({"symbol": "NOSUCH"}, 422), ({"limit": Decimal("100.201")}, 422),
    ({"side": "sell", "leg": "time"}, 403),
])
def test_what_the_exchange_refuses_is_rejected(trading, changes, status):
    """Too dear, unknown, off the grid of prices, not held: with its status and words, and nothing is there."""
    refused = trading.submit(acme("bad", **changes))
    assert isinstance(refused, Rejected)
    assert (refused.status, bool(refused.reason), refused.code >= 40_000_000) == (status, True, True)
    assert trading.find("k1-bad") is None


def test_an_order_can_be_taken_back_once(trading, market):
    """A resting stop is canceled; once more there is nothing to cancel."""
    trading.submit(acme("entry"))
    market.at("04 14:31")
    stop = trading.submit(acme("stop", side="sell", leg="stop", limit=None, stop=Decimal(50), tif="gtc"))
    market.at("04 14:32")
    assert trading.cancel(stop.order.id) == ""
    assert trading.cancel(stop.order.id) != ""
    assert trading.order(stop.order.id).status == "canceled"
    assert trading.cancel("00000000-0000-4000-8000-000000000000") != ""


def test_halted_unknown_and_closed_are_told(trading, market):
    """Before an order is wasted on them."""
    assert trading.tradable("ACME") == ""
    market.exchange.ban("ACME")
    assert "not tradable" in trading.tradable("ACME")
    assert "unknown" in trading.tradable("NOSUCH")
    assert trading.market_open()
    market.at("04 22:00")
    assert not trading.market_open()


def test_quotes_are_the_exchanges(market):
    """99.90 bid, 100.10 asked at the open of 100; a symbol it does not have is absent."""
    with serving(market.exchange, SystemClock()) as url:
        clock = RealClock()
        quotes = AlpacaFeed(HttpWire(url, KEYS, clock), clock, "iex").quotes(["ACME", "NOSUCH"])
    assert list(quotes) == ["ACME"]
    acme_quote = quotes["ACME"]
    assert (acme_quote.bid, acme_quote.ask, acme_quote.last) == (Decimal("99.9"), Decimal("100.1"), Decimal(100))
    assert acme_quote.at == datetime(2024, 3, 4, 14, 30, tzinfo=UTC)


FAULTS = [
    {"fault": "status", "status": 504, "when": "after"}, {"fault": "status", "status": 500, "when": "before"},
    {"fault": "cut", "when": "after"}, {"fault": "cut", "when": "before"}, {"fault": "hang", "when": "after"},
    {"fault": "html"}, {"fault": "truncate"}, {"fault": "length", "by": 50}, {"fault": "drip", "seconds": 0.05},
    {"fault": "rename", "fields": {"client_order_id": "id_of_client"}}, {"fault": "redirect", "to": "/v2/account"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['fault']}-{fault.get('when', '')}")
def test_an_order_into_any_fault_is_lost_and_found_or_not_there(market, fault):
    """The POST arrives once, its answer is Lost; afterwards the broker has the order or has not, never two."""
    rule = {**fault, "method": "POST", "path": "/v2/orders"}
    with serving(market.exchange, SystemClock(), limits=Limits(requests_per_minute=None)) as url:
        httpx2.post(f"{url}/_script", json={"rules": [rule]})
        clock = SystemClock()
        alpaca = AlpacaBroker(HttpWire(url, KEYS, clock, 0.3), clock, Switch())
        expires = clock.now() + timedelta(minutes=1)
        assert isinstance(alpaca.submit(acme("one", expires=expires)), Lost)
        posts = [e for e in httpx2.get(f"{url}/_log").json() if e["method"] == "POST"]
        found = alpaca.find("k1-one")
        assert len(posts) == 1
        assert (found is not None) == (posts[0]["handled"] is not None)
        assert len(alpaca.orders(OPENED)) == (found is not None)


def test_a_quota_used_up_is_waited_for_a_minute_at_most(market):
    """The 429 of a server, whose reset is up to a minute away, on a clock that stands still."""
    waited = RealClock()
    waited.now = SystemClock().now
    with serving(market.exchange, SystemClock(), limits=Limits(requests_per_minute=1)) as url:
        alpaca = AlpacaBroker(HttpWire(url, KEYS, waited), waited, Switch())
        alpaca.account()
        with pytest.raises(BrokerError, match="429"):
            alpaca.account()
    assert waited.slept == [30, 30]
