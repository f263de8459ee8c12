"""Every registered gate and rule obeys every law; gates broken on purpose are each caught by the law they break."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import gate_laws as laws
import pytest

from kobe81 import compliance, ml, risk
from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, ask, at_most, known, under
from kobe81.core.params import param

ROOMS = (risk, compliance, ml)
EVERY = [pytest.param(room.gate(name), id=name) for room in ROOMS for name in room.gates.names()]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("subject", EVERY)
def test_every_registered_gate_obeys(subject, law):
    """Whatever is registered, from this package or another."""
    law(subject)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_a_gate_is_called_what_it_is_registered_as(room):
    """Verdicts bear the name that a configuration uses."""
    assert [room.gate(name).name for name in room.gates.names()] == room.gates.names()


def test_the_facts_of_the_laws_are_all_there_are():
    """A circumstance that is added is tried too, and the good ones let an entry pass every built-in gate."""
    assert set(laws.FACTS) == set(Circumstances.__struct_fields__)
    refused = [v for p in EVERY if not (v := ask(p.values[0], laws.proposal(), laws.GOOD)).allowed]
    assert not refused


@dataclass(frozen=True)
class Sound(Gate):
    """Breaks no law; those below break one."""

    reads = ("trades_today",)
    stricter: ClassVar[dict[str, int]] = {"most": -1}

    most: int = param(50, 0, 1000, "entries")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        return self.all_of(under("entries", known(seen.trades_today), self.most))


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_the_sound_gate_breaks_none(law):
    """What is wrong with those below is what was changed in them."""
    law(Sound())


class LetsNanWin(Sound):
    reads = ("confidence",)

    def judge(self, order, seen):
        over = seen.confidence * 100 > self.most
        return (self.deny if over else self.allow)(f"{seen.confidence} of {self.most}")


class SaysNothingOfARead(Sound):
    def judge(self, order, seen):
        return self.allow("0 errors") if not seen.errors else super().judge(order, seen)


class SaysItReadsMore(Sound):
    reads = ("trades_today", "equity")


class ReadsWhatIsNot(Sound):
    reads = ("trades_today", "weather")

    def judge(self, order, seen):
        return super().judge(order, seen)


class TakesMissingForGood(Sound):
    reads = ()

    def judge(self, order, seen):
        return self.allow(f"nothing known of {self.most}") if seen.trades_today is None else super().judge(order, seen)


class RaisesAtTimes(Sound):
    def judge(self, order, seen):
        assert seen.trades_today < 90
        return super().judge(order, seen)


class AnswersInPairs(Sound):
    def judge(self, order, seen):
        return (seen.trades_today < self.most, "so be it")


class AnswersTruthy(Sound):
    def judge(self, order, seen):
        return Verdict(self.name, "no", f"{seen.trades_today} of {self.most}")


class SpeaksForAnother(Sound):
    def judge(self, order, seen):
        return Verdict("policy_gate", seen.trades_today < self.most, f"{seen.trades_today} of {self.most}")


class NeverRefuses(Sound):
    def judge(self, order, seen):
        return self.allow(f"{seen.trades_today} of {self.most}")


class AlwaysRefuses(Sound):
    def judge(self, order, seen):
        return self.deny(f"{seen.trades_today} of {self.most}")


class CountsItsCalls(Sound):
    calls = 0

    def judge(self, order, seen):
        CountsItsCalls.calls += 1
        return self.all_of(under("entries", seen.trades_today, self.most), (True, f"call {CountsItsCalls.calls}"))


class MistakesTheStricterSide(Sound):
    stricter: ClassVar[dict[str, int]] = {"most": 1}


class LikesTheMiddle(Sound):
    def judge(self, order, seen):
        near = abs(seen.trades_today - self.most) < 30
        return (self.allow if near else self.deny)(f"{seen.trades_today} of {self.most}")


class ForgetsItsStricterSide(Sound):
    stricter: ClassVar[dict[str, int]] = {}


@dataclass(frozen=True)
class KeepsAnIdleLimit(Sound):
    stricter: ClassVar[dict[str, int]] = {"most": -1, "least": 1}
    least: int = param(1, 0, 10, "entries")


class HidesItsLimitWhenItAllows(Sound):
    def judge(self, order, seen):
        verdict = super().judge(order, seen)
        return self.allow(f"{seen.trades_today} entries") if verdict.allowed else verdict


class HidesItsLimitWhenItRefuses(Sound):
    def judge(self, order, seen):
        verdict = super().judge(order, seen)
        return verdict if verdict.allowed else self.deny(f"{seen.trades_today} entries")


class TellsNoNumber(Sound):
    def judge(self, order, seen):
        return (self.allow if seen.trades_today < self.most else self.deny)("entries were counted")


class TellsInTwoLines(Sound):
    def judge(self, order, seen):
        return self.all_of(at_most("entries\n", seen.trades_today, self.most))


class SaysNothing(Sound):
    stricter: ClassVar[dict[str, int]] = {}

    def judge(self, order, seen):
        return self.allow("") if seen.trades_today < self.most else self.deny("")


@dataclass(frozen=True)
class HasNoBounds(Sound):
    most: int = param(50, None, None, "entries")


@dataclass(frozen=True)
class HasNoMeaning(Sound):
    most: int = param(50, 0, 1000, " ")


@dataclass(frozen=True)
class HidesAField(Sound):
    more: int = 3


@dataclass(frozen=True)
class TakesAnything(Sound):
    def __post_init__(self) -> None:
        """Checks nothing."""


class EndsBeforeItBegins(Sound):
    since = date(2026, 6, 4)
    until = date(2026, 6, 3)


BROKEN = [
    (LetsNanWin, laws.what_is_not_known_denies),
    (SaysNothingOfARead, laws.it_looks_where_it_says),
    (SaysItReadsMore, laws.it_looks_where_it_says),
    (ReadsWhatIsNot, laws.it_looks_where_it_says),
    (TakesMissingForGood, laws.it_looks_where_it_says),
    (RaisesAtTimes, laws.it_answers),
    (AnswersInPairs, laws.it_answers),
    (AnswersTruthy, laws.it_answers),
    (SpeaksForAnother, laws.it_answers),
    (NeverRefuses, laws.it_says_yes_and_no),
    (AlwaysRefuses, laws.it_says_yes_and_no),
    (CountsItsCalls, laws.the_same_question_has_the_same_answer),
    (MistakesTheStricterSide, laws.a_stricter_limit_never_allows_more),
    (LikesTheMiddle, laws.a_stricter_limit_never_allows_more),
    (ForgetsItsStricterSide, laws.every_limit_bites_and_is_told),
    (KeepsAnIdleLimit, laws.every_limit_bites_and_is_told),
    (HidesItsLimitWhenItAllows, laws.every_limit_bites_and_is_told),
    (HidesItsLimitWhenItRefuses, laws.every_limit_bites_and_is_told),
    (TellsNoNumber, laws.reasons_are_one_line_with_numbers),
    (TellsInTwoLines, laws.reasons_are_one_line_with_numbers),
    (SaysNothing, laws.reasons_are_one_line_with_numbers),
    (HasNoBounds, laws.limits_are_bounded),
    (HasNoMeaning, laws.limits_are_bounded),
    (HidesAField, laws.limits_are_bounded),
    (TakesAnything, laws.limits_are_bounded),
    (EndsBeforeItBegins, laws.dates_are_in_order),
]


@pytest.mark.parametrize(("broken", "law"), BROKEN, ids=lambda it: it.__name__)
def test_broken_gate_is_caught_by_its_law(broken, law):
    """Each law bites: a gate that breaks it is refused by it."""
    with pytest.raises(AssertionError):
        law(broken())


def test_every_law_is_broken_by_something():
    """No law is there for show."""
    assert {law for _, law in BROKEN} == set(laws.LAWS)
