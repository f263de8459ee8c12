"""Every registered strategy obeys every law; strategies broken on purpose are each caught by the law they break."""

from dataclasses import dataclass, replace

import laws
import numpy as np
import pytest

from kobe81.core.bars import Bars
from kobe81.core.params import param
from kobe81.core.signals import Signals
from kobe81.indicators import prior, prior_high, sma, wilder_atr
from kobe81.strategies import AtrStopStrategy, Setup, strategies, strategy
from kobe81.strategies.donchian import Donchian

EVERY = [pytest.param(variant, id=f"{name}, {words}") for name in strategies.names()
         for words, variant in laws.variants(strategy(name))]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("subject", EVERY)
def test_every_registered_strategy_obeys(subject, law):
    """Whatever is registered, from this package or another, with its defaults, short windows, shorts and targets."""
    law(subject)


@pytest.mark.parametrize("subject", [subject for subject in EVERY if laws.LEAST not in str(subject.id)])
def test_the_laws_are_tried_on_signals(subject):
    """The market makes every strategy give signals, short ones too where it may, so no law holds for want of any."""
    assert laws.has_both_sides(subject)


@pytest.mark.parametrize("name", strategies.names())
def test_a_strategy_is_called_what_it_is_registered_as(name):
    """Files and folders of a run bear the name that was asked for."""
    assert strategy(name).name == name


class Peeks(Donchian):
    """Knows whether tomorrow closes higher."""

    def setup(self, bars: Bars) -> Setup:
        found = super().setup(bars)
        after = np.r_[bars.close[1:], np.nan]
        return found._replace(when=found.when & (after > bars.close))


class KnowsTheMean(Donchian):
    """Compares with the mean of the whole sample."""

    def setup(self, bars: Bars) -> Setup:
        found, means = super().setup(bars), np.empty(len(bars))
        for first, end in zip(bars.offsets[:-1], bars.offsets[1:], strict=True):
            means[first:end] = bars.close[first:end].mean() if end > first else np.nan
        return found._replace(when=found.when & (bars.close > means))


class CentersItsWindow(Donchian):
    """A trend filter over bars on both sides."""

    def setup(self, bars: Bars) -> Setup:
        found = super().setup(bars)
        centered = np.r_[sma(bars.close, 5)[2:], np.full(min(2, len(bars)), np.nan)]
        return found._replace(when=found.when & (bars.close > centered))


class LeaksAcrossTheBorder(Donchian):
    """Shifts the whole array, so that a symbol's first bars see the symbol before."""

    trend: int = param(3, 1, 1000, "bars of the moving average")

    def setup(self, bars: Bars) -> Setup:
        found = super().setup(bars)
        long_ago = np.r_[np.full(min(400, len(bars)), np.nan), bars.close[:-400]]
        return found._replace(when=found.when & (bars.close > long_ago))


class RanksTheSymbols(Donchian):
    """Trades the first half of the symbols it is given."""

    def setup(self, bars: Bars) -> Setup:
        found = super().setup(bars)
        return found._replace(when=found.when & (bars.symbol_index < len(bars.symbols) / 2))


class NeedsCompany(Donchian):
    """Trades only where there is more than one symbol."""

    def setup(self, bars: Bars) -> Setup:
        found = super().setup(bars)
        return found._replace(when=found.when & (len(bars.symbols) > 1))


@dataclass(frozen=True)
class ComparesSoThatNanWins(AtrStopStrategy):
    """Not below the channel: true where there is no channel yet."""

    sentence = ("closed at {entry:.2f} above {level:.2f}", "closed at {entry:.2f} below {level:.2f}")

    def setup(self, bars: Bars) -> Setup:
        channel = prior_high(bars.high, self.lookback)
        return Setup(~(bars.close <= channel), level=channel, beyond=bars.close)

    def _signals(self, view, bars, side):
        found, atr = self.setup(view), prior(wilder_atr(view, self.atr))
        at = np.flatnonzero(found.when)
        return replace(super()._signals(view, bars, side), bar=at, side=np.full(len(at), side, np.int8),
                       entry=bars.close[at], stop=bars.close[at] - side * atr[at], score=np.ones(len(at)),
                       take_profit=np.full(len(at), np.nan), facts={"level": found.level[at]})


@dataclass(frozen=True)
class Edited(Donchian):
    """The signals of a sound strategy, changed afterwards."""

    def generate_signals(self, bars: Bars) -> Signals:
        return self.edit(super().generate_signals(bars))

    def edit(self, signals: Signals) -> Signals:
        raise NotImplementedError


class StopsOnTheWrongSide(Edited):
    def edit(self, signals):
        return replace(signals, stop=signals.entry + (signals.entry - signals.stop))


