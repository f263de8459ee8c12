"""What the tests of all vendors share: a server, sources that ask it, and an honest market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from kobe81.data.providers import Manners, Provider, provider
from tests.vendor_server import (
    Answer,
    Request,
    VendorServer,
    binance,
    binance_market,
    massive,
    massive_market,
    stooq,
    stooq_market,
    weekdays,
    yahoo,
    yahoo_market,
)

FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)
BARS = weekdays(FIRST, 30)
MARKETS = {"polygon": massive_market, "stooq": stooq_market, "yahoo": yahoo_market, "binance": binance_market}
PAGES = {"polygon": massive, "stooq": stooq, "yahoo": yahoo, "binance": binance}
CHARTS = ("/v2/aggs", "/q/d/l", "/v8/finance", "/api/v3")


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer() as running:
        yield running


@pytest.fixture
def source(server: VendorServer, tmp_path: Path) -> Callable[..., Provider]:
    """Makes a source that asks `server`, with hardly a wait."""
    from yfinance.data import YfData

    YfData.cache_get.cache_clear()  # yfinance remembers answers by address, and knows Yahoo's, not the server's

    def make(vendor: str, **manners: object) -> Provider:
        quick = {"deadline": 10.0, "attempts": 2, "wait": 0.001, "period": 0.01, "longest_wait": 1.0}
        settled = Manners(**quick | {"folder": tmp_path} | manners)
        return provider(vendor, {"MASSIVE_API_KEY": "secret"}, base=server.url, manners=settled)

    return make


def of_charts(vendor: str, answer: Answer) -> Callable[[Request], Answer]:
    """The honest market, except that requests for bars get `answer` (yfinance asks for a cookie and a crumb, too)."""
    honest = MARKETS[vendor]({"AAPL": BARS})
    return lambda request: answer if request.path.startswith(CHARTS) else honest(request)


def charts(server: VendorServer) -> list[Request]:
    """The requests for bars."""
    return [r for r in server.requests if r.path.startswith(CHARTS)]
