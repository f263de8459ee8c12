"""The journal on a real disk: what is written stays, in order, once, and only by the one who leads."""

import re
import sqlite3
import stat
import subprocess
import sys
import threading
from decimal import Decimal
from hashlib import sha256

import pytest
from cli_fixtures import surroundings
from msgspec import structs
from store_fixtures import MONDAY, journal_at, noted, started, valued

from kobe81.core.clock import SteppedClock
from kobe81.core.errors import Damaged, LostLead, StoreError
from kobe81.core.events import Failed, Killed, Record, Started
from kobe81.core.ports import AlreadyThere
from kobe81.store.journal import PAGE, SqliteJournal, open_journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "journal.db"


def undone(journal, *numbers):
    """Append one by one, and fail at the end of the step."""
    def step():
        with journal.exclusively():
            for number in numbers:
                journal.append(noted(number))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()


def test_what_is_appended_is_read_back(path):
    """Numbered from 1 on, stamped by the clock handed in, with cause and key; also by the next process to open it."""
    journal = journal_at(path)
    first = journal.append(valued("105000.10"))
    second = journal.append(noted(1), noted(2), cause=1, keys=["a", None])
    assert [(r.seq, r.cause, r.key, r.time) for r in (*first, *second)] == [
        (1, 0, None, MONDAY), (2, 1, "a", MONDAY), (3, 1, None, MONDAY)]
    assert first[0].event.equity == Decimal("105000.10")
    journal.close()
    assert tuple(journal_at(path).since(0)) == (*first, *second)
    assert tuple(journal_at(path).since(2)) == second[1:]


def test_the_file_is_canonical_json_in_a_chain(path):
    """Read by SQLite alone: the bodies as text, each hash that of the one before (32 zeros at first) and the body."""
    journal_at(path, 2)
    rows = sqlite3.connect(path).execute("SELECT body, hash FROM records ORDER BY seq").fetchall()
    assert rows[0][0] == (b'{"seq":1,"time":"2026-03-02T14:35:00Z","cause":0,"event":{"kind":"Failed","source":"api",'
                          b'"note":"call 0 was not answered"},"key":"call 0"}')
    assert rows[0][1] == sha256(bytes(32) + rows[0][0]).digest()
    assert rows[1][1] == sha256(rows[0][1] + rows[1][0]).digest()
    assert journal_at(path).head() == (2, rows[1][1])


def test_only_the_owner_may_read(path):
    """The file, SQLite's files beside it, and the folder made for them."""
    journal_at(path, 1)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()} == dict.fromkeys(
        ["journal.db", "journal.db-shm", "journal.db-wal"], 0o600)


