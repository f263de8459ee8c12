"""Laws that every indicator obeys, whatever the prices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kobe81 import indicators as ind
from kobe81.core.bars import FIELDS, Bars

EVERY = {
    "prior": lambda b, n: [ind.prior(b.close, n)],
    "sma": lambda b, n: [ind.sma(b.close, n)],
    "ema": lambda b, n: [ind.ema(b.close, n)],
    "macd": lambda b, n: ind.macd(b.close, n, n + 2, 3),
    "wilder_atr": lambda b, n: [ind.wilder_atr(b, n)],
    "rsi": lambda b, n: [ind.rsi(b.close, n)],
    "plus_di": lambda b, n: [ind.plus_di(b, n)],
    "minus_di": lambda b, n: [ind.minus_di(b, n)],
    "adx": lambda b, n: [ind.adx(b, n)],
    "bollinger": lambda b, n: ind.bollinger(b.close, n, 2.0),
    "donchian": lambda b, n: ind.donchian(b, n),
    "prior_high": lambda b, n: [ind.prior_high(b.high, n)],
    "prior_low": lambda b, n: [ind.prior_low(b.low, n)],
    "rolling_max": lambda b, n: [ind.rolling_max(b.close, n)],
    "rolling_min": lambda b, n: [ind.rolling_min(b.close, n)],
    "rolling_std": lambda b, n: [ind.rolling_std(b.close, n, 0)],
    "rolling_rank": lambda b, n: [ind.rolling_rank(b.close, n)],
    "zscore": lambda b, n: [ind.zscore(b.close, n + 1)],
}
WARM_UP = {"macd": lambda n: n + 1, "wilder_atr": lambda n: n, "rsi": lambda n: n, "plus_di": lambda n: n,
           "minus_di": lambda n: n, "adx": lambda n: 2 * n - 1, "prior": lambda n: n, "prior_high": lambda n: n,
           "prior_low": lambda n: n, "zscore": lambda n: n}
LAW = settings(deadline=None, max_examples=20)  # the first call compiles


def answer(name, bars, n):
    """The indicator's values, one row per result, one column per bar."""
    return np.array([np.asarray(column) for column in EVERY[name](bars, n)])


def join(symbols):
    """Bars of these symbols, each a float64 array [4, bars] of open, high, low, close."""
    counts = np.array([0, *(symbol.shape[1] for symbol in symbols)])
    prices = np.concatenate(symbols, axis=1)
    fields = dict(zip(FIELDS, [*prices, np.ones(prices.shape[1])], strict=True))
    dates = np.concatenate([np.arange(count, dtype=np.int32) for count in counts[1:]])
    return Bars.of([f"S{i:02d}" for i in range(len(symbols))], np.cumsum(counts), dates, fields)


def walk(rng, count, holes=0):
    """One symbol's bars, some of them flat, `holes` of the values undefined."""
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, count) * (rng.random(count) < 0.8)))
    spread = np.abs(rng.normal(0, 0.01, (2, count))) * (rng.random(count) < 0.9)
    prices = np.array([close, close * (1 + spread[0]), close * (1 - spread[1]), close])
    for _ in range(holes):
        prices[rng.integers(4), rng.integers(count)] = rng.choice([np.nan, np.inf, -np.inf])
    return prices


@st.composite
def symbols(draw, least=1):
    """One to five symbols of 1 to 120 bars, a few with holes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = draw(st.lists(st.integers(1, 120), min_size=least, max_size=5))
    return [walk(rng, count, draw(st.sampled_from([0, 0, 1, 3]))) for count in counts]


@pytest.mark.parametrize("name", EVERY)
@LAW
@given(market=symbols(), n=st.integers(1, 40))
def test_symbols_stand_alone(name, market, n):
    """A symbol's values among others are, bit for bit, those it has alone: no border leaks, no order matters."""
    together = answer(name, join(market), n)
    alone = np.concatenate([answer(name, join([symbol]), n) for symbol in market], axis=1)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("name", EVERY)
