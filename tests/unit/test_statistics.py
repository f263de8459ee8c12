"""The full statistics: worked by hand, and compared with empyrical, SciPy and backtesting.py."""

import math
from datetime import date

import empyrical
import numpy as np
import polars as pl
import pytest
from scipy import stats
from test_metrics import curve_from, curve_of, market, trades_of

from kobe81.backtest.statistics import drawdowns, longest_run, monthly_returns, statistics

SHOWN_ELSEWHERE = {  # what backtesting.py and vectorbt print, and the mission asks for besides
    "Start", "End", "Duration", "Exposure", "Maximum exposure", "Time in market", "Final equity", "Peak equity",
    "Return", "Annual return", "Annual volatility", "Sharpe", "Sortino", "Calmar", "Omega", "Ulcer index",
    "Tail ratio", "Skew", "Excess kurtosis", "Maximum drawdown", "Average drawdown", "Maximum drawdown duration",
    "Average drawdown duration", "Benchmark return", "Alpha", "Beta", "Trades", "Win rate", "Best trade",
    "Worst trade", "Average trade", "Median trade", "Maximum trade duration", "Average trade duration",
    "Longest win streak", "Longest loss streak", "Profit factor", "Expectancy", "SQN", "Kelly criterion",
    "Payoff ratio", "Average MAE", "Average MFE", "Turnover per year", "Total fees",
}


def values(*arguments):
    return {name: statistic.value for name, statistic in statistics(*arguments).items()}


def test_nothing_that_others_show_is_missing():
    """Every figure of backtesting.py and vectorbt is there; the benchmark's only beside a benchmark."""
    curve, trades = curve_of([101.0, 99.0]), trades_of([1.0])
    assert set(statistics(curve, trades, curve)) >= SHOWN_ELSEWHERE
    assert set(statistics(curve, trades, curve)) - set(statistics(curve, trades)) == {
        "Benchmark return", "Alpha", "Beta"}


def test_every_unit_is_known_and_fits_its_value():
    """A date is a date, days, bars and counts of a maximum are whole, the rest are plain numbers."""
    curve = curve_from(market(1))
    for name, (value, unit) in statistics(curve, trades_of([1.0, -2.0, 3.0]), curve).items():
        assert unit in {"%", "$", "ratio", "days", "bars", "count", "date"}, name
        assert type(value) is date if unit == "date" else type(value) in (int, float), name
        assert type(value) is int if unit == "count" else True, name


@pytest.mark.parametrize(("curve", "pnl"), [
    (curve_of([]), []), (curve_of([100.0]), []), (curve_of([100.0] * 5), [0.0]), (curve_from([0.001] * 50), [5.0]),
    (curve_of([0.0]), [-1.0]),
])
def test_undefined_is_none(curve, pnl):
    """Without sessions, trades, losses or risk a figure is None or a finite number, never 0 / 0."""
    for name, value in values(curve, trades_of(pnl), curve).items():
        assert value is None or isinstance(value, date) or math.isfinite(value), name
    assert values(curve, trades_of(pnl), curve)["Sharpe"] is None


def test_an_empty_run_shows_only_what_is_known():
    """No session and no trade: the money is still there, and the counts are zero."""
    known = {name: value for name, value in values(curve_of([]), trades_of([]), curve_of([])).items()
             if value is not None}
    assert known == {"Sessions": 0, "Initial equity": 100.0, "Peak equity": 100.0, "Trades": 0, "Net profit": 0.0,
                     "Longest win streak": 0, "Longest loss streak": 0, "Total fees": 0.0}


def test_span_growth_and_drawdowns_worked_by_hand():
    """100, 110, 99, 99, 132, 66 over 15 days: one fall of 10 % recovered in 9 days, one of half still open after 5."""
    curve = curve_of([110.0, 99.0, 99.0, 132.0, 66.0], dates=[0, 1, 4, 9, 14], exposure=[0.5, 0.3, 0.2, 0.0, 0.0])
    made = values(curve, trades_of([1.0]))
    expected = {
        "Start": date(2024, 1, 1), "End": date(2024, 1, 15), "Duration": 14, "Sessions": 5, "Exposure": 0.2,
        "Maximum exposure": 0.5, "Time in market": 0.6, "Initial equity": 100.0, "Final equity": 66.0,
        "Peak equity": 132.0, "Return": -0.34, "Annual return": 0.66**50.4 - 1,
        "Omega": (0.1 + 1 / 3) / 0.6, "Ulcer index": math.sqrt((0.01 + 0.01 + 0.25) / 5),
        "Maximum drawdown": -0.5, "Average drawdown": -0.3, "Maximum drawdown duration": 9,
        "Average drawdown duration": 7.0,
    }
    assert {name: made[name] for name in expected} == {
        name: value if isinstance(value, date) else pytest.approx(value, rel=1e-12) for name, value in expected.items()}


