"""Bars from files: one long table (Parquet or CSV), or a folder with a file per symbol, such as Stooq's bulk files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kobe81.core.bars import FIELDS
from kobe81.core.errors import DataError, UsageError
from kobe81.core.symbols import parse_symbol

if TYPE_CHECKING:
    import polars as pl

SPELLINGS = {
    "symbol": ("symbol", "ticker", "sym", "stock", "name"),
    "date": ("date", "timestamp", "datetime", "time", "day", "t"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last"),
    "volume": ("volume", "vol", "v"),
    "adjusted": ("adjclose", "adjustedclose", "closeadj", "closeadjusted"),
}
"""What each column may be called, first choice first; case, spaces and punctuation do not matter."""

PARQUET, TEXT = (".parquet", ".pq"), (".csv", ".txt")
EXCHANGE = "America/New_York"
_ABSENT = ("", "nan", "null", "none", "n/a", "na", "-")
_TIME = r"[T ]\d{2}:?\d{2}(?::?\d{2}(?:\.\d+)?)?"
_OFFSET = r" ?(Z|[+-]\d{2}:?\d{2})$"
_STYLES = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%Y/%m/%d")


class Content(NamedTuple):
    """The bars of a file or folder, as they stand there, and what was done to them on the way."""

    frame: pl.DataFrame
    notes: tuple[str, ...]


def read(path: Path) -> pl.DataFrame:
    """symbol, date, open, high, low, close, volume; rows in the file's order, not yet checked for quality.

    Absent values are null. UsageError where the path does not exist, DataError where it cannot be read as bars.
    """
    return read_content(path).frame


def read_content(path: Path) -> Content:
    """The same, with notes: prices adjusted here, empty files skipped.

    Where there is an adjusted close, open, high, low and close are scaled by adjusted / close, so that the four stay
    one bar; volume stays as it is.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist; give a Parquet or CSV file, or a folder with one file per symbol")
    return _read_folder(path) if path.is_dir() else _read_file(path, None)


def bar_files(path: Path) -> list[Path]:
    """The files that `read` reads: the path itself, or all Parquet, CSV and text files below the folder, ascending."""
    if not path.is_dir():
        return [path]
    files = (p for p in path.rglob("*") if p.suffix.lower() in PARQUET + TEXT and p.is_file())
    return sorted(p for p in files if not any(part.startswith(".") for part in p.relative_to(path).parts))


def _read_folder(folder: Path) -> Content:
    import polars as pl

    files = bar_files(folder)
    full = [file for file in files if file.stat().st_size]
    if not full:
        raise DataError(f"{folder} holds no bars: no file in it ends in {', '.join(PARQUET + TEXT)} and is not empty")
    contents = [_read_file(file, _stem(file)) for file in full]
    notes = dict.fromkeys(note for content in contents for note in content.notes)
    skipped = len(files) - len(full)
    more = (f"{skipped:,} empty files skipped",) if skipped else ()
    return Content(pl.concat([content.frame for content in contents]), (*notes, *more))


def _stem(file: Path) -> str:
    """The symbol a file is named after; core.symbols marks names that Windows reserves with an underscore."""
    return file.stem.removesuffix("_")


def _read_file(path: Path, symbol: str | None) -> Content:
    """One file's bars; `symbol` is whose they are where no column says so."""
    import polars as pl

    table = _table(path)
    if table.is_empty():
        raise DataError(f"{path} is empty: it has column names but no rows; fetch or export it again")
    names = _columns(path, table, symbol)
    raw = {kind: table[name] for kind, name in names.items()}
    dates = _dates(path, raw["date"])
    numbers = {kind: _numbers(path, raw[kind]) for kind in raw if kind not in ("symbol", "date")}
    symbols = _symbols(path, raw["symbol"]) if "symbol" in raw else pl.repeat(_symbol(path, symbol or "", None),
                                                                              len(table), eager=True)
    frame = pl.DataFrame({"symbol": symbols, "date": dates, **numbers})
    if "adjusted" not in numbers:
        return Content(frame, ())
    scale = pl.when(pl.col("close") != 0).then(pl.col("adjusted") / pl.col("close"))
    prices = [(pl.col(name) * scale).alias(name) for name in FIELDS[:3]]
    adjusted = frame.with_columns(*prices, pl.col("adjusted").alias("close")).drop("adjusted")
    return Content(adjusted, (f"open, high, low and close scaled by {names['adjusted']!r} over {names['close']!r}",))


def _table(path: Path) -> pl.DataFrame:
    """The file as a table; text columns as they stand."""
    import polars as pl

    kind = "Parquet" if path.suffix.lower() in PARQUET else "CSV"
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; fetch or export it again")
        if kind == "Parquet":
            return pl.read_parquet(path, hive_partitioning=False, glob=False)
        with path.open("rb") as file:
            head = file.readline(10_000).decode("utf-8", errors="replace")
        separator = max(",;\t|", key=head.count)
        return pl.read_csv(path, separator=separator, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} cannot be read as {kind}: {cause}. Is it whole? Fetch or export it again.") from error


