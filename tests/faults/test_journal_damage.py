"""Damaged journals: torn, flipped, deleted, restored from old copies. Each is repaired by what nobody vouched against,
or found; none is taken for the truth."""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from store_fixtures import MONDAY, checkpoint_of, journal_at, notary_of, noted

from kobe81.core.clock import SteppedClock
from kobe81.core.errors import Damaged, StoreError
from kobe81.core.ports import AlreadyThere
from kobe81.store import audit_trail
from kobe81.store.journal import SqliteJournal
from kobe81.store.verification import quarantine, verify
from tests.soak import SOAK

FLIPS, COPIES, RECORDS = 10_000 if SOAK else 2_000, 100, 8


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of journals are opened and closed, and none needs to last."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def bodies(journal) -> list[bytes]:
    return [row.body for row in journal.raw(0)]


def small_pages(path) -> SqliteJournal:
    """Pages of 512 bytes, so that a record is few bytes in the write-ahead log."""
    def connect():
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA page_size = 512")
        return connection

    return SqliteJournal(connect, SteppedClock(MONDAY))


def found_at(path, checkpoints=()) -> str:
    """What checking the journal in this file comes to; "" for a sound one."""
    try:
        journal = journal_at(path)
    except StoreError as error:
        return str(error)
    try:
        return "; ".join(map(str, verify(journal, checkpoints)))
    finally:
        journal.close()


def test_every_flipped_bit_is_found_or_changes_nothing(memory):
    """Anywhere in the file. Where nothing is found, every record reads as before and every key is still known."""
    path, rng, found = memory / "journal.db", random.Random(81), 0
    journal = journal_at(path, RECORDS)
    expected = bodies(journal)
    journal.close()
    good = path.read_bytes()
    for _ in range(FLIPS):
        place = rng.randrange(len(good))
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << rng.randrange(8)]) + good[place + 1:])
        if found_at(path):
            found += 1
            continue
        journal = journal_at(path)
        assert bodies(journal) == expected, place
        for number in range(RECORDS):
            with pytest.raises(AlreadyThere):
                journal.append(noted(0), keys=[f"call {number}"])
        journal.close()
    assert found > FLIPS / 20  # the rest hit pages' unused space


def test_a_log_torn_at_any_byte_of_the_last_two_records(memory):
    """SQLite takes the torn record back, whole: what is left is sound unless a checkpoint covers what is gone."""
    home, crashed = memory / "home", memory / "crashed"
    home.mkdir()
    crashed.mkdir()
    journal, sizes = small_pages(home / "journal.db"), []
    for number in range(5):
        journal.append(noted(number), keys=[f"call {number}"])
        sizes.append((home / "journal.db-wal").stat().st_size)
    expected, checkpoint = bodies(journal), checkpoint_of(journal, memory)
    db, log = ((home / name).read_bytes() for name in ("journal.db", "journal.db-wal"))
    outcomes = set()
    for cut in range(sizes[2], len(log) + 1):
        (crashed / "journal.db").write_bytes(db)
        (crashed / "journal.db-wal").write_bytes(log[:cut])
        survivor = journal_at(crashed / "journal.db")
        kept = sum(size <= cut for size in sizes)
        assert bodies(survivor) == expected[:kept], cut
        assert [f.seq for f in verify(survivor, [checkpoint])] == ([kept + 1] if kept < 5 else [])
        outcomes.add(kept)
        survivor.close()
    assert outcomes == {3, 4, 5}


