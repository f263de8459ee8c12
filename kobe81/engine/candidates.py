"""Candidates: a strategy's signals as the decision path takes them, and what their symbols' bars say about them."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np

from kobe81.core.bars import Bars, Column, Floats, Ints
from kobe81.core.days import day
from kobe81.core.decisions import Candidate, Facts
from kobe81.core.money import decimal
from kobe81.core.signals import LONG, Signals
from kobe81.indicators import prior, rolling_std, sma

WINDOW = 20
"""Bars over which volume and volatility are measured."""


def confidence(score: float) -> float | None:
    """A score in ATRs as a number in [0, 1]: 1 - 1 / (1 + score), so that 1.5 ATR is 0.60. None where undefined.

    It keeps the order of the scores, to the last bit, which score / (1 + score) does not, and says nothing about odds;
    a calibrated model takes its place.
    """
    return 1.0 - 1.0 / (1.0 + score) if score >= 0.0 else None


def candidates(bars: Bars, signals: Signals, positions: Ints, hold: int) -> list[Candidate]:
    """The signals at these positions."""
    return [_candidate(bars, signals, int(k), hold) for k in positions]


def _candidate(bars: Bars, signals: Signals, k: int, hold: int) -> Candidate:
    row, target, score = signals.bar[k], float(signals.take_profit[k]), float(signals.score[k])
    return Candidate(
        symbol=bars.symbols[bars.symbol_index[row]], strategy=signals.strategy,
        side="long" if signals.side[k] == LONG else "short", session=day(bars.date[row]),
        entry=decimal(signals.entry[k]), stop=decimal(signals.stop[k]),
        target=decimal(target) if np.isfinite(target) else None, score=score, confidence=confidence(score), hold=hold,
        reason=signals.reason(k))


class Measured(NamedTuple):
    """What every bar's 20 last bars come to: float64 [bars] each, NaN until there are as many."""

    adv: Floats
    volatility: Floats
    close: Floats

    @classmethod
    def of(cls, bars: Bars) -> Measured:
        """Dollar volume and volatility of all bars."""
        parts = [(sma(_dollars(block), WINDOW), rolling_std(_returns(block), WINDOW)) for _, block in bars.blocks()]
        adv, volatility = (np.concatenate([np.asarray(part[i]) for part in parts]) for i in (0, 1))
        return cls(adv, volatility, np.asarray(bars.close))

    def at(self, row: int) -> Facts:
        """The facts as of one bar."""
        adv, volatility = float(self.adv[row]), float(self.volatility[row])
        return Facts(adv=adv if adv >= 0.0 else None, volatility=volatility if volatility >= 0.0 else None,
                     close=decimal(self.close[row]))


def _dollars(block: Bars) -> Column:
    return cast(Column, block.close * block.volume)


def _returns(block: Bars) -> Column:
    return cast(Column, block.close / prior(block.close) - 1.0)
