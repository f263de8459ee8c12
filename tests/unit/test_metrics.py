"""The figures of summary.json: worked by hand, compared with empyrical and SciPy, and undefined where they must be."""

import json
import math

import empyrical
import numpy as np
import pytest
from scipy import stats

from kobe81.backtest import metrics
from kobe81.backtest.results import Curve, Trades

SPECIFIED = [
    "trades", "win_rate", "profit_factor", "net_pnl", "total_return", "cagr", "volatility", "sharpe", "sortino",
    "calmar", "max_drawdown", "max_drawdown_days", "exposure", "avg_trade", "avg_win", "avg_loss", "expectancy",
    "var_95", "cvar_95",
]


def curve_of(equity, initial=100.0, dates=None, exposure=None) -> Curve:
    """A curve through these closes, on consecutive days from 2024-01-01 unless dated."""
    equity = np.asarray(equity, float)
    dates = np.arange(len(equity)) if dates is None else np.asarray(dates)
    exposure = np.zeros(len(equity)) if exposure is None else np.asarray(exposure, float)
    return Curve((19723 + dates).astype(np.int32), equity, equity * (1 - exposure), exposure, initial)


def curve_from(returns, initial=1e5) -> Curve:
    return curve_of(initial * np.cumprod(1 + np.asarray(returns)), initial)


def trades_of(pnl, fees=0.0, price=100.0, bars=3, mae=0.0, mfe=0.0) -> Trades:
    """One trade of a single share per net profit, entered at `price`; fees on top, so that net is as asked for."""
    net = np.asarray(pnl, float)
    n = len(net)
    fees, entry = np.full(n, fees), np.full(n, price)
    rows = np.arange(n) * 10
    held = np.broadcast_to(np.asarray(bars, np.int64), n)
    return Trades(rows - 1, rows, rows + held - 1, np.ones(n, np.int8), np.ones(n), entry, entry + net + fees,
                  entry - 10, np.full(n, np.nan), np.zeros(n), fees, np.zeros(n, np.int8), np.full(n, mae),
                  np.full(n, mfe))


def market(seed: int, n: int = 1000) -> np.ndarray:
    """Daily returns with fat tails, as stocks have them."""
    return np.random.default_rng(seed).standard_t(4, n) * 0.008 + 0.0004


def test_summary_has_the_specified_keys_in_the_specified_order():
    """summary.json's metrics are those of the specification, in its order."""
    assert list(metrics.summary(curve_of([101.0, 99.0]), trades_of([1.0]))) == SPECIFIED


