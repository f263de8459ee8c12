"""All the figures shown beside a result, each with its unit, and the tables made from an equity curve.

Where a definition differs between programs, the docstring of the group names the one taken. No risk-free rate is
subtracted; a year is 252 sessions. Undefined is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from kobe81.backtest.metrics import (
    SESSIONS_PER_YEAR,
    TAIL,
    compounded,
    defined,
    drawdown_spells,
    kurtosis,
    mean,
    ratio,
    skewness,
    summary,
)
from kobe81.backtest.results import Curve, Trades
from kobe81.core.bars import Floats, Mask
from kobe81.core.days import day

if TYPE_CHECKING:
    import polars as pl

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Unit = Literal["%", "$", "ratio", "days", "bars", "count", "date"]


class Statistic(NamedTuple):
    """A figure and how to print it. A value in "%" is a fraction: 0.05 prints as 5 %. None: undefined."""

    value: int | float | date | None
    unit: Unit


def statistics(curve: Curve, trades: Trades, benchmark: Curve | None = None) -> dict[str, Statistic]:
    """Every statistic of a result by its display name, in display order; the benchmark's only where there is one."""
    metrics = summary(curve, trades)
    groups = [_span(curve), _growth(curve, metrics), _risk(curve, metrics), _drawdowns(curve, metrics)]
    if benchmark is not None:
        groups.append(_against(curve, benchmark))
    groups += [_trades(trades, metrics), _quality(trades, metrics), _costs(curve, trades)]
    return {name: statistic for group in groups for name, statistic in group.items()}


def _span(curve: Curve) -> dict[str, Statistic]:
    """When, and how much of it invested: as a mean over the closes, and as the share of closes with a position."""
    start, end = (day(curve.date[0]), day(curve.date[-1])) if len(curve) else (None, None)
    return {
        "Start": Statistic(start, "date"),
        "End": Statistic(end, "date"),
        "Duration": Statistic((end - start).days if start and end else None, "days"),
        "Sessions": Statistic(len(curve), "count"),
        "Exposure": Statistic(mean(curve.exposure), "%"),
        "Maximum exposure": Statistic(_of(curve.exposure, np.max), "%"),
        "Time in market": Statistic(mean((curve.exposure > 0).astype(np.float64)), "%"),
    }


def _growth(curve: Curve, metrics: dict[str, int | float | None]) -> dict[str, Statistic]:
    """What became of the money; the peak counts the initial cash."""
    return {
        "Initial equity": Statistic(curve.initial, "$"),
        "Final equity": Statistic(defined(curve.equity[-1]) if len(curve) else None, "$"),
        "Peak equity": Statistic(defined(max(curve.initial, curve.equity.max(initial=-math.inf))), "$"),
        "Return": Statistic(metrics["total_return"], "%"),
        "Annual return": Statistic(metrics["cagr"], "%"),
    }


def _risk(curve: Curve, metrics: dict[str, int | float | None]) -> dict[str, Statistic]:
    """Omega at threshold 0; tail ratio of the 95 % to the 5 % quantile; population skew and excess kurtosis.

    The Ulcer index is the root mean square of the drawdown (Martin and McCann 1989).
    """
    returns, heaviness = curve.returns, kurtosis(curve.returns)
    upper, lower = np.abs(np.quantile(returns, [1 - TAIL, TAIL])) if len(returns) else (0.0, 0.0)
    ulcer = defined(math.sqrt(np.mean(curve.drawdown**2))) if len(curve) else None
    return {
        "Annual volatility": Statistic(metrics["volatility"], "%"),
        "Sharpe": Statistic(metrics["sharpe"], "ratio"),
        "Sortino": Statistic(metrics["sortino"], "ratio"),
        "Calmar": Statistic(metrics["calmar"], "ratio"),
        "Omega": Statistic(ratio(returns[returns > 0].sum(), -returns[returns < 0].sum()), "ratio"),
        "Ulcer index": Statistic(ulcer, "%"),
        "Tail ratio": Statistic(ratio(upper, lower), "ratio"),
        "Skew": Statistic(skewness(returns), "ratio"),
        "Excess kurtosis": Statistic(None if heaviness is None else heaviness - 3, "ratio"),
        "Value at risk 95 %": Statistic(metrics["var_95"], "%"),
        "Expected shortfall 95 %": Statistic(metrics["cvar_95"], "%"),
    }


def _drawdowns(curve: Curve, metrics: dict[str, int | float | None]) -> dict[str, Statistic]:
    """Depths are fractions <= 0; durations run from the peak to the recovery, or to the end, in calendar days."""
    spells = drawdown_spells(curve)
    return {
        "Maximum drawdown": Statistic(metrics["max_drawdown"], "%"),
        "Average drawdown": Statistic(mean(spells.depth), "%"),
        "Maximum drawdown duration": Statistic(metrics["max_drawdown_days"], "days"),
        "Average drawdown duration": Statistic(mean(spells.days.astype(np.float64)), "days"),
    }


def _against(curve: Curve, benchmark: Curve) -> dict[str, Statistic]:
    """Beta and alpha of the daily regression over the common sessions; alpha compounded over 252, as empyrical does."""
    _, own, other = np.intersect1d(curve.date, benchmark.date, return_indices=True)
    beta, alpha = _regression(curve.returns[own], benchmark.returns[other])
    total = defined(benchmark.equity[-1] / benchmark.initial - 1) if len(benchmark) else None
    return {
        "Benchmark return": Statistic(total, "%"),
        "Alpha": Statistic(None if alpha is None else compounded(1 + alpha, SESSIONS_PER_YEAR), "%"),
        "Beta": Statistic(beta, "ratio"),
    }


