"""What the indicators are: examples worked by hand, honest digits, refusals, memory."""

import statistics
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from kobe81 import indicators
from kobe81.core.bars import Bars, Column
from kobe81.core.errors import UsageError
from kobe81.indicators import (
    bollinger,
    donchian,
    ema,
    macd,
    prior,
    prior_high,
    prior_low,
    rolling_max,
    rolling_rank,
    rolling_std,
    rsi,
    sma,
    wilder_atr,
    zscore,
)

NAN = np.nan


def column(*symbols, memo=None):
    """A column of these symbols' values."""
    offsets = np.cumsum([0, *map(len, symbols)])
    return Column.of(np.concatenate(symbols).astype(float), offsets, memo)


def to_bars(high, low, close, remember=False):
    """One symbol's bars."""
    high, low, close = (np.array(prices, float) for prices in (high, low, close))
    fields = {"open": close, "high": high, "low": low, "close": close, "volume": np.ones(len(close))}
    dates = np.arange(len(close), dtype=np.int32)
    return Bars.of(["A"], np.array([0, len(close)]), dates, fields, memo={} if remember else None)


def same(ours, expected):
    """Equal, undefined at the same bars."""
    np.testing.assert_allclose(np.asarray(ours), expected, rtol=1e-14, atol=0)


def test_prior_does_not_reach_into_the_symbol_before():
    """Each symbol's first bars have nothing before them."""
    same(prior(column([1, 2, 3], [4], [5, 6])), [NAN, 1, 2, NAN, NAN, 5])
    same(prior(column([1, 2, 3], [4], [5, 6]), 2), [NAN, NAN, 1, NAN, NAN, NAN])


def test_prior_keeps_undefined_bars_in_their_place():
    """A hole moves along with its bar and takes no other bar with it."""
    same(prior(column([1, NAN, 3, 4])), [NAN, 1, NAN, 3])


def test_sma_by_hand():
    """The mean of three bars, from the third bar of each symbol on."""
    same(sma(column([1, 2, 6, 7, -1], [1, 2], [3, 3, 3]), 3), [NAN, NAN, 3, 5, 4, NAN, NAN, NAN, NAN, 3])


def test_prior_high_and_low_leave_the_current_bar_out():
    """A new extreme is compared with the bars before it."""
    x = column([5, 1, 4, 9, 0], [7, 8])
    same(prior_high(x, 2), [NAN, NAN, 5, 4, 9, NAN, NAN])
    same(prior_low(x, 2), [NAN, NAN, 1, 1, 4, NAN, NAN])
    same(prior_high(x, 1), [NAN, 5, 1, 4, 9, NAN, 7])


@pytest.mark.parametrize("n", [*range(1, 36), 63, 64, 65, 90])
def test_extremes_of_any_window(n):
    """Highest and lowest of every window length are pandas', so no bar of a window is left out."""
    values = np.random.default_rng(n).normal(size=100)
    x, rolling = column(values), pd.Series(values).rolling(n)
    same(rolling_max(x, n), rolling.max())
    same(indicators.rolling_min(x, n), rolling.min())
    same(prior_high(x, n), rolling.max().shift())
    same(prior_low(x, n), rolling.min().shift())


def test_donchian_by_hand():
    """Upper, lower and middle over the window that ends with the bar itself."""
    upper, lower, middle = donchian(to_bars([5, 9, 6, 7], [1, 3, 2, 4], [2, 4, 3, 5]), 2)
    same(upper, [NAN, 9, 9, 7])
    same(lower, [NAN, 1, 2, 2])
    same(middle, [NAN, 5, 5.5, 4.5])


def test_wilder_atr_by_hand():
    """True ranges 3 (gap up), 2 (high-low), 5 (gap down): the mean 2.5 of two, then (2.5 + 5) / 2."""
    atr = wilder_atr(to_bars([10, 12, 12, 8], [9, 11, 10, 6], [9, 11, 11, 7]), 2)
    same(atr, [NAN, NAN, 2.5, 3.75])


def test_ema_by_hand():
    """Weight 1/2 for n = 3: the mean 2 of 1, 2, 3, then half way to 6, then half way to 0."""
    same(ema(column([1, 2, 3, 6, 0]), 3), [NAN, NAN, 2, 4, 2])


