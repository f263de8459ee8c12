"""The station: one home, one account, one leader, and a journal that is what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from kobe81.app.live.station import Market, Places, station
from kobe81.core.errors import Damaged, StoreError, UsageError
from kobe81.core.events import Started, Stopped
from kobe81.engine.rules import Rules
from kobe81.store import checkpoints, verification
from tests.live_fixtures import MONDAY, Home, made_bars

NOWHERE = Market(lambda switch: pytest.fail("a broker was asked"), None, made_bars, (), Rules.of({}), "paper")  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_two_runners_of_one_home_cannot_be(home: Home):
    """The second is refused by the name of the first, and writes nothing."""
    with (home.runner(), pytest.raises(StoreError, match="another runner leads: process"),
          station(home.places, NOWHERE, home.clock)):
        pytest.fail("two lead")
    assert len(home.events(Started)) == 1


def test_the_lead_is_free_after_an_orderly_end_and_after_a_failure(home: Home):
    """Each process is of a higher term; its run is named after it."""
    with home.runner() as (runner, _):
        runner.stop("enough")
    with pytest.raises(ZeroDivisionError), home.runner():
        raise ZeroDivisionError
    with home.runner():
        started = home.events(Started)
    assert [event.term for event in started] == [1, 2, 3]
    assert len({event.run for event in started}) == 3


def test_what_is_journaled_of_a_start_is_what_a_replay_needs(home: Home):
    """Mode, broker, account, and all settings of strategies and gates."""
    with home.runner():
        (started,) = home.events(Started)
    assert (started.mode, started.broker, started.account) == ("paper", "paper", "trial")
    assert started.config["strategies"]["donchian"]["lookback"] == 3
    assert started.config["trading"]["notional"] == 500
    assert started.config["gates"]["policy_gate"]["max_order"] == "600"


def test_a_home_is_of_one_account(home: Home):
    """The journal of another account is refused, by both names; nothing is asked of a broker."""
    with home.runner():
        pass
    home.rules = Rules.of({"account": "other"})
    with pytest.raises(UsageError, match="is of account trial, not of other"), home.runner():
        pytest.fail("two accounts in one journal")


def test_every_day_ends_with_a_checkpoint_that_holds(home: Home):
    """Signed after each scan and in the evening; the last covers the day, and the journal is what they say."""
    home.play([MONDAY])
    known = checkpoints.read(home.places.checkpoints)
    assert len(known) >= 4
    with home.runner() as (runner, _):
        assert not verification.verify(runner.crew.ledger.journal, known)  # type: ignore[arg-type]
    last = next(text for text in home.alerts("info") if "end of 2026-11-23" in text)
    assert known[-1].line in last


def test_a_journal_that_is_gone_is_not_begun_anew(home: Home):
    """Checkpoints say that there was one: nothing is traded."""
    home.play([MONDAY])
    for path in home.folder.glob("journal.db*"):
        path.unlink()
    with pytest.raises(Damaged, match=r"is gone, but .* checkpoints say that there was one"), home.runner():
        pytest.fail("a new journal was begun")
    assert not home.places.journal.exists()


def test_a_journal_from_an_old_copy_is_quarantined(home: Home):
    """An earlier state of the file is sound in itself, and not what the checkpoints say."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00")
    old = home.places.journal.read_bytes()
    with home.runner() as (runner, _):
        home.step(runner, "23 09:35")
        runner.stop("enough")
    for path in home.folder.glob("journal.db-*"):
        path.unlink()
    home.places.journal.write_bytes(old)
    with pytest.raises(Damaged, match="is not what was written"), home.runner():
        pytest.fail("traded on an old journal")
    assert any(home.places.quarantine.rglob("journal.db*"))
    assert not home.events(Stopped)


def test_the_switch_is_at_an_absolute_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Wherever the process goes, it is the same file."""
    monkeypatch.chdir(tmp_path)
    assert Places(Path("here")).switch == tmp_path / "here" / "KILL_SWITCH"
