"""Wherever a process dies, the next one brings every order, fill and dollar to where the broker has them."""

import sqlite3
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from kobe81.core.events import Filled, OrderAdopted, OrderMoved
from tests.simulation import crashes
from tests.simulation.crashes import Life
from tests.simulation.days import START
from tests.simulation.disk import Disk
from tests.simulation.process import Process
from tests.simulation.races import overspent, prepare, race
from tests.simulation.soak import crash
from tests.simulation.world import Masks

ROOT = Path(__file__).parents[2]
QUARTER = 2_500


@pytest.mark.parametrize("seed", [1, 1_001, 2_001, 3_001])
def test_no_crash_loses_or_doubles_anything(seed: int) -> None:
    """10,000 crash points in four parts, second crashes and torn disks among them: I1 to I8, I11 and I12 hold."""
    total = crash(QUARTER, seed)
    assert total.points >= QUARTER
    assert total.wrong == []


def test_everything_that_is_staged_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The days are not tame: every kind of trouble that the broker can make is met by some of them."""
    seen = Counter[str]()

    def look(process: Process) -> list[str]:
        for record in process.journal.since(0):
            seen[type(record.event).__name__] += 1
            if isinstance(record.event, OrderMoved):
                seen[f"{record.event.state}: {' '.join(record.event.reason.split()[:3])}"] += 1
            if isinstance(record.event, Filled) and not record.event.fill.order.startswith("k1-"):
                seen["a stranger's fill"] += 1
        return []

    monkeypatch.setattr(crashes, "violations", look)
    for seed in range(1, 60):
        first = Life(seed, Masks())
        first.live()
        for born in islice(first.points.kept, seed, None, 40):
            Life(seed, Masks(), born, only=0).live()
    staged = {
        "unknown: no answer in", "accepted: found by its", "unknown: interrupted while it", "expired: not at the",
        "expired: not sent before", "cancelled: KILL_SWITCH exists", "cancelled: the broker says",
        "rejected: 422 40010000: the", "a stranger's fill", "Halted", "Resumed", "Killed", "CashMoved", "Failed",
        OrderAdopted.__name__}
    assert staged - set(seen) == set()


def test_a_day_has_a_point_at_every_step() -> None:
    """Before and after each BEGIN and COMMIT, before each row, before and after each call, and at each sleep."""
    life = Life(1, Masks())
    hits = Counter[str]()
    hit = life.points.hit
    life.disk.hit = lambda at: (hits.update([at]), hit(at))[1]
    life.live()
    assert hits["before COMMIT"] == hits["after COMMIT"] == hits["before BEGIN"] == hits["after BEGIN"] > 30
    assert len(life.disk.bodies) == hits["before INSERT"]
    assert {"before POST", "after POST", "before activities", "after activities"} <= set(hits)
    assert life.points.count > sum(hits.values()), "sleeps are points as well"


def _row(connection: sqlite3.Connection, seq: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", [(seq, b"body", b"", None)])


def _seen(disk: Disk) -> int:
    reopened = disk.connect()
    (rows,) = reopened.execute("SELECT count(*) FROM records").fetchone()
    reopened.close()
    return int(rows)


@pytest.mark.parametrize(("level", "survive"), [("FULL", 3), ("OFF", 0)])
def test_a_disk_keeps_what_was_synced(level: str, survive: int) -> None:
    """Of three commits and an open transaction, three survive a crash with a sync at each, none without."""
    disk = Disk(lambda at: None)
    connection = disk.connect()
    connection.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, body BLOB, hash BLOB, key TEXT)")
    disk.sync(connection.serialize(), ())
    connection.execute(f"PRAGMA synchronous = {level}")
    for seq in (1, 2, 3):
        _row(connection, seq)
        connection.execute("COMMIT")
    _row(connection, 4)
    assert (_seen(disk), len(disk.bodies)) == (survive, survive)
    connection.execute("ROLLBACK")
    connection.close()


def test_fifty_races_of_eight_deciders(tmp_path: Path) -> None:
    """Eight deciders with connections of their own want $73 each of the day's $160: two get it, every time."""
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert race(folder) == []


def test_two_processes_on_one_budget(tmp_path: Path) -> None:
    """Two processes that decide for four symbols each spend one budget between them."""
    path = tmp_path / "journal.db"
    prepare(path)
    command = [sys.executable, "-m", "tests.simulation.races", str(path)]
    both = [subprocess.Popen([*command, *numbers], cwd=ROOT) for numbers in ("0123", "4567")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert overspent(path) == []


def test_time_begins_where_the_days_do() -> None:
    """A first life begins before the first session opens."""
    assert Life(1, Masks()).clock.now() == START