def test_rsi_by_hand():
    """Gains 1 and 3 against a loss of 2: 4/6; then gains halve to 1 against a loss of 1: with n = 2."""
    # Changes +4, -2: means 2 and 1. Change 0: 1 and 0.5.
    same(rsi(column([10, 14, 12, 12]), 2), [NAN, NAN, 100 * 2 / 3, 100 * 2 / 3])
    same(rsi(column([1, 2, 3, 4]), 2), [NAN, NAN, 100, 100])


def test_one_bar_windows():
    """A window of one bar is the bar."""
    x = column([3, 1, 2])
    for indicator in (sma, ema, rolling_max, indicators.rolling_min):
        same(indicator(x, 1), [3, 1, 2])
    same(rolling_rank(x, 1), [1, 1, 1])
    same(rolling_std(x, 1, ddof=0), [0, 0, 0])
    same(bollinger(x, 1)[0], [3, 1, 2])


def test_rank_by_hand():
    """Equal values share the average of their ranks: 2, 2 among 1, 2, 2, 4 are second and third, so 2.5 of 4."""
    same(rolling_rank(column([4, 1, 2, 2, 9, 0]), 4), [NAN, NAN, NAN, 2.5 / 4, 1, 1 / 4])


@pytest.mark.parametrize("n", [2, 7, 50])
def test_rank_is_that_of_pandas(n):
    """Average rank over the window's length, ties included."""
    values = np.random.default_rng(0).integers(0, 9, 300)
    same(rolling_rank(column(values), n), pd.Series(values).rolling(n).rank(pct=True))


@pytest.mark.parametrize("ddof", [0, 1])
def test_standard_deviation_in_exact_fractions(ddof):
    """Moves of a thousandth on a price of ten thousand keep nine digits and more."""
    values = 1e4 + 1e-3 * np.random.default_rng(5).normal(size=80)
    ours, n = rolling_std(column(values), 20, ddof), 20
    for t in range(n - 1, len(values)):
        exact = [Fraction(v) for v in values[t - n + 1 : t + 1]]
        mean = sum(exact) / n
        variance = sum((v - mean) ** 2 for v in exact) / (n - ddof)
        assert ours[t] == pytest.approx(float(variance) ** 0.5, rel=1e-11)


def test_standard_deviation_after_an_outlier():
    """A bar a million times too high spoils the windows it is in and no other."""
    values = 100 + np.random.default_rng(6).normal(size=100)
    values[37] *= 1e6
    x = column(values)
    for t in (36, 37, 56, 57, 58, 99):
        window = values[t - 19 : t + 1].tolist()
        assert rolling_std(x, 20)[t] == pytest.approx(statistics.stdev(window), rel=1e-11)
        assert sma(x, 20)[t] == pytest.approx(statistics.fmean(window), rel=1e-13)


@pytest.mark.parametrize("n", [2, 3, 7, 20, 49, 200])
def test_flat_windows_are_exact(n):
    """After a lively history, a window of equal prices has exactly their mean and exactly no deviation."""
    values = np.concatenate([np.random.default_rng(7).lognormal(3, 1, 400), np.full(600, 10.1)])
    x, flat = column(values), slice(400 + n - 1, None)
    assert (sma(x, n)[flat] == 10.1).all()
    assert (rolling_std(x, n)[flat] == 0).all()
    assert np.isnan(zscore(x, n)[flat]).all()
    assert all((band[flat] == 10.1).all() for band in bollinger(x, n))


def test_zscore_counts_sample_deviations():
    """3 is one sample deviation of 1, 2, 3 above their mean."""
    same(zscore(column([1, 2, 3, 2]), 3), [NAN, NAN, 1, (2 - 7 / 3) / statistics.stdev([2, 3, 2])])


@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "prior", "prior_high", "prior_low", "rolling_max", "rolling_min",
                                  "rolling_rank", "rolling_std", "zscore", "bollinger"])
@pytest.mark.parametrize("n", [0, -1, 2.5, NAN, np.inf])
def test_impossible_windows_of_a_column(name, n):
    """A window that is no whole number of bars, or of none, is refused by name of the number."""
    with pytest.raises(UsageError, match=f"window of {n} bars"):
        getattr(indicators, name)(column([1, 2, 3]), n)


