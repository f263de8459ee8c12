"""What a strategy is, and the shape both strategies of the mission share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from kobe81.core.bars import Bars, Column, Floats, Ints, Mask
from kobe81.core.params import check_bounds, param
from kobe81.core.signals import LONG, SHORT, Signals
from kobe81.indicators import prior, rows_where, sma, wilder_atr


@dataclass(frozen=True)
class Strategy(ABC):
    """A rule that turns bars into signals.

    A subclass is a frozen dataclass whose parameters are its fields. It answers for every symbol on its own, never
    looks past the bar of a signal, and does not let its signals depend on `hold`, which says only how a position is
    left; the conformance suite holds every registered strategy to this.
    """

    hold: int = param(5, 1, 250, "bars held, the entry bar included, before the time exit")

    @property
    def name(self) -> str:
        """The name it is registered under: its module's."""
        return type(self).__module__.rpartition(".")[2]

    @property
    @abstractmethod
    def warmup(self) -> int:
        """How many bars a symbol needs before its first possible signal, the signal's bar included."""

    @abstractmethod
    def generate_signals(self, bars: Bars) -> Signals:
        """The signals of every bar of every symbol, ordered by bar."""

    def __post_init__(self) -> None:
        check_bounds(self)


class Setup(NamedTuple):
    """Where a rule sees its chance: `when`, the price `level` it is about, and the price that went `beyond` it."""

    when: Column | Mask
    level: Column
    beyond: Column


EXITS = ("hold", "stop_atr", "r_multiple")
"""The parameters that say only how a position is left. `setup` cannot depend on them: they are undefined there."""


class _Chances(NamedTuple):
    """Bars with a setup in the trend's direction: their rows, closes, ATRs known before, levels, extremes, scores."""

    at: Ints
    close: Floats
    unit: Floats
    level: Floats
    beyond: Floats
    score: Floats


@dataclass(frozen=True)
class AtrStopStrategy(Strategy):
    """A setup taken in the direction of the trend, with a stop some ATRs from the close.

    The rule is written once, for a long; with `allow_short` the same rule on the mirrored bars makes the shorts. What a
    bar is compared with was known before it: the trend and the ATR are those of the bar before.
    Source: docs/spec.md, Strategies.
    """

    lookback: int = param(20, 2, 500, "bars of the channel, the signal's bar not among them")
    trend: int = param(200, 1, 1000, "bars of the moving average the close must be above")
    atr: int = param(14, 1, 250, "bars of Wilder's average true range")
    stop_atr: float = param(2.0, 0.1, 20.0, "distance of the stop from the close, in ATRs")
    min_price: float = param(5.0, 0.0, 1e6, "lowest close a signal may have, in dollars")
    r_multiple: float | None = param(None, 0.1, 100.0, "take-profit at this multiple of the risk; none: no take-profit")
    allow_short: bool = param(False, None, None, "mirror the rule for shorts")
    sentence: ClassVar[tuple[str, str]]

    @abstractmethod
    def setup(self, bars: Bars) -> Setup:
        """The rule, for a long."""

    @property
    def warmup(self) -> int:
        return max(self.lookback, self.trend, self.atr + 1) + 1

    def generate_signals(self, bars: Bars) -> Signals:
        longs = self._signals(bars, bars, LONG)
        if not self.allow_short:
            return longs
        return Signals.join([(0, longs), (0, self._signals(bars.mirror(), bars, SHORT))])

    def _signals(self, view: Bars, bars: Bars, side: int) -> Signals:
        """The signals on `view`: the bars themselves for longs, their mirror for shorts."""
        found = self._remembered(view, bars, side)
        risk = self.stop_atr * found.unit
        target = np.nan if self.r_multiple is None else found.close + side * self.r_multiple * risk
        return Signals(
            bar=found.at, side=np.full(len(found.at), side, np.int8), entry=found.close, stop=found.close - side * risk,
            take_profit=np.broadcast_to(target, found.close.shape), score=found.score, strategy=self.name,
            facts={"level": found.level, "beyond": found.beyond}, constants={"lookback": self.lookback},
            template=self.sentence,
        )

    def _remembered(self, view: Bars, bars: Bars, side: int) -> _Chances:
        """`_chances`, computed once for all the parameter sets that differ only in their exits."""
        memo, key = view.close.memo, (type(self), *(v for k, v in vars(self).items() if k not in EXITS))
        blind = copy(self)
        for name in EXITS:  # a rule that reads them would be remembered wrongly; undefined, they give no signal at all
            object.__setattr__(blind, name, np.nan)
        if memo is None:
            return blind._chances(view, bars, side)
        if key not in memo:
            memo[key] = blind._chances(view, bars, side)
        found: _Chances = memo[key]
        return found

    def _chances(self, view: Bars, bars: Bars, side: int) -> _Chances:
        found = self.setup(view)
        trend, atr = prior(sma(view.close, self.trend)), prior(wilder_atr(view, self.atr))
        at = rows_where(found.when)  # the setup is rare, so the rest is asked only where it stands
        close, unit = bars.close[at], atr[at]
        tradable = (side * close > trend[at]) & (close >= self.min_price) & (unit > 0)
        at, close, unit = at[tradable], close[tradable], unit[tradable]
        level, beyond = side * found.level[at], side * found.beyond[at]
        return _Chances(at, close, unit, level, beyond, np.abs(beyond - level) / unit)
