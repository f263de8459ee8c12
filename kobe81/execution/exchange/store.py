"""The store: one SQLite file with the account, its orders and activities, from which a restart goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kobe81.core.errors import DataError
from kobe81.execution.exchange.accounts import Activity
from kobe81.execution.exchange.orders import Order

VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (seq INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS activities (seq INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""


class Facts(Struct, frozen=True, kw_only=True):
    """What is neither an order nor an activity.

    at: matched up to here. halted: symbols without trading, since when. banned: symbols nobody may trade.
    seed: what ids and luck were made from when the account was opened.
    """

    at: datetime
    opened_at: datetime
    cash: Decimal
    seed: int
    halted: dict[str, datetime] = {}
    banned: tuple[str, ...] = ()


class State(Facts, frozen=True, kw_only=True):
    """Everything an exchange knows, oldest orders and activities first."""

    orders: tuple[Order, ...] = ()
    activities: tuple[Activity, ...] = ()


class Store:
    """The file, or memory where there is none. What `save` has written survives any crash.

    DataError where the file is something else, was written by another version, or is in use by another exchange.
    """

    def __init__(self, path: Path | None) -> None:
        self._name = "memory" if path is None else str(path)
        if path:
            with suppress(OSError):  # what is wrong with the path, sqlite says in its own words
                path.touch(mode=0o600)
        self._db = sqlite3.connect(self._name if path else ":memory:", check_same_thread=False, isolation_level=None,
                                   timeout=0.1)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise DataError(f"{self._name} cannot be an exchange's store: {error}; give another file") from None

    def load(self) -> State | None:
        """What was saved last; None where nothing was."""
        facts = self._db.execute("SELECT value FROM facts").fetchone()
        if facts is None:
            return None
        known = msgspec.json.decode(facts[0], type=Facts)
        return State(**msgspec.structs.asdict(known), orders=self._all("orders", Order),
                     activities=self._all("activities", Activity))

    def save(self, facts: Facts, orders: Iterable[Order], activities: Iterable[Activity]) -> None:
        """Keep the facts and what changed, all of it or nothing."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('now', ?)", [msgspec.json.encode(facts)])
            for table, values in (("orders", orders), ("activities", activities)):
                rows = [(value.seq, msgspec.json.encode(value)) for value in values]
                self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", rows)  # noqa: S608  (our names)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _prepare(self) -> None:
        with closing(self._db.execute("PRAGMA user_version")) as cursor:
            version = cursor.fetchone()[0]
        if version not in {0, VERSION}:
            self._db.close()
            raise DataError(f"{self._name} was written by another version of the exchange ({version}); "
                            "give another file")
        self._db.executescript(_TABLES + f"PRAGMA user_version = {VERSION};")

    def _all(self, table: str, kind: Any) -> tuple[Any, ...]:
        rows = self._db.execute(f"SELECT value FROM {table} ORDER BY seq")  # noqa: S608  (our names)
        return tuple(msgspec.json.decode(row[0], type=kind) for row in rows)
