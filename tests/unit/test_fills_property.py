"""On markets of a few whole-dollar prices, where everything ties, the kernel fills what the second program fills."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kobe81.backtest.engine import Account, Backtest, run_signals
from kobe81.core.bars import FIELDS, Bars
from kobe81.core.signals import Signals
from kobe81.strategies import Strategy
from tests.oracle import spec
from tests.unit.test_against_oracle import COLUMNS, EPOCH, PRICES, fee

SYMBOLS = ("A", "B", "C")


@dataclass(frozen=True)
class HandedIn(Strategy):
    """A name for signals that the test makes itself."""

    @property
    def warmup(self) -> int:
        return 1

    def generate_signals(self, bars: Bars) -> Signals:
        raise NotImplementedError


@st.composite
def bar(draw: st.DrawFn, day: int) -> spec.Bar:
    """A valid bar whose prices are 4 to 9 dollars."""
    prices = draw(st.lists(st.integers(4, 9), min_size=4, max_size=4))
    low, first, last, high = sorted(prices)
    o, c = (first, last) if draw(st.booleans()) else (last, first)
    return spec.Bar(EPOCH + dt.timedelta(day), float(o), float(high), float(low), float(c), 100.0)


@st.composite
def market(draw: st.DrawFn) -> tuple[dict[str, list[spec.Bar]], list[dict[str, Any]]]:
    """Up to three symbols, with holes in their calendars, and signals with whole-dollar stops, targets and scores."""
    bars, found = {}, []
    for symbol in SYMBOLS[: draw(st.integers(1, 3))]:
        days = sorted(draw(st.sets(st.integers(0, 14), min_size=1, max_size=14)))
        bars[symbol] = [draw(bar(day)) for day in days]
        for i in range(len(days)):
            if draw(st.integers(0, 2)):
                side, target = draw(st.sampled_from(["long", "short"])), draw(st.sampled_from([None, 5.0, 7.0, 9.0]))
                found.append({
                    "symbol": symbol, "strategy": "x", "index": i, "date": bars[symbol][i].date, "side": side,
                    "entry": bars[symbol][i].close, "stop": float(draw(st.integers(3, 10))),
                    "take_profit": target, "score": float(draw(st.integers(0, 2)))})
    return bars, found


def as_bars(series: dict[str, list[spec.Bar]]) -> Bars:
    """The same bars for the product."""
    rows = [b for s in series.values() for b in s]
    offsets = np.cumsum([0, *(len(s) for s in series.values())]).astype(np.int64)
    fields = {name: np.array([getattr(b, name) for b in rows]) for name in FIELDS}
    return Bars.of(list(series), offsets, np.array([(b.date - EPOCH).days for b in rows], np.int32), fields)


def as_signals(bars: Bars, found: list[dict[str, Any]]) -> Signals:
    """The same signals for the product."""
    def column(name: str) -> Any:
        return np.array([np.nan if s[name] is None else s[name] for s in found], np.float64)

    rows = np.array([bars.offsets[bars.symbols.index(s["symbol"])] + s["index"] for s in found], np.int64)
    side = np.array([1 if s["side"] == "long" else -1 for s in found], np.int8)
    return Signals(rows, side, column("entry"), column("stop"), column("take_profit"), column("score"), "x")


def assert_same(result: Backtest, expected: list[dict[str, Any]]) -> None:
    """Row by row."""
    ours = sorted(result.trades.iter_rows(named=True), key=lambda r: (r["entry_date"], r["symbol"]))
    assert [[r[c] for c in COLUMNS] for r in ours] == [[r[c] for c in COLUMNS] for r in expected]
    for name in PRICES:
        np.testing.assert_allclose([r[name] for r in ours], [float(r[name]) for r in expected], rtol=1e-12, atol=1e-9)


@settings(max_examples=400, deadline=None)
@given(market(), st.integers(1, 6))
def test_independent_fills(given_market: tuple[dict[str, list[spec.Bar]], list[dict[str, Any]]], hold: int) -> None:
    """Every symbol on its own."""
    series, found = given_market
    bars = as_bars(series)
    account = Account(mode="independent", notional=50.0, slippage_bps=100.0)
    result = run_signals(bars, HandedIn(hold=hold), account, as_signals(bars, found))
    assert_same(result, spec.trade_alone(series, found, spec.Terms(hold, 50.0, 100.0, fee)))


@settings(max_examples=400, deadline=None)
@given(market(), st.integers(1, 6), st.sampled_from([60.0, 101.0, 1_000.0]), st.integers(1, 3))
def test_portfolio_fills_and_equity(given_market: tuple[dict[str, list[spec.Bar]], list[dict[str, Any]]], hold: int,
                                    cash: float, slots: int) -> None:
    """One account for all, with too little cash and too few slots as often as not."""
    series, found = given_market
    bars = as_bars(series)
    account = Account(cash=cash, notional=50.0, slippage_bps=100.0, max_positions=slots)
    result = run_signals(bars, HandedIn(hold=hold), account, as_signals(bars, found))
    terms = spec.Terms(hold, 50.0, 100.0, fee, cash, slots)
    days = sorted({b.date for s in series.values() for b in s})
    expected, rows = spec.trade_together(series, found, terms, days)
    assert_same(result, expected)
    ours = result.equity.select("equity", "cash", "exposure").to_numpy()
    np.testing.assert_allclose(ours, np.array([row[1:] for row in rows]), rtol=1e-9, atol=1e-9)
