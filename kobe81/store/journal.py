"""The journal: an append-only sequence of records in SQLite, each bound to all before it by a hash.

A record's body is its canonical JSON; its hash is that of the hash before it and the body. What append returns has been
read back from the bytes that are kept, so that a live book and a replayed one see the same values.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import msgspec

from kobe81.core.clock import Clock
from kobe81.core.decisions import encode
from kobe81.core.errors import Damaged, DiskFull, LostLead, StoreError
from kobe81.core.events import AnyEvent, Record, Started, decode
from kobe81.core.hash_chain import GENESIS, link
from kobe81.core.ports import AlreadyThere
from kobe81.store.files import NOT_JSON, OWNER_ONLY, named, sync_folder
from kobe81.store.migrations import expected_schema, is_current, migrate, schema

PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
PAGE = 1000
"""Records read at a time, so that nobody waits for a reader."""


class Row(NamedTuple):
    """A record as it is kept."""

    seq: int
    body: bytes
    hash: bytes
    key: str | None


class SqliteJournal:
    """The journal over one connection, which its threads share and take turns with.

    term: the leader's, who may write until a Started event of a higher term is there; None for people and readers.
    patience: seconds to wait for another process that writes.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], clock: Clock, *, term: int | None = None,
                 patience: float = PATIENCE) -> None:
        self.term = term
        self._clock, self._lock, self._inside = clock, RLock(), False
        self._looked = 0  # Started events up to this seq are known to be of our term or below
        with _explained():
            self._connection = connect()
        self._prepare(patience)

    def _prepare(self, patience: float) -> None:
        try:
            for pragma in (f"busy_timeout = {patience * 1000:.0f}", "journal_mode = WAL", "synchronous = FULL",
                           "foreign_keys = ON"):
                self._execute(f"PRAGMA {pragma}")
            with _explained():
                current = is_current(self._connection)
            if not current:
                with self.exclusively(), _explained():
                    migrate(self._connection)
        except StoreError:
            self.close()
            raise

    def append(self, *events: AnyEvent, cause: int = 0, keys: Sequence[str | None] = ()) -> tuple[Record, ...]:
        """Write events durably, all or none. keys: one for each event, or none at all.

        AlreadyThere where a key exists, LostLead where another leads, DiskFull where there is no room.
        """
        with self.exclusively():
            seq, head = self.head()
            self._refuse_if_led_by_another(seq)
            self._refuse_known(keys)
            time, rows = self._clock.now(), list[Row]()
            for event, key in zip(events, keys or [None] * len(events), strict=True):
                seq += 1
                body = encode(Record(seq=seq, time=time, cause=cause, event=event, key=key))
                head = link(head, body)
                rows.append(Row(seq, body, head, key))
            records = tuple(_readable(row) for row in rows)
            self._insert(rows)
            if self.term is not None:
                self._looked = seq  # what we wrote ourselves need not be looked at
        return records

    def since(self, seq: int) -> Iterator[Record]:
        """The records after `seq`, in order."""
        return (_decoded(*row) for row in self._pages("seq, body", seq))

    def of(self, *kinds: type[AnyEvent], after: int = 0) -> Iterator[Record]:
        """The records of these kinds of event after `after`, in order."""
        marks = [f'"kind":"{kind.__name__}"'.encode() for kind in kinds]
        matches = " OR ".join("instr(body, ?)" for _ in marks)
        found = self._execute(f"SELECT seq, body FROM records WHERE seq > ? AND ({matches}) ORDER BY seq",  # noqa: S608
                              (after, *marks))
        return (record for record in (_decoded(*row) for row in found) if isinstance(record.event, kinds))

    def raw(self, seq: int) -> Iterator[Row]:
        """The rows after `seq`, in order, as they are kept."""
        return map(Row._make, self._pages("seq, body, hash, key", seq))

    def head(self) -> tuple[int, bytes]:
        """How many records there are, and the hash of the last."""
        found = self._execute("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1")
        return found[0] if found else (0, GENESIS)

    def defects(self) -> Iterator[str]:
        """What SQLite finds wrong with its pages and indexes, and what became of the tables and triggers."""
        yield from (f"the file is corrupt: {text}" for text, in self._execute("PRAGMA integrity_check") if text != "ok")
        with self._lock, _explained():
            if schema(self._connection) != expected_schema():
                yield "its tables or triggers are not as this program makes them"

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are in the journal."""
        found = "SELECT key FROM records WHERE key = ?"
        return {key for key in keys if self._execute(found, (key,))}

    def last_term(self) -> int:
        """The term of the latest leader, 0 where there was none."""
        return self._term_after(0)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Nobody else writes inside; appends inside become durable together at its end, or none does."""
        with self._lock:
            if self._inside:
                if not self._connection.in_transaction:
                    raise StoreError("an earlier write in this step failed, and all of it was undone; take it again")
                yield
                return
            self._execute("BEGIN IMMEDIATE")
            self._inside, looked = True, self._looked
            try:
                yield
                self._execute("COMMIT")
            except BaseException:
                self._looked = looked  # what we looked at may be undone, and then be somebody else's
                raise
            finally:
                self._inside = False
                self._undo()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _pages(self, columns: str, seq: int) -> Iterator[Any]:
        query = f"SELECT {columns} FROM records WHERE seq > ? ORDER BY seq LIMIT {PAGE}"  # noqa: S608
        while page := self._execute(query, (seq,)):
            yield from page
            seq = page[-1][0]

    def _refuse_known(self, keys: Sequence[str | None]) -> None:
        known = [key for key in keys if key is not None]
        for i, key in enumerate(known):
            if key in known[:i] or self._execute("SELECT 1 FROM records WHERE key = ?", (key,)):
                raise AlreadyThere(f"{key}: is in the journal already; it happens once")

    def _refuse_if_led_by_another(self, seq: int) -> None:
        if self.term is None or self._looked >= seq:
            return
        if (term := self._term_after(self._looked)) > self.term:
            raise LostLead(f"another runner took the lead (term {term}, ours was {self.term}); this one writes and "
                           f"sends nothing more. See: kobe status")
        self._looked = seq

    def _term_after(self, seq: int) -> int:
        terms = [record.event.term for record in self.of(Started, after=seq) if isinstance(record.event, Started)]
        return max(terms, default=0)

    def _insert(self, rows: Sequence[Row]) -> None:
        try:
            with _explained():
                self._connection.executemany("INSERT INTO records (seq, body, hash, key) VALUES (?, ?, ?, ?)", rows)
        except StoreError:
            self._undo()  # at once, so that a caller who goes on cannot commit half of it
            raise

    def _execute(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock, _explained():
            return self._connection.execute(statement, values).fetchall()

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._execute("ROLLBACK")


def open_journal(path: Path, clock: Clock, *, term: int | None = None, patience: float = PATIENCE) -> SqliteJournal:
    """The journal in this file, made where there is none: readable by its owner alone, in a folder likewise."""
    with named(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():  # never opened otherwise: closing it again would drop SQLite's locks on it
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, OWNER_ONLY))
            sync_folder(path.parent)
    return SqliteJournal(partial(_connect, path), clock, term=term, patience=patience)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _decoded(seq: int, body: bytes) -> Record:
    try:
        return decode(body)
    except NOT_JSON as error:
        raise _damaged(f"record {seq}: {error}") from None


