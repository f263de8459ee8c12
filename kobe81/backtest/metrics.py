"""The figures of summary.json: what a backtest earned, at what risk. Undefined is None, never 0, infinite or NaN.

Definitions are those of empyrical where it has them. No risk-free rate is subtracted anywhere; a year is 252 sessions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kobe81.backtest.results import Curve, Trades
from kobe81.core.bars import Floats, Ints

SESSIONS_PER_YEAR = 252
TAIL = 0.05
"""Share of the worst sessions that var_95 and cvar_95 speak of."""
ROUNDING = 1e-12
"""A deviation of returns below this is the rounding of float64, not risk."""


def summary(curve: Curve, trades: Trades) -> dict[str, int | float | None]:
    """The metrics of summary.json, in its order; fractions are of 1, money is dollars, rates are per year."""
    pnl, returns = trades.net_pnl, curve.returns
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]  # a trade at exactly 0 is neither, but counts in the win rate
    spells = drawdown_spells(curve)
    return {
        "trades": len(trades),
        "win_rate": ratio(len(wins), len(trades)),  # fraction of trades with net_pnl > 0
        "profit_factor": ratio(wins.sum(), -losses.sum()),  # dollars won per dollar lost; without a loss: None
        "net_pnl": defined(pnl.sum()),  # dollars after fees
        "total_return": defined(curve.equity[-1] / curve.initial - 1) if len(curve) else None,  # fraction
        "cagr": cagr(curve),
        "volatility": volatility(returns),
        "sharpe": sharpe(returns),
        "sortino": sortino(returns),
        "calmar": calmar(curve),
        "max_drawdown": max_drawdown(curve),
        "max_drawdown_days": int(spells.days.max(initial=0)) if len(curve) else None,  # calendar, peak to recovery
        "exposure": mean(curve.exposure),  # mean gross market value at the closes, fraction of equity
        "avg_trade": mean(pnl),  # dollars
        "avg_win": mean(wins),  # dollars, > 0
        "avg_loss": mean(losses),  # dollars, < 0
        "expectancy": mean(trades.returns),  # mean net return of a trade, fraction of what was put in
        "var_95": value_at_risk(returns),
        "cvar_95": conditional_value_at_risk(returns),
    }


def defined(value: float) -> float | None:
    """The value as a plain float; None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def ratio(numerator: float, denominator: float) -> float | None:
    """The quotient; None unless the denominator is above rounding."""
    return defined(numerator / denominator) if denominator > ROUNDING else None


def mean(values: Floats) -> float | None:
    """The arithmetic mean; of nothing: None."""
    return defined(values.mean()) if len(values) else None


def sharpe(returns: Floats) -> float | None:
    """Mean over sample standard deviation (ddof 1) of the daily returns, x sqrt(252)."""
    return defined(float(sharpes(returns)))


def sharpes(returns: Floats) -> Floats:
    """The Sharpe ratio of every column at once: [sessions, sets] gives [sets], NaN where it is undefined."""
    if len(returns) < 2:
        return np.full(returns.shape[1:], np.nan)
    deviation = returns.std(axis=0, ddof=1)
    deviation = np.where(deviation > ROUNDING, deviation, np.nan)
    annual: Floats = returns.mean(axis=0) / deviation * math.sqrt(SESSIONS_PER_YEAR)
    return annual


def sortino(returns: Floats) -> float | None:
    """Mean over the downside deviation (root mean square of the returns, gains taken as 0), x sqrt(252)."""
    if len(returns) < 2:
        return None
    downside = math.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))
    return ratio(returns.mean() * math.sqrt(SESSIONS_PER_YEAR), downside)


def volatility(returns: Floats) -> float | None:
    """Sample standard deviation (ddof 1) of the daily returns x sqrt(252), a fraction."""
    return defined(returns.std(ddof=1) * math.sqrt(SESSIONS_PER_YEAR)) if len(returns) > 1 else None


def cagr(curve: Curve) -> float | None:
    """Growth per 252 sessions, compounded, a fraction; None once equity has fallen below zero."""
    if not len(curve):
        return None
    return compounded(curve.equity[-1] / curve.initial, SESSIONS_PER_YEAR / len(curve))


def compounded(growth: float, times: float) -> float | None:
    """growth ** times - 1, for a growth factor; None where it is negative or the result leaves float64."""
    if not growth >= 0:
        return None
    with np.errstate(over="ignore"):  # one lucky session, compounded 252 times, may
        return defined(np.float64(growth) ** times - 1)


def max_drawdown(curve: Curve) -> float | None:
    """The deepest fall under the running peak, a fraction <= 0."""
    return defined(curve.drawdown.min()) if len(curve) else None


def calmar(curve: Curve) -> float | None:
    """CAGR over the depth of the deepest drawdown."""
    growth, depth = cagr(curve), max_drawdown(curve)
    return None if growth is None or depth is None else ratio(growth, -depth)


def value_at_risk(returns: Floats) -> float | None:
    """The 5 % quantile of the daily returns (linear between observations), a fraction, negative for a loss."""
    return defined(np.quantile(returns, TAIL)) if len(returns) else None


def conditional_value_at_risk(returns: Floats) -> float | None:
    """The mean of the worst 5 % of daily returns (the 1 + floor(0.05 (n - 1)) lowest), a fraction."""
    worst = 1 + int((len(returns) - 1) * TAIL)
    return mean(np.sort(returns)[:worst]) if np.isfinite(returns).all() else None


def skewness(returns: Floats) -> float | None:
    """The third standardised moment, of the population (no small-sample correction)."""
    return _standardised_moment(returns, 3)


def kurtosis(returns: Floats) -> float | None:
    """The fourth standardised moment, of the population, 3 for a normal distribution (not the excess)."""
    return _standardised_moment(returns, 4)


def _standardised_moment(values: Floats, order: int) -> float | None:
    if not len(values) or not values.std() > ROUNDING:
        return None
    return defined(np.mean(((values - values.mean()) / values.std()) ** order))


class Spells(NamedTuple):
    """Stretches of sessions under the running peak, in time order, one array element each.

    peak, trough, end: positions in the curve. peak is the last session at the old high (the first session where the
    curve falls under the initial cash at once); end is the first session at the old high again, or the last session
    where recovered is False. depth: fraction < 0. days: calendar days from peak to end.
    """

    peak: Ints
    trough: Ints
    end: Ints
    recovered: NDArray[np.bool_]
    depth: Floats
    days: Ints


def drawdown_spells(curve: Curve) -> Spells:
    """Every drawdown of the curve, from its peak to its recovery."""
    drawdown = curve.drawdown
    edges = np.diff(np.concatenate([[False], drawdown < 0, [False]]).astype(np.int8))
    first, after = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    trough = np.array([i + np.argmin(drawdown[i:j]) for i, j in zip(first, after, strict=True)], np.int64)
    peak, end = np.maximum(first - 1, 0), np.minimum(after, len(curve) - 1)
    days = curve.date[end].astype(np.int64) - curve.date[peak]
    return Spells(peak, trough, end, after < len(curve), drawdown[trough], days)