class StopsAtTheEntry(Edited):
    def edit(self, signals):
        return replace(signals, stop=signals.entry)


class TargetsOnTheWrongSide(Edited):
    def edit(self, signals):
        return replace(signals, take_profit=signals.stop)


class EntersAtTheStop(Edited):
    def edit(self, signals):
        return replace(signals, entry=signals.entry * 1.01)


class AnswersInDisorder(Edited):
    def edit(self, signals):
        return signals.take(np.arange(len(signals))[::-1])


class SaysTwice(Edited):
    def edit(self, signals):
        return signals.take(np.repeat(np.arange(len(signals)), 2))


class TellsNothing(Edited):
    def edit(self, signals):
        return replace(signals, template=("a breakout", "a breakout"))


class TellsAnotherNumber(Edited):
    def edit(self, signals):
        return replace(signals, template=("closed at {entry:.2f}, 12.3 ATR clear", ""))


class PromisesALongerWarmup(Donchian):
    @property
    def warmup(self) -> int:
        return super().warmup + 150


class WritesOnTheBars(Donchian):
    def setup(self, bars: Bars) -> Setup:
        found = super().setup(bars)
        bars.volume[:] += 1.0
        return found


class CountsItsCalls(Edited):
    calls = 0

    def edit(self, signals):
        CountsItsCalls.calls += 1
        return replace(signals, score=signals.score + CountsItsCalls.calls)


class FailsOnOneBar(Donchian):
    def setup(self, bars: Bars) -> Setup:
        assert bars.close[-1] > bars.close[-2]
        return super().setup(bars)


@dataclass(frozen=True)
class HasNoBounds(Donchian):
    width: float = param(1.0, None, None, "width of something")


@dataclass(frozen=True)
class HasNoMeaning(Donchian):
    width: float = param(1.0, 0.0, 2.0, " ")


@dataclass(frozen=True)
class StartsOutside(Donchian):
    width: float | None = param(3.0, 0.0, 2.0, "width of something")

    def __post_init__(self) -> None:
        """Checks nothing."""


@dataclass(frozen=True)
class HidesAField(Donchian):
    width: float = 1.0


@dataclass(frozen=True)
class TakesAnything(Donchian):
    def __post_init__(self) -> None:
        """Checks nothing."""


@dataclass(frozen=True)
class LooksAtItsHold(Donchian):
    """Signals only where there is time enough for its liking."""

    def generate_signals(self, bars: Bars) -> Signals:
        found = super().generate_signals(bars)
        return found.take(found.score > self.hold / 100)


BROKEN = [
    (Peeks, laws.cuts_do_not_matter),
    (KnowsTheMean, laws.cuts_do_not_matter),
    (CentersItsWindow, laws.cuts_do_not_matter),
    (LeaksAcrossTheBorder, laws.other_symbols_do_not_matter),
    (RanksTheSymbols, laws.other_symbols_do_not_matter),
    (NeedsCompany, laws.other_symbols_do_not_matter),
    (CountsItsCalls, laws.nothing_is_changed),
    (WritesOnTheBars, laws.nothing_is_changed),
    (ComparesSoThatNanWins, laws.awkward_bars_do_no_harm),
    (FailsOnOneBar, laws.awkward_bars_do_no_harm),
    (StopsOnTheWrongSide, laws.signals_are_well_formed),
    (StopsAtTheEntry, laws.signals_are_well_formed),
    (TargetsOnTheWrongSide, laws.signals_are_well_formed),
    (EntersAtTheStop, laws.signals_are_well_formed),
    (AnswersInDisorder, laws.signals_are_well_formed),
    (SaysTwice, laws.signals_are_well_formed),
    (TellsNothing, laws.reasons_carry_the_numbers),
    (TellsAnotherNumber, laws.reasons_carry_the_numbers),
    (HasNoBounds, laws.parameters_are_bounded),
    (HasNoMeaning, laws.parameters_are_bounded),
    (StartsOutside, laws.parameters_are_bounded),
    (HidesAField, laws.parameters_are_bounded),
    (TakesAnything, laws.parameters_are_bounded),
    (PromisesALongerWarmup, laws.warmup_is_honest),
    (LooksAtItsHold, laws.holding_does_not_matter),
]


@pytest.fixture(autouse=True)
def fresh_market():
    """A market that no broken strategy has written on."""
    laws.market.cache_clear()


@pytest.mark.parametrize(("broken", "law"), BROKEN, ids=lambda it: it.__name__)
def test_broken_strategy_is_caught_by_its_law(broken, law):
    """Each law bites: a strategy that breaks it is refused by it."""
    with pytest.raises((AssertionError, IndexError)):
        law(broken())