@pytest.mark.parametrize("name", ["wilder_atr", "adx", "plus_di", "minus_di", "donchian"])
def test_impossible_windows_of_bars(name):
    """The same for indicators of whole bars."""
    with pytest.raises(UsageError, match="window of 0 bars"):
        getattr(indicators, name)(to_bars([2, 2], [1, 1], [1, 2]), 0)


@pytest.mark.parametrize("periods", [(0, 26, 9), (12, 0, 9), (12, 26, 0)])
def test_impossible_macd(periods):
    """Each of the three windows is checked."""
    with pytest.raises(UsageError, match="window of 0 bars"):
        macd(column([1, 2, 3]), *periods)


def test_deviations_need_more_bars_than_they_use_up():
    """One bar has no sample deviation, and there is no third kind."""
    with pytest.raises(UsageError, match="at least 2"):
        rolling_std(column([1, 2, 3]), 1)
    with pytest.raises(UsageError, match="ddof 2"):
        rolling_std(column([1, 2, 3]), 3, ddof=2)


def test_bands_need_a_finite_width():
    """Bands cannot be turned inside out or be infinitely wide."""
    for k in (-1.0, NAN, np.inf):
        with pytest.raises(UsageError, match="Bollinger"):
            bollinger(column([1, 2, 3]), 2, k)


def test_windows_longer_than_any_symbol():
    """Even a window whose end would not fit an index is simply never full."""
    for indicator in (sma, ema, rsi, prior, prior_high, rolling_rank, rolling_std):
        assert np.isnan(indicator(column([1, 2, 3]), 2**63)).all()


def test_no_symbols():
    """No bars in, no bars out."""
    empty = Column.of(np.empty(0), np.zeros(1, np.int64))
    for indicator in (sma, ema, rsi, prior, prior_high, rolling_rank, rolling_std):
        assert len(indicator(empty, 3)) == 0


def test_whole_numbers_and_read_only_memory_are_taken():
    """A column of integers, or one mapped from a file that cannot be written, answers like any other."""
    whole = Column.of(np.array([1, 2, 6]), np.array([0, 3]))
    same(sma(whole, 2), [NAN, 1.5, 4])
    locked = np.array([1.0, 2.0, 6.0])
    locked.flags.writeable = False
    same(prior_high(Column.of(locked, np.array([0, 3])), 2), [NAN, NAN, 2])


def test_a_block_computes_once():
    """Where the column has a memo the answer is the same object, and its own indicators are remembered too."""
    x = column([1, 2, 3, 4], memo={})
    assert sma(x, 2) is sma(x, 2)
    assert sma(x, 2) is not sma(x, 3)
    assert prior(sma(x, 2)) is prior(sma(x, 2))
    assert bollinger(x, 2)[0] is bollinger(x, 2)[0]
    same(sma(x, 2), [NAN, 1.5, 2.5, 3.5])
    same(sma(x, 3), [NAN, NAN, 2, 3])
    same(rolling_std(x, 3, 0), np.asarray(rolling_std(x, 3)) * (2 / 3) ** 0.5)


def test_bars_remember_by_name_and_parameters():
    """Two indicators of the same bars with the same window do not answer for each other."""
    bars = to_bars([2, 4, 3], [1, 2, 2], [1, 3, 2], remember=True)
    assert wilder_atr(bars, 1) is wilder_atr(bars, 1)
    same(wilder_atr(bars, 1), [NAN, 3, 1])
    same(indicators.plus_di(bars, 1), [NAN, 100 * 2 / 3, 0])
    same(indicators.minus_di(bars, 1), [NAN, 0, 0])


def test_nothing_is_remembered_elsewhere():
    """A column without a memo keeps nothing, and gives columns without one."""
    x = column([1, 2, 3])
    assert sma(x, 2) is not sma(x, 2)
    assert sma(x, 2).memo is None


def test_a_refusal_is_not_remembered():
    """An impossible window is refused the second time as well."""
    x = column([1, 2, 3], memo={})
    for _ in range(2):
        with pytest.raises(UsageError):
            sma(x, 0)
