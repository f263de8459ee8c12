"""How far the figures might have come out otherwise: stationary bootstrap intervals.

Blocks of random (geometric) length are drawn from the series, wrapped into a circle, until a series of the same length
is filled (Politis and Romano 1994, "The Stationary Bootstrap", JASA 89). The mean block length is chosen from the
series' own autocorrelation (Politis and White 2004, corrected by Patton, Politis and White 2009).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kobe81.backtest.metrics import ROUNDING, SESSIONS_PER_YEAR
from kobe81.core.bars import Floats, Ints

RESAMPLES = 1000
BOUNDS = (0.025, 0.975)
"""Quantiles of the resamples that bound the central 95 %."""
SHORTEST = 6
"""Fewer observations have no correlations to judge by."""


class Interval(NamedTuple):
    """A percentile interval; None where a bound is undefined (too few returns, a resample without a loss)."""

    low: float | None
    high: float | None


def intervals(returns: Floats, pnl: Floats, seed: int) -> dict[str, Interval]:
    """95 % intervals of sharpe, max_drawdown (from daily returns) and profit_factor (from trades in time order).

    returns: fractions, one per session. pnl: dollars, one per trade. The same seed gives the same intervals.
    """
    random = np.random.default_rng(seed)
    nothing = np.full(1, np.nan)
    sharpes, drawdowns = resample_returns(returns, random) if _usable(returns, 2) else (nothing, nothing)
    factors = resample_trades(pnl, random) if _usable(pnl, 1) else nothing
    return {"sharpe": interval(sharpes), "max_drawdown": interval(drawdowns), "profit_factor": interval(factors)}


def interval(values: Floats) -> Interval:
    """The central 95 % of the values: observed values, because infinite ones cannot be interpolated."""
    low, high = np.quantile(values, BOUNDS, method="inverted_cdf")
    return Interval(*(float(bound) if np.isfinite(bound) else None for bound in (low, high)))


def resample_returns(returns: Floats, random: np.random.Generator, resamples: int = RESAMPLES
                     ) -> tuple[Floats, Floats]:
    """Annualised Sharpe ratio (NaN where undefined) and maximum drawdown (<= 0) of each; float64 [resamples]."""
    return _resampled_returns(returns, resamples, 1 / block_length(returns), random)


def resample_trades(pnl: Floats, random: np.random.Generator, resamples: int = RESAMPLES) -> Floats:
    """Profit factor of each resample: infinite without a loss, NaN without a win or loss; float64 [resamples]."""
    won, lost = _resampled_trades(pnl, resamples, 1 / block_length(pnl), random)
    factor = np.where(won > 0, np.inf, np.nan)
    np.divide(won, lost, out=factor, where=lost > 0)
    return factor


def block_length(values: Floats) -> float:
    """The mean block length that estimates the variance of the mean best, in observations, 1 to min(3 sqrt(n), n / 3).

    A flat-top window over the autocovariances ends at twice the first lag from which max(5, log10 n) correlations in a
    row are within 2 sqrt(log10 n / n) of zero.
    """
    n = len(values)
    if n < SHORTEST or not values.std() > ROUNDING:
        return 1.0
    run = max(5, int(math.log10(n)))
    longest = min(math.ceil(math.sqrt(n)) + run, n - 1)
    covariance = _autocovariances(values, longest)
    negligible = np.abs(covariance[1:] / covariance[0]) < 2 * math.sqrt(math.log10(n) / n)
    quiet = np.flatnonzero(np.convolve(negligible, np.ones(run), "valid") == run)
    window = min(2 * (int(quiet[0]) + 1), longest) if len(quiet) else longest
    lag = np.arange(1, window + 1)
    weighted = np.minimum(1.0, 2 * (1 - lag / window)) * covariance[1 : window + 1]
    slope, long_run = 2 * (lag * weighted).sum(), covariance[0] + 2 * weighted.sum()
    best = (n * (slope / long_run) ** 2) ** (1 / 3) if long_run else 1.0
    return float(np.clip(best, 1.0, max(1.0, math.ceil(min(3 * math.sqrt(n), n / 3)))))


def _autocovariances(values: Floats, lags: int) -> Floats:
    """Autocovariances at lags 0..lags, each a sum over the overlap divided by n."""
    centred, n = values - values.mean(), len(values)
    return np.array([centred[lag:] @ centred[: n - lag] for lag in range(lags + 1)]) / n


def _usable(values: Floats, least: int) -> bool:
    return len(values) >= least and bool(np.isfinite(values).all())


@njit(cache=True, nogil=True)
def draw(index: Ints, restart: float, random: np.random.Generator) -> None:
    """Fill `index` with runs of consecutive positions, wrapped; at each a new run begins with probability `restart`."""
    n = len(index)
    position = int(random.random() * n)
    for i in range(n):
        index[i] = position
        chance = random.random()
        if chance < restart:  # given that, chance / restart is uniform again: one draw serves both questions
            position = min(int(chance / restart * n), n - 1)
        else:
            position = position + 1 if position + 1 < n else 0


@njit(cache=True, nogil=True)
def _resampled_returns(returns: Floats, resamples: int, restart: float, random: np.random.Generator
                       ) -> tuple[Floats, Floats]:
    n, centre = len(returns), returns.mean()
    index = np.empty(n, np.int64)
    sharpe, drawdown = np.full(resamples, np.nan), np.zeros(resamples)
    for b in range(resamples):
        draw(index, restart, random)
        total, squares, equity, peak, lowest = 0.0, 0.0, 1.0, 1.0, 1.0
        for i in index:
            off = returns[i] - centre
            total += off
            squares += off * off
            equity *= 1.0 + returns[i]
            peak = max(peak, equity)
            lowest = min(lowest, equity / peak)
        deviation = math.sqrt(max(squares - total * total / n, 0.0) / (n - 1))
        drawdown[b] = lowest - 1.0
        if deviation > ROUNDING:
            sharpe[b] = (centre + total / n) / deviation * math.sqrt(SESSIONS_PER_YEAR)
    return sharpe, drawdown


@njit(cache=True, nogil=True)
def _resampled_trades(pnl: Floats, resamples: int, restart: float, random: np.random.Generator
                      ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    index = np.empty(len(pnl), np.int64)
    won, lost = np.zeros(resamples), np.zeros(resamples)
    for b in range(resamples):
        draw(index, restart, random)
        for i in index:
            if pnl[i] > 0:
                won[b] += pnl[i]
            else:
                lost[b] -= pnl[i]
    return won, lost
