"""The market desk: clock, calendar, assets, and the market data of /v2/stocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from kobe81.execution.exchange.floor import Floor
from kobe81.execution.exchange.quotes import DayBar, Quote
from kobe81.execution.exchange.routes import Route, choice, names, whole
from kobe81.execution.exchange.sessions import session_after, session_at, sessions
from kobe81.execution.exchange.views import View, asset_id, asset_view
from kobe81.execution.exchange.wire import (
    NEW_YORK,
    Refusal,
    Request,
    Response,
    malformed,
    not_found,
    parse_moment,
    reply,
    stamp,
)

MOST_BARS = 10_000
LONGEST_CALENDAR = timedelta(days=366 * 10)


class MarketDesk:
    """Says what time it is, when the market trades, what trades, and at which prices."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2/clock", self._clock),
            Route("GET", "/v2/calendar", self._calendar),
            Route("GET", "/v2/assets", self._assets),
            Route("GET", "/v2/assets/{symbol}", self._asset),
            Route("GET", "/v2/stocks/quotes/latest", self._quotes),
            Route("GET", "/v2/stocks/trades/latest", self._trades),
            Route("GET", "/v2/stocks/snapshots", self._snapshots),
            Route("GET", "/v2/stocks/bars", self._bars),
            Route("GET", "/v2/stocks/{symbol}/quotes/latest", self._quotes),
            Route("GET", "/v2/stocks/{symbol}/trades/latest", self._trades),
            Route("GET", "/v2/stocks/{symbol}/snapshot", self._snapshots),
            Route("GET", "/v2/stocks/{symbol}/bars", self._bars),
        ]

    def _clock(self, request: Request) -> Response:
        now = self._floor.at
        session = session_at(now)
        is_open = session.trades(now)
        upcoming = session_after(session.day) if is_open else session
        return reply(200, {
            "timestamp": _local(now), "is_open": is_open,
            "next_open": _local(upcoming.opens), "next_close": _local(session.closes),
        })  # fmt: skip

    def _calendar(self, request: Request) -> Response:
        today = self._floor.at.date()
        first = _day(request, "start", today)
        last = _day(request, "end", first + timedelta(days=365))
        if not first <= last <= first + LONGEST_CALENDAR:
            raise malformed(f"start and end must be at most {LONGEST_CALENDAR.days} days apart, in that order")
        return reply(200, [
            {"date": s.day.isoformat(), "open": f"{s.opens.astimezone(NEW_YORK):%H:%M}",
             "close": f"{s.closes.astimezone(NEW_YORK):%H:%M}", "session_open": "0400", "session_close": "2000"}
            for s in sessions(first, last)])

    def _assets(self, request: Request) -> Response:
        wanted = choice(request, "status", ("all", "active", "inactive")) != "inactive"
        stocks = request.query.get("asset_class") in {None, "", "us_equity"}
        return reply(200, [self._asset_view(s) for s in self._floor.quotes.symbols() if wanted and stocks])

    def _asset(self, request: Request, symbol: str) -> Response:
        symbols = self._floor.quotes.symbols()
        named = symbol.upper() if symbol.upper() in symbols else None
        known = named or next((s for s in symbols if asset_id(s) == symbol.lower()), None)
        if known is None:
            raise not_found(f"asset not found for {symbol[:40]}")
        return reply(200, self._asset_view(known))

    def _asset_view(self, symbol: str) -> View:
        return asset_view(symbol, tradable=symbol not in self._floor.banned,
                          marginable=self._floor.terms.multiplier > 1)

    def _quotes(self, request: Request, symbol: str = "") -> Response:
        return _by_symbol("quote", symbol, {s: _quote_view(q) for s, q in self._latest(request, symbol).items()})

    def _trades(self, request: Request, symbol: str = "") -> Response:
        return _by_symbol("trade", symbol, {s: _trade_view(q) for s, q in self._latest(request, symbol).items()})

    def _snapshots(self, request: Request, symbol: str = "") -> Response:
        views = {s: self._snapshot(s, quote) for s, quote in self._latest(request, symbol).items()}
        return reply(200, {"symbol": symbol.upper(), **_only(views)} if symbol else views)

    def _snapshot(self, symbol: str, quote: Quote) -> View:
        today = self._floor.at.date()
        bars = self._floor.quotes.bars(symbol, today - timedelta(days=30), today, self._floor.at)
        last, before = ([None, None] + [_bar_view(bar) for bar in bars])[-1:-3:-1]
        return {"latestTrade": _trade_view(quote), "latestQuote": _quote_view(quote), "minuteBar": None,
                "dailyBar": last, "prevDailyBar": before}

    def _bars(self, request: Request, symbol: str = "") -> Response:
        if request.query.get("timeframe") not in {"1Day", "1D"}:
            raise Refusal(400, None, "invalid timeframe: this exchange knows daily bars only, timeframe=1Day")
        now, wanted = self._floor.at, _symbols(request, symbol)
        first = _day(request, "start", now.date())
        last = _day(request, "end", now.date())
        rows = [(s, bar) for s in wanted for bar in self._floor.quotes.bars(s, first, last, now)]
        if choice(request, "sort", ("asc", "desc")) == "desc":
            rows = [row for s in wanted for row in reversed(rows) if row[0] == s]
        begin, limit = _token(request), whole(request, "limit", 1000, MOST_BARS)
        page: dict[str, list[View]] = {}
        for name, bar in rows[begin : begin + limit]:
            page.setdefault(name, []).append(_bar_view(bar))
        more = str(begin + limit) if begin + limit < len(rows) else None
        if symbol:
            return reply(200, {"bars": page.get(symbol.upper(), []), "symbol": symbol.upper(), "next_page_token": more})
        return reply(200, {"bars": page, "next_page_token": more})

    def _latest(self, request: Request, symbol: str) -> dict[str, Quote]:
        """The last quote of each symbol asked for; what does not trade here is left out."""
        found = {s: self._floor.quote(s) for s in _symbols(request, symbol)}
        return {s: quote for s, quote in found.items() if quote is not None}


