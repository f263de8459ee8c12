"""The backtest: strategies answer block by block, an account picks its trades, the kernel follows them to the exit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from kobe81.backtest import kernel
from kobe81.backtest.excursions import with_excursions
from kobe81.backtest.orders import EXIT, NO_NEXT_BAR, ORDER, REFUSALS, Prices, Terms, by_score, by_session, last_entries
from kobe81.backtest.results import Curve, Trades
from kobe81.core.bars import BLOCK_ROWS, Bars, Column, Floats, Ints
from kobe81.core.errors import DataError, UsageError, unknown_name
from kobe81.core.fees import rates
from kobe81.core.params import check_bounds, param
from kobe81.core.signals import Signals
from kobe81.indicators import prior, rolling_std
from kobe81.strategies import Strategy

if TYPE_CHECKING:
    import polars as pl

MODES = ("portfolio", "independent")
COSTS = ("us", "none")
SIZINGS = ("notional", "fraction", "risk", "volatility")
"""In the order of the kernel's codes."""
TRADING_DAYS = 252
THREADS_FROM = 2
"""Cores that one thread of signals is worth: between the kernels, which run side by side, the threads take turns."""


@dataclass(frozen=True)
class Account:
    """Who trades: with what money, in what size, at what cost. Source: docs/spec.md, Fills in a backtest."""

    mode: str = param("portfolio", None, None, "portfolio: shared cash; independent: every symbol on its own")
    cash: float = param(100_000.0, 1.0, 1e12, "dollars at the start")
    max_positions: int = param(20, 1, 10_000, "open positions at most (portfolio)")
    sizing: str = param("notional", None, None, "notional, fraction, risk or volatility")
    notional: float = param(1_000.0, 1.0, 1e12, "dollars per trade (sizing notional)")
    size: float = param(0.02, 1e-6, 10.0, "share of equity per trade: invested (fraction), lost at the stop (risk), "
                                          "or moved in a year (volatility)")
    slippage_bps: float = param(5.0, 0.0, 1_000.0, "basis points by which every fill is worse than the price seen")
    costs: str = param("us", None, None, "us: SEC and FINRA fees on sells, by date; none")

    def __post_init__(self) -> None:
        check_bounds(self)
        for name, known in (("mode", MODES), ("costs", COSTS), ("sizing", SIZINGS)):
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)

    @property
    def sizing_code(self) -> int:
        """The kernel's number for the sizing."""
        return SIZINGS.index(self.sizing)

    @property
    def amount(self) -> float:
        """What the sizing multiplies or divides: dollars for notional, a fraction for the others."""
        return self.notional if self.sizing == "notional" else self.size


class Windows(NamedTuple):
    """Half-open ranges of sessions, ascending: starts and ends, int64 each."""

    starts: Ints
    ends: Ints

    @classmethod
    def whole(cls, bars: Bars) -> Windows:
        """One window over everything."""
        return cls(np.zeros(1, np.int64), np.full(1, len(bars.sessions), np.int64))


def compute_signals(bars: Bars, strategies: Sequence[Strategy]) -> list[Signals]:
    """The signals of each strategy, computed block by block; ordered by bar."""
    def answer(block: tuple[int, Bars]) -> list[tuple[int, Signals]]:
        return [(block[0], strategy.generate_signals(block[1])) for strategy in strategies]

    workers = (os.cpu_count() or 1) // THREADS_FROM
    if workers < 2 or len(bars) <= BLOCK_ROWS:
        answers = [answer(block) for block in bars.blocks()]  # each block goes, with what it remembers, before the next
    else:
        with ThreadPoolExecutor(workers) as pool:
            answers = list(pool.map(answer, bars.blocks()))
    if not answers:
        raise DataError("no bars to compute signals on")
    return [Signals.join(parts) for parts in zip(*answers, strict=True)]


@dataclass(frozen=True, eq=False)
class Followed:
    """Signals on their way: what is known of each at once, and of its exit as soon as somebody asks."""

    prices: Prices
    orders: NDArray[np.void]
    exits: NDArray[np.void]
    terms: Terms
    sessions: int
    queue: tuple[Ints, Ints, Ints] | None

    @classmethod
    def of(cls, bars: Bars, signals: Signals, hold: int, account: Account) -> Followed:
        """The signals of one strategy, held for `hold` bars; queue: how they come up before a shared account."""
        n, sessions = len(signals), len(bars.sessions)
        o, h, lo, c = (np.asarray(getattr(bars, f)) for f in ("open", "high", "low", "close"))
        prices = Prices(o, h, lo, c, bars.session, bars.offsets)
        terms = Terms(hold, account.slippage_bps / 10_000.0, account.cash, account.max_positions,
                      account.sizing_code, account.amount)
        orders = np.empty(n, ORDER)
        kernel.arrive(signals.bar, signals.side, signals.stop, np.ascontiguousarray(signals.take_profit), signals.score,
                      _volatility(bars, signals, account), prices, terms.slippage, sessions, orders)
        queue = _queue(orders, sessions) if account.mode == "portfolio" else None
        return cls(prices, orders, _unknown(n), terms, sessions, queue)

    def held(self, hold: int) -> Followed:
        """The same signals, held for another number of bars."""
        return replace(self, exits=_unknown(len(self.orders)), terms=self.terms._replace(hold=hold))


