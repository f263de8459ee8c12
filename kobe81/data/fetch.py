"""Fetching: bring the cache up to date, symbol by symbol, from the first source that delivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import kobe81
from kobe81.core.calendar import last_complete_session, missing_sessions, sessions
from kobe81.core.errors import DataError, ProviderError, Unavailable, UsageError
from kobe81.core.symbols import parse_symbol
from kobe81.data.cache import BarCache, Cached, DamagedCache, Provenance, overlap_start, splice
from kobe81.data.providers import Exhausted, Provider

if TYPE_CHECKING:
    import polars as pl

SILENCE = 5
"""Symbols in a row without an answer after which a source is taken to be down."""


class Row(NamedTuple):
    """What became of one symbol.

    status: "fetched" (whole), "updated" (the new bars only), "fresh" (nothing was asked) or "failed". source, first,
    last: empty or None where it failed. message: what is worth knowing, "" where nothing is.
    """

    symbol: str
    status: str
    source: str
    rows: int
    first: date | None
    last: date | None
    message: str


@dataclass(frozen=True)
class FetchReport:
    """One row per symbol, in the order asked for; notes on sources that were stood down."""

    rows: list[Row]
    notes: list[str]

    @property
    def failed(self) -> list[Row]:
        """The symbols that no source delivered."""
        return [row for row in self.rows if row.status == "failed"]

    def to_frame(self) -> pl.DataFrame:
        """symbol, status, source, rows, first, last, message; one row per symbol."""
        import polars as pl

        schema = {"symbol": pl.String, "status": pl.String, "source": pl.String, "rows": pl.Int64, "first": pl.Date,
                  "last": pl.Date, "message": pl.String}
        return pl.DataFrame(self.rows, schema=schema, orient="row")


Progress = Callable[[Row, int, int], None]
"""Called after each symbol with its row, how many are done, and how many there are."""


def fetch(symbols: Sequence[str], sources: Sequence[Provider], first: date, last: date, cache: BarCache,
          now: Callable[[], datetime], progress: Progress | None = None) -> FetchReport:
    """Have the bars of `symbols`, dated first..last, in `cache`; bars of sessions not over yet are not asked for.

    Sources are tried in the order given. One that refuses for good (a key, a quota, a ban), or is silent for SILENCE
    symbols in a row, is stood down with a note. What is cached and up to date is not asked for again, so a run that
    was interrupted goes on where it stopped. UsageError where no source is given, a symbol is none, or first > last.
    """
    if not sources or not first <= last:
        raise UsageError("give at least one source" if not sources else f"first date {first} is after last {last}")
    wanted = list(dict.fromkeys(parse_symbol(s) for s in symbols))
    run = _Run(sources, first, last, cache, now)
    rows: list[Row] = []
    for symbol in wanted:
        rows.append(run.symbol(symbol))
        if progress is not None:
            progress(rows[-1], len(rows), len(wanted))
    return FetchReport(rows, run.notes)


@dataclass
class _Run:
    sources: Sequence[Provider]
    first: date
    last: date
    cache: BarCache
    now: Callable[[], datetime]
    notes: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    silent: Counter[str] = field(default_factory=Counter)

    def symbol(self, symbol: str) -> Row:
        """One symbol, from the first source that has it up to date or delivers it."""
        messages: list[str] = []
        held = {source.name: self._held(source, symbol, messages) for source in self.sources}
        for source in self.sources:
            cached = held[source.name]
            if cached is not None and self._is_fresh(source, cached):
                return _row("fresh", cached.provenance, messages)
        for source in self.sources:
            if source.name not in self.down:
                row = self._try(source, symbol, held[source.name], messages)
                if row is not None:
                    return row
        kept = [f"{len(c.frame)} bars up to {c.provenance.last} from {n} are kept" for n, c in held.items() if c]
        return Row(symbol, "failed", "", 0, None, None, "; ".join(messages + kept) or "; ".join(self.notes))

    def _held(self, source: Provider, symbol: str, messages: list[str]) -> Cached | None:
        """The cached bars that may be continued: neither damaged nor differently adjusted."""
        try:
            cached = self.cache.read(source.name, symbol)
        except DamagedCache as error:
            messages.append(str(error).rpartition("; ")[0] + ", fetched again")
            return None
        return cached if cached is not None and cached.provenance.adjustment == source.adjustment else None

    def _target(self, source: Provider) -> date | None:
        """The last session in the dates asked for that is over; None where there is none."""
        complete = min(self.last, last_complete_session(source.calendar, self.now()))
        return next(reversed(sessions(source.calendar, self.first, complete)), None)

    def _is_fresh(self, source: Provider, cached: Cached) -> bool:
        """Whether asking again would bring nothing new."""
        origin, target = cached.provenance, self._target(source)
        if target is None or not origin.asked_first <= self.first:
            return False
        # A bar missing on the evening of its session may be late; the day after, there is none.
        settled = origin.asked_last >= target and origin.fetched_at.astimezone(UTC).date() > target
        return origin.last >= target or settled

    def _try(self, source: Provider, symbol: str, cached: Cached | None, messages: list[str]) -> Row | None:
        """The symbol from this source, or None with the reason in `messages` (an Exhausted source stands down)."""
        try:
            row = self._deliver(source, symbol, cached, messages)
        except Exhausted as error:
            self._stand_down(source, str(error))
        except ProviderError as error:
            messages.append(str(error))
            self.silent[source.name] = self.silent[source.name] + 1 if isinstance(error, Unavailable) else 0
            if self.silent[source.name] == SILENCE:
                self._stand_down(source, f"{source.name}: no usable answer for {SILENCE} symbols in a row")
        else:
            self.silent[source.name] = 0
            return row
        return None

    def _stand_down(self, source: Provider, why: str) -> None:
        self.down.add(source.name)
        self.notes.append(f"{source.name} stood down for the rest of the run: {why}")

    def _deliver(self, source: Provider, symbol: str, cached: Cached | None, messages: list[str]) -> Row:
        target = self._target(source)
        if target is None:
            raise DataError(f"no session between {self.first} and {self.last} is over yet; ask for an earlier date")
        asked_first = min(self.first, cached.provenance.asked_first) if cached else self.first
        target = max(target, cached.provenance.last) if cached else target
        joined = self._continued(source, symbol, cached, target, messages)
        frame = source.daily(symbol, asked_first, target) if joined is None else joined
        days: list[date] = frame["date"].to_list()
        origin = Provenance(source.name, symbol, source.adjustment, asked_first, target, days[0], days[-1], len(days),
                            self.now(), kobe81.__version__)
        messages = messages + _gaps(source.calendar, days, target)
        return _row("fetched" if joined is None else "updated", self.cache.write(frame, origin), messages)

    def _continued(self, source: Provider, symbol: str, cached: Cached | None, last: date,
                   messages: list[str]) -> pl.DataFrame | None:
        """The cached bars continued to `last`; None where the whole symbol has to be fetched."""
        if cached is None or not cached.provenance.asked_first <= self.first:
            return None
        joined = splice(cached.frame, source.daily(symbol, overlap_start(cached.frame), last))
        if joined is None:
            messages.append(f"{source.name} has restated its history (a split or a dividend): fetched whole")
        return joined


def _gaps(calendar: str, days: Sequence[date], target: date) -> list[str]:
    missing = missing_sessions(calendar, days, days[0], target)
    return [f"{len(missing)} sessions without a bar, the first {missing[0]}"] if missing else []


def _row(status: str, origin: Provenance, messages: Sequence[str]) -> Row:
    return Row(origin.symbol, status, origin.source, origin.rows, origin.first, origin.last, "; ".join(messages))
