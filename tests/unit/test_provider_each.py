"""What is particular to each vendor: its pages, its quotas, its spelling, its ways of refusing."""

import json
import time
from dataclasses import replace
from datetime import date, timedelta

import pytest

from kobe81.core.errors import KobeError, Refused, Unavailable
from kobe81.data.providers import Exhausted, Manners, provider
from tests import vendor_fixtures
from tests.vendor_fixtures import BARS, FIRST, LAST, of_charts
from tests.vendor_server import (
    Answer,
    Bar,
    binance,
    binance_market,
    html,
    massive,
    massive_market,
    stooq,
    yahoo,
    yahoo_error,
    yahoo_market,
)

server, source = vendor_fixtures.server, vendor_fixtures.source  # pytest finds fixtures by the names of a module

# ------------------------------------------------------------------------------------------------ Massive (Polygon)

def test_massive_pages_are_followed(server, source):
    """30 bars by 7 make 5 pages; their links name the vendor's host, and are asked of the address given."""
    server.answers = massive_market({"AAPL": BARS}, page=7)
    assert source("polygon").daily("AAPL", FIRST, LAST).rows() == [tuple(bar) for bar in BARS]
    assert [r.query.get("cursor") for r in server.requests] == [None, "7", "14", "21", "28"]
    assert {r.headers["authorization"] for r in server.requests} == {"Bearer secret"}


def test_massive_asks_for_days_adjusted_for_splits(server, source):
    server.answers = massive_market({"BRK.B": BARS})
    source("polygon").daily("BRK.B", date(2024, 1, 3), date(2024, 1, 9))
    assert server.requests[0].path == "/v2/aggs/ticker/BRK.B/range/1/day/2024-01-03/2024-01-09"
    assert server.requests[0].query == {"adjusted": "true", "sort": "asc", "limit": "50000"}


def test_429_in_the_middle_of_pagination_repeats_that_page_only(server, source):
    honest, waits = massive_market({"AAPL": BARS}, page=10), [Answer(status=429)]
    server.answers = lambda r: waits.pop() if waits and r.query.get("cursor") == "10" else honest(r)
    assert len(source("polygon").daily("AAPL", FIRST, LAST)) == 30
    assert [r.query.get("cursor") for r in server.requests] == [None, "10", "10", "20"]


def test_html_in_the_middle_of_pagination_is_not_the_end_of_the_data(server, source):
    """The official client takes a page that is not JSON for the last one."""
    honest = massive_market({"AAPL": BARS}, page=10)
    server.answers = lambda r: html("Bad gateway") if r.query.get("cursor") == "20" else honest(r)
    with pytest.raises(Unavailable, match="polygon AAPL: answered with HTML"):
        source("polygon").daily("AAPL", FIRST, LAST)


def test_pages_in_a_circle_end(server, source):
    server.answers = [massive(BARS, f"{server.url}/v2/aggs/ticker/AAPL?cursor=1")]
    with pytest.raises(Unavailable, match="lead in a circle"):
        source("polygon").daily("AAPL", FIRST, LAST)


def test_a_count_that_does_not_match_is_not_believed(server, source):
    server.answers = [massive(BARS, resultsCount=31)]
    with pytest.raises(Unavailable, match="announced 31 bars and sent 30"):
        source("polygon").daily("AAPL", FIRST, LAST)


def test_a_plan_that_does_not_include_the_data_exhausts_it(server, source):
    refusal = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
    server.answers = [Answer(json.dumps(refusal).encode(), 403)]
    with pytest.raises(Exhausted, match="not entitled to this data"):
        source("polygon").daily("AAPL", FIRST, LAST)


def test_massive_without_a_key_names_the_variable_and_a_way_out():
    with pytest.raises(Exhausted, match=r"set MASSIVE_API_KEY or POLYGON_API_KEY, or use .* yahoo"):
        provider("polygon", {}).daily("AAPL", FIRST, LAST)


def test_the_older_name_of_the_key_still_works(server, tmp_path):
    server.answers = massive_market({"AAPL": BARS})
    made = provider("massive", {"POLYGON_API_KEY": "old"}, base=server.url)
    made.daily("AAPL", FIRST, LAST)
    assert server.requests[0].headers["authorization"] == "Bearer old"


