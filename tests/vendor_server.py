"""A real HTTP server on the loopback that speaks each vendor's format, well or badly, as a test's script says.

    with VendorServer() as server:
        server.answers = [Answer(status=429), massive(bars)]      # one per request, the last one for all further ones
        server.answers = massive_market({"AAPL": bars}, page=2)   # or a function of the request
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo


class Bar(NamedTuple):
    day: date
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Answer:
    """status, body and headers as sent; drip: seconds between single bytes of what is dripped ("head" or "body");
    cut: announce the whole length and close after half of the body; length: announce it at all."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    drip: float = 0.0
    drip_from: str = "body"
    cut: bool = False
    length: bool = True


class Request(NamedTuple):
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float


Answers = Sequence[Answer] | Callable[[Request], Answer]


class VendorServer:
    """Serves `answers` on `url`; every request it got stands in `requests`, in order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: Answers = [Answer(status=500)]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> VendorServer:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next(self, request: Request) -> Answer:
        self.requests.append(request)
        if callable(self.answers):
            return self.answers(request)
        return self.answers[min(len(self.requests), len(self.answers)) - 1]

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805  (self is the handler)
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = server._next(Request(parts.path, query, headers, time.monotonic()))
                with suppress(OSError):  # the client hung up, as it should on some answers
                    _send(self, answer)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    headers = {"Content-Type": answer.content_type, "Connection": "close"} | answer.headers
    if answer.length:
        headers["Content-Length"] = str(len(answer.body))
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head, body = "\r\n".join(lines).encode(), answer.body[: len(answer.body) // 2] if answer.cut else answer.body
    _write(handler, head, answer.drip if answer.drip_from == "head" else 0.0)
    _write(handler, body, answer.drip)


def _write(handler: BaseHTTPRequestHandler, content: bytes, drip: float) -> None:
    for piece in [content] if not drip else (content[i : i + 1] for i in range(len(content))):
        handler.wfile.write(piece)
        time.sleep(drip)


# ------------------------------------------------------------------------------------------------ bars

def weekdays(first: date, count: int, close: float = 100.0) -> list[Bar]:
    """`count` bars on successive weekdays; each opens at the previous close and gains 0.25."""
    days = [d for i in range(count * 2) if (d := first + timedelta(days=i)).weekday() < 5][:count]
    return [Bar(d, c, c + 1.0, c - 1.0, c + 0.25, 1000.0 + i) for i, d in enumerate(days)
            for c in [close + 0.25 * i]]


def split(bars: Sequence[Bar], ratio: float) -> list[Bar]:
    """The same bars as a vendor shows them after a split of `ratio` new shares for one."""
    return [Bar(b.day, *(p / ratio for p in b[1:5]), b.volume * ratio) for b in bars]


def within(bars: Sequence[Bar], first: date, last: date) -> list[Bar]:
    return [b for b in bars if first <= b.day <= last]


# ------------------------------------------------------------------------------------------------ Massive (Polygon)

def massive(bars: Sequence[Bar], next_url: str | None = None, **changes: Any) -> Answer:
    """A page of aggregates, as https://massive.com/docs/rest/stocks/aggregates/custom-bars shows it."""
    rows = [{"v": b.volume, "vw": b.close, "o": b.open, "c": b.close, "h": b.high, "l": b.low,
             "t": _new_york_midnight(b.day), "n": 1} for b in bars]
    page = {"ticker": "X", "queryCount": len(rows), "resultsCount": len(rows), "adjusted": True, "results": rows,
            "status": "OK", "request_id": "1", "count": len(rows)} | changes
    if not rows and "results" not in changes:
        del page["results"]
    return Answer(json.dumps(page | ({"next_url": next_url} if next_url else {})).encode())


def massive_market(market: dict[str, list[Bar]], page: int = 50_000) -> Callable[[Request], Answer]:
    """Pages of `page` bars, each naming the next one under the vendor's own host, as the real one does."""
    def answer(request: Request) -> Answer:
        symbol, first, last = (request.path.split("/")[i] for i in (4, 8, 9))
        bars = within(market.get(symbol, []), date.fromisoformat(first), date.fromisoformat(last))
        start = int(request.query.get("cursor", 0))
        more = f"https://api.massive.com{request.path}?cursor={start + page}" if start + page < len(bars) else None
        return massive(bars[start : start + page], more)
    return answer


