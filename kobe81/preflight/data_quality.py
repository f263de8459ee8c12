"""Data quality: bars in, clean bars and findings out. No files, no clock; the rules of validity are spec.md's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from kobe81.core.bars import FIELDS, Bars, Ints, Mask, Origin
from kobe81.core.errors import DataError, unknown_name
from kobe81.preflight.price_errors import Finding, breaks, highest, lowest, slips, spikes

if TYPE_CHECKING:
    import polars as pl

Policy = Literal["drop", "strict", "flag"]
POLICIES: tuple[str, ...] = get_args(Policy)

TOLERANCE = 1e-6
"""Relative: how far open and close may lie outside [low, high], for files that round each field by itself."""

STALE_BARS = 10
"""Closes in a row to the last digit: longer than a stock under offer stands still (4 in SYT's last weeks)."""

LONG_GAP = 10
"""Sessions in a row without a bar: longer than any halt of the whole market since 1933."""

SHORT_HISTORY = 252
"""Bars a symbol needs for the 200-day average to have had a word."""

SEVERITY = {
    "missing": "error", "not finite": "error", "not positive": "error", "no volume": "error",
    "high below low": "error", "outside range": "error", "wrong by a factor": "error",
    "level break": "warning", "duplicate": "warning", "long gap": "warning", "stale": "warning",
    "missing sessions": "note", "short history": "note", "spike": "note",
}
"""Every kind of finding, the worst first, and how bad it is."""

PRICE_ERRORS = ("wrong by a factor", "level break")
"""The kinds that are found among bars otherwise valid."""


class Summary(NamedTuple):
    """What a check found, short enough to be stored beside the bars it kept."""

    rows: int
    kept: int
    symbols: int
    severity: str
    counts: dict[str, int]
    line: str


@dataclass(frozen=True)
class QualityReport:
    """What one check found: a frame of symbol, date, finding, detail (one sentence), action; and what was kept."""

    findings: pl.DataFrame
    rows: int
    kept: int
    symbols: int

    @property
    def summary(self) -> Summary:
        """The counts by kind, the worst severity (error, warning, note or ok), and one line for a terminal."""
        found = dict(self.findings["finding"].value_counts().iter_rows())
        counts = {name: found[name] for name in SEVERITY if name in found}
        severity = next((SEVERITY[name] for name in counts), "ok")
        told = ", ".join(f"{n:,} {name}" for name, n in counts.items()) or "nothing wrong found"
        line = f"{self.kept:,} of {self.rows:,} bars of {self.symbols:,} symbols kept; {told}"
        return Summary(self.rows, self.kept, self.symbols, severity, counts, line)

    def by_symbol(self) -> pl.DataFrame:
        """One row per symbol with findings: symbol, findings, first, last, and a column for each kind found."""
        import polars as pl

        kinds = [(pl.col("finding") == name).sum().alias(name) for name in self.summary.counts]
        when = [pl.col("date").min().alias("first"), pl.col("date").max().alias("last")]
        return self.findings.group_by("symbol").agg(pl.len().alias("findings"), *when, *kinds).sort("symbol")

    def plus(self, findings: pl.DataFrame) -> QualityReport:
        """The report with further findings, such as those of `diagnose`."""
        joined = self.findings.vstack(findings).sort("symbol", "date", maintain_order=True)
        return replace(self, findings=joined)


def check(frame: pl.DataFrame, policy: Policy = "drop") -> tuple[pl.DataFrame, QualityReport]:
    """The bars worth keeping, ordered by symbol and date, and what was found.

    frame: symbol, date, open, high, low, close, volume; rows in any order. drop leaves invalid bars out; strict refuses
    them (DataError) and leaves a symbol out from its first price error on; flag keeps all that could be traded. Price
    errors are otherwise only reported. Identical rows collapse; contradicting rows are a DataError under any policy.
    """
    if policy not in POLICIES:
        raise unknown_name("data policy", policy, POLICIES)
    rows, repeated = _distinct(frame)
    bars = from_ordered(rows)
    invalid = _invalid(bars)
    tradable = ~invalid
    tradable[invalid] = _tradable(bars.keep(invalid))
    keep = ~invalid if policy == "drop" else tradable
    found = [*_described(bars, np.flatnonzero(invalid)), *_price_errors(bars, tradable, ~invalid)]
    if policy == "strict":
        _refuse_invalid(bars, found, int(invalid.sum()))
        keep = _before_first(bars, [row for row, _, _ in found])
    clean = rows if keep.all() else rows.filter(keep)
    actions = ["kept" if keep[row] else "quarantined" if policy == "strict" else "dropped" for row, _, _ in found]
    findings = _frame(bars, found, actions).vstack(repeated).sort("symbol", "date", maintain_order=True)
    return clean, QualityReport(findings, len(frame), len(clean), len(bars.symbols))


def diagnose(bars: Bars) -> pl.DataFrame:
    """Further findings, worth knowing but no reason to drop a bar; columns as in QualityReport.

    bars: checked under the policy "flag", because a bar that was dropped would be told again as missing.
    Missing sessions (of the sessions any symbol has, between the symbol's own first and last bar), long gaps, runs of
    one and the same close, short histories, and spikes that are bad prints or flash crashes.
    """
    spiked = _among(bars, np.ones(len(bars), bool), spikes)
    found = sorted(chain(_missing_sessions(bars), _long_gaps(bars), _stale(bars), _short(bars), spiked))
    return _frame(bars, found, ["kept"] * len(found))


def from_ordered(rows: pl.DataFrame, origin: Origin = Origin("frame")) -> Bars:  # noqa: B008  (a NamedTuple)
    """Bars from a checked frame, which is in order already; missing values become NaN."""
    runs = rows["symbol"].rle().struct
    offsets = np.concatenate([[0], np.cumsum(runs.field("len").to_numpy(), dtype=np.int64)])
    fields = {name: rows[name].rechunk().to_numpy(writable=True) for name in FIELDS}
    return Bars.of(runs.field("value").to_list(), offsets, rows["date"].to_physical().to_numpy(writable=True), fields,
                   origin)


def _distinct(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frame in order with identical rows collapsed, and the findings that tell so."""
    import polars as pl

    prices = [pl.col(name).cast(pl.Float64) for name in FIELDS]
    rows = frame.select(pl.col("symbol").cast(pl.String), pl.col("date").cast(pl.Date), *prices)
    if _ascending(rows):
        return rows, _findings([])
    names = pl.Enum(rows["symbol"].unique().sort())  # small integers are ordered in half the time strings take
    order = rows.select(pl.arg_sort_by(pl.col("symbol").cast(names), "date", maintain_order=True)).to_series()
    rows = rows[order]
    if _ascending(rows):
        return rows, _findings([])
    repeated = rows.with_columns((order + 1).alias("row")).filter(pl.struct("symbol", "date").is_duplicated())
    distinct = rows.unique(maintain_order=True)
    if not _ascending(distinct):
        raise _contradiction(repeated)
    groups = repeated.group_by("symbol", "date", maintain_order=True).agg(pl.col("row"))
    told = [(s, d, "duplicate", f"rows {', '.join(map(str, n))} are identical", "collapsed") for s, d, n in
            groups.iter_rows()]
    return distinct, _findings(told)


def _ascending(rows: pl.DataFrame) -> bool:
    """Whether symbols, and dates within a symbol, strictly ascend."""
    runs = rows["symbol"].rle().struct
    names = runs.field("value")
    later = np.diff(rows["date"].to_physical().to_numpy()) > 0
    later[np.cumsum(runs.field("len").to_numpy(), dtype=np.int64)[:-1] - 1] = True
    return bool((names[1:] > names[:-1]).all()) and bool(later.all())


def _contradiction(repeated: pl.DataFrame) -> DataError:
    """What to say of rows with one symbol and date that differ; `row` counts from 1."""
    import polars as pl

    versions = repeated.unique(["symbol", "date", *FIELDS], keep="first", maintain_order=True)
    versions = versions.filter(pl.struct("symbol", "date").is_duplicated())
    one, two = versions.rows(named=True)[:2]
    told = ("row {row} has ".format(**r) + ", ".join(f"{k} {r[k]}" for k in FIELDS) for r in (one, two))
    dates = versions.select(pl.struct("symbol", "date").n_unique()).item()
    more = f" ({dates - 1:,} more such dates)" if dates > 1 else ""
    return DataError(f"{one['symbol']} {one['date']} is there twice and differs: {'; '.join(told)}{more}. "
                     "Remove the wrong one, or load the sources one at a time.")


def _invalid(bars: Bars) -> Mask:
    """bool [bars]: the bars no strategy may see. Written so that NaN fails; a sound high and low bound the rest."""
    low, high = bars.low, bars.high
    valid = (low > 0) & (high < np.inf) & (high >= low) & (bars.volume > 0) & (bars.volume < np.inf)
    for price in (bars.open, bars.close):
        valid &= (price <= high * (1 + TOLERANCE)) & (price >= low * (1 - TOLERANCE))
    return ~np.asarray(valid)


def _tradable(bars: Bars) -> Mask:
    """bool [bars]: all four prices are there, finite and above zero."""
    return np.asarray((lowest(bars) > 0) & (highest(bars) < np.inf))


def _described(bars: Bars, rows: Ints) -> Iterator[Finding]:
    """Which rule each of these invalid bars breaks first."""
    values = np.column_stack([getattr(bars, name)[rows] for name in FIELDS])
    for row, bar in zip(rows.tolist(), values.tolist(), strict=True):
        yield row, *_reason(*bar)


def _reason(o: float, h: float, low: float, c: float, volume: float) -> tuple[str, str]:
    """The rule an invalid bar breaks first, and the numbers that show it."""
    for name, value in zip(FIELDS, (o, h, low, c, volume), strict=True):
        if np.isnan(value):
            return "missing", f"{name} is missing"
        if np.isinf(value):
            return "not finite", f"{name} is {value}"
        if name != "volume" and value <= 0:
            return "not positive", f"{name} is {value:g}"
    if volume <= 0:
        return "no volume", f"volume is {volume:g}"
    if h < low:
        return "high below low", f"high {h:g} is below low {low:g}"
    name, price = ("close", c) if low * (1 - TOLERANCE) <= o <= h * (1 + TOLERANCE) else ("open", o)
    return "outside range", f"{name} {price:g} is outside low {low:g} to high {h:g}"


def _price_errors(bars: Bars, tradable: Mask, valid: Mask) -> list[Finding]:
    """Slips among all tradable bars; level breaks among those that are valid and hold no slip."""
    found = _among(bars, tradable, slips)
    sound = valid.copy()
    sound[[row for row, _, _ in found]] = False
    return found + _among(bars, sound, breaks)


def _among(bars: Bars, mask: Mask, rule: Callable[[Bars], Iterable[Finding]]) -> list[Finding]:
    """What a rule finds among the masked bars, with their rows in all bars; in blocks, because a cache is small."""
    found: list[Finding] = []
    for start, block in bars.blocks():
        chosen = mask[start : start + len(block)]
        part = block if chosen.all() else block.keep(chosen)
        rows = np.flatnonzero(chosen) + start
        found += [(int(rows[row]), kind, detail) for row, kind, detail in rule(part)] if len(part) else []
    return found


def _refuse_invalid(bars: Bars, found: list[Finding], invalid: int) -> None:
    """DataError for the policy strict, where a bar is invalid."""
    if invalid:
        listed = _frame(bars, found[:min(invalid, 5)], ["refused"] * min(invalid, 5))
        first = "; ".join(f"{symbol} {day}: {detail}" for symbol, day, _, detail, _ in listed.iter_rows())
        raise DataError(f"{invalid:,} invalid bars: {first}{'; ...' if invalid > 5 else ''}. "
                        "Mend the file, or let the policy 'drop' leave them out.")


def _before_first(bars: Bars, rows: list[int]) -> Mask:
    """bool [bars]: all bars but each symbol's from the first of these rows on."""
    keep = np.ones(len(bars), bool)
    for row in rows:
        keep[row : bars.offsets[np.searchsorted(bars.offsets, row, side="right")]] = False
    return keep


def _missing_sessions(bars: Bars) -> Iterator[Finding]:
    days = bars.sessions
    last = bars.offsets[1:] - 1
    for first, end in zip(bars.offsets[:-1].tolist(), last.tolist(), strict=True):
        span = bars.session[end] - bars.session[first] + 1
        if missing := int(span) - (end - first + 1):
            absent = np.setdiff1d(days[bars.session[first] : bars.session[end]], bars.date[first : end + 1])
            dates = ", ".join(str(day) for day in absent[:4].astype("datetime64[D]"))
            yield first, "missing sessions", f"no bar on {missing:,} of {span:,} sessions: {dates}" + (
                ", ..." if missing > 4 else "")


def _long_gaps(bars: Bars) -> Iterator[Finding]:
    skipped = np.diff(bars.session, prepend=bars.session[:1]) - 1
    skipped[bars.offsets[:-1][bars.offsets[:-1] < len(bars)]] = 0
    for row in np.flatnonzero(skipped >= LONG_GAP).tolist():
        yield row, "long gap", f"no bar for {skipped[row]:,} sessions before this one"


def _stale(bars: Bars) -> Iterator[Finding]:
    fresh = np.ones(len(bars) + 1, bool)
    fresh[1:-1] = np.asarray(bars.close)[1:] != np.asarray(bars.close)[:-1]
    fresh[bars.offsets] = True
    starts = np.flatnonzero(fresh)
    lengths = np.diff(starts)
    for row, length in zip(starts[:-1][lengths >= STALE_BARS].tolist(), lengths[lengths >= STALE_BARS], strict=True):
        yield row, "stale", f"closes at {bars.close[row]:.6g} on {length:,} bars in a row"


def _short(bars: Bars) -> Iterator[Finding]:
    counts = np.diff(bars.offsets)
    for symbol in np.flatnonzero(counts < SHORT_HISTORY).tolist():
        yield int(bars.offsets[symbol]), "short history", f"{counts[symbol]:,} bars, fewer than {SHORT_HISTORY}"


def _frame(bars: Bars, found: list[Finding], actions: list[str]) -> pl.DataFrame:
    """The findings frame for rows of these bars."""
    rows = np.array([row for row, _, _ in found], np.int64)
    symbols = [bars.symbols[s] for s in np.searchsorted(bars.offsets, rows, side="right") - 1]
    days = bars.date[rows].astype("datetime64[D]").tolist()
    return _findings([(s, d, kind, detail, action) for s, d, (_, kind, detail), action in
                      zip(symbols, days, found, actions, strict=True)])


def _findings(told: list[Any]) -> pl.DataFrame:
    import polars as pl

    columns = {"symbol": pl.String, "date": pl.Date, "finding": pl.String, "detail": pl.String, "action": pl.String}
    return pl.DataFrame(told, columns, orient="row")
