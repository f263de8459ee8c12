"""Bars: the daily prices of all symbols at once, as plain arrays laid end to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Days = NDArray[np.int32]
Mask = NDArray[np.bool_]

FIELDS = ("open", "high", "low", "close", "volume")
BLOCK_ROWS = 1 << 16
"""Rows a block aims at: a dozen float64 columns of this length stay in a core's own cache."""


FINITE = "finite"
"""Under this a column's memo says whether all its values are numbers."""


class Column(np.ndarray[Any, np.dtype[Any]]):
    """One value per bar, knowing where each symbol begins (`offsets`, int64 [symbols + 1]).

    Arithmetic and comparison keep the offsets, so an expression over columns is a column again; indexing gives a
    plain array, because a selection of bars has no symbol borders left. `memo`, where set, remembers what indicators
    made of this column, for as long as the column lives.
    """

    offsets: Ints
    memo: dict[Any, Any] | None

    @classmethod
    def of(cls, values: NDArray[Any], offsets: Ints, memo: dict[Any, Any] | None = None) -> Column:
        column = values.view(cls)
        column.offsets, column.memo = offsets, memo
        return column

    def __array_finalize__(self, source: Any) -> None:
        self.offsets, self.memo = getattr(source, "offsets", np.zeros(1, np.int64)), None

    def __getitem__(self, key: Any) -> Any:
        return self.view(np.ndarray)[key]


class Origin(NamedTuple):
    """Where bars came from; printed wherever their numbers appear."""

    source: str
    synthetic: bool = False
    note: str = ""

    @property
    def label(self) -> str:
        """The source's name, marked when no real market made the prices."""
        return f"{self.source} [SYNTHETIC]" if self.synthetic else self.source


