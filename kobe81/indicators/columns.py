"""What all indicators share: how kernels are compiled, memory, windows, and the one rule for undefined input.

The rule: a bar is defined where every input is finite. An indicator works on each stretch of consecutive defined bars
of one symbol as if nothing lay before it, and is NaN everywhere else and while the stretch is shorter than its warm-up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kobe81.core.bars import FINITE, Bars, Column, Floats, Ints
from kobe81.core.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")

LONGEST = 1 << 40
"""Windows are cut to this many bars, so that no index can overflow; no symbol is as long."""

kernel = njit(nogil=True, cache=True, error_model="numpy")
"""Compiles a kernel. It may call kernels of its own file only: numba's cache on disk watches one file for changes."""

recurrence = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
"""Compiles a kernel whose `product + sum` may become one instruction, rounded once, where each bar waits for the last.

Not for a * b + c * d: which product is fused would then depend on where in the array a bar lies.
"""


def window(n: float, least: int = 1) -> int:
    """`n` as a number of bars; UsageError unless it is a whole number of at least `least`."""
    if not (n >= least and n % 1 == 0):
        raise UsageError(f"a window of {n} bars cannot be; give a whole number of at least {least}")
    return min(int(n), LONGEST)


def plain(column: Column) -> Floats:
    """The column's values as the kernels take them: float64, contiguous, no subclass."""
    return np.ascontiguousarray(column, np.float64)


def beside(column: Column, values: Floats) -> Column:
    """`values` as a column with the bars of `column`, and with a memory if that one has one."""
    return Column.of(values, column.offsets, None if column.memo is None else {})


def remembered(indicator: Callable[Concatenate[Column, P], R]) -> Callable[Concatenate[Column, P], R]:
    """The indicator, looked up in its column's memo first, under itself and its parameters."""
    @wraps(indicator)
    def recall(column: Column, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return _recall(column.memo, (indicator, args, *kwargs.items()), indicator, column, *args, **kwargs)

    return recall


def remembered_by_bars(indicator: Callable[Concatenate[Bars, P], R]) -> Callable[Concatenate[Bars, P], R]:
    """The indicator, looked up in the memo of the bars' close first."""
    @wraps(indicator)
    def recall(bars: Bars, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return _recall(bars.close.memo, (indicator, args, *kwargs.items()), indicator, bars, *args, **kwargs)

    return recall


def _recall(memo: dict[Any, Any] | None, key: Any, indicator: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    if memo is None:
        return indicator(*args, **kwargs)
    found: R | None = memo.get(key)
    if found is None:
        found = memo[key] = indicator(*args, **kwargs)
    return found


def defined(x: Column) -> tuple[Floats, Ints, Ints]:
    """The column's plain values, and the first rows and the ends of the stretches of bars where they are finite.

    An end is one past the last row. Stretches ascend; none spans two symbols.
    """
    values, offsets = plain(x), x.offsets
    if _finite(x, values):
        return values, offsets[:-1], offsets[1:]
    return values, *_stretches(values, values, values, offsets)


def defined_prices(bars: Bars) -> tuple[Floats, Floats, Floats, Ints, Ints]:
    """High, low and close, and the stretches, as in `defined`, of bars where all three are finite."""
    high, low, close, offsets = plain(bars.high), plain(bars.low), plain(bars.close), bars.offsets
    if _finite(bars.high, high) and _finite(bars.low, low) and _finite(bars.close, close):
        return high, low, close, offsets[:-1], offsets[1:]
    return high, low, close, *_stretches(high, low, close, offsets)


def _finite(column: Column, values: Floats) -> bool:
    """Whether all of the column's values are finite; asked once of a column with a memory."""
    return _recall(column.memo, FINITE, _all_finite, values)


@kernel
def _all_finite(x: Floats) -> bool:
    # A float is not finite where all its exponent bits are set; the largest of integers is vectorized, isfinite is not.
    exponent, largest = np.int64(0x7FF0000000000000), np.int64(0)
    bits = x.view(np.int64)
    for i in range(len(bits)):
        largest = max(largest, bits[i] & exponent)
    return bool(largest < exponent)


@kernel
def _stretches(x: Floats, y: Floats, z: Floats, offsets: Ints) -> tuple[Ints, Ints]:
    starts, ends = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
    found = 0
    for s in range(len(offsets) - 1):
        inside = False
        for i in range(offsets[s], offsets[s + 1]):
            finite = np.isfinite(x[i]) and np.isfinite(y[i]) and np.isfinite(z[i])
            if finite and not inside:
                starts[found] = i
                found += 1
            if finite:
                ends[found - 1] = i + 1
            inside = finite
    return starts[:found], ends[:found]


def rows_where(condition: Column | NDArray[np.bool_]) -> Ints:
    """int64: the rows where the condition (bool per bar) is true, ascending."""
    return _rows_where(condition.view(np.ndarray))


@kernel
def _rows_where(condition: NDArray[np.bool_]) -> Ints:
    rows, found = np.empty(len(condition), np.int64), 0
    for i in range(len(condition)):  # without a branch, which would be mispredicted where the condition is rare
        rows[found] = i
        found += condition[i]
    return rows[:found].copy()
