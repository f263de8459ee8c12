"""Stooq: CSV of US stocks over decades, adjusted for splits and dividends."""

from __future__ import annotations

from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING

from kobe81.core.errors import Refused, Unavailable
from kobe81.data.providers import Exhausted, Manners
from kobe81.data.providers.http import Channel, Reply, excerpt, is_html
from kobe81.data.providers.rows import COLUMNS, tidy

if TYPE_CHECKING:
    import polars as pl

_HEADER = b"Date,Open,High,Low,Close,Volume"
_QUOTA = b"exceeded the daily hits limit"


class Stooq:
    """Refusals come as HTTP 200 with a sentence or a page; since about 2026-03 most callers need a key."""

    name = "stooq"
    base = "https://stooq.com"
    adjustment = "splits and dividends"
    needs_key: tuple[str, ...] | None = ("STOOQ_API_KEY",)
    calls_per_minute: int | None = 60
    calendar = "XNYS"

    def __init__(self, key: str | None, base: str = base, manners: Manners = Manners()) -> None:  # noqa: B008  (frozen)
        self._key = key
        self._channel = Channel(self.name, base, self.calls_per_minute, manners)

    def daily(self, symbol: str, first: date, last: date) -> pl.DataFrame:
        """See Provider.daily."""
        about = f"{self.name} {symbol}"
        params = {"s": f"{symbol.lower().replace('.', '-')}.us", "i": "d", "d1": f"{first:%Y%m%d}",
                  "d2": f"{last:%Y%m%d}"} | ({"apikey": self._key} if self._key else {})
        table = self._channel.ask(symbol, "/q/d/l/", lambda reply: _table(about, reply), params=params)
        return tidy(about, dict(zip(COLUMNS, table.get_columns(), strict=True)), first, last)


def _table(about: str, reply: Reply) -> pl.DataFrame:
    """The body as text columns, once it has been seen to be a whole CSV of bars."""
    body = reply.body.strip()
    _believe(about, body)
    if not reply.body.endswith(b"\n"):
        raise Unavailable(f"{about}: the CSV ends inside a row; try again later or use another source")
    import polars as pl

    try:
        table = pl.read_csv(BytesIO(body), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise Unavailable(f"{about}: the CSV cannot be read ({error}); use another source") from error
    if table.width != len(COLUMNS) or any(table.null_count().row(0)):
        raise Unavailable(f"{about}: the CSV has incomplete rows; try again later or use another source")
    return table


def _believe(about: str, body: bytes) -> None:
    """Raise what a body that is no CSV of bars means."""
    if body.startswith(_HEADER):
        return
    if _QUOTA in body.lower():
        raise Exhausted(f"{about}: {excerpt(body)}; go on tomorrow or use another source")
    if b"apikey" in body.lower() or is_html(body):
        raise Exhausted(f"{about}: answered with a page instead of bars ({excerpt(body)}); set STOOQ_API_KEY to a key "
                        "from stooq.com, or use a source that needs none, such as yahoo (--source yahoo)")
    if not body or b"no data" in body.lower():
        raise Refused(f"{about}: no bars; check the symbol and the dates")
    raise Unavailable(f"{about}: answered with {excerpt(body)}; use another source")
