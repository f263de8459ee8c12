"""The compiled backtest gives, trade by trade, what the plain second program of tests/oracle gives."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from kobe81.backtest.engine import Account, Backtest, backtest
from kobe81.backtest.walk_forward import Plan, walk_forward
from kobe81.core.bars import Bars
from kobe81.core.fees import sell_fees
from kobe81.core.params import parameters, with_values
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.strategies import strategy
from tests.oracle import spec

EPOCH = dt.date(1970, 1, 1)
KINDS = ("donchian", "ict_turtle_soup")
PARAMETERS = [{}, {"allow_short": True, "r_multiple": 1.5}, {"lookback": 10, "trend": 50, "hold": 8, "stop_atr": 1.0},
              {"allow_short": True, "min_price": 0.0, "trend": 100, "atr": 5, "hold": 1}]
COLUMNS = ("symbol", "side", "signal_date", "entry_date", "exit_date", "qty", "bars_held", "exit_reason")
PRICES = ("entry_price", "exit_price", "stop", "score", "gross_pnl", "fees", "net_pnl", "return")


@pytest.fixture(scope="module")
def bars() -> Bars:
    """A dozen synthetic symbols with gaps, late listings and delistings."""
    return synthetic_bars(14, 900, seed=11)


def plain(bars: Bars) -> dict[str, list[spec.Bar]]:
    """The bars as the second program takes them."""
    series: dict[str, list[spec.Bar]] = {}
    for row in bars.to_frame().iter_rows(named=True):
        series.setdefault(row.pop("symbol"), []).append(spec.Bar(**row))
    return series


def fee(day: dt.date, shares: float, dollars: float) -> float:
    """The product's dated fee table, which has its own tests."""
    return sell_fees((day - EPOCH).days, shares, dollars)


def assert_same_trades(result: Backtest, expected: list[dict[str, object]]) -> None:
    """Equal rows in equal order: names, dates and counts exactly, prices to 1e-9."""
    ours = sorted(result.trades.iter_rows(named=True), key=lambda r: (r["entry_date"], r["symbol"]))
    assert [[r[c] for c in COLUMNS] for r in ours] == [[r[c] for c in COLUMNS] for r in expected]
    for name in PRICES:
        np.testing.assert_allclose([r[name] for r in ours], [float(r[name]) for r in expected], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", PARAMETERS)
def test_independent_trades_are_the_second_programs(bars: Bars, kind: str, values: dict[str, object]) -> None:
    """Every symbol on its own: the same rows."""
    rule = strategy(kind, values)
    result = backtest(bars, rule, Account(mode="independent", slippage_bps=7.0))
    expected = spec.independent(plain(bars), kind, values, slippage_bps=7.0, hold=rule.hold, fee=fee)
    assert len(expected) > 5
    assert_same_trades(result, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", PARAMETERS)
@pytest.mark.parametrize(("cash", "slots"), [(100_000.0, 20), (2_600.0, 20), (100_000.0, 2)])
def test_portfolio_trades_and_equity_are_the_second_programs(bars: Bars, kind: str, values: dict[str, object],
                                                             cash: float, slots: int) -> None:
    """Ample money, scarce cash, scarce slots: the same rows, and the same equity, cash and exposure every session."""
    rule = strategy(kind, values)
    result = backtest(bars, rule, Account(cash=cash, max_positions=slots))
    expected, equity = spec.portfolio(plain(bars), kind, values, hold=rule.hold, fee=fee, cash=cash,
                                      max_positions=slots)
    assert_same_trades(result, expected)
    ours = result.equity.select("date", "equity", "cash", "exposure").rows()
    assert [row[0] for row in ours] == [row[0] for row in equity]
    np.testing.assert_allclose([r[1:] for r in ours], [r[1:] for r in equity], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("mode", ["portfolio", "independent"])
@pytest.mark.parametrize(("embargo", "cash"), [(0, 6_000.0), (7, 1_900.0)])
def test_walk_forward_choices_and_trades_are_the_second_programs(bars: Bars, mode: str, embargo: int,
                                                                 cash: float) -> None:
    """Every split, with scarce slots or scarce cash: the same training scores, chosen set and test trades."""
    few = bars.select(bars.symbols[:6])
    values = {"lookback": 15, "trend": 40}
    grid = {"stop_atr": [1.0, 2.5], "hold": [4, 9], "lookback": [5, 30]}
    base = strategy("donchian", values)
    ours = walk_forward(few, base, grid, Account(mode=mode, cash=cash, max_positions=3),
                        Plan(train=120, test=40, embargo=embargo))
    expected = spec.walk_forward(plain(few), "donchian", grid, mode, params=values, embargo=embargo, train=120, test=40,
                                 slippage_bps=5.0, fee=fee, cash=cash, max_positions=3)
    assert len(ours.splits) == len(expected) == (len(few.sessions) - 120) // 40
    for k, (split, other) in enumerate(zip(ours.splits, expected, strict=True)):
        scores = [np.nan if s["sharpe"] is None else s["sharpe"] for s in other["scores"]]
        np.testing.assert_allclose(ours.train_score[:, k], scores, rtol=1e-9)
        chosen = {k: v for k, v in other["params"].items() if k in parameters(base)}
        assert split.strategy == with_values(base, chosen)
        assert split.trades.to_frame(few, "x")["entry_date"].to_list() == [t["entry_date"] for t in other["trades"]]
        np.testing.assert_allclose(split.trades.net_pnl, [t["net_pnl"] for t in other["trades"]], rtol=1e-9)