@LAW
@given(market=symbols(), n=st.integers(1, 40), cut=st.integers(1, 119))
def test_the_future_changes_nothing(name, market, n, cut):
    """The values on the first bars are, bit for bit, the same when no bar after them exists."""
    symbol = market[0]
    np.testing.assert_array_equal(answer(name, join([symbol[:, :cut]]), n), answer(name, join([symbol]), n)[:, :cut])


@pytest.mark.parametrize("name", [name for name in EVERY if name != "prior"])
@LAW
@given(market=symbols(), n=st.integers(1, 20), at=st.integers(0, 119))
def test_a_hole_cuts_history_in_two(name, market, n, at):
    """An undefined bar is undefined, and after it the indicator starts again as on a symbol's first bar."""
    symbol = market[0].copy()
    at = min(at, symbol.shape[1] - 1)
    symbol[:, at] = np.nan
    whole = answer(name, join([symbol]), n)
    assert np.isnan(whole[:, at]).all()
    np.testing.assert_array_equal(whole[:, :at], answer(name, join([symbol[:, :at]]), n))
    np.testing.assert_array_equal(whole[:, at + 1 :], answer(name, join([symbol[:, at + 1 :]]), n))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("n", [1, 2, 5, 33])
def test_undefined_until_full_then_defined(name, n):
    """The first defined bar is the documented one, and from there on every bar of living prices is defined."""
    rng = np.random.default_rng(n)
    values = answer(name, join([walk(rng, 150) * rng.uniform(0.99, 1.01, 150)]), n)[0]
    first = WARM_UP.get(name, lambda n: n - 1)(n)
    assert np.isnan(values[:first]).all()
    assert np.isfinite(values[first:]).all()


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_short_and_flat_symbols(name, count):
    """Symbols shorter than the window are undefined; flat ones give no infinity."""
    flat = np.full((4, count), 9.9)
    assert np.isnan(answer(name, join([flat]), 6)).all()
    assert not np.isinf(answer(name, join([flat]), 1)).any()


@LAW
@given(market=symbols(), n=st.integers(2, 40))
def test_order_of_things(market, n):
    """Lowest <= mean <= highest, bands around their middle, RSI and ADX within 0 to 100, ranks within 1/n to 1."""
    bars = join(market)
    low, mean, high = (np.asarray(f(bars.close, n)) for f in (ind.rolling_min, ind.sma, ind.rolling_max))
    full = ~np.isnan(mean)
    slack = 1e-12 * np.abs(mean[full])
    assert (low[full] <= mean[full] + slack).all()
    assert (mean[full] <= high[full] + slack).all()
    lower, middle, upper = (np.asarray(band)[full] for band in ind.bollinger(bars.close, n))
    assert ((lower <= middle) & (middle <= upper)).all()
    for scale in (ind.rsi(bars.close, n), ind.adx(bars, n), ind.plus_di(bars, n), ind.minus_di(bars, n)):
        values = np.asarray(scale)[~np.isnan(scale)]
        assert ((values >= 0) & (values <= 100 + 1e-9)).all()
    ranks = np.asarray(ind.rolling_rank(bars.close, n))[full]
    assert ((ranks >= 1 / n) & (ranks <= 1)).all()


@LAW
@given(market=symbols(), n=st.integers(1, 40))
def test_mirrored_bars_mirror_the_channel(market, n):
    """Upside down, the highest is the lowest, falling is rising, and the true range stays."""
    bars = join(market)
    mirror = bars.mirror()
    np.testing.assert_array_equal(ind.prior_high(mirror.high, n), -ind.prior_low(bars.low, n))
    np.testing.assert_array_equal(ind.wilder_atr(mirror, n), ind.wilder_atr(bars, n))
    np.testing.assert_array_equal(ind.plus_di(mirror, n), ind.minus_di(bars, n))
