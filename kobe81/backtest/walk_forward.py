"""Walk-forward: each test window is traded with the parameters that were best on the window before it.

Every parameter set is computed once over all bars (the rules are causal), then traded in every window. Work is done
in batches of sets; a batch needs only the bars, so it can run in this process or in another. Source: docs/spec.md,
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
    Selection,
    Windows,
    check_length,
    compute_signals,
    fee_table,
    make_curve,
    make_trades,
    mark,
    select,
)
from kobe81.backtest.excursions import with_excursions
from kobe81.backtest.results import Curve, Trades
from kobe81.core.bars import Bars, Floats, Ints, Mask
from kobe81.core.errors import DataError, UsageError
from kobe81.core.params import check_bounds, param, with_values
from kobe81.strategies import Strategy

TRADING_DAYS = 252
BATCH_SIGNALS = 16
"""Distinct signal computations a batch holds in memory at once."""


@dataclass(frozen=True)
class Plan:
    """How history is cut, in sessions. Source: docs/spec.md, Walk-forward."""

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
    """One parameter set in every split.

    place: in the grid. train_score: annual Sharpe, NaN where undefined; train_trades: counts; daily
    [splits, sessions]: test profit by session since the window began. trades, and the split of each: only of the
    splits in which the set led its batch so far, because no other can be chosen.
    """

    place: int
    train_score: Floats
    train_trades: Ints
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
    returns = equity / np.where(before > 0.0, before, np.nan) - 1.0
    deviation = returns.std(axis=1, ddof=1)
    undefined = ~(deviation > 0.0)
    score: Floats = returns.mean(axis=1) / np.where(undefined, np.nan, deviation) * np.sqrt(TRADING_DAYS)
    return score


class Leaders:
    """The best set of each split so far; of equal scores the one that comes first in the grid."""

    def __init__(self, splits: int, min_trades: int) -> None:
        self._score, self._place = np.full(splits, -np.inf), np.full(splits, np.iinfo(np.int64).max)
        self._min_trades = min_trades

    def lead(self, place: int, score: Floats, trades: Ints) -> Mask:
        """Where this set takes the lead: bool [splits]. One with too few trades, or without a score, never does."""
        ahead: Mask = (score > self._score) | ((score == self._score) & (place < self._place))
        ahead &= (trades >= self._min_trades) & np.isfinite(score)
        self._score[ahead], self._place[ahead] = score[ahead], place
        return ahead


def run_batch(batch: Batch, source: Callable[[], Bars], account: Account, plan: Plan, *,
              whole: bool = False) -> list[Trial]:
    """The trials of a batch, in its order. whole: with the trades of all splits, whether a set leads in them or not."""
    bars = source()
    distinct = list(dict.fromkeys(replace(strategy, hold=1) for _, strategy in batch))
    signals = dict(zip(distinct, compute_signals(bars, distinct), strict=True))
    fees, leaders = fee_table(bars, account), Leaders(len(plan.windows(len(bars.sessions))[0].starts), plan.min_trades)
    trials = []
    for alike, sets in itertools.groupby(batch, lambda one: replace(one[1], hold=1)):
        arrived = Followed.of(bars, signals[alike], 1, account)
        trials += [_trial(place, bars, arrived.held(strategy.hold), account, plan, fees, None if whole else leaders)
                   for place, strategy in sets]
    return trials


def _trial(place: int, bars: Bars, followed: Followed, account: Account, plan: Plan, fees: Floats,
           leaders: Leaders | None) -> Trial:
    train, test = plan.windows(len(bars.sessions))
    score, count = _train(bars, followed, account, plan, train, fees)
    chosen = select(followed, account, test, fees)
    leaves = followed.exits["session"][chosen.signal] - test.starts[chosen.window]
    width = max(plan.test, int(leaves.max(initial=0)) + 1)
    daily = mark(bars, Fills.chosen(followed, chosen), chosen.window, test.starts, width, fees, profit_only=True).daily
    if leaders:
        wanted = leaders.lead(place, score, count)[chosen.window]
        chosen = Selection(chosen.counts, chosen.signal[wanted], chosen.window[wanted], chosen.qty[wanted])
    trades, split = make_trades(bars, followed, chosen, fees)
    return Trial(place, score, count, daily[0], trades, split)


def _train(bars: Bars, followed: Followed, account: Account, plan: Plan, train: Windows,
           fees: Floats) -> tuple[Floats, Ints]:
    """Score and number of the training trades that have left before the test window, less the embargo, begins."""
    chosen = select(followed, account, train, fees)
    marks = mark(bars, Fills.chosen(followed, chosen), chosen.window, train.starts, plan.train, fees,
                 until=plan.train - plan.embargo, profit_only=True)
    return annual_sharpe(marks.daily[0], account.cash), marks.counts


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
    first test session on. train_score: annual Sharpe [sets, splits], NaN where undefined. returns: each
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
    returns: Floats


def walk_forward(bars: Bars, base: Strategy, grid: Mapping[str, Sequence[Any]] | None = None,
                 account: Account | None = None, plan: Plan | None = None, *, mapper: Mapper = map,
                 source: Callable[[], Bars] | None = None) -> WalkForward:
    """Judge a strategy out of sample.

    grid: values to try by parameter; none: `base` as it is. mapper and source: where batches run, and how they get the
    bars there. DataError where the bars do not fill one split.
    """
    account, plan = account or Account(), plan or Plan()
    sets = grid_of(base, grid or {})
    check_length(bars, min([base, *sets], key=lambda one: one.warmup))
    train, test = plan.windows(len(bars.sessions))
    if not len(train.starts):
        raise DataError(f"{bars.origin.source}: {len(bars.sessions)} sessions do not fill one split; a walk-forward "
                        f"needs {plan.train + plan.test} ({plan.train} to train, {plan.test} to test)")
    run = partial(run_batch, source=source or (lambda: bars), account=account, plan=plan)
    tally = _Tally(len(sets), len(bars.sessions), test, plan.min_trades)
    for trials in mapper(run if grid else partial(run, whole=True), batches(sets)):
        for trial in trials:
            tally.add(trial)
    if not grid:
        tally.best = [trial] * len(train.starts)
    fallback = run([(-1, base)], whole=True)[0] if None in tally.best else None
    return _verdict(bars, base, account, plan, sets, tally, fallback)


class _Tally:
    """What is kept of the trials: all scores, and for each split the trial that leads in it."""

    def __init__(self, sets: int, sessions: int, test: Windows, min_trades: int) -> None:
        splits = len(test.starts)
        self.best: list[Trial | None] = [None] * splits
        self.train_score = np.full((sets, splits), np.nan)
        self.daily = np.zeros((sets, sessions + 1))
        self._test, self._leaders = test, Leaders(splits, min_trades)

    def add(self, trial: Trial) -> None:
        """Count a trial in."""
        self.train_score[trial.place] = trial.train_score
        for split, start in enumerate(self._test.starts):
            row = trial.daily[split]
            self.daily[trial.place, start : start + len(row)] += row[: self.daily.shape[1] - start]
        ahead = self._leaders.lead(trial.place, trial.train_score, trial.train_trades)
        self.best = [trial if leads else best for leads, best in zip(ahead, self.best, strict=True)]


def _verdict(bars: Bars, base: Strategy, account: Account, plan: Plan, sets: list[Strategy], tally: _Tally,
             fallback: Trial | None) -> WalkForward:
    test = plan.windows(len(bars.sessions))[1]
    fees = fee_table(bars, account)
    splits = [_split(k, best or fallback, base, sets, bars, account, plan, fees)  # type: ignore[arg-type]
              for k, best in enumerate(tally.best)]
    trades = Trades.join([split.trades for split in splits])
    curve = _stitched(bars, trades, int(test.starts[0]), int(test.ends[-1]), account, fees)
    returns = tally.daily[:, int(test.starts[0]) : int(test.ends[-1])].T / account.cash
    return WalkForward(bars, base, account, plan, sets, splits, curve, trades, tally.train_score, returns)


def _split(k: int, trial: Trial, base: Strategy, sets: list[Strategy], bars: Bars, account: Account, plan: Plan,
           fees: Floats) -> Split:
    train, test = (Windows(w.starts[k : k + 1], w.ends[k : k + 1]) for w in plan.windows(len(bars.sessions)))
    trades = with_excursions(bars, trial.trades.take(trial.split == k))
    score, chosen = float(trial.train_score[k]), trial.place >= 0
    return Split(k, (int(train.starts[0]), int(train.ends[0])), (int(test.starts[0]), int(test.ends[0])),
                 sets[trial.place] if chosen else base, chosen, score if np.isfinite(score) else None,
                 int(trial.train_trades[k]), trades,
                 _stitched(bars, trades, int(test.starts[0]), int(test.ends[0]), account, fees))


def _stitched(bars: Bars, trades: Trades, first: int, end: int, account: Account, fees: Floats) -> Curve:
    """The equity from session `first` to the one before `end`, or to the last exit, which may lie past it."""
    end = max(end, int(bars.session[trades.exit].max(initial=0)) + 1)
    place = np.zeros(len(trades), np.int64)
    daily = mark(bars, Fills.of(bars, trades), place, np.array([first]), end - first, fees).daily
    return make_curve(daily[:, 0], bars.sessions[first:end], account.cash)
