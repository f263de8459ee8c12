"""A runner that is killed, anywhere, and started again: every job and order once, the same fills to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kobe81.app.live.runner import Runner
from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions
from kobe81.core.calendar import sessions
from kobe81.core.events import Intended, JobDone, OrderMoved, Scanned
from kobe81.core.orders import State
from kobe81.strategies import strategies, strategy
from tests.live_fixtures import MONDAY, TUESDAY, Home, Killed, looks, worth
from tests.soak import SOAK

TRADED = [("ACME", "entry", Decimal(9), Decimal("52.51"), "23 09:35")]
SESSIONS = 250 if SOAK else 20
"""make soak runs a year of them."""
LOOKS_AT_CLOCK = 60
"""A look of the runner asks for the time about so often."""


def new(folder: Path, **what: object) -> Home:
    folder.mkdir()
    return Home(folder, **what)  # type: ignore[arg-type]


def play_and_die(home: Home, days: Sequence[date], seed: int) -> int:
    """At every moment of these days a process dies somewhere, and another goes on; how often one died."""
    draw = Random(seed)
    return sum(home.step_and_die(moment, draw.randint(1, LOOKS_AT_CLOCK)) for day in days for moment in looks(day))


@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_two_days_come_to_the_same(tmp_path: Path, seed: int):
    """A kill and a restart at each of the days' moments: jobs, orders and fills of a process that lived."""
    whole, killed = new(tmp_path / "whole"), new(tmp_path / "killed")
    whole.play([MONDAY, TUESDAY])
    assert play_and_die(killed, [MONDAY, TUESDAY], seed) >= 2
    assert worth(killed) == worth(whole)


def test_killed_at_each_step_of_the_scan_that_buys(tmp_path: Path):
    """The process dies at its first look at the clock, its second ...: every time there is one order, and it fills.

    Only between the record that it is sent and its first byte is it lost; then it is UNKNOWN, and none takes its place.
    """
    lost, found = 0, 0
    for n in range(1, 200):
        home = new(tmp_path / str(n), dies_sending=True)
        home.step_and_die("23 08:00", 0)
        died = home.step_and_die("23 09:35", n)
        states = [event.state for event in home.events(OrderMoved)]
        assert home.traded == (TRADED if states != [State.SENT, State.UNKNOWN] else []), n
        assert home.jobs == [("morning", "done"), ("scan-1", "done")], n
        assert [event.intent.leg for event in home.events(Intended)] == ["entry", "stop"][: 1 + bool(home.traded)], n
        lost, found = lost + (not home.traded), found + (bool(home.traded) and State.UNKNOWN in states)
        if not died:
            break
    assert n > 20
    assert lost == 1
    assert found >= 1


def test_a_year_of_kills(tmp_path: Path):
    """Sessions of the sample in one process, and again with a kill and a restart at every moment: the same to the cent.

    20 of them, 250 in make soak.
    """
    bars = open_market(DataOptions("sample")).bars
    days = sessions("XNYS", date(2023, 1, 23), date(2024, 12, 31))[:SESSIONS]
    made = [strategy(name) for name in strategies.names()]
    one, many = (new(tmp_path / name, begins=f"{days[0]} 08:00", bars=bars, strategies=made) for name in ("1", "n"))
    one.play(days)
    assert play_and_die(many, days, 81) >= SESSIONS
    assert len(one.traded) >= 4
    assert worth(many) == worth(one)
    assert Counter(event.job for event in many.events(JobDone)) == dict.fromkeys(
        ("morning", "scan-1", "scan-2", "scan-3", "eod"), SESSIONS)


def test_a_scan_that_was_decided_is_finished_after_its_grace_not_missed(tmp_path: Path, monkeypatch: Any):
    """Killed after the decision, restarted ten minutes later: the scan is done, and nobody is told of a missed one."""
    def dies(*words: object) -> None:
        raise Killed

    home = new(tmp_path / "home")
    home.step_and_die("23 08:00", 0)
    with monkeypatch.context() as patch, home.runner() as (runner, _):
        patch.setattr(Runner, "_finish", dies)
        with pytest.raises(Killed):
            home.step(runner, "23 09:35")
    home.step_and_die("23 09:45", 0)
    assert home.jobs == [("morning", "done"), ("scan-1", "done")]
    assert not home.alerts("warning")
    assert home.traded == TRADED
    assert [event.snapshot.scan for event in home.events(Scanned)] == ["1"], "seen once"
