"""Journals to test with: small events, a clock that moves when told to, and a home with a known past."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from kobe81.core.clock import SteppedClock
from kobe81.core.events import Failed, Started, Valued
from kobe81.store.checkpoints import Checkpoint, Notary, signing_key
from kobe81.store.journal import SqliteJournal, open_journal

MONDAY = datetime(2026, 3, 2, 14, 35, tzinfo=UTC)


def noted(number: int) -> Failed:
    return Failed(source="api", note=f"call {number} was not answered")


def valued(dollars: str) -> Valued:
    return Valued(session=date(2026, 3, 2), equity=Decimal(dollars))


def started(term: int) -> Started:
    return Started(run="r", mode="paper", broker="paper", account="A1", code="1", config={"cash": 5000}, term=term)


def journal_at(path: Path, records: int = 0, term: int | None = None) -> SqliteJournal:
    """A journal, with this many records added one by one."""
    journal = open_journal(path, SteppedClock(MONDAY), term=term, patience=0.1)
    for number in range(records):
        journal.append(noted(number), keys=[f"call {number}"])
    return journal


def notary_of(journal: SqliteJournal, folder: Path) -> Notary:
    """Who signs for a journal, with files in this folder."""
    key = signing_key(folder / "audit.key")
    return Notary(journal, folder / "checkpoints.jsonl", key, "0.1+abc", SteppedClock(MONDAY))


def checkpoint_of(journal: SqliteJournal, folder: Path) -> Checkpoint:
    """A checkpoint of what a journal holds."""
    return notary_of(journal, folder).checkpoint()