def _readable(row: Row) -> Record:
    """The record, as everybody will read it."""
    try:
        return decode(row.body)
    except msgspec.DecodeError as error:
        raise StoreError(f"record {row.seq} could not be read back ({error}), so it was not written: "
                         f"{row.body[:200].decode()}") from None


@contextmanager
def _explained() -> Iterator[None]:
    """SQLite's errors, as what a person can do about them."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)  # the module's own errors have none
        explain = _EXPLAINED.get(code) or _EXPLAINED.get(code & 0xFF, _failed)
        raise explain(str(error)) from error
    except UnicodeDecodeError as error:  # SQLite quotes what it found, and damage need not be text
        raise _damaged(str(error)) from None


def _full(text: str) -> StoreError:
    return DiskFull(f"the journal cannot grow ({text}); nothing was written and nothing may be sent. Free space under "
                    f"KOBE_HOME and start again; kobe kill works on a full disk")


def _damaged(text: str) -> StoreError:
    return Damaged(f"the journal cannot be read ({text}); nothing may be sent. See: kobe audit verify")


def _locked(text: str) -> StoreError:
    return StoreError(f"the journal is in use by another process ({text}); nothing was written. Try again")


def _failed(text: str) -> StoreError:
    return StoreError(f"the journal cannot be used ({text}); nothing was written and nothing may be sent. Check the "
                      f"disk and the permissions under KOBE_HOME")


# A journal that is opened on a full disk cannot make its shared memory, which SQLite calls an I/O error.
_EXPLAINED = {sqlite3.SQLITE_FULL: _full, sqlite3.SQLITE_IOERR_SHMSIZE: _full, sqlite3.SQLITE_CORRUPT: _damaged,
              sqlite3.SQLITE_NOTADB: _damaged, sqlite3.SQLITE_BUSY: _locked, sqlite3.SQLITE_LOCKED: _locked}