def _unknown(signals: int) -> NDArray[np.void]:
    """Exits nobody has asked for yet."""
    exits = np.empty(signals, EXIT)
    exits["known"] = False
    return exits


def _queue(orders: NDArray[np.void], sessions: int) -> tuple[Ints, Ints, Ints]:
    """Signals by entry session and score, the first of each session, the latest entry by the signals' own session."""
    enters = column(orders, "enters")
    return (*by_score(enters, column(orders, "score"), sessions), last_entries(column(orders, "own"), enters, sessions))


class Selection(NamedTuple):
    """counts [windows, refusals], and of the signals that became trades: position, window, shares."""

    counts: NDArray[np.int64]
    signal: Ints
    window: Ints
    qty: Floats


def fee_table(bars: Bars, account: Account) -> Floats:
    """float64 [3, sessions]: SEC rate per dollar sold, TAF per share sold, its cap per trade."""
    if account.costs == "none":
        return np.zeros((3, len(bars.sessions)))
    return np.stack(rates(bars.sessions))


def _volatility(bars: Bars, signals: Signals, account: Account) -> Floats:
    """Annual volatility of the 20 bars up to each signal, where the sizing asks for it; else ones."""
    if account.sizing != "volatility":
        return np.ones(len(signals))
    moves = [cast(Column, block.close / prior(block.close) - 1.0) for _, block in bars.blocks()]
    parts = [np.asarray(rolling_std(move, 20)) for move in moves]
    annual: Floats = np.concatenate(parts)[signals.bar] * np.sqrt(TRADING_DAYS)
    return annual


def select(followed: Followed, account: Account, windows: Windows, fees: Floats, *, count: bool = False) -> Selection:
    """The trades an account makes of the signals, in each window from flat with its full cash.

    count: also count the refusals, for which every signal has to be looked at.
    """
    counts = np.zeros((len(windows.starts), len(REFUSALS) + 1 if count else 0), np.int64)
    path = followed.orders, followed.exits, followed.prices, followed.terms
    if account.mode == "independent":
        return Selection(counts, *kernel.select_independent(*windows, *path, followed.sessions, counts))
    if count:
        late = followed.orders["own"][followed.orders["refusal"] == NO_NEXT_BAR]
        counts[:, NO_NEXT_BAR] = [np.sum((late >= a) & (late < b)) for a, b in zip(*windows, strict=True)]
    return Selection(counts, *kernel.select_portfolio(*windows, followed.queue, *path, fees, counts))


def column(records: NDArray[np.void], name: str) -> NDArray[Any]:
    """One field of some records, as an array of its own."""
    return np.ascontiguousarray(records[name])


