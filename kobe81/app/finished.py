"""The finished batches of a walk-forward that is not finished: kept while it runs, so that a second run goes on.

Disposable: whatever is damaged, missing or cannot be written is computed again. One .npz per batch, without pickles.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from kobe81.app.waiting import Tick
from kobe81.backtest.results import Trades
from kobe81.backtest.walk_forward import Batch, Mapper, Trial
from kobe81.core.hashing import digest_of

ARRAYS = ("train_score", "train_trades", "daily", "split")
"""What a trial holds beside its place and its trades."""
TRADES = tuple(f.name for f in fields(Trades))


@dataclass(frozen=True)
class Finished:
    """The batches of one walk-forward, below a folder that is named by the hash of everything they depend on."""

    folder: Path

    @classmethod
    def of(cls, parent: Path, **inputs: Any) -> Finished:
        """The store below `parent` for a run on these inputs (plain values)."""
        return cls(parent / digest_of(inputs).removeprefix("sha256:")[:32])

    def around(self, mapper: Mapper, tick: Tick) -> Mapper:
        """The mapper, asked only for what is not kept; every batch is kept as soon as it is there, and counted."""
        def apply(function: Callable[[Batch], list[Trial]], items: Iterable[Batch]) -> Iterator[list[Trial]]:
            batches = list(items)
            kept = [self._path(batch).exists() for batch in batches]
            fresh = iter(mapper(function, [b for b, done in zip(batches, kept, strict=True) if not done]))
            for count, (batch, done) in enumerate(zip(batches, kept, strict=True), 1):
                trials = (self._read(batch) or function(batch)) if done else self._keep(batch, next(fresh))
                tick(count, len(batches))
                yield trials

        return apply

    def remove(self) -> None:
        """Forget the batches: the run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, batch: Batch) -> Path:
        parts = [(place, strategy.name, vars(strategy)) for place, strategy in batch]
        return self.folder / f"{digest_of(parts).removeprefix('sha256:')[:32]}.npz"

    def _keep(self, batch: Batch, trials: list[Trial]) -> list[Trial]:
        with suppress(OSError):  # a full disk or a folder that vanished costs a later run time, this one nothing
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    np.savez(file, **_packed(trials))
                Path(temporary).replace(self._path(batch))
            finally:
                Path(temporary).unlink(missing_ok=True)
        return trials

    def _read(self, batch: Batch) -> list[Trial] | None:
        """The trials of a kept batch; None where the file is not whole."""
        try:
            with self._path(batch).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                return [_unpacked(kept, i, place) for i, (place, _) in enumerate(batch)]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None


def _packed(trials: list[Trial]) -> dict[str, Any]:
    arrays = {f"{i}.{name}": getattr(t, name) for i, t in enumerate(trials) for name in ARRAYS}
    return arrays | {f"{i}.trades.{name}": getattr(t.trades, name) for i, t in enumerate(trials) for name in TRADES}


def _unpacked(kept: Any, i: int, place: int) -> Trial:
    trades = Trades(**{name: kept[f"{i}.trades.{name}"] for name in TRADES})
    return Trial(place, trades=trades, **{name: kept[f"{i}.{name}"] for name in ARRAYS})
