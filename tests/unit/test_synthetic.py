"""The synthetic market: valid bars, the stylised facts of returns, no edge, and the same bytes everywhere."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from kobe81.core.bars import FIELDS, Bars
from kobe81.core.errors import UsageError
from kobe81.data.providers.synthetic import synthetic_bars

GOLDEN_SHA256 = "d8b750ae552d3084283e0f9bfe8fb6ffaf7e5c0ade7f3ef1adf91318a897903c"


def sha256(bars: Bars) -> str:
    digest = hashlib.sha256("".join(bars.symbols).encode())
    for column in (bars.offsets, bars.date, *(getattr(bars, name) for name in FIELDS)):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def plain(bars: Bars) -> list[np.ndarray]:
    return [np.asarray(getattr(bars, name)) for name in FIELDS]


def log_returns(bars: Bars) -> np.ndarray:
    """Close-to-close log returns by session [sessions, symbols]; NaN where a symbol has no bar today or before."""
    table = np.full((len(bars.sessions), len(bars.symbols)), np.nan)
    table[bars.session, bars.symbol_index] = np.log(np.asarray(bars.close))
    return np.diff(table, axis=0)


@pytest.fixture(scope="module")
def market() -> Bars:
    return synthetic_bars()


def test_every_bar_is_valid(market: Bars) -> None:
    """Finite, above zero, low <= open and close <= high, whole shares, weekdays: nothing for data quality to find."""
    open_, high, low, close, volume = plain(market)
    assert np.isfinite([open_, high, low, close, volume]).all()
    assert (low > 0).all()
    assert (volume >= 1).all()
    assert (volume == np.rint(volume)).all()
    assert (low <= np.minimum(open_, close)).all()
    assert (high >= np.maximum(open_, close)).all()
    assert ((market.date + 3) % 7 < 5).all()  # 1970-01-01 was a Thursday


def test_dates_rise_within_each_symbol_from_the_first_monday(market: Bars) -> None:
    """2015-01-05 is day 16,440; every symbol's dates are strictly ascending; 2,520 sessions in all."""
    inside = np.ones(len(market), bool)
    inside[market.offsets[:-1]] = False
    assert (np.diff(market.date)[inside[1:]] > 0).all()
    assert market.date.min() == 16_440
    assert len(market.sessions) == 2520


def test_prices_are_ticks(market: Bars) -> None:
    """Cents from a dollar up, hundredths of a cent below."""
    for prices in plain(market)[:4]:
        tick = np.where(prices >= 1, 100, 10_000)
        assert np.abs(prices * tick - np.rint(prices * tick)).max() < 1e-6


def test_symbols_come_and_go(market: Bars) -> None:
    """Some list late, some leave early, most are there throughout, and a few sessions are missing."""
    first, last = market.session[market.offsets[:-1]], market.session[market.offsets[1:] - 1]
    bars = np.diff(market.offsets)
    assert len(market.symbols) == 120
    assert 10 <= (first > 0).sum() <= 60
    assert 10 <= (last < 2519).sum() <= 60
    assert ((first == 0) & (last == 2519)).sum() >= 50
    missing = (last - first + 1 - bars).sum() / bars.sum()
    assert 0.0002 < missing < 0.001


def test_price_levels_vary_and_some_are_below_five_dollars(market: Bars) -> None:
    """A minimum price has something to refuse, without refusing most."""
    below = (np.asarray(market.close) < 5).mean()
    assert 0.05 < below < 0.5


def test_returns_have_fat_tails(market: Bars) -> None:
    """Kurtosis above the normal distribution's 3, pooled and for nearly every symbol by itself."""
    returns = log_returns(market)
    scaled = (returns - np.nanmean(returns, axis=0)) / np.nanstd(returns, axis=0)
    assert np.nanmean(scaled**4) > 4
    long = np.isfinite(scaled).sum(axis=0) > 1000
    assert (np.nanmean(scaled[:, long] ** 4, axis=0) > 3).mean() > 0.95


def test_volatility_clusters_and_returns_do_not(market: Bars) -> None:
    """Absolute returns are autocorrelated for weeks, returns are not (2,519 sessions: standard error 0.02)."""
    returns = log_returns(market)

    def autocorrelation(values: np.ndarray, lag: int) -> float:
        return float(np.ma.corrcoef(np.ma.masked_invalid(values[:-lag]), np.ma.masked_invalid(values[lag:]))[0, 1])

    average = np.nanmean(returns, axis=1)
    assert autocorrelation(np.abs(average), 1) > 0.08
    assert autocorrelation(np.abs(average), 20) > 0.04
    assert abs(autocorrelation(average, 1)) < 0.08


def test_stocks_move_together_but_not_as_one(market: Bars) -> None:
    """One factor: a clearly positive mean pairwise correlation, far from one."""
    returns = np.ma.masked_invalid(log_returns(market))
    correlation = np.ma.corrcoef(returns, rowvar=False, allow_masked=True)
    pairs = correlation[np.triu_indices(len(market.symbols), 1)].compressed()
    assert 0.1 < pairs.mean() < 0.6


def test_volume_rises_with_the_move(market: Bars) -> None:
    """Volume relative to the symbol's own usual is larger on days of large returns, and skewed to the right."""
    volume = np.log(np.asarray(market.volume))
    usual = np.array([np.median(volume[a:b]) for a, b in zip(market.offsets, market.offsets[1:], strict=False)])
    relative = (volume - usual[market.symbol_index])[1:]
    inside = np.diff(market.symbol_index) == 0
    size = np.abs(np.diff(np.log(np.asarray(market.close))))
    assert np.corrcoef(relative[inside], size[inside])[0, 1] > 0.2


