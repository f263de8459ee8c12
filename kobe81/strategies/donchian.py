"""Donchian breakout: the close leaves the channel of the bars before it."""

from dataclasses import dataclass
from typing import ClassVar

from kobe81.core.bars import Bars
from kobe81.indicators import prior_high
from kobe81.strategies.base import AtrStopStrategy, Setup


@dataclass(frozen=True)
class Donchian(AtrStopStrategy):
    """A close above the highest high of the `lookback` bars before it, in an uptrend."""

    sentence: ClassVar[tuple[str, str]] = (
        "closed at {entry:.2f} above {level:.2f}, its {lookback}-day high, {score:.1f} ATR clear of it",
        "closed at {entry:.2f} below {level:.2f}, its {lookback}-day low, {score:.1f} ATR clear of it",
    )

    def setup(self, bars: Bars) -> Setup:
        channel = prior_high(bars.high, self.lookback)
        return Setup(bars.close > channel, level=channel, beyond=bars.close)
