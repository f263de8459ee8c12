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

from kobe81.core.bars import Bars, Column, Floats, Ints
from kobe81.core.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")

LONGEST = 1 << 40
"""Windows are cut to this many bars, so that no index can overflow; no symbol is as long."""

kernel = njit(nogil=True, cache=True, error_model="numpy")
"""Compiles a kernel. It may call kernels of its own file only: numba's cache on disk watches one file for changes."""


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
    """The indicator, looked up in its column's memo first, under its name and parameters."""
    name = indicator.__name__

    @wraps(indicator)
    def recall(column: Column, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return _recall(column.memo, (name, args, *kwargs.items()), indicator, column, *args, **kwargs)

    return recall


def remembered_by_bars(indicator: Callable[Concatenate[Bars, P], R]) -> Callable[Concatenate[Bars, P], R]:
    """The indicator, looked up in the memo of the bars' close first."""
    name = indicator.__name__

    @wraps(indicator)
    def recall(bars: Bars, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return _recall(bars.close.memo, (name, args, *kwargs.items()), indicator, bars, *args, **kwargs)

    return recall


def _recall(memo: dict[Any, Any] | None, key: Any, indicator: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    if memo is None:
        return indicator(*args, **kwargs)
    found: R | None = memo.get(key)
    if found is None:
        found = memo[key] = indicator(*args, **kwargs)
    return found


def stretches(*columns: Column) -> tuple[Ints, Ints]:
    """First rows and ends (one past the last row) of the stretches of bars where all of one to three columns are finite.

    Ascending; no stretch spans two symbols.
    """
    offsets = columns[0].offsets
    fields = [plain(column) for column in columns]
    if all(_all_finite(x) for x in fields):
        return offsets[:-1], offsets[1:]
    x, y, z = (fields * 3)[:3]
    starts, ends = _stretches(x, y, z, offsets)
    return starts, ends


@kernel
def _all_finite(x):  # type: ignore[no-untyped-def]
    # A float is not finite where all its exponent bits are set. As integers, because the OR of integers is vectorized.
    exponent = np.int64(0x7FF0000000000000)
    undefined = np.int64(0)
    for bits in x.view(np.int64):
        undefined |= np.int64((bits & exponent) == exponent)
    return undefined == 0


@kernel
def _stretches(x, y, z, offsets):  # type: ignore[no-untyped-def]
    starts = np.empty(len(x), np.int64)
    ends = np.empty(len(x), np.int64)
    found = 0
    for s in range(len(offsets) - 1):
        inside = False
        for i in range(offsets[s], offsets[s + 1]):
            defined = np.isfinite(x[i]) and np.isfinite(y[i]) and np.isfinite(z[i])
            if defined and not inside:
                starts[found] = i
                found += 1
            if defined:
                ends[found - 1] = i + 1
            inside = defined
    return starts[:found].copy(), ends[:found].copy()
