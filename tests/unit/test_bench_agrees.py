"""The bare loop of the benchmark makes the product's trades: a limit that computed something else would be no limit."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from bench import bare
from bench.jobs import ALONE, DEFAULT_SET, GRID, arrays
from bench.table import checks, deviation, markdown
from kobe81.backtest.engine import backtest
from kobe81.backtest.walk_forward import grid_of, walk_forward
from kobe81.core.bars import Bars
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.strategies import strategy
from tests.oracle import spec

EPOCH = dt.date(1970, 1, 1).toordinal()


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Symbols that list late, leave early, miss sessions and fall under the lowest price; some too short to trade."""
    return synthetic_bars(60, 900, seed=5)


@pytest.mark.parametrize("name", bare.NAMES)
def test_bare_loop_makes_the_products_trades(bars: Bars, name: str) -> None:
    """The same entries and exits, and the same net profit."""
    entry, exit_, qty, bought, sold = bare.trades(bare.NAMES.index(name), arrays(bars))
    ours = backtest(bars, strategy(name), ALONE).fills
    order = np.argsort(ours.entry)
    assert len(entry) > 50
    assert np.array_equal(entry, ours.entry[order])
    assert np.array_equal(exit_, ours.exit[order])
    np.testing.assert_allclose(qty * (sold - bought), ours.net_pnl[order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", bare.NAMES)
def test_bare_loop_makes_the_specifications_trades(bars: Bars, name: str) -> None:
    """Against the plain second program of tests/oracle: the same dates and prices, row by row."""
    few = bars.select(bars.symbols[:12])
    entry, exit_, _, bought, sold = bare.trades(bare.NAMES.index(name), arrays(few))
    series: dict[str, list[spec.Bar]] = {}
    for row in few.to_frame().iter_rows(named=True):
        series.setdefault(row.pop("symbol"), []).append(spec.Bar(**row))
    expected = spec.independent(series, name, {}, slippage_bps=0.0, fee=lambda *_: 0.0)
    found = [(few.symbols[few.symbol_index[e]], dt.date.fromordinal(EPOCH + int(few.date[e])),
              dt.date.fromordinal(EPOCH + int(few.date[x]))) for e, x in zip(entry, exit_, strict=True)]
    rows = sorted(expected, key=lambda r: (r["symbol"], r["entry_date"]))
    assert found == [(r["symbol"], r["entry_date"], r["exit_date"]) for r in rows]
    np.testing.assert_allclose(bought, [float(r["entry_price"]) for r in rows], rtol=1e-12)
    np.testing.assert_allclose(sold, [float(r["exit_price"]) for r in rows], rtol=1e-9)


@pytest.mark.parametrize("name", bare.NAMES)
def test_bare_walk_forward_makes_the_products_choices_and_trades(bars: Bars, name: str) -> None:
    """The same set in every split, and the same trades and profit out of sample."""
    chosen, parts = bare.walk_forward(bare.NAMES.index(name), arrays(bars), *map(np.array, GRID.values()), DEFAULT_SET)
    ours = walk_forward(bars, strategy(name), GRID, ALONE)
    assert [ours.sets[k] for k in chosen] == [split.strategy for split in ours.splits]
    for number, split in enumerate(ours.splits):
        _, entry, _, _, profit = (column[parts[chosen[number]][0] == number] for column in parts[chosen[number]])
        assert np.array_equal(np.sort(entry), np.sort(split.trades.entry))
        assert profit.sum() == pytest.approx(split.trades.net_pnl.sum(), abs=1e-6)


@pytest.mark.parametrize("name", bare.NAMES)
def test_bare_training_scores_are_the_products(bars: Bars, name: str) -> None:
    """The same Sharpe in every training window: windows start flat, and trades that leave too late do not count."""
    plain = arrays(bars)
    ours = walk_forward(bars, strategy(name), None, ALONE)
    found = bare.signals(bare.NAMES.index(name), plain, bare.LOOKBACK)
    daily, count = bare.train(plain, found, bare.STOP_ATR, bare.HOLD, len(bars.sessions))
    score = bare.sharpes(daily, count, len(ours.splits)) * np.sqrt(252)
    enough = count[: len(score)] >= bare.MIN_TRADES
    assert enough.sum() >= 3
    assert count[: len(score)].tolist() == [split.train_trades for split in ours.splits]
    np.testing.assert_allclose(score[enough], ours.train_score[0][enough], rtol=1e-9)


def test_default_set_is_the_default_parameters() -> None:
    """A split with too few training trades falls back on the parameters the strategy has by itself."""
    base = strategy("donchian")
    assert grid_of(base, GRID)[DEFAULT_SET] == base


def results(**jobs: float) -> dict[str, object]:
    """Results as a run would write them, with these CPU seconds."""
    one = {"wall_s": 0.01, "rounds": 7, "scale": 1.0, "trades": 3, "net_pnl": 100.0}
    base = {"open_panel": 0.01, "independent_half": 0.5} | jobs
    return {
        "date": "2026-01-02", "machine": {"processor": "a processor", "cores": 2, "python": "3.11.7"},
        "versions": {"kobe81": "0.1"}, "data": {"name": "bars", "symbols": 900, "bars": 2_000_000},
        "processes": {"help_s": 0.2, "backtest_first_s": 3.0, "backtest_again_s": 2.0,
                      "peak_mb": {"independent": 999.0, "vectorbt_walk_forward": 5000.0}},
        "jobs": {name: one | {"cpu_s": cpu} for name, cpu in base.items()},
    }


def test_targets_compare_the_right_jobs_in_the_right_direction() -> None:
    """A product 4 times the bare loop and 15 times faster than vectorbt is on both limits; a little slower misses."""
    on = results(independent=1.0, bare_independent=0.25, vectorbt_independent=15.0, portfolio=2.5)
    over = results(independent=1.01, bare_independent=0.25, vectorbt_independent=15.0, portfolio=2.51)
    assert [c.met for c in checks(on)] == [True, True, True, None, None, True, True, True, True, True, True]
    assert [c.met for c in checks(over)][:3] == [False, False, False]


def test_peers_are_not_held_to_the_limit_on_memory() -> None:
    """Only this product's own peaks count."""
    memory = next(c for c in checks(results(independent=1.0)) if c.unit == "MB")
    assert memory.value == 999.0


def test_table_says_what_was_scaled_and_what_was_not_measured() -> None:
    """A job that did a thirtieth of the work is marked; a peer that was left out leaves its cell empty."""
    known = results(independent=1.0, bare_independent=0.25, backtesting_independent=58.0)
    known["jobs"]["backtesting_independent"]["scale"] = 30.0
    table = markdown(known)
    assert "| Both strategies, signals and trades | **1** | 0.25 |  | 58 (scaled) |" in table
    assert "2026-01-02" in table


def test_deviation_is_a_fraction_of_the_bare_loops_profit() -> None:
    """A peer that finds 110 dollars where 100 were made is 10 % off."""
    known = results(vectorbt_independent=1.0, bare_independent=1.0)
    known["jobs"]["vectorbt_independent"]["net_pnl"] = 110.0
    assert deviation(known, "vectorbt_independent", "bare_independent") == pytest.approx(0.1)
