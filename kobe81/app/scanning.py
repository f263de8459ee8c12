"""The signals of the last complete bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kobe81.backtest.engine import check_length, compute_signals
from kobe81.core.bars import Bars
from kobe81.strategies import Strategy

if TYPE_CHECKING:
    import polars as pl


def last_signals(bars: Bars, strategies: Sequence[Strategy]) -> pl.DataFrame:
    """The mission's columns (timestamp, symbol, side, entry, stop, take_profit, reason, score, strategy), best first.

    Only bars of the data's last session count: a symbol that stopped trading earlier has no signal today.
    """
    import polars as pl

    for strategy in strategies:
        check_length(bars, strategy)
    today = np.flatnonzero(bars.session == len(bars.sessions) - 1)
    frames = [signals.take(np.isin(signals.bar, today)).to_frame(bars)
              for signals in compute_signals(bars, strategies)]
    return pl.concat(frames).sort(["strategy", "score", "symbol"], descending=[False, True, False])
