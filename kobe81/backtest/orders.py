"""What passes through the kernel: signals as orders, their exits, the prices and the terms they trade on."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kobe81.core.bars import Floats, Ints, Mask

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


class Prices(NamedTuple):
    """The bars: prices by row, the session of each row, and where symbols begin."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    session: NDArray[np.int32]
    offsets: Ints


class Orders(NamedTuple):
    """What is known of every signal, ordered by row, before it is followed.

    own: the session it is given on; enters: the one it would enter on, past the last where there is no next bar;
    refusal: OPEN, NO_NEXT_BAR or GAPPED; fill: the entry price with slippage; volatility: annual, for that sizing.
    """

    bar: Ints
    side: NDArray[np.int8]
    stop: Floats
    target: Floats
    score: Floats
    volatility: Floats
    symbol: NDArray[np.int32]
    own: NDArray[np.int32]
    enters: NDArray[np.int32]
    refusal: NDArray[np.int8]
    fill: Floats


class Exits(NamedTuple):
    """Where each signal would leave, as far as it has been followed (`known`).

    at_open: a gap through the stop, before that session's entries; price: with slippage.
    """

    known: Mask
    row: Ints
    session: NDArray[np.int32]
    price: Floats
    reason: NDArray[np.int8]
    at_open: Mask


class Terms(NamedTuple):
    """How an account trades: bars held, slippage as a fraction, money, slots, and the size of an order."""

    hold: int
    slippage: float
    cash: float
    max_positions: int
    sizing: int
    size: float
