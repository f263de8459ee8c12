"""What a window of bars says: prior, sma, rolling_std, zscore, bollinger, rolling_rank.

Sums over a window are sums of distances from one bar inside it. So nothing that has left the window leaves a rounding
error behind, small moves of a large price keep their digits, and a window of equal values has exactly their mean and
exactly no deviation.
"""

from __future__ import annotations

import numpy as np

from kobe81.core.bars import Column, Floats, Ints
from kobe81.core.errors import UsageError
from kobe81.indicators.columns import beside, defined, kernel, plain, remembered, window


@remembered
def prior(x: Column, n: int = 1) -> Column:
    """The value `n` bars earlier, unchanged; NaN on each symbol's first `n` bars."""
    return beside(x, _prior(plain(x), x.offsets, window(n)))


@remembered
def sma(x: Column, n: int) -> Column:
    """Simple moving average: the mean of the last `n` bars, this one included. First at bar n - 1. TA-Lib SMA."""
    return beside(x, _sma(*defined(x), window(n)))


@remembered
def rolling_std(x: Column, n: int, ddof: int = 1) -> Column:
    """Standard deviation of the last `n` bars: ddof 1 of a sample (divisor n - 1), ddof 0 of all there is (divisor n).

    First at bar n - 1. TA-Lib STDDEV with ddof 0.
    """
    if ddof not in (0, 1):
        raise UsageError(f"a standard deviation with ddof {ddof} is not offered; give 1 (sample) or 0 (population)")
    return beside(x, _moments(*defined(x), window(n, ddof + 1), ddof)[1])


@remembered
def zscore(x: Column, n: int) -> Column:
    """How many sample standard deviations (ddof 1) x is above the mean of its last `n` bars, itself included.

    First at bar n - 1; NaN where the window is flat.
    """
    mean, std = _moments(*defined(x), window(n, 2), 1)
    return beside(x, _scores(plain(x), mean, std))


@remembered
def bollinger(x: Column, n: int = 20, k: float = 2.0) -> tuple[Column, Column, Column]:
    """Bollinger bands (lower, middle, upper): the mean of the last `n` bars, and `k` deviations (ddof 0) off it.

    First at bar n - 1. TA-Lib BBANDS.
    """
    if not 0 <= k < np.inf:
        raise UsageError(f"Bollinger bands {k} standard deviations wide cannot be; give a finite number from 0 up")
    mean, std = _moments(*defined(x), window(n), 0)
    return beside(x, mean - k * std), beside(x, mean), beside(x, mean + k * std)


@remembered
def rolling_rank(x: Column, n: int) -> Column:
    """Percentile rank of x among its last `n` bars, itself included: rank / n, from 1/n (lowest) to 1 (highest).

    Equal values share the average of their ranks, as in pandas' rolling(n).rank(pct=True). First at bar n - 1. The
    time it takes grows with `n`.
    """
    return beside(x, _rank(*defined(x), window(n)))


@kernel
def _prior(x: Floats, offsets: Ints, n: int) -> Floats:
    out = np.empty(len(x))
    for s in range(len(offsets) - 1):
        values, result = x[offsets[s] : offsets[s + 1]], out[offsets[s] : offsets[s + 1]]
        result[:n] = np.nan
        result[n:] = values[: max(len(values) - n, 0)]
    return out


@kernel
def _sma(x: Floats, starts: Ints, ends: Ints, n: int) -> Floats:
    out, before = np.full(len(x), np.nan), np.empty(min(n, len(x)))
    for s in range(len(starts)):
        values, result = x[starts[s] : ends[s]], out[starts[s] : ends[s]]
        # The windows that end at bars i to i + n - 1 all hold bar i: each is some bars up to it and some from it on.
        for i in range(n - 1, len(values), n):
            _means(values[i - n + 1 : i + 1], values[i : i + n], before, result[i : i + n])
    return out


@kernel
def _means(until: Floats, since: Floats, before: Floats, out: Floats) -> None:
    """out[j] = the mean of until[j:] and since[1 : j + 1], of which until ends and since begins with the same bar."""
    base, last, weight = since[0], len(until) - 1, 1 / len(until)
    left = right = 0.0
    for j in range(len(since)):  # both sums at once, because each has to wait for its own last addition
        left += until[last - j] - base
        before[last - j] = left
        right += since[j] - base
        out[j] = right
    for j in range(len(since), len(until)):
        left += until[last - j] - base
        before[last - j] = left
    for j in range(len(out)):
        out[j] = base + (before[j] + out[j]) * weight


@kernel
def _moments(x: Floats, starts: Ints, ends: Ints, n: int, ddof: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each window; windows are taken together as in `_sma`."""
    mean, std, before = np.full(len(x), np.nan), np.full(len(x), np.nan), np.empty((2, min(n, len(x))))
    for s in range(len(starts)):
        values, rows = x[starts[s] : ends[s]], slice(starts[s], ends[s])
        for i in range(n - 1, len(values), n):
            _squares_before(values[i - n + 1 : i + 1], before)
            _spread(values[i : i + n], before, ddof, mean[rows][i : i + n], std[rows][i : i + n])
    return mean, std


@kernel
def _squares_before(values: Floats, sums: Floats) -> None:
    """sums[0, j] and sums[1, j] = sums of values[j:] - the last value and of its squares."""
    base, total, squares, last = values[-1], 0.0, 0.0, len(values) - 1
    for j in range(len(values)):
        distance = values[last - j] - base
        total += distance
        squares += distance * distance
        sums[0, last - j] = total
        sums[1, last - j] = squares


@kernel
def _spread(values: Floats, before: Floats, ddof: int, mean: Floats, std: Floats) -> None:
    n = before.shape[1]
    base, total, squares = values[0], 0.0, 0.0
    for j in range(len(values)):
        distance = values[j] - base
        total += distance
        squares += distance * distance
        mean[j] = before[0, j] + total
        std[j] = before[1, j] + squares
    for j in range(len(values)):
        offset = mean[j] / n
        # The base is in the window, so the squares are at most n + 1 times what remains of them: no digits are lost.
        std[j] = np.sqrt(max(std[j] - mean[j] * offset, 0.0) / (n - ddof))
        mean[j] = base + offset


@kernel
def _scores(x: Floats, mean: Floats, std: Floats) -> Floats:
    out = np.empty(len(x))
    for i in range(len(x)):
        out[i] = (x[i] - mean[i]) / std[i] if std[i] > 0 else np.nan
    return out


@kernel
def _rank(x: Floats, starts: Ints, ends: Ints, n: int) -> Floats:
    out = np.full(len(x), np.nan)
    for s in range(len(starts)):
        if ends[s] - starts[s] >= n:
            _count(x[starts[s] : ends[s]], n, out[starts[s] + n - 1 : ends[s]])
    return out


@kernel
def _count(x: Floats, n: int, out: Floats) -> None:
    out[:] = 1.0
    now = x[n - 1 :]
    for lag in range(1, n):
        then = x[n - 1 - lag :]
        for i in range(len(out)):
            out[i] += 0.5 * ((then[i] < now[i]) + (then[i] <= now[i]))
    for i in range(len(out)):
        out[i] /= n
