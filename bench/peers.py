"""The same rules in vectorbt and backtesting.py, as near as each gets to spec.md; imported only to be measured.

vectorbt works on one matrix of sessions by symbols, so a missing bar inside a symbol's life becomes a flat one. It
looks at a stop from the bar after the entry on, never on the entry bar itself. Its walk-forward is one run per
parameter set over everything, cut into windows afterwards: windows do not start flat, and nothing is purged.

backtesting.py takes one symbol at a time. It fills every order at an open, so the time exit comes at the open after the
fifth bar instead of its close, and the number of shares must be set before the price they are bought at is known.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import vectorbt as vbt
from backtesting import Backtest, Strategy
from numba import njit
from vectorbt.portfolio.enums import StopEntryPrice, StopExitPrice

from bench import bare
from bench.jobs import DEFAULT_SET, GRID, WALKED, arrays, run_bare
from bench.measure import Job, Outcome
from kobe81.core.bars import Bars

EVERY = 30
"""backtesting.py runs on every thirtieth symbol, and its time is multiplied by this."""
ROUNDS = 3


class Frames(NamedTuple):
    """Prices as vectorbt takes them: sessions by symbols."""

    open: pd.DataFrame
    high: pd.DataFrame
    low: pd.DataFrame
    close: pd.DataFrame


def frames(bars: Bars) -> Frames:
    """The bars as matrices; a session without a bar inside a symbol's life repeats the last close."""
    index = pd.DatetimeIndex(bars.sessions.astype("datetime64[D]").astype("datetime64[ns]"))

    def wide(name: str) -> pd.DataFrame:
        matrix = np.full((len(index), len(bars.symbols)), np.nan)
        matrix[bars.session, bars.symbol_index] = getattr(bars, name)
        return pd.DataFrame(matrix, index=index, columns=list(bars.symbols))

    close = wide("close")
    last = close.ffill().where(close.bfill().notna())
    return Frames(wide("open").fillna(last), wide("high").fillna(last), wide("low").fillna(last), last)


