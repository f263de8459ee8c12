"""The cache: bars on disk as they were fetched, one Parquet file per source and symbol, its provenance beside it.

Disposable: whatever is damaged or missing is fetched again. Layout: FOLDER/<source>/<symbol>.parquet and .json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

from kobe81.core.errors import DataError
from kobe81.core.symbols import file_stem

if TYPE_CHECKING:
    import polars as pl

OVERLAP = 10
"""Cached bars that an update fetches again, to see whether they still hold."""

TOLERANCE = 1e-4
"""Relative difference of closes above which history has been restated: a split, a dividend, a correction."""


@dataclass(frozen=True)
class Provenance:
    """Where a symbol's bars came from.

    adjustment: what the prices are adjusted for. asked_first, asked_last: the dates asked for, which may lie outside
    those delivered (first, last). fetched_at: UTC. version: of the product that wrote the file. sha256: over all other
    fields and the Parquet bytes.
    """

    source: str
    symbol: str
    adjustment: str
    asked_first: date
    asked_last: date
    first: date
    last: date
    rows: int
    fetched_at: datetime
    version: str
    sha256: str = ""


class Cached(NamedTuple):
    """A symbol's bars (date, open, high, low, close, volume; ascending) and where they came from."""

    frame: pl.DataFrame
    provenance: Provenance


class DamagedCache(DataError):  # noqa: N818  (reads as what was found)
    """A cached file is not what was written."""


class BarCache:
    """Bars by source and symbol under one folder. Each file is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, source: str, symbol: str) -> Cached | None:
        """The cached bars, None where there are none, DamagedCache where they are not what was written."""
        import polars as pl

        provenance = self.provenance(source, symbol)
        if provenance is None:
            return None
        path = self._path(source, symbol, "parquet")
        content = _bytes(path) or b""
        if provenance.sha256 != _digest(provenance, content):
            raise _damaged(path, symbol, "its bytes do not match its hash")
        return Cached(pl.read_parquet(BytesIO(content)), provenance)

    def provenance(self, source: str, symbol: str) -> Provenance | None:
        """Where the cached bars came from, as it is written beside them; not checked against the bars."""
        path = self._path(source, symbol, "json")
        content = _bytes(path)
        if content is None:
            return None
        try:
            found = _provenance(json.loads(content))
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(path, symbol, f"its provenance cannot be read ({error})") from error
        if _json(found) != content:
            raise _damaged(path, symbol, "its provenance is not as it was written")
        return found

    def write(self, frame: pl.DataFrame, provenance: Provenance) -> Provenance:
        """Keep these bars in place of what was there; returns the provenance with its hash."""
        buffer = BytesIO()
        frame.write_parquet(buffer)
        content = buffer.getvalue()
        provenance = replace(provenance, sha256=_digest(provenance, content))
        place = provenance.source, provenance.symbol
        _write(self._path(*place, "parquet"), content)  # a crash before the next line reads as damaged: fetched again
        _write(self._path(*place, "json"), _json(provenance))
        return provenance

    def symbols(self, source: str) -> list[str]:
        """The symbols cached from this source, ascending."""
        found = (self._provenance_of(path) for path in (self.folder / source).glob("*.json"))
        return sorted(p.symbol for p in found)

    def _provenance_of(self, path: Path) -> Provenance:
        found = self.provenance(path.parent.name, path.stem.rstrip("_"))
        if found is None:
            raise _damaged(path, path.stem, "it vanished while being read")
        return found

    def frame(self, symbols: Iterable[str], sources: Sequence[str]) -> pl.DataFrame:
        """symbol, date, open, high, low, close, volume of these symbols, each from the first source that has it.

        DataError naming the symbols that none has.
        """
        import polars as pl

        found = {symbol: next(filter(None, (self.read(s, symbol) for s in sources)), None) for symbol in symbols}
        missing = [symbol for symbol, cached in found.items() if cached is None]
        if missing or not found:
            raise DataError(f"not in the cache: {', '.join(missing) or 'any symbol'}; "
                            f"fetch first: kobe data fetch {' '.join(missing)}".rstrip())
        return pl.concat(c.frame.select(pl.lit(symbol).alias("symbol"), pl.all()) for symbol, c in found.items() if c)

    def _path(self, source: str, symbol: str, ending: str) -> Path:
        return self.folder / file_stem(source).lower() / f"{file_stem(symbol)}.{ending}"


def overlap_start(cached: pl.DataFrame) -> date:
    """The date from which an update fetches: OVERLAP bars before the end of the cached ones."""
    start: date = cached["date"][-min(OVERLAP, len(cached))]
    return start


def splice(cached: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame | None:
    """The cached bars continued by `fresh`, fetched from overlap_start on; None where the two tell different histories.

    They agree when they have the same dates in the overlap and closes within TOLERANCE.
    """
    import polars as pl

    start, end = overlap_start(cached), cached["date"][-1]
    before, after = cached.filter(pl.col("date") >= start), fresh.filter(pl.col("date") <= end)
    if not before["date"].equals(after["date"]):
        return None
    agree = (after["close"] / before["close"] - 1).abs() <= TOLERANCE
    if not agree.fill_null(value=False).all():
        return None
    return pl.concat([cached.filter(pl.col("date") < start), fresh])


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); mend it or delete it") from error


def _write(path: Path, content: bytes) -> None:
    """Atomic and durable: a reader, or a crash, sees the old file or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
            try:
                temporary.write(content)
                temporary.flush()
                os.fsync(temporary.fileno())
                Path(temporary.name).replace(path)
            except BaseException:  # Ctrl-C too leaves nothing behind
                Path(temporary.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); free space or choose another folder") from error


def _damaged(path: Path, symbol: str, found: str) -> DamagedCache:
    return DamagedCache(f"{path}: damaged, {found}; fetch it again: kobe data fetch {symbol}")


def _digest(provenance: Provenance, content: bytes) -> str:
    return sha256(_json(replace(provenance, sha256="")) + content).hexdigest()


def _json(provenance: Provenance) -> bytes:
    return json.dumps(asdict(provenance), default=lambda moment: moment.isoformat(), indent=1).encode()


def _provenance(fields: dict[str, Any]) -> Provenance:
    days = {name: date.fromisoformat(fields[name]) for name in ("asked_first", "asked_last", "first", "last")}
    return Provenance(**fields | days | {"fetched_at": datetime.fromisoformat(fields["fetched_at"])})
