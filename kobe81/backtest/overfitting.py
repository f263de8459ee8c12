"""How much of a Sharpe ratio is the search for it: deflated Sharpe ratio and probability of backtest overfitting.

Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", and (2014), "The Deflated Sharpe Ratio";
Bailey, Borwein, Lopez de Prado and Zhu (2015), "The Probability of Backtest Overfitting".
Sharpe ratios here are per session, not annualised, unless a name says so: daily = annual / sqrt(252).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from statistics import NormalDist

import numpy as np

from kobe81.backtest.metrics import ROUNDING, SESSIONS_PER_YEAR, kurtosis, sharpes, skewness
from kobe81.core.bars import Floats

NORMAL = NormalDist()
EULER_MASCHERONI = 0.5772156649015329
TIE = 1e-9
"""Sharpe ratios closer than this are of sets that made the same trades."""
PARTITION_SESSIONS = 10
"""Fewer sessions than this make no partition: a Sharpe ratio of them says nothing."""


def probabilistic_sharpe(sharpe: float, sessions: int, skew: float, kurtosis: float, benchmark: float = 0.0
                         ) -> float | None:
    """The probability that the true Sharpe ratio exceeds the benchmark, given the one observed.

    sharpe and benchmark are per session; kurtosis is 3 for a normal distribution. None below two sessions.
    """
    variance = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if not (variance > ROUNDING and sessions > 1):
        return None
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt((sessions - 1) / variance))


def expected_maximum_sharpe(variance: float, trials: int) -> float:
    """The best Sharpe ratio to expect of independent trials without any skill.

    variance: of the trials' Sharpe ratios, in whose units (per session squared) the answer comes. One trial: 0.
    """
    if trials < 2:
        return 0.0
    highest, next_to_it = NORMAL.inv_cdf(1 - 1 / trials), NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - EULER_MASCHERONI) * highest + EULER_MASCHERONI * next_to_it)


def deflated_sharpe(returns: Floats, trial_returns: Floats, trials: int) -> float | None:
    """The probability that the chosen returns have skill, after the luck of choosing among `trials` sets.

    returns: [sessions], of what was chosen. trial_returns: [sessions, sets], whose Sharpe ratios spread as the trials'
    do. trials: how many were tried in all; sets that move together make the answer stricter than it need be.
    None where the returns have no Sharpe ratio, or several trials leave no spread to measure.
    """
    sharpe, spread = _per_session(returns), _per_session(trial_returns)
    spread = spread[np.isfinite(spread)]
    skew, heaviness = skewness(returns), kurtosis(returns)
    if skew is None or heaviness is None or (trials > 1 and len(spread) < 2):
        return None
    luck = expected_maximum_sharpe(float(spread.var(ddof=1)), trials) if trials > 1 else 0.0
    return probabilistic_sharpe(float(sharpe), len(returns), skew, heaviness, luck)


def _per_session(returns: Floats) -> Floats:
    per_session: Floats = sharpes(returns) / math.sqrt(SESSIONS_PER_YEAR)
    return per_session


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What choosing the best set in one half of the history meant in the other half, over all halvings.

    pbo: share of halvings where the choice came out at or below the median of the sets. logits: float64 [halvings], log
    odds of the choice's relative rank out of sample (< 0: below the median). in_sample, out_of_sample: the choice's
    annualised Sharpe ratios, float64 [halvings]; slope: of the second on the first (below 0: the better it looked, the
    worse it did), None where every choice looked alike. loss: share of halvings where the choice lost out of sample.
    """

    pbo: float
    logits: Floats
    in_sample: Floats
    out_of_sample: Floats
    slope: float | None
    loss: float


def overfitting(returns: Floats, partitions: int = 16) -> Overfitting | None:
    """Combinatorially symmetric cross-validation of the choice by Sharpe ratio; returns: [sessions, sets].

    `partitions` (made even, and fewer where they would have under 10 sessions) are halved in every possible way, 12,870
    for 16. A set without deviation (it never traded) counts as Sharpe 0. None below two sets or two partitions.
    """
    sessions, sets = returns.shape
    partitions = min(partitions, sessions // PARTITION_SESSIONS) // 2 * 2
    if sets < 2 or partitions < 2:
        return None
    sharpe = _half_sharpes(returns, partitions)
    other = sharpe[::-1]  # halves come in lexicographic order, in which complements mirror each other
    rows, best = np.arange(len(sharpe)), sharpe.argmax(axis=1)
    inside, outside = sharpe[rows, best], other[rows, best]
    lead = outside[:, None] - other
    ties = (np.abs(lead) <= TIE).sum(axis=1)  # the choice itself among them; they share their mean rank
    rank = ((lead > TIE).sum(axis=1) + (ties + 1) / 2) / (sets + 1)
    logits = np.log(rank / (1 - rank))
    return Overfitting(float(np.mean(logits <= 0)), logits, inside, outside, _slope(inside, outside),
                       float(np.mean(outside < 0)))


def _half_sharpes(returns: Floats, partitions: int) -> Floats:
    """Annualised Sharpe ratio of every set over every half, [halves, sets], from sums by partition alone."""
    mean = returns.mean(axis=0)
    off = returns - mean  # about the mean, or the squares would drown the deviation
    sizes = np.full(partitions, len(returns) // partitions)
    sizes[: len(returns) % partitions] += 1
    starts = np.cumsum(sizes) - sizes
    half = _halves(partitions)
    count = half @ sizes[:, None].astype(np.float64)
    total = half @ np.add.reduceat(off, starts)
    variance = (half @ np.add.reduceat(off * off, starts) - total**2 / count) / (count - 1)
    deviation = np.sqrt(np.maximum(variance, 0.0))
    sharpe = np.zeros_like(total)
    np.divide(mean + total / count, deviation, out=sharpe, where=deviation > ROUNDING)
    return sharpe * math.sqrt(SESSIONS_PER_YEAR)


@lru_cache(maxsize=4)
def _halves(partitions: int) -> Floats:
    """Every choice of half the partitions, as rows of 0 and 1 in lexicographic order."""
    chosen = np.array(list(combinations(range(partitions), partitions // 2)))
    rows = np.zeros((len(chosen), partitions))
    np.put_along_axis(rows, chosen, 1.0, axis=1)
    return rows


def _slope(x: Floats, y: Floats) -> float | None:
    """Least-squares slope of y on x; None where x does not vary."""
    off = x - x.mean()
    spread = float(off @ off)
    return float(off @ y) / spread if spread > ROUNDING else None