def test_an_audit_torn_at_any_byte_of_the_last_two_lines(memory):
    """It is made whole from the journal, to the same bytes."""
    journal, path = journal_at(memory / "journal.db", 5), memory / "audit.jsonl"
    assert audit_trail.catch_up(journal, path) == []
    whole = path.read_bytes()
    start = len(b"".join(whole.splitlines(keepends=True)[:3]))
    for cut in range(start, len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert audit_trail.catch_up(journal, path) == []
        assert path.read_bytes() == whole


def test_an_audit_that_ends_in_anything_else_is_left_as_it_is(tmp_path):
    """Zeros after a power cut, half of another line, an empty line, an edited last line: told, not mended."""
    journal, path = journal_at(tmp_path / "journal.db", 5), tmp_path / "audit.jsonl"
    audit_trail.catch_up(journal, path)
    lines = path.read_bytes().splitlines(keepends=True)
    for torn in ([*lines[:4], bytes(50)], [*lines[:3], lines[4][:20] + b"x"], [*lines, b"{"],
                 [*lines[:4], lines[4].replace(b"call 4", b"call 5")], [*lines, b"\n"]):
        path.write_bytes(b"".join(torn))
        assert len(audit_trail.catch_up(journal, path)) == 1, torn
        assert path.read_bytes() == b"".join(torn)


def test_old_copies_and_deleted_journals_are_found_by_their_checkpoint(memory):
    """Restored at any of 100 earlier sizes, or begun anew: the first record that is missing is named."""
    path = memory / "journal.db"
    journal = journal_at(path)
    for number in range(COPIES):
        shutil.copy(path, memory / f"copy {number}")
        shutil.copy(memory / "journal.db-wal", memory / f"copy {number}-wal")
        journal.append(noted(number))
    checkpoint = checkpoint_of(journal, memory)
    assert verify(journal, [checkpoint]) == []
    for number in range(COPIES):
        told = found_at(memory / f"copy {number}", [checkpoint])
        assert told.startswith(f"record {number + 1}: missing: the records end at {number}, and the checkpoint of "
                               f"2026-03-02 14:35:00 covers {COPIES}"), told


def test_an_old_copy_is_found_by_the_audit_where_no_checkpoint_covers_it(tmp_path):
    """The trail knows more than the journal, or something else."""
    journal, path = journal_at(tmp_path / "journal.db", 5), tmp_path / "audit.jsonl"
    audit_trail.catch_up(journal, path)
    kept = path.read_bytes()
    [finding] = audit_trail.catch_up(journal_at(tmp_path / "old.db", 3), path)
    assert (finding.seq, "missing" in finding.text) == (4, True)
    other = journal_at(tmp_path / "other.db")
    other.append(*(noted(-n) for n in range(9)))
    [finding] = audit_trail.catch_up(other, path)
    assert "one of them was changed" in finding.text
    assert path.read_bytes() == kept


CHANGES = {
    "edited": ("UPDATE records SET body = replace(body, 'call 2 was', 'call 7 was') WHERE seq = 3", 3, "edited"),
    "deleted": ("DELETE FROM records WHERE seq = 3", 3, "record 4 stands here"),
    "cut": ("DELETE FROM records WHERE seq > 3", 4, "missing"),
    "key": ("UPDATE records SET key = 'call 99' WHERE seq = 3", 3, "its key is 'call 99'"),
    "key gone": ("UPDATE records SET key = NULL WHERE seq = 3", 3, "its key is None"),
    "hash": ("UPDATE records SET hash = zeroblob(32) WHERE seq = 3", 3, "edited"),
    "type": ("UPDATE records SET body = 7 WHERE seq = 3", 3, "not a record"),
    "no text": ("UPDATE records SET body = CAST(x'7b22e36122' AS BLOB) WHERE seq = 3", 3, "not a record"),
    "no JSON": ("UPDATE records SET body = x'7b' WHERE seq = 3", 3, "not a record"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_changed_in_the_tables_is_named(tmp_path, change):
    """With the triggers taken off and put back, as one who knows how would."""
    statement, seq, words = CHANGES[change]
    journal = journal_at(tmp_path / "journal.db", RECORDS)
    checkpoint = checkpoint_of(journal, tmp_path)
    hand = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    triggers = hand.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        hand.execute(f"DROP TRIGGER {name}")
    hand.execute(statement.replace("replace(body", "CAST(replace(CAST(body AS TEXT)")
                 .replace("'call 7 was')", "'call 7 was') AS BLOB)"))
    assert "triggers are not as this program makes them" in found_at(tmp_path / "journal.db")
    for _, sql in triggers:
        hand.execute(sql)
    findings = verify(journal, [checkpoint])
    assert [finding.seq for finding in findings] == [seq]
    assert words in findings[0].text


def test_a_rewritten_journal_is_found_by_its_checkpoint(tmp_path):
    """Another story, told consistently: only the checkpoint knows the difference; nor does a notary sign over one."""
    checkpoint = checkpoint_of(journal_at(tmp_path / "journal.db", 5), tmp_path)
    other = journal_at(tmp_path / "other.db")
    other.append(*(noted(9) for _ in range(RECORDS)))
    assert verify(other) == []
    [finding] = verify(other, [checkpoint])
    assert (finding.seq, "one or more of them were rewritten" in finding.text) == (5, True)
    hand = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    hand.execute("DROP TRIGGER records_stay")
    hand.execute("UPDATE records SET hash = zeroblob(32) WHERE seq = 3")
    journal = journal_at(tmp_path / "journal.db")
    with pytest.raises(Damaged, match="record 3 of the journal does not follow"):
        notary_of(journal, tmp_path).checkpoint()


def test_what_is_damaged_is_kept_as_evidence(tmp_path):
    """Copied aside with SQLite's files beside it; the originals stay; a second time overwrites nothing."""
    journal = journal_at(tmp_path / "journal.db", 3)
    journal.close()
    (tmp_path / "journal.db-wal").write_bytes(b"torn")
    place = quarantine([tmp_path / "journal.db", tmp_path / "audit.jsonl"], tmp_path / "quarantine", MONDAY)
    assert place == tmp_path / "quarantine" / "20260302T143500Z"
    assert sorted(p.name for p in place.iterdir()) == ["journal.db", "journal.db-wal"]
    assert (tmp_path / "journal.db").read_bytes() == (place / "journal.db").read_bytes()
    (tmp_path / "journal.db-wal").write_bytes(b"other")
    quarantine([tmp_path / "journal.db"], tmp_path / "quarantine", MONDAY)
    assert (place / "journal.db-wal").read_bytes() == b"torn"
