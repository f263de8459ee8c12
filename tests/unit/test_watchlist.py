"""The watchlist: the backtest's candidates, nothing of the future, and no strategy that can hurt another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kobe81.app.live import watchlist as watchlists
from kobe81.app.live.watchlist import Watchlist, doubts, watchlist
from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions
from kobe81.backtest.decided import History
from kobe81.backtest.engine import Account, fee_table
from kobe81.core.bars import Bars
from kobe81.core.calendar import sessions
from kobe81.core.days import day, number
from kobe81.core.events import Alerted, StoodDown
from kobe81.core.signals import Signals
from kobe81.engine.rules import Rules
from kobe81.strategies import Strategy, strategies, strategy
from kobe81.strategies.donchian import Donchian
from tests.live_fixtures import DONCHIAN, FRIDAY, MONDAY, TUESDAY, WEDNESDAY, Home, made_bars

BOTH = [strategy(name) for name in strategies.names()]
ALWAYS = date(2023, 1, 3), date(2023, 6, 30)


@cache
def sample() -> Bars:
    return open_market(DataOptions("sample")).bars


@dataclass(frozen=True)
class Hostile(Donchian):
    """A Donchian that answers otherwise; named as this module is."""

    answer: Callable[[Signals], Signals] = lambda signals: signals

    def generate_signals(self, bars: Bars) -> Signals:
        return self.answer(super().generate_signals(bars))


@dataclass(frozen=True)
class Failing(Donchian):
    """A Donchian that has no answer."""

    def generate_signals(self, bars: Bars) -> Signals:
        raise ZeroDivisionError("a price of nothing")


def hostile(answer: Callable[[Signals], Any]) -> Strategy:
    return Hostile(lookback=3, trend=5, atr=3, hold=2, answer=answer)


def raises(signals: Signals) -> Signals:
    raise ZeroDivisionError("a price of nothing")


def leaves(signals: Signals) -> Signals:
    raise SystemExit(3)


def loops(signals: Signals) -> Signals:
    while True:
        pass


def with_bar(bar: int) -> Callable[[Signals], Signals]:
    return lambda s: replace(s, bar=np.full(len(s), bar, np.int64))


JUNK: dict[str, tuple[Callable[[Signals], Any], str]] = {
    "raises": (raises, "ZeroDivisionError: a price of nothing"),
    "leaves": (leaves, "SystemExit: 3"),
    "NaN stop": (lambda s: replace(s, stop=s.stop * np.nan), "without a finite entry, stop or score"),
    "infinite score": (lambda s: replace(s, score=s.score + np.inf), "without a finite entry, stop or score"),
    "NaN entry": (lambda s: replace(s, entry=s.entry * np.nan), "without a finite entry, stop or score"),
    "long stop": (lambda s: replace(s, stop=np.append(s.stop, 1.0)), "different lengths"),
    "no sides": (lambda s: replace(s, side=s.side[:0]), "different lengths"),
    "long targets": (lambda s: replace(s, take_profit=np.append(s.take_profit, 1.0)), "different lengths"),
    "a bar of the future": (with_bar(10**6), "a bar that does not exist"),
    "a bar before all": (with_bar(-1), "a bar that does not exist"),
    "none": (lambda s: None, "Error"),
    "text": (lambda s: "buy", "Error"),
    "no such number": (lambda s: replace(s, template=("{nobody}", "")), "KeyError"),
}


@pytest.mark.parametrize("name", JUNK)
def test_a_strategy_that_answers_junk_stands_down_and_the_other_goes_on(name: str):
    """It raises, ends the process, gives what is no number, no bar or no answer: named, and without effect."""
    answer, words = JUNK[name]
    found = watchlist(made_bars(), [hostile(answer), DONCHIAN], MONDAY)
    assert list(found.failed) == ["test_watchlist"]
    assert words in found.failed["test_watchlist"]
    assert found.candidates == watchlist(made_bars(), [DONCHIAN], MONDAY).candidates != ()


def test_a_strategy_that_never_ends_is_interrupted(monkeypatch: pytest.MonkeyPatch):
    """A loop in Python, with a patience of a tenth of a second instead of a minute."""
    monkeypatch.setattr(watchlists, "LONGEST", 0.1)
    found = watchlist(made_bars(), [DONCHIAN, hostile(loops)], MONDAY)
    assert found.failed == {"test_watchlist": "TimeoutError: no answer within 0 s"}
    assert [c.symbol for c in found.candidates] == ["ACME"]


def test_in_a_thread_there_is_a_watchlist_too():
    """Only the main thread can be interrupted; any other computes without a limit."""
    found: list[Watchlist] = []
    thread = threading.Thread(target=lambda: found.append(watchlist(made_bars(), [DONCHIAN], MONDAY)))
    thread.start()
    thread.join()
    assert [c.symbol for c in found[0].candidates] == ["ACME"]


def test_who_stands_down_is_told_and_trades_nothing_that_day(tmp_path: Path):
    """The journal names the strategy and why, once a session; the other one's candidate is bought all the same."""
    home = Home(tmp_path, strategies=(Failing(), DONCHIAN))
    home.play([MONDAY, TUESDAY])
    assert [(e.session, e.strategy, e.reason) for e in home.events(StoodDown)] == [
        (each, "test_watchlist", "ZeroDivisionError: a price of nothing") for each in (MONDAY, TUESDAY)]
    assert home.alerts("warning")[0] == (
        "test_watchlist stands down for the session: ZeroDivisionError: a price of nothing")
    assert [leg for _, leg, *_ in home.traded] == ["entry", "time"]