def taken(records: NDArray[np.void], index: Ints) -> NDArray[np.void]:
    """records[index], copied as words, because numpy copies records field by field."""
    words = records.view(np.uint64).reshape(len(records), records.dtype.itemsize // 8)
    return words[index].view(records.dtype).reshape(len(index))


class Fills(NamedTuple):
    """What marking trades to market needs: which orders became trades, their shares, and where all orders leave."""

    pick: Ints
    qty: Floats
    orders: NDArray[np.void]
    exits: NDArray[np.void]

    @classmethod
    def chosen(cls, followed: Followed, chosen: Selection) -> Fills:
        """The fills of the chosen signals."""
        return cls(chosen.signal, chosen.qty, followed.orders, followed.exits)

    @classmethod
    def of(cls, bars: Bars, trades: Trades) -> Fills:
        """The fills of finished trades."""
        orders, exits = np.zeros(len(trades), ORDER), np.zeros(len(trades), EXIT)
        orders["bar"], orders["side"], orders["fill"] = trades.signal, trades.side, trades.entry_price
        exits["row"], exits["session"], exits["price"] = trades.exit, bars.session[trades.exit], trades.exit_price
        return cls(np.arange(len(trades)), trades.qty, orders, exits)


class Marks(NamedTuple):
    """Daily changes of some curves, and how many trades each of them counts."""

    daily: Floats
    counts: Ints


def mark(bars: Bars, fills: Fills, place: Ints, base: Ints, width: int, fees: Floats, *, until: int | None = None,
         profit_only: bool = False) -> Marks:
    """Daily changes [4, curves, width] of profit, gross value, capital tied up and open positions; counts by curve.

    With `profit_only`, [1, curves, width]. place: the curve each trade belongs to; base: the session each curve begins
    at. Trades that have not left within `until` sessions of that (all of `width` by default) are left out.
    """
    daily = np.zeros((1 if profit_only else 4, len(base), width))
    counts = kernel.mark(place, base, width if until is None else until, *fills, fees, bars.session,
                         np.asarray(bars.close), daily)
    return Marks(daily, counts)


def make_curve(daily: Floats, dates: NDArray[np.int32], cash: float) -> Curve:
    """The equity curve of one account from its daily changes [4, sessions]."""
    profit, gross, tied, positions = np.cumsum(daily, axis=1)
    flat = positions < 0.5
    equity = cash + profit
    tied, gross = np.where(flat, 0.0, tied), np.where(flat, 0.0, gross)
    return Curve(dates, equity, equity - tied, gross / np.where(equity > 0.0, equity, np.nan), cash)


def _by_window_session_symbol(followed: Followed, chosen: Selection, symbols: int) -> Ints:
    """The order of the trades: two stable counting sorts, because a comparison sort takes longer than the backtest."""
    order, _ = by_session(followed.orders["symbol"][chosen.signal], symbols)
    moment = chosen.window * (followed.sessions + 1) + followed.orders["enters"][chosen.signal]
    later, _ = by_session(moment[order], len(chosen.counts) * (followed.sessions + 1))
    ordered: Ints = order[later]
    return ordered


def make_trades(bars: Bars, followed: Followed, chosen: Selection, fees: Floats) -> tuple[Trades, Ints]:
    """The chosen trades, their excursions still unknown, and their windows; by window, entry session, symbol."""
    order = _by_window_session_symbol(followed, chosen, len(bars.symbols))
    qty, unknown = chosen.qty[order], np.full(len(order), np.nan)
    orders, exits = (taken(records, chosen.signal[order]) for records in (followed.orders, followed.exits))
    row, side, fill, sold = orders["bar"] + 1, column(orders, "side"), column(orders, "fill"), column(exits, "price")
    paid = kernel.trade_fees(side, qty, fill, sold, column(orders, "enters"), column(exits, "session"), fees)
    trades = Trades(signal=row - 1, entry=row, exit=column(exits, "row"), side=side, qty=qty, entry_price=fill,
                    exit_price=sold, stop=column(orders, "stop"), target=column(orders, "target"),
                    score=column(orders, "score"), fees=paid, reason=column(exits, "reason"), mae=unknown, mfe=unknown)
    return trades, chosen.window[order]


@dataclass(frozen=True, eq=False)
class Backtest:
    """One strategy, one account, one set of bars: what it did."""

    bars: Bars
    strategy: Strategy
    account: Account
    signals: Signals
    fills: Trades
    curve: Curve
    refusals: dict[str, int]

    @cached_property
    def trades(self) -> pl.DataFrame:
        """The trades, one row each, with the columns of trade_list.csv."""
        return self.fills.to_frame(self.bars, self.strategy.name)

    @cached_property
    def equity(self) -> pl.DataFrame:
        """The equity curve, one row per session, with the columns of equity_curve.csv."""
        return self.curve.to_frame()


def check_length(bars: Bars, strategy: Strategy) -> None:
    """Raise DataError where no symbol has the bars for one signal and one entry."""
    longest = int(np.diff(bars.offsets).max()) if len(bars) else 0
    if longest < strategy.warmup + 1:
        raise DataError(f"{bars.origin.source}: the longest symbol has {longest} bars; {strategy.name} needs at least "
                        f"{strategy.warmup + 1} ({strategy.warmup} before its first signal can stand, 1 to enter on). "
                        f"Give a longer span or smaller windows (--set trend=...)")


def check_defined(strategy: Strategy, signals: Signals) -> None:
    """Raise UsageError where a signal's numbers are none."""
    defined = np.isfinite(signals.stop) & np.isfinite(signals.score) & np.isfinite(signals.entry)
    if not defined.all():
        where = int(signals.bar[np.argmin(defined)])
        raise UsageError(f"{strategy.name} gave a signal without a finite entry, stop or score at row {where}; "
                         f"mend the strategy so that undefined inputs give no signal")


def run_signals(bars: Bars, strategy: Strategy, account: Account, signals: Signals) -> Backtest:
    """The backtest of signals already computed."""
    check_defined(strategy, signals)
    followed = Followed.of(bars, signals, strategy.hold, account)
    fees = fee_table(bars, account)
    chosen = select(followed, account, Windows.whole(bars), fees, count=True)
    trades, window = make_trades(bars, followed, chosen, fees)
    daily = mark(bars, Fills.of(bars, trades), window, np.zeros(1, np.int64), len(bars.sessions), fees).daily
    refusals = {text: int(chosen.counts[0, code]) for code, text in REFUSALS.items()}
    return Backtest(bars, strategy, account, signals, with_excursions(bars, trades),
                    make_curve(daily[:, 0], bars.sessions, account.cash), refusals)


def backtest(bars: Bars, strategy: Strategy, account: Account | None = None) -> Backtest:
    """Trade a strategy over all bars. DataError where the bars are too few for one signal."""
    return backtests(bars, [strategy], account)[0]


def backtests(bars: Bars, strategies: Sequence[Strategy], account: Account | None = None) -> list[Backtest]:
    """Trade several strategies over the same bars, each with an account of its own; they share their indicators."""
    for strategy in strategies:
        check_length(bars, strategy)
    found = zip(strategies, compute_signals(bars, strategies), strict=True)
    return [run_signals(bars, strategy, account or Account(), signals) for strategy, signals in found]
