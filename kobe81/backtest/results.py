"""What a backtest leaves behind: the trades and the equity curve, as arrays and as the frames of the output files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kobe81.core.bars import Bars, Days, Floats, Ints

if TYPE_CHECKING:
    import polars as pl

EXIT_REASONS = ("stop", "target", "time", "end")


@dataclass(frozen=True, eq=False)
class Trades:
    """Closed trades, one array per attribute, all of one length, ordered by entry session, then symbol.

    signal, entry, exit: int64 rows in the Bars they were made on. side: +1 long, -1 short. qty: whole shares.
    entry_price, exit_price: fills, slippage included. stop, target: prices (target NaN where none). gross_pnl,
    fees, net_pnl: dollars. reason: position in EXIT_REASONS. mae, mfe: worst and best excursion from the entry price
    while held, as a fraction of it (mae <= 0 <= mfe), never looking past the bar of the exit.
    """

    signal: Ints
    entry: Ints
    exit: Ints
    side: NDArray[np.int8]
    qty: Floats
    entry_price: Floats
    exit_price: Floats
    stop: Floats
    target: Floats
    score: Floats
    fees: Floats
    reason: NDArray[np.int8]
    mae: Floats
    mfe: Floats

    def __len__(self) -> int:
        return len(self.entry)

    @cached_property
    def gross_pnl(self) -> Floats:
        """Dollars before fees."""
        pnl: Floats = (self.exit_price - self.entry_price) * self.qty * self.side
        return pnl

    @cached_property
    def net_pnl(self) -> Floats:
        """Dollars after fees."""
        return self.gross_pnl - self.fees

    @cached_property
    def returns(self) -> Floats:
        """Net profit as a fraction of what was put in (qty x entry price)."""
        returns: Floats = self.net_pnl / (self.qty * self.entry_price)
        return returns

    @cached_property
    def bars_held(self) -> Ints:
        """Bars from entry to exit, both counted."""
        return self.exit - self.entry + 1

    @classmethod
    def join(cls, parts: Sequence[Trades]) -> Trades:
        """The trades of several parts, one after the other."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def take(self, index: Ints | NDArray[np.bool_]) -> Trades:
        """The trades at these positions (or where the mask is true)."""
        return Trades(*(getattr(self, f.name)[index] for f in fields(self)))

    def to_frame(self, bars: Bars, strategy: str) -> pl.DataFrame:
        """trade_list.csv: one row per trade, with the columns of the specification."""
        import polars as pl

        def date(rows: Ints) -> pl.Series:
            return pl.Series(bars.date[rows], dtype=pl.Int32).cast(pl.Date)

        symbols = np.array(bars.symbols, dtype=object)[bars.symbol_index[self.entry]]
        return pl.DataFrame({
            "symbol": pl.Series(symbols.tolist(), dtype=pl.String),
            "strategy": pl.Series([strategy] * len(self), dtype=pl.String),
            "side": pl.Series(np.where(self.side > 0, "long", "short").tolist(), dtype=pl.String),
            "signal_date": date(self.signal),
            "entry_date": date(self.entry),
            "entry_price": self.entry_price,
            "exit_date": date(self.exit),
            "exit_price": self.exit_price,
            "qty": self.qty.astype(np.int64),
            "stop": self.stop,
            "score": self.score,
            "gross_pnl": self.gross_pnl,
            "fees": self.fees,
            "net_pnl": self.net_pnl,
            "return": self.returns,
            "bars_held": self.bars_held,
            "exit_reason": pl.Series([EXIT_REASONS[r] for r in self.reason], dtype=pl.String),
        })


@dataclass(frozen=True, eq=False)
class Curve:
    """Equity at each session's close. date: int32 days; equity, cash, exposure: float64; initial: dollars before it.

    exposure is the gross market value of the open positions as a fraction of equity.
    """

    date: Days
    equity: Floats
    cash: Floats
    exposure: Floats
    initial: float

    def __len__(self) -> int:
        return len(self.date)

    @cached_property
    def returns(self) -> Floats:
        """Each session's return on the equity of the session before (the first: on the initial cash).

        NaN, undefined, on what is not above zero: a ruined account has no returns.
        """
        before = np.concatenate([[self.initial], self.equity[:-1]])
        returns: Floats = self.equity / np.where(before > 0.0, before, np.nan) - 1.0
        return returns

    @cached_property
    def drawdown(self) -> Floats:
        """Equity under its running peak (the initial cash counts), as a fraction <= 0."""
        peak = np.maximum.accumulate(np.concatenate([[self.initial], self.equity]))[1:]
        drawdown: Floats = self.equity / peak - 1.0
        return drawdown

    def to_frame(self) -> pl.DataFrame:
        """equity_curve.csv: date, equity, cash, exposure, return, drawdown."""
        import polars as pl

        return pl.DataFrame({
            "date": pl.Series(self.date, dtype=pl.Int32).cast(pl.Date),
            "equity": self.equity, "cash": self.cash, "exposure": self.exposure,
            "return": self.returns, "drawdown": self.drawdown,
        }).with_columns(pl.col(pl.Float64).fill_nan(None))
