"""The disk: what of the journal survives a crash. SQLite itself runs, in memory; its file is what a sync wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

FULL = 2
UNSYNCED = 5
"""Commits that the disk may hold back where nobody asked for a sync."""

Hit = Callable[[str], None]
Body = bytes


class Disk:
    """One journal's file. image: its durable bytes, None where there is none; bodies: the durable records; older: the
    image before the last few syncs, which is what a worn disk comes back with."""

    def __init__(self, hit: Hit, image: bytes | None = None, bodies: tuple[Body, ...] = ()) -> None:
        self.hit, self.image, self.bodies, self.older = hit, image, bodies, image

    def connect(self) -> sqlite3.Connection:
        """A connection to the journal as a new process finds it."""
        connection = Connection(":memory:", isolation_level=None, check_same_thread=False)
        connection.disk, connection.pending = self, list(self.bodies)
        if self.image is not None:
            connection.deserialize(self.image)
        return connection

    def sync(self, image: bytes, bodies: tuple[Body, ...]) -> None:
        """The file is on the disk."""
        self.older, self.image, self.bodies = self.image, image, bodies

    def intends(self, order: str) -> bool:
        """Whether an intent of that id is durable."""
        name = order.encode()
        return any(b'"kind":"Intended"' in body and name in body for body in self.bodies)

    def reconciled(self) -> bool:
        """Whether the process that started last has found book and broker to agree."""
        for body in reversed(self.bodies):
            if b'"kind":"Reconciled"' in body:
                return True
            if b'"kind":"Started"' in body:
                return False
        return False


class Connection(sqlite3.Connection):
    """SQLite, with a crash point before and after every step that writes."""

    disk: Disk
    pending: list[Body]
    unsynced = 0

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        step = statement.partition(" ")[0]
        if step not in {"BEGIN", "COMMIT", "ROLLBACK"}:
            return super().execute(statement, values)
        self.disk.hit(f"before {step}")
        done = super().execute(statement, values)
        if step == "COMMIT":
            self._commit()
        elif step == "ROLLBACK":
            del self.pending[super().execute("SELECT count(*) FROM records").fetchone()[0]:]
        self.disk.hit(f"after {step}")
        return done

    def executemany(self, statement: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        return super().executemany(statement, self._one_by_one(rows))

    def _one_by_one(self, rows: Iterable[Any]) -> Iterator[Any]:
        for row in rows:
            self.disk.hit("before INSERT")
            self.pending.append(row[1])
            yield row
        self.disk.hit("after INSERT")

    def _commit(self) -> None:
        (level,) = super().execute("PRAGMA synchronous").fetchone()
        self.unsynced += 1
        if level >= FULL or self.unsynced > UNSYNCED:
            self.unsynced = 0
            self.disk.sync(self.serialize(), tuple(self.pending))