def test_trades_worked_by_hand():
    """Eight trades of one share at 100 dollars, of 3 bars each but the first, with a dollar of fees."""
    pnl = [4.0, 2.0, 6.0, -3.0, -1.0, 0.0, -2.0, 2.0]
    curve = curve_of(np.full(126, 200.0))
    made = values(curve, trades_of(pnl, fees=1.0, bars=[5, 3, 3, 3, 1, 3, 3, 3], mae=-0.02, mfe=0.05))
    deviation = math.sqrt((16 + 4 + 36 + 9 + 1 + 0 + 4 + 4 - 8 * 1.0) / 7)
    payoff = (14 / 4) / (6 / 3)
    bought_and_sold = 8 * 100 + 8 * 100 + 8 + 8 * 1.0
    expected = {
        "Trades": 8, "Win rate": 0.5, "Best trade": 0.06, "Worst trade": -0.03, "Average trade": 0.01,
        "Median trade": 0.01, "Average winning trade": 0.035, "Average losing trade": -0.02,
        "Maximum trade duration": 5, "Average trade duration": 3.0, "Average winning duration": 3.5,
        "Average losing duration": 7 / 3, "Longest win streak": 3, "Longest loss streak": 2, "Average MAE": -0.02,
        "Average MFE": 0.05, "Net profit": 8.0, "Average profit": 1.0, "Average win": 3.5, "Average loss": -2.0,
        "Profit factor": 14 / 6, "Payoff ratio": payoff, "Expectancy": 0.01, "SQN": math.sqrt(8) / deviation,
        "Kelly criterion": 0.5 - 0.5 / payoff, "Total fees": 8.0, "Turnover per year": bought_and_sold / 200,
    }
    assert {name: made[name] for name in expected} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_risk_equals_empyrical_and_scipy(seed):
    """Omega, tail ratio, skew and excess kurtosis, on fat-tailed returns."""
    returns = market(seed)
    made = values(curve_from(returns), trades_of([]))
    theirs = {"Omega": empyrical.omega_ratio(returns), "Tail ratio": empyrical.tail_ratio(returns),
              "Skew": stats.skew(returns), "Excess kurtosis": stats.kurtosis(returns)}
    assert {name: made[name] for name in theirs} == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_alpha_and_beta_equal_empyrical(seed):
    """The daily regression of a half-invested, noisy copy of the benchmark."""
    other = market(seed)
    own = 0.5 * other + market(seed + 100) / 2
    made = values(curve_from(own), trades_of([]), curve_from(other))
    alpha, beta = empyrical.alpha_beta_aligned(own, other)
    assert (made["Alpha"], made["Beta"]) == pytest.approx((alpha, beta), rel=1e-8)
    assert made["Benchmark return"] == pytest.approx(np.prod(1 + other) - 1, rel=1e-9)


def test_the_benchmark_is_matched_by_date():
    """A benchmark with twenty sessions more before the run is the same benchmark."""
    other = market(5, 300)
    own = curve_of(100 * np.cumprod(1 + 0.7 * other[20:]), dates=np.arange(20, 300))
    made = values(own, trades_of([]), curve_from(other))
    assert made["Beta"] == pytest.approx(0.7, rel=1e-9)
    assert made["Alpha"] == pytest.approx(0.0, abs=1e-9)


def test_a_benchmark_that_never_moves_explains_nothing():
    """Its return is known; alpha and beta are not."""
    made = values(curve_from(market(1)), trades_of([]), curve_of(np.full(1000, 100.0)))
    assert (made["Benchmark return"], made["Alpha"], made["Beta"]) == (0.0, None, None)


