"""Walk-forward: each test window is traded with the parameters that were best on the window before it.

Every parameter set is computed once over all bars (the rules are causal), then traded in every window. Work is done
in batches of sets; a batch needs only the bars, so it can run in this process or in another. Source: spec.md,
Walk-forward.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from kobe81.backtest.engine import (
    Account,
    Fills,
    Followed,
    Windows,
    check_length,
    compute_signals,
    fee_table,
    make_curve,
    make_trades,
    mark,
    select,
    with_excursions,
)
from kobe81.backtest.results import Curve, Trades
from kobe81.core.bars import Bars, Floats, Ints
from kobe81.core.errors import DataError, UsageError
from kobe81.core.params import check_bounds, param, with_values
from kobe81.strategies import Strategy

TRADING_DAYS = 252
BATCH_SIGNALS = 16
"""Distinct signal computations a batch holds in memory at once."""


@dataclass(frozen=True)
class Plan:
    """How history is cut, in sessions. Source: spec.md, Walk-forward."""

    train: int = param(252, 20, 10_000, "sessions of a training window")
    test: int = param(63, 5, 10_000, "sessions of a test window, and the step from one split to the next")
    embargo: int = param(0, 0, 250, "sessions before the test window from which no training trade may come")
    min_trades: int = param(10, 1, 10_000, "training trades a parameter set needs to be chosen")

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.embargo >= self.train:
            raise UsageError(f"embargo = {self.embargo} leaves nothing of a training window of {self.train} sessions")

    def windows(self, sessions: int) -> tuple[Windows, Windows]:
        """The training and the test windows of all splits whose test window is whole."""
        count = max((sessions - self.train) // self.test, 0)
        starts = np.arange(count, dtype=np.int64) * self.test
        begins = starts + self.train
        return Windows(starts, begins), Windows(begins, begins + self.test)


class Trial(NamedTuple):
    """One parameter set in every split. place: its place in the grid. train_score, test_score: annual Sharpe, NaN where
    undefined; train_trades: counts; daily [splits, sessions]: test profit by session since the window began; trades of
    the test windows and the split of each."""

    place: int
    train_score: Floats
    train_trades: Ints
    test_score: Floats
    daily: Floats
    trades: Trades
    split: Ints


Batch = list[tuple[int, Strategy]]
Mapper = Callable[[Callable[[Batch], list[Trial]], Iterable[Batch]], Iterator[list[Trial]]]
"""Applies a function to batches, in order: `map`, or one that uses other processes."""


def grid_of(base: Strategy, grid: Mapping[str, Sequence[Any]]) -> list[Strategy]:
    """The parameter sets of a grid, the last name varying fastest; without a grid just `base`."""
    combinations = itertools.product(*grid.values())
    return [with_values(base, dict(zip(grid, values, strict=True)), f"parameter of {base.name}")
            for values in combinations]


def batches(sets: Sequence[Strategy]) -> list[Batch]:
    """The sets in batches of few distinct signal computations: sets that differ only in `hold` share theirs."""
    alike: dict[Strategy, Batch] = {}
    for index, strategy in enumerate(sets):
        alike.setdefault(replace(strategy, hold=1), []).append((index, strategy))
    groups = list(alike.values())
    return [list(itertools.chain(*groups[i : i + BATCH_SIGNALS])) for i in range(0, len(groups), BATCH_SIGNALS)]


def annual_sharpe(daily: Floats, cash: float) -> Floats:
    """Annual Sharpe of each row of daily profits [rows, sessions] from `cash`; NaN where undefined."""
    equity = cash + np.cumsum(daily, axis=1)
    before = np.concatenate([np.full((len(equity), 1), cash), equity[:, :-1]], axis=1)
    returns = equity / before - 1.0
    deviation = returns.std(axis=1, ddof=1)
    undefined = ~(deviation > 0.0)
    score: Floats = returns.mean(axis=1) / np.where(undefined, np.nan, deviation) * np.sqrt(TRADING_DAYS)
    return score


def run_batch(batch: Batch, source: Callable[[], Bars], account: Account, plan: Plan) -> list[Trial]:
    """The trials of a batch, in its order."""
    bars = source()
    distinct = list(dict.fromkeys(replace(strategy, hold=1) for _, strategy in batch))
    signals = dict(zip(distinct, compute_signals(bars, distinct), strict=True))
    fees = fee_table(bars, account)
    trials = []
    for index, strategy in batch:
        found = signals[replace(strategy, hold=1)]
        followed = Followed.of(bars, found, strategy.hold, account)
        trials.append(_trial(index, bars, followed, account, plan, fees))
    return trials


def _trial(index: int, bars: Bars, followed: Followed, account: Account, plan: Plan, fees: Floats) -> Trial:
    train, test = plan.windows(len(bars.sessions))
    score, count = _train(bars, followed, account, plan, train, fees)
    chosen = select(followed, account, test, fees)
    trades, split = make_trades(bars, followed, chosen, fees)
    daily = _daily(bars, trades, split, test, fees, profit_only=True)
    return Trial(index, score, count, annual_sharpe(daily[0], account.cash), daily[0], trades, split)


def _train(bars: Bars, followed: Followed, account: Account, plan: Plan, train: Windows,
           fees: Floats) -> tuple[Floats, Ints]:
    """Score and number of the training trades that have left before the test window, less the embargo, begins."""
    chosen = select(followed, account, train, fees)
    marks = mark(bars, Fills.chosen(followed, chosen), chosen.window, train.starts, plan.train, fees,
                 until=plan.train - plan.embargo, profit_only=True)
    return annual_sharpe(marks.daily[0], account.cash), marks.counts


def _daily(bars: Bars, trades: Trades, split: Ints, test: Windows, fees: Floats, *,
           profit_only: bool = False) -> Floats:
    """Daily changes of the test trades, to the last exit, which may lie past the windows."""
    leaves = bars.session[trades.exit] - test.starts[split]
    width = max(int(np.max(test.ends - test.starts)), int(leaves.max(initial=0)) + 1)
    return mark(bars, Fills.of(trades), split, test.starts, width, fees, profit_only=profit_only).daily


@dataclass(frozen=True, eq=False)
class Split:
    """One split: the windows as sessions (half-open), the chosen set, what it did in training and in the test."""

    number: int
    train: tuple[int, int]
    test: tuple[int, int]
    strategy: Strategy
    eligible: bool
    in_sample: float | None
    train_trades: int
    trades: Trades
    curve: Curve


@dataclass(frozen=True, eq=False)
class WalkForward:
    """The verdict out of sample.

    splits: in order. sets: the parameter sets tried, in grid order. curve: the stitched out-of-sample equity, from the
    first test session on. train_score, test_score: annual Sharpe [sets, splits], NaN where undefined. returns: each
    set's daily out-of-sample profit as a fraction of the cash [sessions, sets].
    """

    bars: Bars
    base: Strategy
    account: Account
    plan: Plan
    sets: list[Strategy]
    splits: list[Split]
    curve: Curve
    trades: Trades
    train_score: Floats
    test_score: Floats
    returns: Floats


class _Best(NamedTuple):
    """The best set of one split so far, with its test trades."""

    place: int
    score: float
    train_trades: int
    trades: Trades


def walk_forward(bars: Bars, base: Strategy, grid: Mapping[str, Sequence[Any]] | None = None,
                 account: Account | None = None, plan: Plan | None = None, *, mapper: Mapper = map,
                 source: Callable[[], Bars] | None = None) -> WalkForward:
    """Judge a strategy out of sample.

    grid: values to try by parameter; none: `base` as it is. mapper and source: where batches run, and how they get the
    bars there. DataError where the bars do not fill one split.
    """
    account, plan = account or Account(), plan or Plan()
    check_length(bars, base)
    train, test = plan.windows(len(bars.sessions))
    if not len(train.starts):
        raise DataError(f"{bars.origin.source}: {len(bars.sessions)} sessions do not fill one split; a walk-forward "
                        f"needs {plan.train + plan.test} ({plan.train} to train, {plan.test} to test)")
    sets = grid_of(base, grid or {})
    run = partial(run_batch, source=source or (lambda: bars), account=account, plan=plan)
    tally = _Tally(len(sets), len(train.starts), len(bars.sessions), test, 1 if not grid else plan.min_trades)
    for trials in mapper(run, batches(sets)):
        for trial in trials:
            tally.add(trial)
    fallback = run([(-1, base)])[0] if None in tally.best else None
    return _verdict(bars, base, account, plan, sets, tally, fallback)


class _Tally:
    """What is kept of the trials: all scores, and of each split only the best set's trades, so memory stays bounded."""

    def __init__(self, sets: int, splits: int, sessions: int, test: Windows, min_trades: int) -> None:
        self.best: list[_Best | None] = [None] * splits
        self.train_score, self.test_score = np.full((2, sets, splits), np.nan)
        self.daily = np.zeros((sets, sessions + 1))
        self._test, self._min_trades = test, min_trades

    def add(self, trial: Trial) -> None:
        """Count a trial in; of equal scores the set that comes first in the grid stays."""
        self.train_score[trial.place], self.test_score[trial.place] = trial.train_score, trial.test_score
        for split, start in enumerate(self._test.starts):
            row = trial.daily[split]
            self.daily[trial.place, start : start + len(row)] += row[: self.daily.shape[1] - start]
            score, count, best = trial.train_score[split], int(trial.train_trades[split]), self.best[split]
            better = best is None or score > best.score or (score == best.score and trial.place < best.place)
            if count >= self._min_trades and np.isfinite(score) and better:
                self.best[split] = _Best(trial.place, float(score), count, trial.trades.take(trial.split == split))


