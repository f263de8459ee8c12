"""Pullback: a close under an old low, bought while the trend is still up."""

from dataclasses import dataclass
from typing import ClassVar

from kobe81 import AtrStopStrategy, Bars, Setup
from kobe81.indicators import prior_low


@dataclass(frozen=True)
class Pullback(AtrStopStrategy):
    """A close under the lowest low of the `lookback` bars before it, above the moving average."""

    sentence: ClassVar[tuple[str, str]] = (
        "closed at {entry:.2f}, {score:.1f} ATR under {level:.2f}, its {lookback:.0f}-day low, in an uptrend",
        "closed at {entry:.2f}, {score:.1f} ATR over {level:.2f}, its {lookback:.0f}-day high, in a downtrend",
    )

    def setup(self, bars: Bars) -> Setup:
        level = prior_low(bars.low, self.lookback)
        return Setup(bars.close < level, level=level, beyond=bars.close)