def test_the_candidate_worked_out_by_hand():
    """ACME closes at 52.50 on Friday, 2.00 above its channel at 50.50; the ATR before is 1.00."""
    (found,) = watchlist(made_bars(), [DONCHIAN], MONDAY).candidates
    assert (found.symbol, found.session, found.side, found.hold) == ("ACME", FRIDAY, "long", 2)
    assert (float(found.entry), float(found.stop), found.score) == pytest.approx((52.5, 50.5, 2.0))
    assert found.confidence == pytest.approx(2 / 3)


def test_half_a_year_of_the_sample_is_the_backtest_s():
    """For each of 123 sessions, the candidates are the signals that the backtest lets enter on that session."""
    bars = sample()
    run = History.of(bars, BOTH, Account(), Rules.of({}), fee_table(bars, Account()))
    count = 0
    for session in sessions("XNYS", *ALWAYS):
        arriving, _ = run._arriving(int(bars.sessions.searchsorted(number(session))))
        found = watchlist(bars, BOTH, session)
        assert not found.failed
        assert sorted(found.candidates, key=str) == sorted(arriving, key=str), session
        count += len(arriving)
    assert count > 20


def test_bars_of_the_session_and_after_change_nothing():
    """No look ahead: with all bars from the session on removed, or a hundred times as high, it is the same."""
    whole = made_bars()
    session = number(MONDAY)
    for other in (whole.between(0, session - 1), made_bars(changed={
            ("ACME", each): (5000.0, 6000.0, 1.0, 5000.0) for each in (MONDAY, TUESDAY, WEDNESDAY)})):
        one, two = (watchlist(bars, [DONCHIAN], MONDAY) for bars in (whole, other))
        assert (one.bars, one.candidates, one.facts) == (two.bars, two.candidates, two.facts)


def test_a_symbol_without_bars_for_ten_sessions_is_no_candidate():
    """GONE's last bar, a breakout, is of the Friday: the tenth last on 2026-12-04, and from then on too old."""
    bars = made_bars({"ACME": date(2026, 10, 20), "GONE": FRIDAY}, last=date(2026, 12, 11))
    gone = bars.keep((bars.symbol_index == 0) | (bars.date <= number(FRIDAY)))
    days = (MONDAY, *(date(2026, 12, d) for d in (4, 7, 8, 9)))
    assert [bool(watchlist(gone, [DONCHIAN], each).candidates) for each in days] == [True, True, True, False, False]


def test_held_bars_count_both_ends():
    """In on Monday: one bar on Monday itself, two on Tuesday; a day on which it is not quoted does not count."""
    bars = made_bars()
    assert watchlist(bars, [], MONDAY).held("ACME", MONDAY, trades_today=True) == 1
    assert watchlist(bars, [], TUESDAY).held("ACME", MONDAY, trades_today=True) == 2
    assert watchlist(bars, [], TUESDAY).held("ACME", MONDAY, trades_today=False) == 1
    assert watchlist(bars, [], TUESDAY).held("NEW", MONDAY, trades_today=True) == 1


