"""Portfolio mode of the specification: "shared cash, at most 20 positions, fixed notional per trade"."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from tests.oracle.fills import (
    Exit,
    Fee,
    Position,
    Terms,
    Trade,
    close_position,
    exit_at_open,
    exit_during_bar,
    in_order,
    open_position,
    place,
)
from tests.oracle.rules import Bars, Params, Signal, signals, with_defaults

Row = tuple[dt.date, float, float, float]


def portfolio(bars: Bars, strategy: str, params: Params | None = None, notional: float = 1000.0,
              slippage_bps: float = 5.0, hold: int | None = None, fee: Fee | None = None, cash: float = 100_000.0,
              max_positions: int = 20) -> tuple[list[Trade], list[Row]]:
    """The trade list and one row (date, equity, cash, exposure) per session; hold as in `independent`."""
    hold = with_defaults(params)["hold"] if hold is None else hold
    terms = Terms(hold, notional, slippage_bps, fee, cash, max_positions)
    return trade_together(bars, signals(bars, strategy, params), terms, sessions_of(bars))


def sessions_of(bars: Bars) -> list[dt.date]:
    """"Sessions are the union of the symbols' dates"."""
    return sorted({bar.date for series in bars.values() for bar in series})


def trade_together(bars: Bars, found: Sequence[Signal], terms: Terms,
                   sessions: Sequence[dt.date]) -> tuple[list[Trade], list[Row]]:
    """"one pass per session: (a) ... (b) ... (c) ... Equity is marked at each close"."""
    account, by_entry_date = Account(bars, terms), defaultdict(list)
    for signal in found:
        for bar in bars[signal["symbol"]][signal["index"] + 1 : signal["index"] + 2]:
            by_entry_date[bar.date].append(signal)
    rows = []
    for today in sessions:
        left = account.leave_at_open(today)
        account.enter(today, [s for s in by_entry_date[today] if s["symbol"] not in left])
        account.leave_during_bar(today)
        rows.append(account.mark(today))
    return in_order(account.trades), rows


class Account:
    """The shared cash and what is held of it: a position and its last known close per symbol."""

    def __init__(self, bars: Bars, terms: Terms) -> None:
        self.bars, self.terms, self.cash = bars, terms, terms.cash
        self.held: dict[str, Position] = {}
        self.last_close: dict[str, float] = {}
        self.trades: list[Trade] = []

    def _with_a_bar(self, today: dt.date) -> list[tuple[str, Position, int]]:
        """Open positions whose symbol trades today, each with its bar."""
        places = [(s, held, place(self.bars[s], today)) for s, held in self.held.items()]
        return [(s, held, i) for s, held, i in places if self.bars[s][i].date == today]

    def leave_at_open(self, today: dt.date) -> set[str]:
        """"(a) positions whose open gaps through the stop leave at the open and free their cash and their slot, but
        do not re-enter at that open": the symbols that left."""
        left = set()
        for symbol, held, i in self._with_a_bar(today):
            leaving = exit_at_open(self.bars[symbol], held, i)
            if leaving:
                self._close(symbol, i, leaving)
                left.add(symbol)
        return left

    def enter(self, today: dt.date, candidates: Sequence[Signal]) -> None:
        """"(b) entries at the open, by score descending, then symbol ascending, while slots and cash (qty x fill)
        allow: what does not fit is refused, not resized". Chosen: after a refusal the next candidate is tried."""
        for signal in sorted(candidates, key=lambda s: (-s["score"], s["symbol"])):
            symbol = signal["symbol"]
            if symbol in self.held or len(self.held) >= self.terms.max_positions:
                continue
            position = open_position(self.bars[symbol], signal, self.terms)
            if position and position.cost <= self.cash:
                self.held[symbol] = position
                self.cash -= position.cost + position.fee

    def leave_during_bar(self, today: dt.date) -> None:
        """"(c) stops, targets, time exits and ends during the bar; their cash is free the next session"."""
        for symbol, held, i in self._with_a_bar(today):
            leaving = exit_during_bar(self.bars[symbol], held, i, self.terms)
            if leaving:
                self._close(symbol, i, leaving)

    def _close(self, symbol: str, i: int, leaving: Exit) -> None:
        """Gives back what the position cost and what it made; the fee of a long's sale is charged here."""
        held = self.held.pop(symbol)
        trade = close_position(self.bars[symbol], held, i, leaving, self.terms)
        self.trades.append(trade)
        self.cash += held.cost + trade["gross_pnl"] - (trade["fees"] - held.fee)

    def mark(self, today: dt.date) -> Row:
        """"Equity is marked at each close (last known close where a symbol has no bar)". Chosen: exposure is the gross
        market value of the open positions on equity."""
        for symbol, _, i in self._with_a_bar(today):
            self.last_close[symbol] = self.bars[symbol][i].close
        worth = sum(held.cost + held.profit(self.last_close[symbol]) for symbol, held in self.held.items())
        gross = sum(held.qty * self.last_close[symbol] for symbol, held in self.held.items())
        equity = self.cash + worth
        return today, equity, self.cash, gross / equity
