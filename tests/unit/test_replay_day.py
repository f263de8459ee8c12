"""Replay: every decision of a day made again from the journal, and what cannot be made again is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from kobe81.app.live.replay import differ, replay
from kobe81.core.events import Decided, Scanned
from kobe81.core.hash_chain import GENESIS, link
from kobe81.store.journal import open_journal
from tests.cli_fixtures import Done, folder, kobe  # noqa: F401  (fixtures)
from tests.live_fixtures import FRIDAY, MONDAY, TUESDAY, WEDNESDAY, Home, made_bars
from tests.unit.test_parity_day import shift


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two days, from a purchase to the sale."""
    made = Home(tmp_path / "home")
    made.folder.mkdir()
    made.play([MONDAY, TUESDAY])
    return made


def doctored(home: Home, kind: type, change: Callable[[bytes], bytes]) -> None:
    """The journal with the first record of a kind changed by SQL: triggers dropped, and the chain made anew."""
    seq = next(r.seq for r in home.records if isinstance(r.event, kind))
    with sqlite3.connect(home.places.journal) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        rows = db.execute("SELECT seq, body FROM records ORDER BY seq").fetchall()
        head = GENESIS
        for number, body in rows:
            text = change(body) if number == seq else body
            head = link(head, text)
            db.execute("UPDATE records SET body = ?, hash = ? WHERE seq = ?", (text, head, number))
        for _, sql in triggers:
            db.execute(sql)
    db.close()


def test_each_decision_of_a_day_comes_out_the_same(home: Home):
    """Three scans and a stop on Monday, three scans on Tuesday: same digests, same signals."""
    monday, tuesday = (replay(home.records, day, home.bars) for day in (MONDAY, TUESDAY))
    assert [r.scan for r in monday] == ["1", "protect", "2", "3"]
    assert [r.scan for r in tuesday] == ["1", "2", "3"]
    for remade in (*monday, *tuesday):
        assert remade.same
        assert remade.was == remade.now
        assert remade.was.startswith("sha256:")


def test_a_day_without_decisions_has_none(home: Home):
    """Nothing was decided on Wednesday."""
    assert replay(home.records, WEDNESDAY, home.bars) == []


@pytest.mark.parametrize(("kind", "old", "new"), [
    (Decided, b'"qty":9', b'"qty":8'), (Decided, b'"limit":"52.57"', b'"limit":"52.56"'),
    (Scanned, b'"ask":"52.51"', b'"ask":"52.41"'), (Scanned, b'"equity":"100000"', b'"equity":"100001"')])
def test_an_edited_journal_does_not_replay(home: Home, kind: type, old: bytes, new: bytes):
    """A number of the first decision, or of what it was made from, is changed, and the chain mended: only making the
    decision again shows it."""
    doctored(home, kind, lambda body: body.replace(old, new))
    journal = open_journal(home.places.journal, home.clock)
    assert not list(journal.defects())
    journal.close()
    first, *others = replay(home.records, MONDAY, None)
    assert not first.same
    assert first.was != first.now
    assert all(remade.scan == "protect" or remade.same for remade in others) or kind is Decided


def test_an_untouched_journal_survives_the_same_surgery(home: Home):
    """The surgery itself changes nothing."""
    doctored(home, Decided, lambda body: body)
    assert all(remade.same for remade in replay(home.records, MONDAY, home.bars))


def test_a_shifted_indicator_is_named_by_its_symbol(home: Home, monkeypatch: pytest.MonkeyPatch):
    """The decisions themselves come out the same, since they had their candidates; the candidates do not."""
    shift(monkeypatch)
    first, protect, *_ = replay(home.records, MONDAY, home.bars)
    assert first.was == first.now
    assert first.signals == "ACME (donchian) is gone"
    assert not first.same
    assert protect.was == protect.now


def test_a_signal_that_is_new_is_found_on_a_day_that_had_none(home: Home, monkeypatch: pytest.MonkeyPatch):
    """A strategy whose channel lies a dollar too low sees something on Wednesday, where there was nothing."""
    silent = Home(home.folder.parent / "silent")
    silent.folder.mkdir()
    silent.play([WEDNESDAY])
    assert all(remade.same for remade in replay(silent.records, WEDNESDAY, silent.bars))
    monkeypatch.setattr("kobe81.strategies.donchian.prior_high", lambda high, n: high - 1.0)
    found = [remade.signals for remade in replay(silent.records, WEDNESDAY, silent.bars)]
    assert found == ["ACME (donchian) is new", "ACME (donchian) is new", ""]


