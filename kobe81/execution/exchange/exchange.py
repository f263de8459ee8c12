"""The exchange: one account that trades over Alpaca's REST protocol, answered in process.

    exchange = Exchange(BarQuotes(bars), clock, store=folder / "exchange.db")
    exchange.handle(Request("POST", "/v2/orders", {}, body, headers))

Time comes from `clock` alone. Before a request is answered, everything has happened that the prices until then made
happen; when the answer leaves, what it tells is on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from threading import RLock
from typing import Any

from kobe81.core.clock import utc
from kobe81.execution.exchange.account_desk import AccountDesk
from kobe81.execution.exchange.floor import Floor
from kobe81.execution.exchange.market_desk import MarketDesk
from kobe81.execution.exchange.order_desk import OrderDesk
from kobe81.execution.exchange.quotes import QuoteSource
from kobe81.execution.exchange.routes import Route, answer
from kobe81.execution.exchange.store import State, Store
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Refusal, Request, Response, reply

KEY_HEADER, SECRET_HEADER = "apca-api-key-id", "apca-api-secret-key"


class Exchange:
    """One account at a local exchange. Its methods may be called from several threads.

    store: the file that keeps it; None keeps it in memory. seed: ids and partial fills follow from it; a store keeps
    the one it began with. keys: the key and secret that are accepted; None accepts any. DataError where the store
    is not one.
    """

    def __init__(self, quotes: QuoteSource, clock: Callable[[], datetime], *, store: Path | None = None,
                 terms: Terms = Terms(), seed: int = 0, keys: tuple[str, str] | None = None) -> None:  # noqa: B008
        self._quotes, self._clock, self._terms, self._keys = quotes, clock, terms, keys
        self._lock, self._listeners = RLock(), list[Callable[[dict[str, Any]], None]]()
        self._store = Store(store)
        self._open(seed)

    def handle(self, request: Request) -> Response:
        """One REST call. A client's mistake is answered as Alpaca answers it; 500 where nothing could be written."""
        with self._lock:
            try:
                return self._do(lambda: self._answer(request))
            except sqlite3.Error as error:
                return reply(500, {"code": 50010000, "message": f"internal server error occurred: {error}"})

    def advance(self, now: datetime | None = None) -> None:
        """Let everything happen that prices until `now` (default: the clock's) make happen.

        sqlite3.Error where it could not be kept; then it has not happened, and may the next time.
        """
        with self._lock:
            self._do(lambda: reply(204), now)

    def subscribe(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call `listener` with every trade update's data from now on, after it is on disk and in order.

        It is called while the exchange waits, so it must be quick.
        """
        with self._lock:
            self._listeners.append(listener)

    def halt(self, symbol: str, halted: bool = True) -> None:
        """Halt trading in a symbol, or resume it. Orders rest meanwhile; quotes are the last before the halt."""
        with self._lock:
            self._do(lambda: self._changed(self._floor.halt, symbol, halted))

    def ban(self, symbol: str, banned: bool = True) -> None:
        """Make a symbol untradable: it is shown so, and new orders in it are refused. Or lift that."""
        with self._lock:
            self._do(lambda: self._changed(self._floor.ban, symbol, banned))

    def close(self) -> None:
        """Let go of the store's file."""
        with self._lock:
            self._store.close()

    def _open(self, seed: int) -> None:
        """Start from what the store holds, or with a new account."""
        known = self._store.load()
        if known is None:
            now = utc(self._clock())
            known = State(at=now, opened_at=now, cash=Decimal(str(self._terms.cash)), seed=seed)
            self._store.save(known, [], [])
        self._floor = Floor(self._quotes, self._terms, known)
        orders = OrderDesk(self._floor)
        self._routes: list[Route] = [
            *orders.routes(), *AccountDesk(self._floor, orders).routes(), *MarketDesk(self._floor).routes()]

    def _do(self, work: Callable[[], Response], now: datetime | None = None) -> Response:
        """Bring the market up to now, do the work, let the market answer it, keep everything, tell the listeners."""
        try:
            self._floor.advance(utc(now or self._clock()))
            response = work()
            self._floor.advance(self._floor.at)
            self._keep()
        except sqlite3.Error:
            self._open(self._floor.seed)  # what could not be kept has not happened
            raise
        return response

    def _answer(self, request: Request) -> Response:
        try:
            self._check_keys(request.headers)
            return answer(self._routes, request)
        except Refusal as refusal:
            return reply(refusal.status, refusal.body)

    def _changed(self, change: Callable[[str, bool], None], symbol: str, to: bool) -> Response:
        change(symbol.upper(), to)
        self._store.save(self._floor.facts(), [], [])
        return reply(204)

    def _keep(self) -> None:
        orders, told = self._floor.book.settle(), self._floor.told
        activities = self._floor.account.settle()
        if orders or activities:
            self._store.save(self._floor.facts(), orders, activities)
        self._floor.told = []
        for data in told:
            for listener in self._listeners:
                listener(data)

    def _check_keys(self, headers: Mapping[str, str]) -> None:
        given = {name.lower(): value for name, value in headers.items()}
        key, secret = given.get(KEY_HEADER), given.get(SECRET_HEADER)
        if not key or not secret:
            raise Refusal(403, None, "forbidden.")
        if self._keys is not None and (key, secret) != self._keys:
            raise Refusal(401, 40110000, "request is not authorized")