def _new_york_midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York")).timestamp() * 1000)


# ------------------------------------------------------------------------------------------------ Stooq

def stooq(bars: Sequence[Bar]) -> Answer:
    rows = [f"{b.day},{b.open:g},{b.high:g},{b.low:g},{b.close:g},{b.volume:g}" for b in bars]
    text = "\r\n".join(["Date,Open,High,Low,Close,Volume", *rows, ""]) if bars else "No data"
    return Answer(text.encode(), content_type="text/csv")


def stooq_market(market: dict[str, list[Bar]]) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        symbol = request.query["s"].removesuffix(".us").upper()
        first, last = (datetime.strptime(request.query[k], "%Y%m%d").date() for k in ("d1", "d2"))
        return stooq(within(market.get(symbol, []), first, last))
    return answer


# ------------------------------------------------------------------------------------------------ Yahoo

def yahoo(bars: Sequence[Bar], symbol: str = "X") -> Answer:
    """A chart, with the fields that yfinance reads; a bar's time is the open of its session in New York."""
    times = [_new_york_midnight(b.day) // 1000 + 34_200 for b in bars]
    quote = {name: [getattr(b, name) for b in bars] for name in ("open", "high", "low", "close", "volume")}
    meta = {"currency": "USD", "symbol": symbol, "exchangeName": "NMS", "instrumentType": "EQUITY",
            "firstTradeDate": 345479400, "regularMarketTime": times[-1] if times else 0, "gmtoffset": -18000,
            "timezone": "EST", "exchangeTimezoneName": "America/New_York", "regularMarketPrice": 1.0, "priceHint": 2,
            "dataGranularity": "1d", "range": "", "validRanges": ["1d", "5d", "max"]}
    indicators = {"quote": [quote], "adjclose": [{"adjclose": [b.close and b.close * 0.9 for b in bars]}]}
    result = {"meta": meta, "timestamp": times, "indicators": indicators} if bars else {
        "meta": meta, "indicators": {"quote": [{}]}}
    return Answer(json.dumps({"chart": {"result": [result], "error": None}}).encode())


def yahoo_error(status: int, code: str, description: str) -> Answer:
    return Answer(json.dumps({"chart": {"result": None, "error": {"code": code, "description": description}}}).encode(),
                  status)


def yahoo_market(market: dict[str, list[Bar]]) -> Callable[[Request], Answer]:
    """The chart, and the cookie and crumb pages that yfinance visits first."""
    def answer(request: Request) -> Answer:
        if request.path == "/v1/test/getcrumb":
            return Answer(b"crumb", content_type="text/plain")
        if not request.path.startswith("/v8/finance/chart/"):
            return Answer(b"", 404)
        symbol = request.path.rpartition("/")[2]
        if symbol not in market:
            return yahoo_error(404, "Not Found", "No data found, symbol may be delisted")
        if "range" in request.query:
            return yahoo(market[symbol][-1:], symbol)
        first, last = (datetime.fromtimestamp(int(request.query[k]), UTC).date() for k in ("period1", "period2"))
        return yahoo(within(market[symbol], first, last - timedelta(days=1)), symbol)
    return answer


# ------------------------------------------------------------------------------------------------ Binance

def binance(bars: Sequence[Bar], weight: int = 2) -> Answer:
    rows = [[_utc_midnight(b.day), *(f"{p:.8f}" for p in b[1:6]), _utc_midnight(b.day) + 86_399_999, "1.0", 1, "1.0",
             "1.0", "0"] for b in bars]
    return Answer(json.dumps(rows).encode(), headers={"X-MBX-USED-WEIGHT-1M": str(weight)})


def binance_market(market: dict[str, list[Bar]]) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if request.query["symbol"] not in market:
            return Answer(b'{"code":-1121,"msg":"Invalid symbol."}', 400)
        start, end = int(request.query["startTime"]), int(request.query["endTime"])
        bars = [b for b in market[request.query["symbol"]] if start <= _utc_midnight(b.day) <= end]
        return binance(bars[: int(request.query["limit"])])
    return answer


def _utc_midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def html(text: str) -> Answer:
    return Answer(f"<!DOCTYPE html><html><body>{text}</body></html>".encode(), content_type="text/html")


def truncated(answer: Answer) -> Answer:
    """The answer as a server sends it that stops in the middle and announces just that."""
    return replace(answer, body=answer.body[: len(answer.body) * 2 // 3])