def test_a_free_plan_is_asked_five_times_a_minute(server, source):
    """With the minute shrunk to 0.3 s, the sixth page waits until the first is that old."""
    server.answers = massive_market({"AAPL": BARS}, page=5)
    made, started = source("polygon", period=0.3), time.monotonic()
    made.daily("AAPL", FIRST, LAST)
    assert len(server.requests) == 6
    assert server.requests[5].at - started >= 0.3


# ------------------------------------------------------------------------------------------------ Stooq

def test_stooq_is_asked_in_its_spelling(server, tmp_path):
    server.answers = [stooq(BARS)]
    provider("stooq", {"STOOQ_API_KEY": "secret"}, base=server.url).daily("BRK.B", FIRST, LAST)
    assert server.requests[0].path == "/q/d/l/"
    assert server.requests[0].query == {"s": "brk-b.us", "i": "d", "d1": "20240101", "d2": "20241231",
                                        "apikey": "secret"}


def test_a_used_up_quota_exhausts_stooq(server, source):
    """It comes with status 200."""
    server.answers = [Answer(b"Exceeded the daily hits limit", content_type="text/plain")]
    with pytest.raises(Exhausted, match="'Exceeded the daily hits limit'; go on tomorrow"):
        source("stooq").daily("AAPL", FIRST, LAST)
    assert len(server.requests) == 1


def test_a_wanted_key_exhausts_stooq_and_names_the_variable(server, source):
    server.answers = [Answer(b"Get your apikey:\n1. Open stooq.com", content_type="text/plain")]
    with pytest.raises(Exhausted, match="set STOOQ_API_KEY to a key"):
        source("stooq").daily("AAPL", FIRST, LAST)


@pytest.mark.parametrize("body", [b"Date,Open,High,Low,Close,Volume\r\n2024-01-02,1,2,1\r\n",
                                  b"Date,Open,High,Low,Close,Volume\r\n2024-01-02,1,2,1,1.5,10\r\n2024-01-03,1,2,1,1.",
                                  b"Date,Open,High,Low,Close,Volume\r\n2024-01-02,1,2,1,1.5,1",
                                  b"Date,Open,High,Low,Close,Volume,More\r\n2024-01-02,1,2,1,1,1,1\r\n",
                                  b"Date,Open,High,Low,Close,Volume\r\n2024-13-02,1,2,1,1.5,10\r\n",
                                  b"Date,Open,High,Low,Close,Volume\r\n2024-01-02,1,2,1,abc,10\r\n"])
def test_a_csv_with_broken_rows_is_not_believed(server, source, body):
    server.answers = [Answer(body, content_type="text/csv")]
    with pytest.raises(Unavailable, match="stooq AAPL: "):
        source("stooq").daily("AAPL", FIRST, LAST)


def test_a_key_never_stands_in_a_message_or_a_log(server, caplog):
    caplog.set_level("DEBUG")
    once = Manners(attempts=1, period=0.01)
    for status in (500, 403, 404, 302, 429):
        server.answers = [Answer(b"no", status)]
        made = provider("stooq", {"STOOQ_API_KEY": "canary-7"}, base=server.url, manners=once)
        with pytest.raises(KobeError) as caught:
            made.daily("AAPL", FIRST, LAST)
        assert "canary-7" not in f"{caught.value!r} {caught.value.__cause__!r} {made!r}"
    assert "canary-7" not in caplog.text
    assert server.requests[0].query["apikey"] == "canary-7"


# ------------------------------------------------------------------------------------------------ Yahoo

def test_yahoo_prices_are_adjusted_for_splits_alone(server, source):
    """The server's adjusted closes are 0.9 of its closes; what arrives is the closes."""
    server.answers = yahoo_market({"AAPL": BARS})
    assert source("yahoo").daily("AAPL", FIRST, LAST)["close"].to_list() == [b.close for b in BARS]


def test_yahoo_says_why(server, source):
    server.answers = of_charts("yahoo", yahoo_error(404, "Not Found", "No data found, symbol may be delisted"))
    with pytest.raises(Refused, match="yahoo AAPL: No data found, symbol may be delisted"):
        source("yahoo").daily("AAPL", FIRST, LAST)