@dataclass(frozen=True, eq=False)
class Bars:
    """Daily bars of all symbols: struct of arrays, symbols in ascending order, each symbol's bars in date order.

    symbols: names, ascending. offsets: int64 [symbols + 1], bars of symbol s are rows offsets[s]:offsets[s + 1].
    date: int32 days since 1970-01-01. open, high, low, close: float64 prices; volume: float64 shares.
    """

    symbols: tuple[str, ...]
    offsets: Ints
    date: Days
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    origin: Origin = field(default=Origin("unnamed"))

    @classmethod
    def of(cls, symbols: Sequence[str], offsets: Ints, date: Days, fields: dict[str, Floats],
           origin: Origin = Origin("unnamed"), *, memo: dict[Any, Any] | None = None) -> Bars:  # noqa: B008
        """Bars from plain arrays; with a `memo`, each column begins to remember with a copy of it."""
        columns = {name: Column.of(fields[name], offsets, None if memo is None else {**memo}) for name in FIELDS}
        return cls(tuple(symbols), offsets, date, **columns, origin=origin)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, origin: Origin = Origin("frame")) -> Bars:  # noqa: B008
        """Bars from a clean polars frame (symbol, date, open, high, low, close, volume); rows in any order."""
        import polars as pl

        frame = frame.sort("symbol", "date", maintain_order=True)
        runs = frame["symbol"].rle().struct.unnest()
        symbols, offsets = runs["value"], np.concatenate([[0], runs["len"].to_numpy().cumsum()]).astype(np.int64)
        fields = {name: frame[name].cast(pl.Float64).to_numpy(writable=True) for name in FIELDS}
        return cls.of(symbols.to_list(), offsets, frame["date"].cast(pl.Date).to_physical().to_numpy(),
                      fields, origin)

    def to_frame(self) -> pl.DataFrame:
        """The bars as a polars frame: symbol, date, open, high, low, close, volume."""
        import polars as pl

        names = pl.Series("symbol", self.symbols, dtype=pl.String).gather(self.symbol_index)
        fields = {name: np.asarray(getattr(self, name)) for name in FIELDS}
        return pl.DataFrame({"symbol": names, "date": pl.Series(self.date).cast(pl.Date), **fields})

    def __len__(self) -> int:
        return len(self.date)

    @cached_property
    def symbol_index(self) -> NDArray[np.int32]:
        """int32 [bars]: which symbol each bar belongs to."""
        return np.repeat(np.arange(len(self.symbols), dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def sessions(self) -> Days:
        """int32: the union of the symbols' dates, ascending."""
        return np.flatnonzero(self._calendar[1:] != self._calendar[:-1]).astype(np.int32) + self._first_day

    @cached_property
    def session(self) -> NDArray[np.int32]:
        """int32 [bars]: each bar's position in `sessions`."""
        position: NDArray[np.int32] = self._calendar[self.date - self._first_day]
        return position

    @cached_property
    def _first_day(self) -> int:
        return int(self.date.min()) if len(self) else 0

    @cached_property
    def _calendar(self) -> NDArray[np.int32]:
        """int32 [days + 1]: sessions before each day; a counting sort, because np.unique over all bars takes longer."""
        days = np.zeros(int(self.date.max()) - self._first_day + 1 if len(self) else 0, np.int32)
        days[self.date - self._first_day] = 1
        return np.concatenate([[0], np.cumsum(days)]).astype(np.int32)

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[tuple[int, Bars]]:
        """The bars in runs of whole symbols that fit a core's cache, each with the row it starts at.

        Work done block by block reads main memory once, however many indicators it takes; each block remembers the
        indicators already computed on it.
        """
        first = 0
        while first < len(self.symbols):
            last = int(np.searchsorted(self.offsets, self.offsets[first] + rows, side="right")) - 1
            last = min(max(last, first + 1), len(self.symbols))
            yield int(self.offsets[first]), self._symbols(first, last)
            first = last

    def _symbols(self, first: int, last: int) -> Bars:
        rows = slice(int(self.offsets[first]), int(self.offsets[last]))
        fields = {name: getattr(self, name)[rows] for name in FIELDS}
        return Bars.of(self.symbols[first:last], self.offsets[first : last + 1] - rows.start, self.date[rows], fields,
                       self.origin, memo={FINITE: True} if self.finite else {})

    @cached_property
    def finite(self) -> bool:
        """Whether every price and volume is a number."""
        return all(bool(np.isfinite(np.sum(getattr(self, name)))) or bool(np.isfinite(getattr(self, name)).all())
                   for name in FIELDS)

    def keep(self, mask: Mask) -> Bars:
        """The bars where `mask` (bool [bars]) is true; symbols left without a bar disappear."""
        counts = np.bincount(self.symbol_index[mask], minlength=len(self.symbols))
        offsets = np.concatenate([[0], np.cumsum(counts[counts > 0])]).astype(np.int64)
        names = [s for s, n in zip(self.symbols, counts, strict=True) if n]
        return Bars.of(names, offsets, self.date[mask], {f: getattr(self, f)[mask] for f in FIELDS}, self.origin)

    def between(self, first_day: int, last_day: int) -> Bars:
        """The bars dated first_day..last_day (days since 1970-01-01, both included)."""
        return self.keep((self.date >= first_day) & (self.date <= last_day))

    def select(self, symbols: Sequence[str]) -> Bars:
        """The bars of these symbols only."""
        wanted = np.isin(np.array(self.symbols), list(symbols))
        return self.keep(wanted[self.symbol_index])

    def mirror(self) -> Bars:
        """The bars upside down (prices negated, highs and lows swapped): a long rule on them is the short rule."""
        prices = {"open": -self.open, "high": -self.low, "low": -self.high, "close": -self.close}
        fields = {name: np.asarray(values) for name, values in {**prices, "volume": self.volume}.items()}
        known = self.close.memo
        memo = None if known is None else {k: known[k] for k in (FINITE,) if k in known}
        return Bars.of(self.symbols, self.offsets, self.date, fields, self.origin, memo=memo)
