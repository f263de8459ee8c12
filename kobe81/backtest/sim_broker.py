"""SimBroker: the broker of a backtest. It fills on daily bars, as docs/spec.md says, and tells it as events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from kobe81.core.approved import Approved
from kobe81.core.bars import Bars, Floats
from kobe81.core.decisions import Quote
from kobe81.core.events import AnyEvent, Filled, OrderMoved
from kobe81.core.money import ZERO, decimal
from kobe81.core.orders import Fill, Intent, Side, State
from kobe81.engine.book import Book, Order, Position


class Bar(NamedTuple):
    """One symbol's day."""

    row: int
    open: float
    high: float
    low: float
    close: float


class SimBroker:
    """Fills orders on the bars of one session at a time. slippage: a fraction; fees: float64 [3, sessions], as
    backtest.engine.fee_table."""

    name = "sim"

    def __init__(self, bars: Bars, slippage: float, fees: Floats) -> None:
        self._bars, self._slippage, self._fees, self._fills = bars, slippage, fees, 0
        self._number = {symbol: i for i, symbol in enumerate(bars.symbols)}
        rows = np.full((len(bars.symbols), len(bars.sessions)), -1, np.int32)
        rows[bars.symbol_index, bars.session] = np.arange(len(bars), dtype=np.int32)
        self._rows, self._latest = rows, np.maximum.accumulate(rows, axis=1)

    def bar(self, symbol: str, session: int) -> Bar | None:
        """The symbol's bar of a session (a position in bars.sessions), None where it has none."""
        row = int(self._rows[self._number[symbol], session])
        if row < 0:
            return None
        b = self._bars
        return Bar(row, float(b.open[row]), float(b.high[row]), float(b.low[row]), float(b.close[row]))

    def last_close(self, symbol: str, session: int) -> Decimal:
        """The latest close up to a session."""
        return decimal(self._bars.close[self._latest[self._number[symbol], session]])

    def bars_held(self, symbol: str, entered: int, session: int) -> int:
        """The symbol's own bars from one session to another, both included."""
        span = self._rows[self._number[symbol], entered : session + 1]
        return int(np.count_nonzero(span >= 0))

    def ends(self, bar: Bar) -> bool:
        """Whether the bar is its symbol's last."""
        return bool(bar.row + 1 == self._bars.offsets[self._bars.symbol_index[bar.row] + 1])

    def quote(self, price: float, at: datetime) -> Quote:
        """What the market shows at a price: slippage is the half-spread."""
        return Quote(bid=decimal(price * (1.0 - self._slippage)), ask=decimal(price * (1.0 + self._slippage)),
                     last=decimal(price), at=at)

    def take(self, orders: Iterable[Approved[Intent]]) -> Iterator[AnyEvent]:
        """The orders arrive, and rest."""
        for order in orders:
            for state in (State.SENT, State.ACCEPTED):
                yield OrderMoved(order=order.value.id, state=state)

    def fill(self, intent: Intent, price: Decimal, session: int, at: datetime) -> Filled:
        """All of an order at a price."""
        self._fills += 1
        fee = self._fee(float(price), intent.qty, session) if intent.side == "sell" else ZERO
        side: Side = intent.side
        return Filled(fill=Fill(execution=f"sim-{self._fills}", order=intent.id, symbol=intent.symbol, side=side,
                                qty=Decimal(intent.qty), price=price, at=at, fee=fee))

    def gaps(self, book: Book, session: int, today: date, at: datetime) -> Iterator[AnyEvent]:
        """Stops that the open jumps over fill there; on its first day a position cannot be gapped."""
        for stop, position, bar in self._standing(book, session):
            if position.entered < today and bar.open <= float(position.protect or 0):
                yield self.fill(stop.intent, decimal(bar.open * (1.0 - self._slippage)), session, at)

    def stops(self, book: Book, session: int, at: datetime) -> Iterator[AnyEvent]:
        """Stops that the day's low reaches fill at their price."""
        for stop, position, bar in self._standing(book, session):
            price = float(position.protect or 0)
            if bar.low <= price:
                yield self.fill(stop.intent, decimal(price * (1.0 - self._slippage)), session, at)

    def targets(self, book: Book, session: int) -> Iterator[tuple[str, float]]:
        """Symbols whose high reaches the target of their position, and the price there."""
        for _, position, bar in self._standing(book, session):
            if position.target is not None and bar.high >= float(position.target):
                yield position.symbol, max(bar.open, float(position.target))

    def _standing(self, book: Book, session: int) -> Iterator[tuple[Order, Position, Bar]]:
        for symbol, position in sorted(book.positions.items()):
            bar = self.bar(symbol, session)
            stop = next((o for o in book.open_orders(symbol) if o.intent.leg == "stop"), None)
            if bar and stop:
                yield stop, position, bar

    def _fee(self, price: float, qty: int, session: int) -> Decimal:
        per_dollar, per_share, cap = (float(x) for x in self._fees[:, session])
        return decimal(per_dollar * qty * price + min(per_share * qty, cap))
