"""The journal's tables, as the steps that make them. A step that was published never changes; a new one is added."""

from __future__ import annotations

import sqlite3

from kobe81.core.errors import StoreError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL, key TEXT)",
        "CREATE UNIQUE INDEX keys ON records (key) WHERE key IS NOT NULL",
        "CREATE TRIGGER records_stay BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); "
        "END",
        "CREATE TRIGGER records_last BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); "
        "END",
        "CREATE TRIGGER records_follow BEFORE INSERT ON records "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM records) "
        "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    ),
)
"""The statements of each step; a journal has gone through as many as its PRAGMA user_version says."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a journal to this version, within the caller's transaction; StoreError for one of a later version."""
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise StoreError(f"the journal has format {version} and this program knows {len(MIGRATIONS)}: a newer version "
                         f"wrote it. Install that one again; nothing was changed")
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether there is nothing to migrate."""
    return _version(connection) == len(MIGRATIONS)


def schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """What the tables, indexes and triggers are, by name."""
    return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def expected_schema() -> list[tuple[str, str]]:
    """What they are in a journal that was just made."""
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    migrate(fresh)
    found = schema(fresh)
    fresh.close()
    return found


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
