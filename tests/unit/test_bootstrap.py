"""The stationary bootstrap: against arch's, against closed forms, and in how often its intervals hold the truth."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from kobe81.backtest import bootstrap
from kobe81.backtest.bootstrap import Interval
from kobe81.backtest.metrics import max_drawdown, sharpe
from kobe81.backtest.results import Curve


def autoregressive(seed: int, n: int, phi: float, mean: float = 0.0) -> np.ndarray:
    """x[t] - mean = phi (x[t-1] - mean) + e, with a deviation of 1 % and a burnt-in start."""
    shocks = np.random.default_rng(seed).normal(0, 0.01 * np.sqrt(1 - phi**2), n + 100)
    series = np.zeros(n + 100)
    for t in range(1, n + 100):
        series[t] = phi * series[t - 1] + shocks[t]
    return series[100:] + mean


def drawn(n: int, restart: float, times: int, seed: int = 0) -> np.ndarray:
    random, index = np.random.default_rng(seed), np.empty((times, n), np.int64)
    for row in index:
        bootstrap.draw(row, restart, random)
    return index


@pytest.mark.parametrize("length", [1, 4, 25])
def test_blocks_have_geometric_lengths_and_uniform_starts(length):
    """A step continues its block with probability 1 - 1 / length (or by a chance of 1 / n), wrapped at the end."""
    n, times = 200, 2000
    index = drawn(n, 1 / length, times)
    follows = (index[:, 1:] - index[:, :-1]) % n == 1
    expected = (1 - 1 / length) + (1 / length) / n
    assert follows.mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / follows.size))
    counts = np.bincount(index.ravel(), minlength=n)
    assert index.min() == 0
    assert index.max() == n - 1
    assert counts.std() / counts.mean() < 3 * np.sqrt(2 * length / (times * n / n))


def test_long_blocks_wrap_into_a_circle():
    """When no block ever ends, a resample is the whole circle, from any start."""
    index = drawn(7, 0.0, 300)
    assert (np.sort(index, axis=1) == np.arange(7)).all()
    assert set(index[:, 0]) == set(range(7))


def test_starts_are_independent_of_where_blocks_end():
    """One draw decides both whether a block ends and where the next begins; all starts stay equally likely."""
    index = drawn(10, 0.5, 20_000)
    before, after = index[:, 4], index[:, 5]
    jumps = np.bincount((after - before) % 10, minlength=10) / len(index)
    np.testing.assert_allclose(jumps, np.where(np.arange(10) == 1, 0.55, 0.05), atol=0.01)


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_resamples_are_distributed_as_those_of_arch(phi):
    """Sharpe and drawdown of 2,000 resamples and 2,000 of arch's, at one block length: means, deviations, quantiles."""
    arch = pytest.importorskip("arch.bootstrap")
    returns = autoregressive(3, 500, phi, 0.0005)
    ours = bootstrap.resample_returns(returns, np.random.default_rng(1), 2000)
    theirs = arch.StationaryBootstrap(bootstrap.block_length(returns), returns, seed=np.random.default_rng(2))
    sampled = theirs.apply(lambda r: np.array([np.sqrt(252) * r.mean() / r.std(ddof=1), _lowest(r)]), 2000)
    for mine, other in zip(ours, sampled.T, strict=True):
        error = other.std() / np.sqrt(2000)
        assert mine.mean() == pytest.approx(other.mean(), abs=5 * error)
        np.testing.assert_allclose(np.quantile(mine, [0.1, 0.5, 0.9]), np.quantile(other, [0.1, 0.5, 0.9]),
                                   atol=10 * error)
        assert mine.std() == pytest.approx(other.std(), rel=0.1)


def _lowest(returns: np.ndarray) -> float:
    equity = np.cumprod(np.concatenate([[1.0], 1 + returns]))
    return float((equity / np.maximum.accumulate(equity)).min() - 1)


def test_each_resample_has_the_metrics_of_its_own_returns():
    """With the draws replayed, Sharpe, drawdown and profit factor are those of the resampled series itself."""
    returns, pnl = autoregressive(5, 120, 0.2, 0.001), np.random.default_rng(5).normal(1, 20, 120)
    made = bootstrap.resample_returns(returns, np.random.default_rng(9), 20)
    factors = bootstrap.resample_trades(pnl, np.random.default_rng(9), 20)
    for row, index in enumerate(drawn(120, 1 / bootstrap.block_length(returns), 20, seed=9)):
        equity = 100 * np.cumprod(1 + returns[index])
        curve = Curve(np.arange(120, dtype=np.int32), equity, equity, equity, 100.0)
        assert (made[0][row], made[1][row]) == pytest.approx((sharpe(returns[index]), max_drawdown(curve)), rel=1e-9)
    for row, index in enumerate(drawn(120, 1 / bootstrap.block_length(pnl), 20, seed=9)):
        chosen = pnl[index]
        assert factors[row] == pytest.approx(chosen[chosen > 0].sum() / -chosen[chosen < 0].sum(), rel=1e-12)


@pytest.mark.parametrize(("phi", "at_least"), [(0.0, 0.90), (0.4, 0.85)])
def test_intervals_hold_the_truth(phi, at_least):
    """Of 200 years-long histories with a known Sharpe ratio, about 95 % of the intervals hold it, correlated or not."""
    true = 0.0006 / 0.01 * np.sqrt(252)
    held = 0
    for seed in range(200):
        low, high = bootstrap.intervals(autoregressive(seed, 750, phi, 0.0006), np.ones(1), seed)["sharpe"]
        held += low <= true <= high
    assert at_least <= held / 200 <= 0.99