def _verdict(bars: Bars, base: Strategy, account: Account, plan: Plan, sets: list[Strategy], tally: _Tally,
             fallback: Trial | None) -> WalkForward:
    train, test = plan.windows(len(bars.sessions))
    fees = fee_table(bars, account)
    splits = []
    for k, best in enumerate(tally.best):
        if best is not None:
            strategy, score, count, trades = sets[best.place], best.score, best.train_trades, best.trades
        else:
            assert fallback is not None  # noqa: S101  (it was made because some split has no best)
            strategy, score, count = base, float(fallback.train_score[k]), int(fallback.train_trades[k])
            trades = fallback.trades.take(fallback.split == k)
        trades = with_excursions(bars, trades)
        window = Windows(test.starts[k : k + 1], test.ends[k : k + 1])
        daily = _daily(bars, trades, np.zeros(len(trades), np.int64), window, fees)
        last = min(int(window.starts[0]) + daily.shape[2], len(bars.sessions))
        dates = bars.sessions[window.starts[0] : last]
        splits.append(Split(k, (int(train.starts[k]), int(train.ends[k])), (int(test.starts[k]), int(test.ends[k])),
                            strategy, best is not None, score if np.isfinite(score) else None, count, trades,
                            make_curve(daily[:, 0, : len(dates)], dates, account.cash)))
    trades = Trades.join([split.trades for split in splits])
    begin = int(test.starts[0])
    end = max(int(test.ends[-1]), int(bars.session[trades.exit].max(initial=0)) + 1)
    place = np.zeros(len(trades), np.int64)
    daily = mark(bars, Fills.of(trades), place, np.array([begin]), end - begin, fees).daily
    curve = make_curve(daily[:, 0], bars.sessions[begin:end], account.cash)
    returns = tally.daily[:, begin : int(test.ends[-1])].T / account.cash
    return WalkForward(bars, base, account, plan, sets, splits, curve, trades, tally.train_score, tally.test_score,
                       returns)