def test_commits_are_written_ahead_and_synced(path):
    """WAL and synchronous=FULL (2), on the connection that writes."""
    opened = []
    connect = lambda: opened.append(sqlite3.connect(path, isolation_level=None)) or opened[0]  # noqa: E731
    path.parent.mkdir()
    SqliteJournal(connect, SteppedClock(MONDAY))
    assert [opened[0].execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")] == ["wal", 2]


def test_a_key_happens_once(path):
    """In another append, in the same one, and after a restart; nothing of the refused append is kept."""
    journal = journal_at(path, 1)
    for keys in (["fresh", "call 0"], ["twice", "twice"]):
        with pytest.raises(AlreadyThere, match=keys[1]):
            journal.append(noted(1), noted(2), keys=keys)
    with pytest.raises(AlreadyThere, match="call 0"):
        journal_at(path).append(noted(1), keys=["call 0"])
    assert journal.head()[0] == 1
    assert journal.append(noted(1), noted(2), keys=["fresh", "twice"])[1].seq == 3


def test_keys_are_one_for_each_event(path):
    with pytest.raises(ValueError, match="shorter"):
        journal_at(path).append(noted(1), noted(2), keys=["a"])


def test_inside_exclusively_all_or_nothing(path):
    """Two appends become visible to another connection together, or not at all; ours sees them at once."""
    journal, reader = journal_at(path), journal_at(path)
    with journal.exclusively():
        journal.append(noted(1))
        journal.append(noted(2))
        assert (len(list(journal.since(0))), len(list(reader.since(0)))) == (2, 0)
    assert len(list(reader.since(0))) == 2
    undone(journal, 3)
    assert journal.head()[0] == reader.head()[0] == 2
    assert journal.append(noted(3))[0].seq == 3


def test_a_refused_key_inside_leaves_the_rest(path):
    """What a caller catches inside is not half of something: the refused append left nothing, the others stay."""
    journal = journal_at(path, 1)
    with journal.exclusively():
        journal.append(noted(1))
        with pytest.raises(AlreadyThere):
            journal.append(noted(2), noted(3), keys=[None, "call 0"])
    assert journal.head()[0] == 2


def test_nobody_else_writes_meanwhile(path):
    """Another process is told who is in the way, within its patience; another thread waits for its turn."""
    journal, other = journal_at(path), journal_at(path)
    with journal.exclusively():
        with pytest.raises(StoreError, match="in use by another process"):
            other.append(noted(1))
        waiting = threading.Thread(target=journal.append, args=(noted(2),))
        waiting.start()
        journal.append(noted(1))
    waiting.join(5)
    assert [r.event.note for r in journal.since(0)] == ["call 1 was not answered", "call 2 was not answered"]


def test_threads_take_turns(path):
    """Eight threads, 25 appends each: 200 records without a gap, one chain."""
    journal = journal_at(path)
    threads = [threading.Thread(target=lambda n=n: [journal.append(noted(n)) for _ in range(25)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    head = bytes(32)
    for seq, row in enumerate(journal.raw(0), 1):
        head = sha256(head + row.body).digest()
        assert (row.seq, row.hash) == (seq, head)
    assert seq == 200


def test_a_reader_sees_what_came_meanwhile_and_misses_nothing(path):
    """More records than are read at a time, and one added half way."""
    journal = journal_at(path)
    journal.append(*(noted(n) for n in range(PAGE + 10)))
    records = journal.since(0)
    first = next(records)
    journal.append(noted(-1))
    assert [first.seq, *(r.seq for r in records)] == list(range(1, PAGE + 12))


@pytest.mark.parametrize("statement", [
    "UPDATE records SET body = x'00' WHERE seq = 1", "DELETE FROM records WHERE seq = 2",
    "INSERT INTO records VALUES (9, x'00', x'00', NULL)", "INSERT OR REPLACE INTO records VALUES (1, x'0', x'0', NULL)"
    .replace("x'0'", "x'00'"),
])  # fmt: skip
def test_the_tables_refuse_anything_but_the_next_record(path, statement):
    """By any program that opens the file."""
    journal_at(path, 2)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sqlite3.connect(path).execute(statement)


def test_a_leader_who_was_replaced_writes_nothing_more(path):
    """Once a higher term has started, by whichever process; people may still write, and the new leader."""
    old, new, person = journal_at(path, 3, term=1), journal_at(path, term=2), journal_at(path)
    old.append(started(1))
    old.append(noted(1))
    new.append(started(2))
    with pytest.raises(LostLead, match="term 2, ours was 1"):
        old.append(noted(2))
    assert person.append(Killed(by="kobe kill", reason="test"))[0].seq == new.append(noted(3))[0].seq - 1
    assert [journal.last_term() for journal in (old, new, person)] == [2, 2, 2]


def test_a_leader_is_replaced_even_where_its_own_write_was_undone(path):
    """The records it had numbered and taken back are now the new leader's."""
    old, new = journal_at(path, term=1), journal_at(path, term=2)
    old.append(started(1))
    undone(old, 1, 2, 3)
    new.append(started(2))
    with pytest.raises(LostLead):
        old.append(noted(4))


def test_terms_are_read_from_events_not_from_text(path):
    """A note that quotes a Started event is none."""
    journal = journal_at(path, term=1)
    journal.append(Failed(source="error", note='"kind":"Started"'))
    journal.append(structs.replace(started(1), config={"kind": "Started", "term": 9}))
    assert journal.last_term() == 1
    assert [r.seq for r in journal.of(Started)] == [2]
    assert journal.append(noted(1))[0].seq == 3


def test_a_newer_format_is_refused(path):
    """A file of a later version is left alone."""
    journal_at(path, 1)
    sqlite3.connect(path).execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"format 99 .* a newer version wrote it"):
        journal_at(path)


def test_a_file_that_is_no_journal_is_named(path):
    path.parent.mkdir()
    path.write_text("not a database, but long enough to be taken for one " * 100)
    with pytest.raises(Damaged, match="kobe audit verify"):
        journal_at(path)


def test_what_cannot_be_read_back_is_not_written(path):
    """NaN is no JSON: the event would come back as something else."""
    journal = journal_at(path)
    with pytest.raises(StoreError, match="record 1 could not be read back"):
        journal.append(structs.replace(started(1), term=float("nan")))
    assert journal.head() == (0, bytes(32))


def test_what_append_returns_is_what_a_reader_gets(path):
    """A tuple in a configuration is a list in JSON, for both."""
    [record] = journal_at(path).append(structs.replace(started(1), config={"b": (1, 2), "a": 1}))
    assert [record] == list(journal_at(path).since(0))
    assert isinstance(record, Record)
    assert record.event.config == {"a": 1, "b": [1, 2]}


def test_eight_processes_open_and_write_at_once(path):
    """A journal that nobody has made yet: one schema, 8 x 20 records, one chain, each key once."""
    code = ("import sys\nfrom pathlib import Path\nfrom kobe81.app.clock import SystemClock\n"
            "from kobe81.core.events import Failed\nfrom kobe81.store.journal import open_journal\n"
            "j = open_journal(Path(sys.argv[1]), SystemClock(), patience=30)\n"
            "for n in range(20): j.append(Failed(source='api', note='x'), keys=[f'{sys.argv[2]} {n}'])\n")
    children = [subprocess.Popen([sys.executable, "-c", code, path, str(n)], env=surroundings({}), text=True,
                                 stderr=subprocess.PIPE) for n in range(8)]
    assert [(child.communicate(timeout=60)[1], child.returncode) for child in children] == [("", 0)] * 8
    assert re.fullmatch(r"(Failed ){160}", "".join(f"{type(r.event).__name__} " for r in journal_at(path).since(0)))
    assert list(journal_at(path).defects()) == []


def test_a_journal_in_memory_is_one_too(tmp_path):
    """The connection is handed in: a simulation's disk will do."""
    shared = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    journal = SqliteJournal(lambda: shared, SteppedClock(MONDAY))
    assert journal.append(noted(1))[0].seq == 1
    assert open_journal(tmp_path / "j.db", SteppedClock(MONDAY)).head()[0] == 0
