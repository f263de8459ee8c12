"""What passes through the kernel: signals as orders, their exits, the prices and the terms they trade on."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kobe81.core.bars import Floats, Ints

STOP, TARGET, TIME, END = 0, 1, 2, 3
"""Why a trade left; positions in results.EXIT_REASONS."""

OPEN, NO_NEXT_BAR, GAPPED, BUSY, NO_SLOT, NO_CASH, TOO_DEAR = 0, 1, 2, 3, 4, 5, 6
REFUSALS: Final = {
    NO_NEXT_BAR: "no next bar to enter on",
    GAPPED: "gapped through the stop",
    BUSY: "already in a position",
    NO_SLOT: "no free slot",
    NO_CASH: "not enough cash",
    TOO_DEAR: "one share costs more than the order",
}
NOTIONAL, FRACTION, RISK, VOLATILITY = 0, 1, 2, 3
"""Sizing: dollars, fraction of equity, fraction of equity at risk to the stop, annual volatility to carry."""

compiled: Any = njit(nogil=True, cache=True, error_model="numpy")
"""Compiles a kernel, which calls others of its own file only: numba's cache on disk watches one file for changes."""

inlined: Any = njit(nogil=True, error_model="numpy", inline="always")
"""Compiles a part of a kernel into its callers: a call that passes arrays costs more than such a part does."""


class Prices(NamedTuple):
    """The bars: prices by row, the session of each row, and where symbols begin."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    session: NDArray[np.int32]
    offsets: Ints


ORDER: Final = np.dtype([
    ("bar", np.int64), ("stop", np.float64), ("target", np.float64), ("score", np.float64), ("volatility", np.float64),
    ("fill", np.float64), ("symbol", np.int32), ("own", np.int32), ("enters", np.int32), ("side", np.int8),
    ("refusal", np.int8)], align=True)
"""What is known of a signal before it is followed; one record, because an account looks at signals in no one's order.

own: the session it is given on; enters: the one it would enter on, past the last where there is no next bar; refusal:
OPEN, NO_NEXT_BAR or GAPPED; fill: the entry price with slippage; volatility: annual, for that sizing.
"""

EXIT: Final = np.dtype([
    ("row", np.int64), ("price", np.float64), ("session", np.int32), ("reason", np.int8), ("at_open", np.bool_),
    ("known", np.bool_)], align=True)
"""Where a signal would leave, once it has been followed (known).

price: with slippage; at_open: a gap through the stop, before that session's entries.
"""


class Terms(NamedTuple):
    """How an account trades: bars held, slippage as a fraction, money, slots, and the size of an order."""

    hold: int
    slippage: float
    cash: float
    max_positions: int
    sizing: int
    size: float


@compiled
def by_session(key: Any, sessions: int) -> Any:
    """A stable counting sort by session: (order, first position of each session). Keys >= sessions come last."""
    first = np.zeros(sessions + 2, np.int64)
    for d in key:
        first[min(d, sessions) + 1] += 1
    for d in range(sessions + 1):
        first[d + 1] += first[d]
    place, order = first.copy(), np.empty(len(key), np.int64)
    for k in range(len(key)):
        d = min(key[k], sessions)
        order[place[d]] = k
        place[d] += 1
    return order, first


@compiled
def by_score(enters: Any, score: Any, sessions: int) -> Any:
    """`by_session` of the entry sessions, each session's signals with the highest score first, equal ones by symbol."""
    order, first = by_session(enters, sessions)
    for d in range(sessions):
        part = order[first[d] : first[d + 1]]  # ordered by symbol, which a stable sort keeps among equals
        part[:] = part[np.argsort(-score[part], kind="mergesort")]
    return order, first


@compiled
def last_entries(own: Any, enters: Any, sessions: int) -> Any:
    """The latest entry session of the signals given on each session; -1 where none is given that can enter."""
    latest = np.full(sessions, -1, np.int64)
    for k in range(len(own)):
        if enters[k] < sessions:
            latest[own[k]] = max(latest[own[k]], enters[k])
    return latest