def test_a_quarter_of_the_variance_falls_between_sessions(market: Bars) -> None:
    """Opening gaps: 25 % of a day's variance, a little more with the jumps, which all happen overnight."""
    inside = np.diff(market.symbol_index) == 0
    close, open_ = np.log(np.asarray(market.close)), np.log(np.asarray(market.open))
    share = np.var((open_[1:] - close[:-1])[inside]) / np.var(np.diff(close)[inside])
    assert 0.22 < share < 0.33


def test_ranges_are_those_of_a_continuous_path() -> None:
    """For Brownian motion E[high - open] = sigma sqrt(2 / pi), so (high-open)^2 averages sigma^2 like (close-open)^2.

    E[max^2] = sigma^2 by the reflection principle (the maximum is distributed as |N|); drift is negligible in a day.
    """
    bars = synthetic_bars(60, 2520, seed=3)
    open_, high, low, close = (np.log(x) for x in plain(bars)[:4])
    liquid = np.asarray(bars.low) > 5  # where a cent is small against the range
    variance = np.mean((close - open_)[liquid] ** 2)
    assert np.mean((high - open_)[liquid] ** 2) == pytest.approx(variance, rel=0.03)
    assert np.mean((open_ - low)[liquid] ** 2) == pytest.approx(variance, rel=0.03)


def t_value(samples: list[np.ndarray]) -> float:
    values = np.concatenate(samples)
    return float(values.mean() / values.std() * np.sqrt(len(values)))


def test_prices_have_no_drift() -> None:
    """The mean return of all stocks, session by session over 16 markets, is zero: |t| < 3, where a drift of half the
    variance, as of a log price without its correction, would show as 4 or more."""
    samples = []
    for seed in range(16):
        bars = synthetic_bars(40, 1500, seed)
        samples.append(np.ma.masked_invalid(np.expm1(log_returns(bars))).mean(axis=1).filled(0.0))
    assert abs(t_value(samples)) < 3


def test_breakouts_have_no_edge() -> None:
    """Bought at the open after a close above the 20-day high and sold five closes later: nothing on average.

    Trades overlap in time, so each market counts as one observation; Student's t with 11 degrees beyond 3 is 1 in 80.
    """
    earned = []
    for seed in range(12):
        bars = synthetic_bars(40, 1500, seed)
        open_, high, _, close, _ = plain(bars)
        trades = []
        for a, b in zip(bars.offsets[:-1], bars.offsets[1:], strict=True):
            channel = np.lib.stride_tricks.sliding_window_view(high[a:b], 20).max(axis=1)
            signal = np.flatnonzero(close[a + 20 : b - 6] > channel[: b - a - 26]) + a + 20
            trades.append(close[signal + 5] / open_[signal + 1] - 1)
        earned.append(np.array([np.concatenate(trades).mean()]))
    assert abs(t_value(earned)) < 3


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    """A golden hash, reproduced by a fresh interpreter."""
    fresh = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    assert sha256(synthetic_bars(30, 600, 7)) == fresh.stdout.strip() == GOLDEN_SHA256


def test_another_seed_gives_another_market() -> None:
    """Neither prices nor volumes nor listings are shared between seeds."""
    seven, eight = synthetic_bars(30, 600, 7), synthetic_bars(30, 600, 8)
    assert sha256(seven) != sha256(eight)
    assert not np.isin(np.asarray(seven.volume)[:100], np.asarray(eight.volume)[:100]).all()
    assert list(seven.offsets) != list(eight.offsets)


def test_a_stock_is_the_same_in_a_larger_market() -> None:
    """The first 10 stocks of a market of 10 and of 40 agree bar by bar; of other lengths they do not."""
    small, large = synthetic_bars(10, 500), synthetic_bars(40, 500)
    assert sha256(small) == sha256(large.select(small.symbols))
    assert not np.array_equal(np.asarray(small.close)[:50], np.asarray(synthetic_bars(10, 501).close)[:50])


@pytest.mark.parametrize("symbols", [1, 999, 1000])
def test_names_ascend_whatever_their_number(symbols: int) -> None:
    """SYN001 up to 999 symbols, SYN0001 from 1,000 on: the names stay in ascending order, one bar each at least."""
    bars = synthetic_bars(symbols, 2)
    assert list(bars.symbols) == sorted(bars.symbols)
    assert len(bars.symbols) == symbols
    assert bars.symbols[0] == ("SYN0001" if symbols > 999 else "SYN001")
    assert (np.diff(bars.offsets) >= 1).all()


def test_it_says_that_it_is_synthetic(market: Bars) -> None:
    """The label, printed wherever its numbers appear, carries the mark, the seed and what it is good for."""
    assert market.origin.synthetic
    assert market.origin.label == "synthetic market, seed 16 [SYNTHETIC]"
    assert "survivorship" in market.origin.note
    assert "edge" in market.origin.note


@pytest.mark.parametrize("wrong", [{"symbols": 0}, {"sessions": 0}, {"seed": -1}])
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    """The message repeats the numbers and says where they start."""
    with pytest.raises(UsageError, match="start at"):
        synthetic_bars(**wrong)


if __name__ == "__main__":
    print(sha256(synthetic_bars(30, 600, 7)))