def test_a_stale_crumb_is_left_to_yfinance(server, source):
    """It takes a fresh one and asks again."""
    honest, stale = yahoo_market({"AAPL": BARS}), [yahoo_error(401, "Unauthorized", "Invalid Crumb")]
    server.answers = lambda r: stale.pop() if stale and r.path.startswith("/v8") else honest(r)
    assert len(source("yahoo", attempts=1).daily("AAPL", FIRST, LAST)) == 30


def test_yahoo_that_refuses_everything_is_a_typed_error(server, source):
    for answer in (yahoo_error(401, "Unauthorized", "Invalid Crumb"), replace(html("Forbidden"), status=403)):
        server.answers = [answer]
        with pytest.raises((Refused, Unavailable), match="yahoo AAPL: "):
            source("yahoo").daily("AAPL", FIRST, LAST)


def test_yahoo_spells_classes_of_shares_with_a_dash(server, source):
    server.answers = yahoo_market({"BRK-B": BARS})
    assert len(source("yahoo").daily("BRK.B", FIRST, LAST)) == 30


def test_rows_without_prices_are_no_bars(server, source):
    """Yahoo sends nulls for a session without trades; a row with a single null is kept for the quality check."""
    bars = [*BARS[:5], Bar(BARS[5].day, None, None, None, None, None), BARS[6]._replace(open=None)]
    server.answers = of_charts("yahoo", yahoo(bars))
    frame = source("yahoo").daily("AAPL", FIRST, LAST)
    assert frame["date"].to_list() == [b.day for b in (*BARS[:5], BARS[6])]


def test_yahoo_sends_no_request_elsewhere(source):
    made = source("yahoo")
    with pytest.raises(Refused, match=r"will not ask evil\.example"):
        made._address("https://evil.example/v8/finance/chart/AAPL")
    with pytest.raises(Refused, match=r"will not ask notyahoo\.com"):
        made._address("https://notyahoo.com/")


# ------------------------------------------------------------------------------------------------ Binance

def test_binance_asks_1000_bars_a_page(server, source):
    """2,500 days make three pages, each beginning the day after the last one of the page before."""
    days = [Bar(date(2017, 8, 17) + timedelta(days=i), 1.0 + i, 2.0 + i, 0.5 + i, 1.5 + i, 10.0) for i in range(2500)]
    server.answers = binance_market({"BTCUSDT": days})
    frame = source("binance").daily("BTC-USDT", days[0].day, days[-1].day)
    assert frame.rows() == [tuple(bar) for bar in days]
    starts = [int(r.query["startTime"]) // 86_400_000 for r in server.requests]
    assert [s - starts[0] for s in starts] == [0, 1000, 2000]
    assert {r.query["limit"] for r in server.requests} == {"1000"}


def test_binance_that_repeats_a_page_does_not_run_in_a_circle(server, source):
    server.answers = [binance([Bar(FIRST + timedelta(days=i), 1, 2, 0.5, 1.5, 10) for i in range(1000)])]
    with pytest.raises(Unavailable, match="a page from 2026-09-27 ends on 2026-09-26"):
        source("binance").daily("BTCUSDT", FIRST, date(2030, 1, 1))


def test_binance_ban_exhausts_it(server, source):
    server.answers = [Answer(b'{"code":-1003,"msg":"Way too much request weight used; IP banned"}', 418)]
    with pytest.raises(Exhausted, match=r"HTTP 418: .*IP banned"):
        source("binance").daily("BTCUSDT", FIRST, LAST)


def test_binance_weight_near_the_limit_is_waited_out(server, source):
    """429 and a ban follow at 6,000."""
    server.answers = [binance(BARS, weight=5001), binance(BARS, weight=2)]
    assert len(source("binance", period=0.3).daily("BTCUSDT", FIRST, LAST)) == 30
    assert server.requests[1].at - server.requests[0].at >= 0.15


def test_binance_unknown_pair_is_refused(server, source):
    server.answers = binance_market({})
    with pytest.raises(Refused, match=r"HTTP 400: .*Invalid symbol"):
        source("binance").daily("NOPEUSDT", FIRST, LAST)
