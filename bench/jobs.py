"""What this product and the bare loop are timed at. All of it warm: kernels compiled, bars in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bench import bare
from bench.data import Source
from bench.measure import Job, Outcome
from kobe81.backtest.engine import Account, backtests
from kobe81.backtest.results import Trades
from kobe81.backtest.walk_forward import walk_forward
from kobe81.core.bars import Bars
from kobe81.strategies import strategy

GRID: dict[str, list[float]] = {"lookback": [10, 20, 30, 55], "stop_atr": [1.5, 2.0, 3.0], "hold": [5, 10]}
DEFAULT_SET = 8
"""Where the default parameters stand in the grid."""
ALONE = Account(mode="independent", slippage_bps=0.0, costs="none")
SHARED_CASH = replace(ALONE, mode="portfolio")
WALKED = "donchian"
ROUNDS = 7


def arrays(bars: Bars) -> bare.Arrays:
    """The bars as the bare loop takes them."""
    return bare.Arrays(bars.offsets, np.asarray(bars.open), np.asarray(bars.high), np.asarray(bars.low),
                       np.asarray(bars.close), bars.session)


def run_product(bars: Bars, account: Account) -> Outcome:
    """Both strategies, signals to trades and equity."""
    return _sum(result.fills for result in backtests(bars, [strategy(name) for name in bare.NAMES], account))


def run_walk(bars: Bars, account: Account, name: str = WALKED) -> Outcome:
    """The walk-forward with the grid; out-of-sample trades."""
    return _sum([walk_forward(bars, strategy(name), GRID, account).trades])


def run_bare(plain: bare.Arrays) -> Outcome:
    """Both strategies in the bare loop."""
    found = [bare.trades(kind, plain) for kind in range(len(bare.NAMES))]
    return Outcome(sum(len(t[0]) for t in found), float(sum((t[2] * (t[4] - t[3])).sum() for t in found)))


def run_bare_walk(plain: bare.Arrays, name: str = WALKED) -> Outcome:
    """The walk-forward in the bare loop."""
    lookbacks, stops, holds = (np.array(values) for values in GRID.values())
    _, parts = bare.walk_forward(bare.NAMES.index(name), plain, lookbacks, stops, holds, DEFAULT_SET)
    return Outcome(sum(len(part[0]) for part in parts), float(sum(part[4].sum() for part in parts)))


def our_jobs(source: Source) -> list[Job]:
    """The product's jobs and the bare loop's, in the order in which they take turns."""
    bars = source.bars()
    plain, half = arrays(bars), bars.select(bars.symbols[: len(bars.symbols) // 2])
    return [
        Job("bare_independent", lambda: run_bare(plain), ROUNDS),
        Job("independent", lambda: run_product(bars, ALONE), ROUNDS),
        Job("independent_half", lambda: run_product(half, ALONE), ROUNDS),
        Job("independent_fresh", lambda: run_product(source.bars(), ALONE), ROUNDS),
        Job("portfolio", lambda: run_product(bars, SHARED_CASH), ROUNDS),
        Job("bare_walk_forward", lambda: run_bare_walk(plain), ROUNDS),
        Job("walk_forward", lambda: run_walk(bars, ALONE), ROUNDS),
        Job("walk_forward_portfolio", lambda: run_walk(bars, SHARED_CASH), ROUNDS),
        Job("open_panel", lambda: _opened(source), ROUNDS),
    ]


def _opened(source: Source) -> None:
    source.bars()


def _sum(found: Iterable[Trades]) -> Outcome:
    each = list(found)
    return Outcome(sum(len(t) for t in each), float(sum(t.net_pnl.sum() for t in each)))