def _symbols(request: Request, symbol: str) -> list[str]:
    wanted = [symbol.upper()] if symbol else names(request)
    if not wanted:
        raise Refusal(400, None, "symbols is required")
    return wanted


def _by_symbol(kind: str, symbol: str, views: dict[str, View]) -> Response:
    """Under the plural all that were found; for a single symbol its own, 404 where there is none."""
    if not symbol:
        return reply(200, {f"{kind}s": views})
    return reply(200, {"symbol": symbol.upper(), kind: _only(views)})


def _only(views: dict[str, View]) -> View:
    for view in views.values():
        return view
    raise not_found("no such symbol here")


def _day(request: Request, name: str, default: date) -> date:
    words = request.query.get(name)
    return parse_moment(words).astimezone(NEW_YORK).date() if words else default


def _token(request: Request) -> int:
    token = request.query.get("page_token") or "0"
    if not (token.isascii() and token.isdecimal() and len(token) < 10):
        raise malformed("invalid page_token")
    return int(token)


def _local(moment: datetime) -> str:
    return moment.astimezone(NEW_YORK).isoformat()


def _quote_view(quote: Quote) -> View:
    return {"t": stamp(quote.at), "ax": "N", "ap": float(quote.ask), "as": quote.size, "bx": "N",
            "bp": float(quote.bid), "bs": quote.size, "c": ["R"], "z": "A"}


def _trade_view(quote: Quote) -> View:
    return {"t": stamp(quote.at), "x": "N", "p": float(quote.price), "s": 100, "c": ["@"], "i": 1, "z": "A"}


def _bar_view(bar: DayBar) -> View:
    """A daily bar, stamped with midnight in New York; its average price is that of the four it has."""
    begins = datetime.combine(bar.day, time(), NEW_YORK).astimezone(UTC)
    average = round((bar.open + bar.high + bar.low + bar.close) / 4, 4)
    return {"t": stamp(begins), "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "v": int(bar.volume),
            "n": int(bar.volume / 100), "vw": average}