def _columns(path: Path, table: pl.DataFrame, symbol: str | None) -> dict[str, str]:
    """Which column of the table is which."""
    plain: dict[str, str] = {}
    for name in table.columns:
        plain.setdefault("".join(c for c in name.lower() if c.isalnum()), name)
    found = {kind: next((plain[s] for s in known if s in plain), None) for kind, known in SPELLINGS.items()}
    missing = [k for k, name in found.items() if name is None and k != "adjusted" and not (k == "symbol" and symbol)]
    if missing:
        accepted = "; ".join(f"{kind} may be called {', '.join(SPELLINGS[kind])}" for kind in missing)
        hint = " A file of one symbol needs no such column when its folder is given." if missing[0] == "symbol" else ""
        raise DataError(f"{path} has no column for {', '.join(missing)}. Found: {', '.join(table.columns)}. "
                        f"Accepted: {accepted}.{hint}")
    return {kind: name for kind, name in found.items() if name is not None}


def _where(path: Path, column: pl.Series, bad: pl.Series) -> str:
    """The first row where `bad` is true, as a text file's line or a table's row."""
    row = int(bad.arg_true()[0])
    place = f"row {row + 1}" if path.suffix.lower() in PARQUET else f"line {row + 2}"
    return f"{path}, {place}: {column.name} is {column[row]!r}"


def _numbers(path: Path, column: pl.Series) -> pl.Series:
    """The column as float64; DataError with the first value that is no number."""
    import polars as pl

    if column.dtype == pl.String:
        text = column.str.strip_chars()
        text = text.set(text.str.to_lowercase().is_in(_ABSENT), None)
        numbers = text.cast(pl.Float64, strict=False)
        bad = numbers.is_null() & text.is_not_null()
        if bad.any():
            raise DataError(f"{_where(path, column, bad)}, which is not a number; write it as in 1234.56")
        return numbers
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise DataError(f"{path}: column {column.name} holds {column.dtype}, not numbers; export it as numbers")
    return column.cast(pl.Float64)


def _symbols(path: Path, column: pl.Series) -> pl.Series:
    """The column in the symbols' one spelling."""
    import polars as pl

    column = column.cast(pl.String)
    if column.null_count():
        raise DataError(f"{_where(path, column, column.is_null())}; every row needs a symbol")
    known = column.unique()
    spelt = pl.Series([_symbol(path, text, column) for text in known], dtype=pl.String)
    return column if (known == spelt).all() else column.replace_strict(known, spelt)


def _symbol(path: Path, text: str, column: pl.Series | None) -> str:
    """The symbol without Stooq's country; DataError naming the place."""
    try:
        return parse_symbol(text.strip().upper().removesuffix(".US"))
    except UsageError as error:
        place = f"{path}, from its name" if column is None else _where(path, column, column == text)
        raise DataError(f"{place}: {error}") from error


def _dates(path: Path, column: pl.Series) -> pl.Series:
    """The column as the exchange's dates; DataError with the first value that is no date."""
    import polars as pl

    if column.dtype == pl.Date:
        dates = column
    elif isinstance(column.dtype, pl.Datetime):
        dates = _exchange_dates(column) if column.dtype.time_zone else column.dt.date()
    elif column.dtype == pl.String or column.dtype.is_integer():
        dates = _parsed_dates(path, column.cast(pl.String).str.strip_chars())
    else:
        raise DataError(f"{path}: column {column.name} holds {column.dtype}, not dates; write them as in 2026-03-06")
    if dates.null_count():
        raise DataError(f"{_where(path, column, dates.is_null())}, which is not a date; write it as in 2026-03-06")
    return dates


def _exchange_dates(moments: pl.Series) -> pl.Series:
    """The dates of moments with a time zone: their own where all are midnights there, else New York's."""
    midnight = (moments.dt.time().cast(int) == 0).all()
    return moments.dt.date() if midnight else moments.dt.convert_time_zone(EXCHANGE).dt.date()


def _parsed_dates(path: Path, text: pl.Series) -> pl.Series:
    """Dates from text such as 2026-03-06, 20260306, 3/6/2026 or 2026-03-06 16:00:00-05:00; null where it is none."""
    import polars as pl

    offsets = text.str.extract(_TIME + _OFFSET)
    if offsets.is_not_null().any():
        return _zoned_dates(path, text, offsets.str.replace("Z", "+00:00"))
    days = text.str.replace(_TIME + "$", "")
    known = days.unique()  # a long table says every date once for each symbol
    dates = max((known.str.to_date(style, strict=False) for style in _STYLES), key=pl.Series.count)
    return days.replace_strict(known, dates)


def _zoned_dates(path: Path, text: pl.Series, offsets: pl.Series) -> pl.Series:
    """Dates from text that ends in one offset throughout, or in New York's two as its summer time has them."""
    import polars as pl

    hours, minutes = (offsets.str.extract(r"(\d\d):?(\d\d)$", group).cast(int) for group in (1, 2))
    east = (hours * 60 + minutes) * (1 - 2 * offsets.str.starts_with("-").cast(int))
    clock = text.str.replace(_OFFSET, "").str.replace("T", " ").str.to_datetime(strict=False, time_unit="us")
    moments = (clock - (east * 60_000_000).cast(pl.Duration("us"))).dt.replace_time_zone("UTC")
    there = moments.dt.convert_time_zone(EXCHANGE).dt.replace_time_zone(None)
    if east.n_unique() == 1:
        midnight = (clock.dt.time().cast(int) == 0).all()
        return clock.dt.date() if midnight else there.dt.date()
    other = (there != clock).fill_null(offsets.is_null())
    if other.any():
        raise DataError(f"{_where(path, text, other)}, while {text[int((~other).arg_max() or 0)]!r} has another time "
                        "zone; write plain dates, or all moments in one zone")
    return clock.dt.date()