def _regression(y: Floats, x: Floats) -> tuple[float | None, float | None]:
    """Slope and intercept of y on x by least squares; None where x does not vary."""
    if len(x) < 2:
        return None, None
    off = x - x.mean()
    slope = ratio(float(off @ y), float(off @ off))
    return slope, None if slope is None else defined(y.mean() - slope * x.mean())


def _trades(trades: Trades, metrics: dict[str, int | float | None]) -> dict[str, Statistic]:
    """Returns of single trades (fractions of what was put in) and their lengths; streaks in order of entry."""
    returns, held, won, lost = trades.returns, trades.bars_held, trades.net_pnl > 0, trades.net_pnl < 0
    bars = held.astype(np.float64)
    return {
        "Trades": Statistic(metrics["trades"], "count"),
        "Win rate": Statistic(metrics["win_rate"], "%"),
        "Best trade": Statistic(_of(returns, np.max), "%"),
        "Worst trade": Statistic(_of(returns, np.min), "%"),
        "Average trade": Statistic(metrics["expectancy"], "%"),
        "Median trade": Statistic(_of(returns, np.median), "%"),
        "Average winning trade": Statistic(mean(returns[won]), "%"),
        "Average losing trade": Statistic(mean(returns[lost]), "%"),
        "Maximum trade duration": Statistic(int(held.max()) if len(held) else None, "bars"),
        "Average trade duration": Statistic(mean(bars), "bars"),
        "Average winning duration": Statistic(mean(bars[won]), "bars"),
        "Average losing duration": Statistic(mean(bars[lost]), "bars"),
        "Longest win streak": Statistic(longest_run(won), "count"),
        "Longest loss streak": Statistic(longest_run(lost), "count"),
        "Average MAE": Statistic(mean(trades.mae), "%"),
        "Average MFE": Statistic(mean(trades.mfe), "%"),
    }


def _quality(trades: Trades, metrics: dict[str, int | float | None]) -> dict[str, Statistic]:
    """In dollars, as backtesting.py: SQN = sqrt(n) mean / std (ddof 1); Kelly = W - (1 - W) / payoff, W the wins."""
    pnl = trades.net_pnl
    deviation = pnl.std(ddof=1) if len(pnl) > 1 else 0.0
    average, win, loss, rate = (metrics[name] for name in ("avg_trade", "avg_win", "avg_loss", "win_rate"))
    sqn = None if average is None else ratio(math.sqrt(len(pnl)) * average, deviation)
    payoff = None if win is None or loss is None else ratio(win, -loss)
    kelly = None if rate is None or payoff is None else defined(rate - (1 - rate) / payoff)
    return {
        "Net profit": Statistic(metrics["net_pnl"], "$"),
        "Average profit": Statistic(average, "$"),
        "Average win": Statistic(win, "$"),
        "Average loss": Statistic(loss, "$"),
        "Profit factor": Statistic(metrics["profit_factor"], "ratio"),
        "Payoff ratio": Statistic(payoff, "ratio"),
        "Expectancy": Statistic(metrics["expectancy"], "%"),
        "SQN": Statistic(sqn, "ratio"),
        "Kelly criterion": Statistic(kelly, "%"),
    }


def _costs(curve: Curve, trades: Trades) -> dict[str, Statistic]:
    """Turnover: half of all dollars bought and sold, a year, over the mean equity. Slippage is in prices, not fees."""
    dollars = float((trades.qty * (trades.entry_price + trades.exit_price)).sum()) / 2
    yearly = dollars * SESSIONS_PER_YEAR / max(len(curve), 1)
    return {
        "Turnover per year": Statistic(ratio(yearly, mean(curve.equity) or 0.0), "ratio"),
        "Total fees": Statistic(defined(trades.fees.sum()), "$"),
    }


def longest_run(mask: Mask) -> int:
    """The most true values in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _of(values: Floats, pick: Callable[[Floats], float]) -> float | None:
    return defined(pick(values)) if len(values) else None


def monthly_returns(curve: Curve) -> pl.DataFrame:
    """One row per year: year, Jan .. Dec and Year, as fractions compounded from the daily returns; null: no session."""
    import polars as pl

    month = curve.date.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    year = month // 12 + 1970
    table = {(int(m // 12 + 1970), int(m % 12)): _compounded(curve, month == m) for m in np.unique(month)}
    years = [int(y) for y in np.unique(year)]
    columns = {name: [table.get((y, i)) for y in years] for i, name in enumerate(MONTHS)}
    columns["Year"] = [_compounded(curve, year == y) for y in years]
    return pl.DataFrame({"year": years, **columns}, schema={"year": pl.Int64} | dict.fromkeys(columns, pl.Float64))


def _compounded(curve: Curve, chosen: Mask) -> float | None:
    return defined(float(np.prod(1 + curve.returns[chosen])) - 1)


def drawdowns(curve: Curve, top: int = 5) -> pl.DataFrame:
    """The deepest drawdowns first: start (the peak), trough, end (null: not recovered), depth (fraction), days.

    days are calendar days from start to end, or to the last session.
    """
    import polars as pl

    spells = drawdown_spells(curve)
    deepest = np.argsort(spells.depth, kind="stable")[:top]
    ends = zip(spells.end[deepest], spells.recovered[deepest], strict=True)
    return pl.DataFrame({
        "start": [day(curve.date[i]) for i in spells.peak[deepest]],
        "trough": [day(curve.date[i]) for i in spells.trough[deepest]],
        "end": [day(curve.date[i]) if recovered else None for i, recovered in ends],
        "depth": spells.depth[deepest].tolist(),
        "days": spells.days[deepest].tolist(),
    }, schema={"start": pl.Date, "trough": pl.Date, "end": pl.Date, "depth": pl.Float64, "days": pl.Int64})
