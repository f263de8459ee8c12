"""Polygon.io, called Massive since 2025-10-30: US stocks, adjusted for splits, through its official client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kobe81.core.errors import MissingExtra, Unavailable
from kobe81.data.providers import Manners, no_key
from kobe81.data.providers.http import Channel, Reply, check_address, read_json
from kobe81.data.providers.rows import tidy

if TYPE_CHECKING:
    import polars as pl

_MS_PER_DAY = 86_400_000
_PAGE = 50_000
"""The most base bars that one page may be asked for."""


class Polygon:
    """The free plan allows 5 calls a minute and reaches back two years."""

    name = "polygon"
    base = "https://api.massive.com"
    adjustment = "splits"
    needs_key: tuple[str, ...] | None = ("MASSIVE_API_KEY", "POLYGON_API_KEY")
    calls_per_minute: int | None = 5
    calendar = "XNYS"

    def __init__(self, key: str | None, base: str = base, manners: Manners = Manners()) -> None:  # noqa: B008  (frozen)
        self._key, self._base = key, check_address(base)
        self._channel = Channel(self.name, base, self.calls_per_minute, manners)

    def daily(self, symbol: str, first: date, last: date) -> pl.DataFrame:
        """See Provider.daily."""
        if not self._key:
            raise no_key(self.name, self.needs_key or ())
        client = self._client(symbol, self._key)
        found = client.list_aggs(symbol, 1, "day", first, last, adjusted=True, sort="asc", limit=_PAGE)
        bars = [(b.timestamp, b.open, b.high, b.low, b.close, b.volume) for b in found]
        return tidy(f"{self.name} {symbol}", _columns(symbol, bars), first, last)

    def _client(self, symbol: str, key: str) -> Any:
        try:
            from massive import RESTClient
        except ImportError as error:
            raise MissingExtra("the source polygon", "massive") from error
        client = RESTClient(api_key=key, base=self._base, retries=0)
        client.client = _Pages(self._channel, symbol)
        return client


@dataclass(frozen=True)
class _Answer:
    """What the official client reads of a response."""

    status: int
    data: bytes


class _Pages:
    """What the official client sends its requests through.

    Its own pool has no total deadline, spends the quota on tries 0.2 s apart, and takes a page that is not JSON for
    the end of the data; here each page has a deadline, a place in the quota, its own retries, and is read first.
    """

    def __init__(self, channel: Channel, symbol: str) -> None:
        self._channel, self._symbol = channel, symbol
        self._seen: set[str] = set()

    def request(self, method: str, url: str, fields: Mapping[str, Any] | None, headers: Mapping[str, str]) -> _Answer:
        if url in self._seen:
            raise Unavailable(f"polygon {self._symbol}: its pages lead in a circle; use another source")
        self._seen.add(url)
        params = {name: str(value) for name, value in (fields or {}).items()}
        return self._channel.ask(self._symbol, url, self._whole, params=params, headers=headers)

    def _whole(self, reply: Reply) -> _Answer:
        about = f"polygon {self._symbol}"
        page = read_json(about, reply)
        rows = page.get("results") or [] if isinstance(page, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or "status" not in page:
            raise Unavailable(f"{about}: answered with JSON that holds no bars; use another source")
        if page.get("resultsCount", len(rows)) != len(rows):
            raise Unavailable(f"{about}: announced {page['resultsCount']} bars and sent {len(rows)}; try again later")
        return _Answer(200, reply.body)


def _columns(symbol: str, bars: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The client's bars by column; a bar's time is midnight in New York, which is the same date in UTC."""
    if not all(isinstance(bar[0], int) for bar in bars):
        raise Unavailable(f"polygon {symbol}: bars without a time; use another source")
    import polars as pl

    times, *fields = zip(*bars, strict=True) if bars else [()] * 6
    days = pl.Series([t // _MS_PER_DAY for t in times], dtype=pl.Int32).cast(pl.Date)
    return {"date": days, **dict(zip(("open", "high", "low", "close", "volume"), fields, strict=True))}