def test_blocks_matter_where_returns_are_correlated():
    """The Sharpe ratio of an AR(1) of 0.5 spreads by sqrt(3) more than that of its shuffled self."""
    returns = autoregressive(1, 2500, 0.5)
    shuffled = np.random.default_rng(1).permutation(returns)
    wide, narrow = (bootstrap.resample_returns(r, np.random.default_rng(0))[0].std() for r in (returns, shuffled))
    assert wide / narrow == pytest.approx(np.sqrt(3), rel=0.2)


def test_the_mean_of_white_noise_has_the_textbook_error():
    """Without correlation the Sharpe ratio's standard error is sqrt(252 (1 + daily^2 / 2) / n)."""
    returns = np.random.default_rng(11).normal(0.0005, 0.01, 2500)
    spread = bootstrap.resample_returns(returns, np.random.default_rng(0), 4000)[0].std()
    assert spread == pytest.approx(np.sqrt(252 / 2500), rel=0.08)


def test_block_length_equals_that_of_arch():
    """Politis and White's choice as arch makes it; arch scales distant correlations otherwise, which seldom matters."""
    arch = pytest.importorskip("arch.bootstrap")
    cases = [(seed, n, phi) for seed in range(20) for n in (60, 500, 2519) for phi in (0.0, 0.3, 0.6)]
    series = [autoregressive(*case) for case in cases]
    ours = np.array([bootstrap.block_length(x) for x in series])
    theirs = np.array([max(1.0, arch.optimal_block_length(x)["stationary"].iloc[0]) for x in series])
    assert np.isclose(ours, theirs, rtol=1e-9).mean() > 0.9


def test_block_length_by_hand():
    """Of 1, -1, 1, -1 ... (n = 100) every lag correlates, so the window takes all sqrt(n) + 5 lags."""
    assert bootstrap.block_length(np.tile([1.0, -1.0], 50)) == pytest.approx(_by_definition(100, 15), rel=1e-9)


def _by_definition(n: int, window: int) -> float:
    lags = np.arange(-window, window + 1)
    covariance = (-1.0) ** lags * (n - np.abs(lags)) / n
    flat_top = np.minimum(1, 2 * (1 - np.abs(lags) / window))
    slope, long_run = (flat_top * np.abs(lags) * covariance).sum(), (flat_top * covariance).sum()
    return max(1.0, min((2 * slope**2 / (2 * long_run**2) * n) ** (1 / 3), np.ceil(min(3 * np.sqrt(n), n / 3))))


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros(1), np.ones(2), np.full(50, 0.01), np.array([1.0, 2.0, 4.0])])
def test_block_length_of_almost_nothing_is_one(values):
    """A constant or a handful of values has no correlation to keep."""
    assert bootstrap.block_length(values) == 1.0


def test_interval_takes_the_observed_quantiles():
    """Of 1 .. 1000 the central 95 % runs from the 25th to the 975th value."""
    assert bootstrap.interval(np.random.default_rng(0).permutation(np.arange(1.0, 1001.0))) == Interval(25.0, 975.0)


def test_a_bound_without_a_loss_is_undefined():
    """Of nineteen winners and one loser over a third of the resamples have no loss: the factor has no upper bound."""
    made = bootstrap.intervals(np.zeros(0), np.array([5.0] * 19 + [-10.0]), 1)["profit_factor"]
    assert made.low is not None
    assert made.low < 9.5
    assert made.high is None


@pytest.mark.parametrize(("returns", "pnl"), [
    (np.zeros(0), np.zeros(0)), (np.zeros(1), np.zeros(1)), (np.zeros(100), np.zeros(10)),
    (np.full(9, 0.01), np.ones(3)),
])
def test_intervals_of_nothing_are_undefined(returns, pnl):
    """No deviation, no Sharpe interval; no loss, no profit factor's."""
    made = bootstrap.intervals(returns, pnl, 0)
    assert made["sharpe"] == made["profit_factor"] == Interval(None, None)


def test_a_hole_in_the_returns_leaves_no_interval():
    """NaN never turns into a number."""
    made = bootstrap.intervals(np.array([0.01, -0.01, np.nan] * 30), np.array([1.0, np.nan, -1.0]), 0)
    assert set(made.values()) == {Interval(None, None)}


def test_the_seed_decides():
    """The same seed gives the same intervals, another seed others."""
    returns, pnl = autoregressive(2, 300, 0.1), np.random.default_rng(2).normal(1, 10, 50)
    assert bootstrap.intervals(returns, pnl, 4) == bootstrap.intervals(returns, pnl, 4)
    assert bootstrap.intervals(returns, pnl, 4) != bootstrap.intervals(returns, pnl, 5)


def test_resampled_pairs_are_pairs_of_the_series():
    """Blocks keep neighbours together: with long blocks nearly every resampled pair is a pair of the series."""
    index = drawn(100, 1 / 50, 50)
    pairs = sliding_window_view(index, 2, axis=1).reshape(-1, 2)
    assert ((pairs[:, 1] - pairs[:, 0]) % 100 == 1).mean() > 0.97
