"""Replay: every decision of a finished day made again from the journal, and compared by its digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kobe81.app.live.watchlist import watchlist
from kobe81.core.bars import Bars
from kobe81.core.decisions import Candidate, Decision, Snapshot, digest
from kobe81.core.errors import DataError
from kobe81.core.events import Decided, Record, Scanned, Started
from kobe81.engine.apply import apply
from kobe81.engine.book import Book
from kobe81.engine.decide import PROTECT, decide, protect
from kobe81.engine.rules import Rules
from kobe81.strategies import Strategy, strategy


@dataclass(frozen=True)
class Remade:
    """One decision, as it was journaled and as it comes out now. scan: 1, 2, 3 or protect; signals: what became of
    its candidates, made again from the bars; "" where they are the same."""

    seq: int
    scan: str
    was: str
    now: str
    signals: str

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.was == self.now and not self.signals


@dataclass(frozen=True)
class Made:
    """A decision of the journal with everything it was made from."""

    seq: int
    book: Book
    snapshot: Snapshot
    config: Mapping[str, Any]
    decision: Decision

    @property
    def rules(self) -> Rules:
        """What it was decided by."""
        return Rules.of({name: value for name, value in self.config.items() if name != "strategies"})

    @property
    def strategies(self) -> list[Strategy]:
        """Who gave its candidates."""
        return [strategy(name, values) for name, values in self.config.get("strategies", {}).items()]

    def again(self) -> Decision:
        """The decision, made again."""
        remake = protect if self.decision.scan == PROTECT else decide
        return remake(self.book, self.snapshot, self.rules)


def decisions(records: Iterable[Record], sessions: Sequence[date]) -> Iterator[Made]:
    """The decisions of these sessions, each with the book as it was then. DataError where the journal lacks one's
    snapshot."""
    book, config = Book(), dict[str, Any]()
    seen: dict[int, Snapshot] = {}
    for record in records:
        event = record.event
        if isinstance(event, Started):
            config = event.config
        elif isinstance(event, Scanned):
            seen = {record.seq: event.snapshot}
        elif isinstance(event, Decided) and event.decision.session in sessions:
            if record.cause not in seen:
                raise DataError(f"record {record.seq}: the snapshot of this decision is not in the journal. "
                                f"See: kobe audit verify")
            yield Made(record.seq, book, seen[record.cause], config, event.decision)
        book = apply(book, record)


def replay(records: Iterable[Record], session: date, bars: Bars | None) -> list[Remade]:
    """All decisions of a session, made again; the candidates too, where the bars are those they came from."""
    return [Remade(made.seq, made.decision.scan, digest(made.decision), digest(made.again()), _signals(made, bars))
            for made in decisions(records, [session])]


def _signals(made: Made, bars: Bars | None) -> str:
    """How the candidates differ from what the strategies say of the same bars now."""
    if bars is None or not made.snapshot.entries:
        return ""
    again = watchlist(bars, made.strategies, made.snapshot.session)
    if again.bars != made.snapshot.bars:
        return f"the bars are others now ({again.bars[:14]}, then {made.snapshot.bars[:14]})"
    return differ(made.snapshot.candidates, again.candidates)


def differ(then: Iterable[Candidate], now: Iterable[Candidate]) -> str:
    """The first candidate that is not the same in both, in words; "" where all are."""
    old, new = ({(c.strategy, c.symbol): c for c in side} for side in (then, now))
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            what = "is new" if key not in old else "is gone" if key not in new else "has other numbers"
            return f"{key[1]} ({key[0]}) {what}"
    return ""