@pytest.mark.filterwarnings("ignore:DatetimeIndex:DeprecationWarning")  # backtesting.py's use of pandas, not ours
def test_sqn_kelly_and_drawdowns_equal_backtesting_py():
    """backtesting.py, given the same trades and the same equity, prints the same figures."""
    pandas, theirs = pytest.importorskip("pandas"), pytest.importorskip("backtesting._stats")
    curve, pnl = curve_from(market(3), 1000.0), np.random.default_rng(3).normal(0.5, 4, 200)
    trades = trades_of(pnl)
    equity = np.concatenate([[curve.initial], curve.equity])
    days = pandas.DatetimeIndex(np.concatenate([curve.date[:1] - 1, curve.date]).astype("datetime64[D]"))
    table = pandas.DataFrame({
        "EntryBar": 0, "ExitBar": 1, "PnL": trades.net_pnl, "ReturnPct": trades.returns,
        "Duration": pandas.Timedelta(days=1)}, index=range(200))
    printed = theirs.compute_stats(table, equity, pandas.DataFrame({"Close": equity}, index=days), None)
    made = values(curve, trades)
    pairs = {"SQN": ("SQN", 1), "Kelly criterion": ("Kelly Criterion", 1), "Win rate": ("Win Rate [%]", 100),
             "Profit factor": ("Profit Factor", 1), "Expectancy": ("Expectancy [%]", 100),
             "Best trade": ("Best Trade [%]", 100), "Worst trade": ("Worst Trade [%]", 100),
             "Peak equity": ("Equity Peak [$]", 1), "Maximum drawdown": ("Max. Drawdown [%]", 100),
             "Average drawdown": ("Avg. Drawdown [%]", 100)}
    assert {ours: made[ours] for ours in pairs} == pytest.approx(
        {ours: printed[name] / scale for ours, (name, scale) in pairs.items()}, rel=1e-9)
    assert made["Maximum drawdown duration"] == printed["Max. Drawdown Duration"].days
    assert math.ceil(made["Average drawdown duration"]) == printed["Avg. Drawdown Duration"].days


@pytest.mark.parametrize(("mask", "longest"), [
    ([], 0), ([0, 0], 0), ([1], 1), ([1, 1, 0, 1], 2), ([0, 1, 0, 1, 1, 1], 3),
])
def test_longest_run(mask, longest):
    """The most true values in a row, wherever they stand."""
    assert longest_run(np.array(mask, bool)) == longest


def test_monthly_returns_worked_by_hand():
    """December to February over a new year, with no session in January."""
    curve = curve_of([110.0, 121.0, 60.5], dates=[-32, -1, 31])  # 2023-11-30, 2023-12-31, 2024-02-01
    frame = monthly_returns(curve)
    assert frame.columns == ["year", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
                             "Year"]
    first, second = frame.to_dicts()
    assert {k: v for k, v in first.items() if v is not None} == pytest.approx(
        {"year": 2023, "Nov": 0.1, "Dec": 0.1, "Year": 0.21})
    assert {k: v for k, v in second.items() if v is not None} == pytest.approx(
        {"year": 2024, "Feb": -0.5, "Year": -0.5})


def test_monthly_returns_equal_empyrical():
    """Ten years of returns on calendar days, month by month and year by year."""
    pandas = pytest.importorskip("pandas")
    curve = curve_from(market(2, 3000))
    series = pandas.Series(curve.returns, pandas.DatetimeIndex(curve.date.astype("datetime64[D]")))
    frame = monthly_returns(curve)
    months = [value for row in frame.drop("year", "Year").rows() for value in row if value is not None]
    np.testing.assert_allclose(months, empyrical.aggregate_returns(series, "monthly"), rtol=1e-9)
    np.testing.assert_allclose(frame["Year"], empyrical.aggregate_returns(series, "yearly"), rtol=1e-9)


def test_drawdown_table_lists_the_deepest_first():
    """Three falls; of the deepest two the one still open has no end, and its days run to the last session."""
    curve = curve_of([100, 90, 100, 50, 100, 80, 75], dates=[0, 1, 2, 3, 10, 11, 20])
    assert drawdowns(curve, top=2).to_dicts() == [
        {"start": date(2024, 1, 3), "trough": date(2024, 1, 4), "end": date(2024, 1, 11), "depth": -0.5, "days": 8},
        {"start": date(2024, 1, 11), "trough": date(2024, 1, 21), "end": None, "depth": -0.25, "days": 10},
    ]


def test_tables_of_an_empty_curve_are_empty_with_their_columns():
    """A report over nothing still has its headings."""
    assert monthly_returns(curve_of([])).shape == (0, 14)
    table = drawdowns(curve_of([]))
    assert table.schema == {"start": pl.Date, "trough": pl.Date, "end": pl.Date, "depth": pl.Float64, "days": pl.Int64}
    assert len(table) == 0
