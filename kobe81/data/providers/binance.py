"""Binance: daily klines of crypto pairs, every day of the year, without a key."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kobe81.core.errors import Unavailable
from kobe81.data.providers import Manners
from kobe81.data.providers.http import Busy, Channel, Reply, read_json
from kobe81.data.providers.rows import COLUMNS, tidy

if TYPE_CHECKING:
    import polars as pl

PAGE = 1000
_MS_PER_DAY = 86_400_000
_WEIGHT = 5_000
"""Of the 6,000 an address may use up in a minute; a page weighs 2."""


class Binance:
    """A 429 that is not obeyed becomes a ban (418), so the weight it reports is kept below its limit."""

    name = "binance"
    base = "https://data-api.binance.vision"
    adjustment = "none"
    needs_key: tuple[str, ...] | None = None
    calls_per_minute: int | None = 1_200
    calendar = "24/7"

    def __init__(self, key: str | None = None, base: str = base, manners: Manners = Manners()) -> None:  # noqa: B008
        self._channel = Channel(self.name, base, self.calls_per_minute, manners)

    def daily(self, symbol: str, first: date, last: date) -> pl.DataFrame:
        """See Provider.daily. BTC-USDT and BTCUSDT are the same pair."""
        rows: list[list[Any]] = []
        start = first
        while start <= last:
            page = self._page(symbol, start, last)
            rows += page
            if len(page) < PAGE:
                break
            start = _day(page[-1]) + timedelta(days=1)
        return tidy(f"{self.name} {symbol}", _columns(rows), first, last)

    def _page(self, symbol: str, start: date, last: date) -> list[list[Any]]:
        params = {"symbol": symbol.replace("-", ""), "interval": "1d", "startTime": str(_ms(start)),
                  "endTime": str(_ms(last)), "limit": str(PAGE)}
        page = self._channel.ask(symbol, "/api/v3/klines", lambda reply: _klines(symbol, reply), params=params)
        if page and _day(page[-1]) < start:
            raise Unavailable(f"binance {symbol}: a page from {start} ends on {_day(page[-1])}; use another source")
        return page


def _klines(symbol: str, reply: Reply) -> list[list[Any]]:
    about = f"binance {symbol}"
    if not int(reply.headers.get("x-mbx-used-weight-1m", "0")) <= _WEIGHT:
        raise Busy(f"{about}: this address has nearly used up its minute")
    page = read_json(about, reply)
    if not isinstance(page, list) or not all(isinstance(row, list) and len(row) >= 6 for row in page):
        raise Unavailable(f"{about}: answered with JSON that holds no bars; use another source")
    if not all(isinstance(row[0], int) for row in page):
        raise Unavailable(f"{about}: bars without a time; use another source")
    return page


def _columns(rows: list[list[Any]]) -> dict[str, Any]:
    import polars as pl

    days = pl.Series([row[0] // _MS_PER_DAY for row in rows], dtype=pl.Int32).cast(pl.Date)
    return {"date": days} | {c: [row[i] for row in rows] for i, c in enumerate(COLUMNS[1:], start=1)}


def _day(row: list[Any]) -> date:
    return datetime.fromtimestamp(row[0] / 1000, UTC).date()


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