def signals(kind: int, prices: Frames, lookback: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(where the rule gives a signal, ATR of the bar before)."""
    _, high, low, close = prices
    before = close.vbt.fshift(1)
    trend, atr = close.vbt.rolling_mean(bare.TREND).vbt.fshift(1), _wilder(high, low, before).vbt.fshift(1)
    if kind == bare.DONCHIAN:
        setup = close > high.vbt.rolling_max(lookback).vbt.fshift(1)
    else:
        level = low.vbt.rolling_min(lookback).vbt.fshift(1)
        setup = (low < level) & (close > level) & (low.vbt.rolling_min(bare.MIN_AGE - 1).vbt.fshift(1) > level)
    return setup & (close > trend) & (close >= bare.MIN_PRICE) & (atr > 0), atr


def _wilder(high: pd.DataFrame, low: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Wilder's ATR as an exponential mean that begins with the mean of the first true ranges."""
    wide = np.maximum(high, before) - np.minimum(low, before)
    seen = wide.notna().cumsum()
    first = wide.vbt.rolling_mean(bare.ATR)
    seeded = wide.where(seen != bare.ATR, first).where(seen >= bare.ATR)
    return seeded.vbt.ewm_mean(2 * bare.ATR - 1, minp=1, adjust=False)


@njit
def _stop(c: Any, hold: int, low: Any, exit_kind: Any) -> Any:
    """On the last bar held, unless the stop is touched: a stop that is always touched, filled at the close."""
    if c.position_now > 0 and c.i - c.init_i >= hold - 1 and low[c.i, c.col] > c.init_price * (1 - c.curr_stop):
        exit_kind[c.i, c.col] = StopExitPrice.Close
        return 0.0, False
    return c.curr_stop, c.curr_trail


@njit
def _target(c: Any, hold: int, exit_kind: Any) -> Any:
    """The other half of the stop that is always touched: one of them is on the near side of the open."""
    return 0.0 if c.position_now > 0 and exit_kind[c.i, c.col] == StopExitPrice.Close else np.nan


def portfolio(prices: Frames, found: pd.DataFrame, atr: pd.DataFrame, stop_atr: float, hold: int) -> Any:
    """vectorbt's portfolio of every symbol on its own."""
    price = prices.open
    stop = (prices.close - stop_atr * atr).vbt.fshift(1)
    entries = found.vbt.fshift(1, fill_value=False).astype(bool) & (price > stop) & (price <= bare.NOTIONAL)
    exit_kind = np.full(price.shape, StopExitPrice.StopLimit)
    return vbt.Portfolio.from_signals(
        prices.close, entries=entries, exits=False, price=price, size=np.floor(bare.NOTIONAL / price),
        open=price, high=prices.high, low=prices.low, sl_stop=(1 - stop / price).where(entries),
        tp_stop=np.nan, stop_entry_price=StopEntryPrice.FillPrice, stop_exit_price=exit_kind,
        adjust_sl_func_nb=_stop, adjust_sl_args=(hold, prices.low.to_numpy(), exit_kind),
        adjust_tp_func_nb=_target, adjust_tp_args=(hold, exit_kind), use_stops=True, init_cash=bare.CASH, freq="1D")


def run_vectorbt(prices: Frames) -> Outcome:
    """Both strategies."""
    count, pnl = 0, 0.0
    for kind in range(len(bare.NAMES)):
        found, atr = signals(kind, prices, bare.LOOKBACK)
        profit = portfolio(prices, found, atr, bare.STOP_ATR, bare.HOLD).trades.records["pnl"]
        count, pnl = count + len(profit), pnl + float(profit.sum())
    return Outcome(count, pnl)


def run_vectorbt_walk(prices: Frames) -> Outcome:
    """The walk-forward with the grid; out-of-sample trades."""
    kind = bare.NAMES.index(WALKED)
    score, made = [], []
    for lookback in GRID["lookback"]:
        found, atr = signals(kind, prices, int(lookback))
        for stop_atr in GRID["stop_atr"]:
            for hold in GRID["hold"]:
                result = portfolio(prices, found, atr, stop_atr, int(hold))
                trades = result.trades.records[["entry_idx", "pnl"]].to_numpy()
                score.append(_window_sharpes(result.value().sum(axis=1), trades[:, 0]))
                made.append(trades)
    return _out_of_sample(np.array(score), made)


def _window_sharpes(value: pd.Series, entry: np.ndarray[Any, Any]) -> list[float]:
    """Sharpe of each training window; NaN with too few trades."""
    profit = value.diff().fillna(0.0).to_numpy()
    scores = []
    for start in range(0, len(profit) - bare.TRAIN - bare.TEST + 1, bare.TEST):
        equity = bare.CASH + np.cumsum(profit[start : start + bare.TRAIN])
        returns = np.diff(equity, prepend=bare.CASH) / np.concatenate([[bare.CASH], equity[:-1]])
        enough = np.sum((entry >= start) & (entry < start + bare.TRAIN)) >= bare.MIN_TRADES
        scores.append(returns.mean() / returns.std(ddof=1) if enough else np.nan)
    return scores


def _out_of_sample(score: np.ndarray[Any, Any], made: list[np.ndarray[Any, Any]]) -> Outcome:
    """The trades that the best set of each split enters in its test window."""
    count, pnl = 0, 0.0
    for split in range(score.shape[1]):
        best = DEFAULT_SET if np.isnan(score[:, split]).all() else int(np.nanargmax(score[:, split]))
        signal = made[best][:, 0] - 1
        begin = split * bare.TEST + bare.TRAIN
        profit = made[best][(signal >= begin) & (signal < begin + bare.TEST), 1]
        count, pnl = count + len(profit), pnl + float(profit.sum())
    return Outcome(count, pnl)


class Rule(Strategy):
    """Buys where the column Signal says so, with the stop of the column Stop."""

    def init(self) -> None:
        """Nothing to prepare: the columns are there."""

    def next(self) -> None:
        """One bar: leave after the fifth held, else enter on a signal."""
        if self.position and len(self.data) - self.trades[0].entry_bar >= bare.HOLD:
            self.position.close()
        elif not self.position and self.data.Signal[-1]:
            shares = math.floor(bare.NOTIONAL / self.data.Close[-1])
            if shares:
                self.buy(size=shares, sl=self.data.Stop[-1])


def run_backtesting(prices: Frames) -> Outcome:
    """Both strategies, symbol by symbol."""
    count, pnl = 0, 0.0
    for kind in range(len(bare.NAMES)):
        found, atr = signals(kind, prices, bare.LOOKBACK)
        stop = prices.close - bare.STOP_ATR * atr
        for symbol in prices.close.columns:
            table = pd.DataFrame({"Open": prices.open[symbol], "High": prices.high[symbol], "Low": prices.low[symbol],
                                  "Close": prices.close[symbol], "Signal": found[symbol], "Stop": stop[symbol]})
            stats = Backtest(table.dropna(subset="Close"), Rule, cash=bare.CASH, finalize_trades=True).run()
            count, pnl = count + len(stats._trades), pnl + float(stats._trades.PnL.sum())
    return Outcome(count, pnl)


def vectorbt_jobs(bars: Bars) -> list[Job]:
    """What vectorbt is timed at."""
    prices = frames(bars)
    return [Job("vectorbt_independent", lambda: run_vectorbt(prices), ROUNDS),
            Job("vectorbt_walk_forward", lambda: run_vectorbt_walk(prices), ROUNDS)]


def peer_jobs(bars: Bars) -> list[Job]:
    """The peers' jobs, and the bare loop's on the symbols that backtesting.py runs on, to compare its profit with."""
    few = bars.select(bars.symbols[::EVERY])
    some, plain = frames(few), arrays(few)
    scale = len(bars.symbols) / len(few.symbols)
    return [*vectorbt_jobs(bars), Job("backtesting_independent", lambda: run_backtesting(some), ROUNDS, scale),
            Job("bare_few", lambda: run_bare(plain), ROUNDS)]
