"""Ledger: the journal and the book it comes to, always in step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kobe81.core.events import AnyEvent, Record
from kobe81.core.ports import Journal
from kobe81.engine.apply import apply, replay
from kobe81.engine.book import Book


class Ledger:
    """Reads the journal once, and from then on follows it: its own events and those of others."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.book: Book = replay(journal.since(0))

    def catch_up(self) -> Book:
        """The book with whatever others have written since."""
        self.book = replay(self.journal.since(self.book.seq), self.book)
        return self.book

    def tell(self, *events: AnyEvent, cause: int = 0, keys: Sequence[str | None] = ()) -> tuple[Record, ...]:
        """Journal events, durably unless inside `exclusively`, and apply them; AlreadyThere where a key exists."""
        with self.exclusively():
            records = self.journal.append(*events, cause=cause, keys=keys)
            for record in records:
                self.book = apply(self.book, record)
        return records

    @contextmanager
    def exclusively(self) -> Iterator[Book]:
        """The newest book, which nobody can change meanwhile; what is told inside is durable at the end, or undone."""
        before = self.book
        try:
            with self.journal.exclusively():
                self.catch_up()
                yield self.book
        except BaseException:
            self.book = before
            raise
