"""Alpaca's quotes: both sides and a last trade, or no quote at all."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from kobe81.core.decisions import Quote
from kobe81.core.ports import BrokerError
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.alpaca_http import HttpWire
from tests.alpaca_fixtures import KEYS, SNAPSHOT, RealClock
from tests.alpaca_server import AlpacaServer, answer, json_answer

QUOTE = Quote(bid=Decimal("187.55"), ask=Decimal("187.65"), last=Decimal("187.6"),
              at=datetime(2026, 3, 2, 14, 34, 59, 987654, UTC))


@pytest.fixture
def server():
    with AlpacaServer() as running:
        yield running


def feed(server, source="iex"):
    clock = RealClock()
    return AlpacaFeed(HttpWire(server.url, KEYS, clock), clock, source)


def test_a_quote_is_bid_ask_last_and_its_own_time(server):
    """Prices to the digit, the quote's time of nine digits to the microsecond."""
    server.script = [json_answer({"AAPL": SNAPSHOT})]
    assert feed(server).quotes(["AAPL"]) == {"AAPL": QUOTE}
    assert server.requests[0].path == "/v2/stocks/snapshots"
    assert server.requests[0].query == {"symbols": "AAPL", "feed": "iex"}


def changed(**parts):
    return {name: SNAPSHOT[name] | parts[name] if parts.get(name) else parts.get(name, SNAPSHOT[name])
            for name in ("latestTrade", "latestQuote")}


@pytest.mark.parametrize("snapshot", [
    None, {}, changed(latestQuote=None), changed(latestTrade=None), changed(latestQuote={"bp": 0}),
    changed(latestQuote={"ap": 0}), changed(latestTrade={"p": 0}), changed(latestQuote={"bp": -1}),
])
def test_a_symbol_without_a_whole_quote_is_absent(server, snapshot):
    """No bid, no ask or no last trade: there is nothing to reckon with; the others are there."""
    server.script = [json_answer({"AAPL": snapshot, "MSFT": SNAPSHOT})]
    assert feed(server).quotes(["AAPL", "MSFT", "GONE"]) == {"MSFT": QUOTE}


@pytest.mark.parametrize("quote", [{"bp": "NaN"}, {"bp": None}, {"t": "2026-03-02T14:34:59"}, {"ap": True}, {"bp": []}])
def test_a_quote_in_another_format_is_an_error(server, quote):
    """What cannot be read is not an absent symbol but a source that cannot be trusted."""
    server.script = [json_answer({"AAPL": changed(latestQuote=quote)})]
    with pytest.raises(BrokerError, match="/v2/stocks/snapshots"):
        feed(server).quotes(["AAPL"])


def test_nan_in_a_body_is_an_error(server):
    """JSON knows no NaN, and neither do we."""
    server.script = [json_answer({"AAPL": changed(latestQuote={"bp": float("nan")})})]
    with pytest.raises(BrokerError, match="NaN"):
        feed(server).quotes(["AAPL"])


def test_many_symbols_come_in_batches(server):
    """250 symbols, one of them asked for twice, are three requests, and only what was asked for comes back."""
    server.script = lambda request: json_answer(
        dict.fromkeys([*request.query["symbols"].split(","), "UNASKED"], SNAPSHOT))
    symbols = [f"S{i}" for i in range(250)]
    assert list(feed(server).quotes([*symbols, "S0"])) == symbols
    assert [len(request.query["symbols"].split(",")) for request in server.requests] == [100, 100, 50]


def test_no_symbols_are_no_request(server):
    """Nothing is asked where nothing is wanted."""
    assert feed(server).quotes([]) == {}
    assert server.requests == []


def test_sip_without_a_plan_says_what_to_do(server):
    """A 403 on sip is the plan; on iex it is the key."""
    server.script = [json_answer({"message": "subscription does not permit querying recent SIP data"}, 403)]
    with pytest.raises(BrokerError, match="sip needs a paid plan, iex comes"):
        feed(server, "sip").quotes(["AAPL"])
    with pytest.raises(BrokerError, match="check that the key"):
        feed(server).quotes(["AAPL"])


def test_a_source_that_does_not_answer_is_an_error(server):
    """After three tries."""
    server.script = [answer(b"", 503)]
    with pytest.raises(BrokerError, match="HTTP 503"):
        feed(server).quotes(["AAPL"])
    assert len(server.requests) == 3
