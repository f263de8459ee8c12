"""Signals: what a strategy answers, as plain arrays; sentences are written only when somebody reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kobe81.core.bars import Bars, Floats, Ints

if TYPE_CHECKING:
    import polars as pl

LONG, SHORT = 1, -1


@dataclass(frozen=True, eq=False)
class Signals:
    """One row per signal, ordered by bar. All arrays have one length.

    bar: int64, row of the signal's bar in its Bars. side: int8, +1 long or -1 short. entry: the reference price (the
    close), stop and take_profit: prices (take_profit NaN where there is none). score: larger is better, comparable
    within a strategy. facts and constants: further numbers for the sentence, one per signal or one for all. template:
    the sentence for a long and for a short, with the names of numbers in braces.
    """

    bar: Ints
    side: np.ndarray[tuple[int], np.dtype[np.int8]]
    entry: Floats
    stop: Floats
    take_profit: Floats
    score: Floats
    strategy: str = ""
    facts: dict[str, Floats] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    template: tuple[str, str] = ("", "")

    def __len__(self) -> int:
        return len(self.bar)

    @classmethod
    def join(cls, parts: Sequence[tuple[int, Signals]]) -> Signals:
        """The signals of several parts as one, each part's bars moved by its first row; ordered by bar."""
        first = parts[0][1]
        bar = np.concatenate([part.bar + start for start, part in parts])

        def column(name: str) -> Floats:
            joined: Floats = np.concatenate([getattr(part, name) for _, part in parts])
            return joined

        facts = {k: np.concatenate([part.facts[k] for _, part in parts]) for k in first.facts}
        side = np.concatenate([part.side for _, part in parts])
        joined = cls(bar, side, column("entry"), column("stop"), column("take_profit"), column("score"), first.strategy,
                     facts, first.constants, first.template)
        return joined if bool(np.all(bar[1:] >= bar[:-1])) else joined.take(np.argsort(bar, kind="stable"))

    def take(self, index: Ints | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Signals:
        """The signals at these positions (or where the mask is true)."""
        return Signals(self.bar[index], self.side[index], self.entry[index], self.stop[index], self.take_profit[index],
                       self.score[index], self.strategy, {k: v[index] for k, v in self.facts.items()}, self.constants,
                       self.template)

    def reason(self, position: int) -> str:
        """Why the signal at this position was given: one sentence with its numbers."""
        numbers = {k: float(v[position]) for k, v in self.facts.items()}
        sentence = self.template[0 if self.side[position] == LONG else 1]
        return sentence.format(entry=self.entry[position], stop=self.stop[position], score=self.score[position],
                               **self.constants, **numbers)

    def to_frame(self, bars: Bars) -> pl.DataFrame:
        """timestamp, symbol, side, entry, stop, take_profit, reason, score, strategy; one row per signal."""
        import polars as pl

        take_profit = pl.Series(self.take_profit, dtype=pl.Float64).fill_nan(None)
        symbols = [bars.symbols[i] for i in bars.symbol_index[self.bar]]
        return pl.DataFrame({
            "timestamp": pl.Series(bars.date[self.bar], dtype=pl.Int32).cast(pl.Date),
            "symbol": pl.Series(symbols, dtype=pl.String),
            "side": pl.Series(["long" if s == LONG else "short" for s in self.side], dtype=pl.String),
            "entry": self.entry,
            "stop": self.stop,
            "take_profit": take_profit,
            "reason": pl.Series([self.reason(i) for i in range(len(self))], dtype=pl.String),
            "score": self.score,
            "strategy": pl.Series([self.strategy] * len(self), dtype=pl.String),
        })