def test_facts_are_those_of_the_last_bar():
    """20 bars of 1,000,000 shares at $50, then one at $52.50: the mean of the last 20 is $50,125,000 a day."""
    facts = watchlist(made_bars(), [], MONDAY).facts["ACME"]
    assert facts.adv == pytest.approx(50_125_000)
    assert float(facts.close or 0) == 52.5


def test_strategies_are_asked_together_and_one_by_one_only_where_one_fails(monkeypatch: pytest.MonkeyPatch):
    """Together they share indicators; alone each answers for itself."""
    asked: list[int] = []
    compute = watchlists.compute_signals
    monkeypatch.setattr(watchlists, "compute_signals", lambda b, s: asked.append(len(s)) or compute(b, s))
    watchlist(sample(), BOTH, date(2023, 2, 3))
    assert asked == [2]
    watchlist(made_bars(), [DONCHIAN, hostile(raises)], MONDAY)
    assert asked == [2, 2, 1, 1]


# what people are to know


def test_bars_that_end_too_early_are_doubted():
    """On Wednesday the bars must reach Tuesday; those that end on Friday are two sessions behind."""
    bars = made_bars()
    assert doubts(bars, WEDNESDAY) == ()
    assert doubts(bars.between(0, number(FRIDAY)), MONDAY) == (), "the weekend is no session"
    assert doubts(bars.between(0, number(FRIDAY)), WEDNESDAY) == (
        "the bars end on 2026-11-20, the last complete session is 2026-11-24; there are no candidates. "
            "Run: kobe data fetch",)
    assert doubts(bars, date(2026, 10, 1)) == ("there are no bars before 2026-10-01",)


def test_bars_that_end_too_early_give_no_candidates():
    """Friday's signal is Monday's candidate; on Tuesday, without Monday's bar, it is nobody's."""
    until_friday = made_bars().between(0, number(FRIDAY))
    assert watchlist(until_friday, [DONCHIAN], MONDAY).candidates
    assert watchlist(until_friday, [DONCHIAN], TUESDAY).candidates == ()


def test_bars_that_stand_out_are_told_in_one_warning_with_the_worst_three(tmp_path: Path):
    """Five of six symbols, which wobbled by a percent a day, jump on Friday, the later the farther; one does not."""
    bars = _wobbling({"AAA": 0.0, "BBB": 0.2, "CCC": 0.3, "DDD": 0.4, "EEE": 0.5, "FFF": 0.6})
    (told,) = doubts(bars, MONDAY)
    assert told.startswith("5 symbols stand out in the bars of 2026-11-20: FFF: ")
    assert [part.partition(":")[0] for part in told.partition("2026-11-20: ")[2].split("; ")] == ["FFF", "EEE", "DDD"]
    home = Home(tmp_path, bars=bars)
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:35", "23 10:30")
    assert [e for e in home.events(Alerted) if "stand out" in e.text] == [
        e for e in home.events(Alerted) if e.severity == "warning"] != []
    assert home.alerts("warning") == [told]
    assert not home.alerts("critical")


def _wobbling(jumps: dict[str, float]) -> Bars:
    """70 sessions of $50 up and down a little, and a last close that much higher, on the Friday."""
    days = sessions("XNYS", date(2026, 8, 1), FRIDAY)[-70:]
    draw = np.random.default_rng(3)
    close = 50 * (1 + draw.uniform(-0.01, 0.01, (len(jumps), 70)))
    close[:, -1] = 50 * (1 + np.array([*jumps.values()]))
    flat = close.ravel()
    fields = {"open": flat, "high": flat * 1.001, "low": flat * 0.999, "close": flat, "volume": np.full(flat.size, 1e6)}
    return Bars.of(sorted(jumps), np.arange(len(jumps) + 1) * 70, np.tile([number(d) for d in days], len(jumps)).astype(
        np.int32), fields)


def test_a_symbol_that_is_gone_stands_out_no_more():
    """Its last bar was wild, but it is not the market's last: nobody is told every morning for ever."""
    bars = _wobbling({"AAA": 0.0, "BBB": 0.6})
    longer = Bars.of(bars.symbols, bars.offsets, np.where(np.arange(140) < 70, bars.date + 0, bars.date - 30).astype(
        np.int32), {name: np.asarray(getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")})
    assert doubts(longer, MONDAY) == ()
    assert day(longer.sessions[-1]) == FRIDAY
