"""Windows, choice and stitching of the walk-forward, beyond what the second program checks."""

from __future__ import annotations

import numpy as np
import pytest

from kobe81.backtest.engine import Account, backtest
from kobe81.backtest.walk_forward import Plan, WalkForward, batches, grid_of, run_batch, walk_forward
from kobe81.core.bars import Bars
from kobe81.core.errors import DataError, UsageError
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.strategies import strategy

RULE = strategy("donchian", {"trend": 30})
GRID = {"lookback": [5, 10, 40], "hold": [2, 5]}
PLAN = Plan(train=100, test=40)


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Ten symbols over 500 sessions."""
    return synthetic_bars(10, 500, 3)


@pytest.fixture(scope="module")
def result(bars: Bars) -> WalkForward:
    """A walk-forward over six sets and ten splits."""
    return walk_forward(bars, RULE, GRID, Account(), PLAN)


def test_2519_sessions_make_35_splits() -> None:
    """The published example: the first trains on [0, 252) and tests on [252, 315), the last ends at 2,457."""
    train, test = Plan().windows(2519)
    assert (len(train.starts), train.starts[0], train.ends[0], test.ends[0], test.ends[-1]) == (35, 0, 252, 315, 2457)
    assert len(Plan().windows(315)[0].starts) == 1
    assert len(Plan().windows(314)[0].starts) == 0


def test_too_few_sessions_say_how_many_are_needed() -> None:
    """One session short of a split."""
    with pytest.raises(DataError, match="139 sessions do not fill one split; a walk-forward needs 140"):
        walk_forward(synthetic_bars(3, 139, 1), RULE, GRID, Account(), PLAN)


def test_an_embargo_must_leave_something_to_train_on() -> None:
    """As long as the training window itself it is refused."""
    with pytest.raises(UsageError, match="leaves nothing"):
        Plan(train=60, embargo=60)


def test_grid_order_is_that_of_nested_loops() -> None:
    """The last name varies fastest."""
    assert [(s.lookback, s.hold) for s in grid_of(RULE, GRID)] == [  # type: ignore[attr-defined]
        (5, 2), (5, 5), (10, 2), (10, 5), (40, 2), (40, 5)]


def test_batches_hold_every_set_once_and_keep_those_that_share_signals_together() -> None:
    """Sets that differ only in `hold` lie in one batch."""
    sets = grid_of(RULE, {"lookback": range(5, 45), "hold": [2, 5]})
    made = batches(sets)
    assert len(made) == 3
    assert sorted(i for batch in made for i, _ in batch) == list(range(80))
    assert all({i ^ 1 for i, _ in batch} == {i for i, _ in batch} for batch in made)


def test_the_chosen_set_has_the_best_training_score(result: WalkForward) -> None:
    """Of each split; ties would go to the first of the grid."""
    best = np.nanargmax(result.train_score, axis=0)
    assert [s.strategy for s in result.splits] == [result.sets[i] for i in best]
    assert [s.in_sample for s in result.splits] == pytest.approx(np.nanmax(result.train_score, axis=0).tolist())


def test_ties_go_to_the_first_of_the_grid(bars: Bars) -> None:
    """min_price 0.5 and 0.6 change nothing here, so the first is chosen everywhere, in either order."""
    for values in ([0.5, 0.6], [0.6, 0.5]):
        made = walk_forward(bars, RULE, {"min_price": values}, Account(), PLAN)
        assert (made.train_score[0] == made.train_score[1]).all()
        assert {s.strategy.min_price for s in made.splits} == {values[0]}  # type: ignore[attr-defined]


def test_a_set_needs_its_training_trades(bars: Bars, result: WalkForward) -> None:
    """At the number of trades its best set has, a split still chooses it; above, the defaults are used."""
    most = max(s.train_trades for s in result.splits)
    kept = walk_forward(bars, RULE, GRID, Account(), Plan(train=100, test=40, min_trades=most))
    assert any(s.eligible and s.train_trades == most for s in kept.splits)
    none = walk_forward(bars, RULE, GRID, Account(), Plan(train=100, test=40, min_trades=5_000))
    assert all(s.strategy == RULE and not s.eligible for s in none.splits)
    assert [len(s.trades) for s in none.splits] == [
        len(s.trades) for s in walk_forward(bars, RULE, {}, Account(), PLAN).splits]


def test_test_trades_belong_to_their_window_by_signal(bars: Bars, result: WalkForward) -> None:
    """Signals lie inside the window; exits may lie past it."""
    for split in result.splits:
        own = bars.session[split.trades.signal]
        assert ((own >= split.test[0]) & (own < split.test[1])).all()


def test_the_stitched_equity_is_the_sum_of_the_splits(result: WalkForward) -> None:
    """It ends at the cash plus every test trade's profit, and moves each session by what the splits' curves move."""
    assert result.curve.equity[-1] == pytest.approx(100_000 + sum(s.trades.net_pnl.sum() for s in result.splits))
    moves = dict.fromkeys(result.curve.date.tolist(), 0.0)
    for split in result.splits:
        for day, profit in zip(split.curve.date, np.diff(split.curve.equity, prepend=100_000.0), strict=True):
            moves[int(day)] += float(profit)
    np.testing.assert_allclose(np.cumsum(list(moves.values())) + 100_000, result.curve.equity, atol=1e-6)


def test_each_sets_returns_are_its_own_out_of_sample_profit(bars: Bars, result: WalkForward) -> None:
    """The matrix behind the deflated Sharpe and the PBO: a single set walked forward alone moves the same way."""
    alone = walk_forward(bars, result.sets[3], {}, Account(), PLAN)
    profit = np.diff(alone.curve.equity, prepend=100_000.0) / 100_000
    np.testing.assert_allclose(result.returns[:, 3], profit[: len(result.returns)], atol=1e-12)


def test_no_training_trade_outlives_its_window(bars: Bars) -> None:
    """With one symbol set the training trades are those of a backtest that signal and leave inside the window."""
    trial = run_batch([(0, RULE)], lambda: bars, Account(mode="independent"), PLAN)[0]
    trades = backtest(bars, RULE, Account(mode="independent")).fills
    train, _ = PLAN.windows(len(bars.sessions))
    signal, leave = bars.session[trades.signal], bars.session[trades.exit]
    inside = [int(((signal >= a) & (leave < b)).sum()) for a, b in zip(*train, strict=True)]
    assert np.abs(trial.train_trades - inside).max() <= len(bars.symbols)  # a window starts flat: one more a symbol
    assert trial.train_trades.sum() >= sum(inside)


def test_the_mapper_does_not_change_a_thing(bars: Bars, result: WalkForward) -> None:
    """Batches handed out one set at a time, in the order of their arrival, give the same verdict."""
    def backwards(function, items):  # type: ignore[no-untyped-def]
        return reversed([function([one]) for batch in items for one in batch])

    other = walk_forward(bars, RULE, GRID, Account(), PLAN, mapper=backwards)
    assert [s.strategy for s in other.splits] == [s.strategy for s in result.splits]
    assert (other.curve.equity == result.curve.equity).all()
    assert (other.returns == result.returns).all()
