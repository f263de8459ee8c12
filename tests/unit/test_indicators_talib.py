"""Every indicator that TA-Lib has, against TA-Lib."""

from itertools import pairwise

import numpy as np
import pytest
import talib

from kobe81 import indicators
from kobe81.core.bars import Bars, Column

BARS = 700
CLOSE = {
    "sma": talib.SMA, "ema": talib.EMA, "rsi": talib.RSI, "rolling_max": talib.MAX, "rolling_min": talib.MIN,
}
RANGE = {"wilder_atr": talib.ATR, "adx": talib.ADX, "plus_di": talib.PLUS_DI, "minus_di": talib.MINUS_DI}


def to_bars(high, low, close):
    """One symbol's bars."""
    fields = {"open": close, "high": high, "low": low, "close": close, "volume": np.ones(len(close))}
    return Bars.of(["A"], np.array([0, len(close)]), np.arange(len(close), dtype=np.int32), fields)


def market(kind, seed=1):
    """High, low and close of one symbol: a walk in cents, a wild walk with gaps, or a calm one at a high price."""
    rng = np.random.default_rng(seed)
    start, sigma = {"cents": (20.0, 0.01), "wild": (3.0, 0.15), "calm": (1e4, 1e-5)}[kind]
    close = start * np.exp(np.cumsum(rng.normal(0, sigma, BARS)))
    high = close * (1 + np.abs(rng.normal(0, sigma, BARS)))
    low = close / (1 + np.abs(rng.normal(0, sigma, BARS)))
    rounded = [np.round(prices, 2) for prices in (high, low, close)]
    return rounded if kind == "cents" else [high, low, close]


def same(ours, theirs):
    """Equal to 1e-9 relative, undefined at the same bars."""
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", ["cents", "wild", "calm"])
@pytest.mark.parametrize("n", [2, 3, 14, 20, 50, 252])
@pytest.mark.parametrize("name", CLOSE)
def test_of_the_close(name, n, kind):
    """The indicators of one column are TA-Lib's, from the same first bar on."""
    high, low, close = market(kind)
    same(getattr(indicators, name)(to_bars(high, low, close).close, n), CLOSE[name](close, n))


@pytest.mark.parametrize("kind", ["cents", "wild", "calm"])
@pytest.mark.parametrize("n", [2, 3, 14, 20, 50, 252])
@pytest.mark.parametrize("name", RANGE)
def test_of_the_range(name, n, kind):
    """The indicators of whole bars are TA-Lib's, from the same first bar on."""
    high, low, close = market(kind)
    same(getattr(indicators, name)(to_bars(high, low, close), n), RANGE[name](high, low, close, n))


@pytest.mark.parametrize("n", [2, 14, 50])
def test_standard_deviation(n):
    """rolling_std with ddof 0 is TA-Lib's STDDEV (whose own digits run out on calm prices)."""
    high, low, close = market("wild")
    same(indicators.rolling_std(to_bars(high, low, close).close, n, ddof=0), talib.STDDEV(close, n))


@pytest.mark.parametrize(("n", "k"), [(5, 1.0), (20, 2.0), (20, 0.0), (50, 2.5)])
def test_bollinger(n, k):
    """The bands are TA-Lib's BBANDS, lower first."""
    high, low, close = market("cents")
    upper, middle, lower = talib.BBANDS(close, n, k, k)
    for ours, theirs in zip(indicators.bollinger(to_bars(high, low, close).close, n, k), (lower, middle, upper),
                            strict=True):
        same(ours, theirs)


