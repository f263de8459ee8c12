"""ICT Turtle Soup: a sweep of the liquidity under an old low that closes back above it."""

from dataclasses import dataclass
from typing import ClassVar

from kobe81.core.bars import Bars
from kobe81.core.params import param
from kobe81.indicators import prior_low
from kobe81.strategies.base import AtrStopStrategy, Setup


@dataclass(frozen=True)
class IctTurtleSoup(AtrStopStrategy):
    """A low under the lowest of the `lookback` lows before, made at least `min_age` bars ago, and a close above it."""

    min_age: int = param(4, 1, 250, "bars since the swept low was last made")
    sentence: ClassVar[tuple[str, str]] = (
        "traded at {beyond:.2f}, {score:.1f} ATR under its {lookback}-day low of {level:.2f}, "
        "and closed back above it at {entry:.2f}",
        "traded at {beyond:.2f}, {score:.1f} ATR over its {lookback}-day high of {level:.2f}, "
        "and closed back below it at {entry:.2f}",
    )

    def setup(self, bars: Bars) -> Setup:
        level = prior_low(bars.low, self.lookback)
        swept = (bars.low < level) & (bars.close > level)
        if self.min_age > 1:  # a low made fewer than min_age bars ago would make the lower of these two the same
            swept &= prior_low(bars.low, self.min_age - 1) > level
        return Setup(swept, level=level, beyond=bars.low)