def test_other_bars_are_named_as_such(home: Home):
    """A corrected bar of the past changes the hash of the bars, whether or not it changes a candidate."""
    other = made_bars(changed={("ACME", FRIDAY): (50.0, 52.5, 50.1, 52.5)})
    first = replay(home.records, MONDAY, other)[0]
    assert first.signals.startswith("the bars are others now (sha256:")
    assert not first.same


def test_bars_that_have_grown_since_are_the_same(home: Home):
    """A replay a week later, with a week more of bars, makes the same candidates of the same past."""
    assert all(r.same for r in replay(home.records, MONDAY, made_bars().between(0, 10**6)))
    assert all(r.same for r in replay(home.records, MONDAY, made_bars(last=MONDAY)))


def test_candidates_differ_by_what_they_say():
    """New, gone, other numbers: by symbol and strategy; the same in another order is the same."""
    one = _candidates({"ACME": FRIDAY, "BETA": FRIDAY})
    assert differ(one, one[::-1]) == ""
    assert differ(one, one[:1]) == "BETA (donchian) is gone"
    assert differ(one[1:], one) == "ACME (donchian) is new"
    assert differ(one, (one[0], replace(one[1], score=2.5))) == "BETA (donchian) has other numbers"


def _candidates(breakouts: dict) -> tuple:  # type: ignore[type-arg]
    from kobe81.app.live.watchlist import watchlist
    from tests.live_fixtures import DONCHIAN

    return watchlist(made_bars(breakouts), [DONCHIAN], MONDAY).candidates


# the commands


@pytest.fixture
def bars(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """The home is $KOBE_HOME, its bars are a file."""
    monkeypatch.setenv("KOBE_HOME", str(home.folder))
    home.bars.to_frame().write_parquet(folder / "made.parquet")
    return folder / "made.parquet"


def test_kobe_replay_and_parity_of_a_sound_day(bars: Path, kobe: Callable[..., Done]):  # noqa: F811
    """Exit code 0; as JSON, every decision with both digests, and every difference with its reason."""
    done = kobe("replay", MONDAY, "--data", bars, "--json")
    assert done.code == 0, done.err
    remade = msgspec.json.decode(done.out)
    assert [r["same"] for r in remade] == [True] * 4
    assert kobe("replay", MONDAY).code == 0
    done = kobe("parity", MONDAY, TUESDAY, "--data", bars, "--json")
    assert done.code == 0, done.err
    found = msgspec.json.decode(done.out)
    assert found["holds"] is True
    assert [d["what"] for d in found["differences"]] == ["entry price", "time price"]


def test_kobe_replay_and_parity_fail_on_a_shifted_indicator(bars: Path, kobe: Callable[..., Done],  # noqa: F811
                                                            monkeypatch: pytest.MonkeyPatch):
    """Exit code 1, and the symbol is named."""
    shift(monkeypatch)
    for words in (("replay", MONDAY), ("parity", MONDAY, TUESDAY)):
        done = kobe(*words, "--data", bars)
        assert done.code == 1, done
        assert "ACME (donchian) is gone" in done.out
        assert done.err.startswith("kobe: ")
    assert kobe("replay", MONDAY).code == 0, "without bars the signals are not made again"


def test_kobe_replay_fails_on_an_edited_decision(home: Home, bars: Path, kobe: Callable[..., Done]):  # noqa: F811
    """Exit code 1, and how many decisions come out otherwise."""
    doctored(home, Decided, lambda body: body.replace(b'"qty":9', b'"qty":8'))
    done = kobe("replay", MONDAY, "--data", bars)
    assert done.code == 1
    assert "decisions come out otherwise" in done.err
    assert "OTHER" in done.out


def test_what_cannot_be_replayed_or_compared_is_refused(bars: Path, kobe: Callable[..., Done]):  # noqa: F811
    """No decision on that day; no bars to compare with; an account that held something."""
    assert "the journal has no decision of 2026-12-01" in kobe("replay", "2026-12-01").err
    done = kobe("parity", MONDAY, TUESDAY)
    assert (done.code, "name the bars to compare with" in done.err) == (2, True)
    assert "the account held ACME" in kobe("parity", TUESDAY, TUESDAY, "--data", bars).err