@pytest.mark.parametrize("periods", [(12, 26, 9), (3, 10, 16), (26, 12, 9), (5, 5, 5), (2, 40, 1)])
def test_macd(periods):
    """Line, signal and histogram are TA-Lib's MACD; the line starts earlier, as the difference of its averages."""
    high, low, close = market("wild")
    theirs = talib.MACD(close, *periods)
    given = ~np.isnan(theirs[0])
    ours = indicators.macd(to_bars(high, low, close).close, *periods)
    for mine, other in zip(ours, theirs, strict=True):
        # A difference of averages is exact to the digits of the averages.
        np.testing.assert_allclose(mine[given], other[given], rtol=1e-9, atol=1e-12)
    for mine in ours[1:]:
        np.testing.assert_array_equal(np.isnan(mine[:]), ~given)
    slow = max(periods[:2])
    assert np.flatnonzero(~np.isnan(ours[0][:]))[0] == slow - 1


@pytest.mark.parametrize("name", RANGE)
def test_holes_start_every_indicator_again(name):
    """Between undefined bars each stretch reads as if it were the whole history."""
    high, low, close = market("wild")
    holes = {"high": 97, "low": 300, "close": 301}
    high[97], low[300], close[301] = np.nan, np.inf, -np.inf
    ours = np.asarray(getattr(indicators, name)(to_bars(high, low, close), 14))
    expected = np.full(BARS, np.nan)
    edges = [-1, *holes.values(), BARS]
    for before, after in pairwise(edges):
        part = slice(before + 1, after)
        if after - before - 1 > 0:
            expected[part] = RANGE[name](high[part], low[part], close[part], 14)
    same(ours, expected)


@pytest.mark.parametrize("name", CLOSE)
def test_holes_in_a_column(name):
    """A column with holes reads as TA-Lib reads each stretch between them."""
    close = market("wild")[2]
    close[[0, 40, 55, 400]] = [np.nan, np.inf, -np.inf, np.nan]
    expected = np.full(BARS, np.nan)
    for part in (slice(1, 40), slice(41, 55), slice(56, 400), slice(401, BARS)):
        expected[part] = CLOSE[name](close[part], 14)
    same(getattr(indicators, name)(Column.of(close, np.array([0, BARS])), 14), expected)


@pytest.mark.parametrize(("first", "name"), [(14, "rsi"), (14, "plus_di"), (14, "minus_di"), (27, "adx"),
                                             (14, "wilder_atr")])
def test_flat_prices(first, name):
    """Prices that never moved have an RSI, +DI, -DI, ADX and ATR of 0, which is TA-Lib's answer too."""
    flat = np.full(60, 12.34)
    bars = to_bars(flat, flat, flat)
    ours = getattr(indicators, name)(bars.close if name == "rsi" else bars, 14)
    same(ours, talib.RSI(flat, 14) if name == "rsi" else RANGE[name](flat, flat, flat, 14))
    assert np.isnan(ours[:first]).all()
    assert (ours[first:] == 0).all()


@pytest.mark.parametrize("name", ["rsi", "plus_di", "minus_di", "adx"])
def test_prices_that_turn_flat(name):
    """Long after the last move, RSI and both DIs keep their last values and ADX settles: TA-Lib's answer too."""
    high, low, close = (np.append(prices, np.full(2000, 7.0)) for prices in market("wild"))
    bars = to_bars(high, low, close)
    expected = talib.RSI(close, 14) if name == "rsi" else RANGE[name](high, low, close, 14)
    same(getattr(indicators, name)(bars.close if name == "rsi" else bars, 14), expected)


def test_flat_stretch_of_directional_index_is_carried():
    """Bars without any directional movement leave the ADX where it was, once it has begun."""
    steps = np.concatenate([np.zeros(6), np.ones(12), np.zeros(12)])
    close = 50 + np.cumsum(steps)
    for n in (2, 3, 5):
        same(indicators.adx(to_bars(close, close, close), n), talib.ADX(close, close, close, n))


def test_balanced_directions_count_as_zero():
    """A bar at which +DI and -DI are equal, and not 0, pulls the ADX down: here to half of the 33.3 before."""
    close = np.array([10.0, 12.0, 11.0, 13.0, 12.0])
    ours = indicators.adx(to_bars(close, close, close), 2)
    same(ours, talib.ADX(close, close, close, 2))
    same(ours[3:], [100 / 3, 50 / 3])
