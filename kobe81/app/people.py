"""People: who is at the keyboard, and their way into the journal, which is not the runner's."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from kobe81.app import home
from kobe81.app.clock import SystemClock
from kobe81.core.errors import UsageError
from kobe81.store.journal import SqliteJournal, open_journal


def who(given: str | None) -> str:
    """The name a person gave, or the machine's for its user; UsageError where there is neither."""
    try:
        return given or getpass.getuser()
    except (OSError, KeyError):
        raise UsageError("nobody knows who you are; say so with --person NAME") from None


@contextmanager
def journal_of_people() -> Iterator[SqliteJournal]:
    """The journal of this home, to append what a person does; a runner may be writing at the same time."""
    home.home().mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = open_journal(home.journal(), SystemClock())
    try:
        yield journal
    finally:
        journal.close()