def test_summary_of_a_run_worked_by_hand():
    """Equity 100, 110, 99, 99, 132 on a Monday, Tuesday, Friday and the Wednesday after; trades 30, -10, 12, 0."""
    curve = curve_of([110.0, 99.0, 99.0, 132.0], dates=[0, 1, 4, 9], exposure=[0.5, 0.25, 0.25, 0.0])
    made = metrics.summary(curve, trades_of([30.0, -10.0, 12.0, 0.0], fees=2.0, price=200.0))
    mean, squares = (0.1 - 0.1 + 0 + 1 / 3) / 4, 0.01 + 0.01 + 0 + 1 / 9
    deviation = math.sqrt((squares - 4 * mean**2) / 3)
    cagr = 1.32**63 - 1
    assert made == pytest.approx({
        "trades": 4, "win_rate": 0.5, "profit_factor": 4.2, "net_pnl": 32.0, "total_return": 0.32, "cagr": cagr,
        "volatility": deviation * math.sqrt(252), "sharpe": mean / deviation * math.sqrt(252),
        "sortino": mean * 252 / (0.05 * math.sqrt(252)), "calmar": cagr / 0.1, "max_drawdown": -0.1,
        "max_drawdown_days": 9, "exposure": 0.25, "avg_trade": 8.0, "avg_win": 21.0, "avg_loss": -10.0,
        "expectancy": 0.04, "var_95": -0.085, "cvar_95": -0.1,
    }, rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_ratios_equal_empyrical(seed):
    """Sharpe, Sortino, Calmar, CAGR, volatility, drawdown, VaR and CVaR are empyrical's, on fat-tailed returns."""
    returns = market(seed, 50 + 300 * seed)
    made = metrics.summary(curve_from(returns), trades_of([]))
    theirs = {
        "total_return": empyrical.cum_returns_final(returns), "cagr": empyrical.cagr(returns),
        "volatility": empyrical.annual_volatility(returns), "sharpe": empyrical.sharpe_ratio(returns),
        "sortino": empyrical.sortino_ratio(returns), "calmar": empyrical.calmar_ratio(returns),
        "max_drawdown": empyrical.max_drawdown(returns), "var_95": empyrical.value_at_risk(returns),
        "cvar_95": empyrical.conditional_value_at_risk(returns),
    }
    assert {name: made[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)


def test_an_empty_run_has_no_figures_but_counts():
    """Without a session or a trade, only the number of trades and their sum are known."""
    made = metrics.summary(curve_of([]), trades_of([]))
    assert {k: v for k, v in made.items() if v is not None} == {"trades": 0, "net_pnl": 0.0}


def test_a_flat_curve_has_no_ratios():
    """No trade in a year: every return is known to be 0, so nothing can be divided by a risk."""
    made = metrics.summary(curve_of(np.full(252, 100.0)), trades_of([]))
    assert made["sharpe"] is made["sortino"] is made["calmar"] is made["win_rate"] is made["profit_factor"] is None
    assert made["cagr"] == made["volatility"] == made["max_drawdown"] == made["max_drawdown_days"] == 0


def test_steady_growth_has_no_sharpe_ratio():
    """The same return every day leaves only rounding to divide by, and a drawdown never happens."""
    made = metrics.summary(curve_from(np.full(500, 0.001)), trades_of([]))
    assert made["sharpe"] is made["sortino"] is made["calmar"] is None
    assert made["cagr"] == pytest.approx(1.001**252 - 1, rel=1e-9)


def test_rounding_is_not_a_denominator():
    """The deviation of three times 0.1 is 1.4e-17 in float64: what is divided by it is undefined, not huge."""
    assert 0 < np.std([0.1] * 3) < 1e-16
    assert metrics.ratio(1.0, float(np.std([0.1] * 3))) is None


def test_one_session_has_a_return_but_no_deviation():
    """A sample deviation takes two observations."""
    made = metrics.summary(curve_of([101.0]), trades_of([]))
    assert made["total_return"] == pytest.approx(0.01)
    assert made["volatility"] is made["sharpe"] is made["sortino"] is None


@pytest.mark.parametrize(("pnl", "factor", "win", "loss"), [
    ([5.0, 1.0], None, 3.0, None), ([-5.0, -1.0], 0.0, None, -3.0), ([0.0], None, None, None),
])
def test_profit_factor_is_undefined_without_a_loss(pnl, factor, win, loss):
    """Only winners: not infinite. Only losers: 0. A trade that breaks even is neither."""
    made = metrics.summary(curve_of([100.0]), trades_of(pnl))
    assert (made["profit_factor"], made["avg_win"], made["avg_loss"]) == (factor, win, loss)


@pytest.mark.parametrize("equity", [
    [110.0, np.nan, 120.0], [110.0, 105.0, -20.0], [110.0, 90.0, 0.0], [1e308, 1e308, 1e308], [5e3] * 2,
])
def test_no_figure_is_ever_infinite_or_nan(equity):
    """A hole in the curve, a ruined account and a growth beyond float64 give null, never NaN or Infinity, in JSON."""
    with np.errstate(all="ignore"):
        made = metrics.summary(curve_of(equity), trades_of([1.0, -1.0]))
    json.dumps(made, allow_nan=False)
    assert all(value is None or type(value) in (int, float) for value in made.values())


def test_a_ruined_account_has_lost_everything_but_never_more():
    """At zero the growth is -100 %; below zero no yearly growth leads there."""
    assert metrics.cagr(curve_of([50.0, 0.0])) == -1.0
    assert metrics.cagr(curve_of([50.0, -1.0])) is None


def test_sharpes_are_the_sharpe_of_each_column():
    """Of the first two seeds empyrical's value; of a set that never traded, NaN."""
    columns = np.column_stack([market(1), market(2), np.zeros(1000), np.full(1000, 0.001)])
    expected = [empyrical.sharpe_ratio(market(1)), empyrical.sharpe_ratio(market(2)), np.nan, np.nan]
    np.testing.assert_allclose(metrics.sharpes(columns), expected, rtol=1e-9)
    assert np.isnan(metrics.sharpes(columns[:1])).all()


def test_sharpe_of_a_hole_is_undefined():
    """One missing return makes the ratio undefined rather than wrong."""
    assert metrics.sharpe(np.array([0.01, np.nan, 0.02])) is None


def test_longest_drawdown_is_not_the_deepest():
    """A shallow fall of 20 days outlasts a deep one of 2; the last counts to the end, though nobody saw it recover."""
    curve = curve_of([100, 50, 100, 99, 99.5, 100, 98], dates=[0, 1, 2, 3, 9, 22, 23])
    spells = metrics.drawdown_spells(curve)
    assert spells.days.tolist() == [2, 20, 1]
    assert spells.depth.tolist() == pytest.approx([-0.5, -0.01, -0.02])
    assert spells.trough.tolist() == [1, 3, 6]
    assert spells.recovered.tolist() == [True, True, False]
    assert metrics.summary(curve, trades_of([]))["max_drawdown_days"] == 20


def test_a_fall_below_the_initial_cash_begins_at_the_first_session():
    """The peak before the first close has no date of its own, so its session's is taken."""
    spells = metrics.drawdown_spells(curve_of([90.0, 95.0, 101.0], dates=[3, 4, 8]))
    assert (spells.peak.tolist(), spells.end.tolist(), spells.days.tolist()) == ([0], [2], [5])
    assert spells.depth.tolist() == pytest.approx([-0.1])


@pytest.mark.parametrize("seed", range(4))
def test_moments_equal_scipy(seed):
    """Skewness and kurtosis are SciPy's population moments; kurtosis is not the excess."""
    returns = np.random.default_rng(seed).lognormal(0, 0.5, 300) * 0.01
    assert metrics.skewness(returns) == pytest.approx(stats.skew(returns), rel=1e-12)
    assert metrics.kurtosis(returns) == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)


def test_moments_of_no_deviation_are_undefined():
    """A constant has no shape."""
    assert metrics.skewness(np.full(5, 0.1)) is metrics.kurtosis(np.zeros(0)) is None
