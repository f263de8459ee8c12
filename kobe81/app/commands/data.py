"""kobe data."""

from __future__ import annotations

import json as json_
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from kobe81.app.options import DATA, DataOptions, Whole
from kobe81.core.errors import KobeError, UsageError

SOURCES = "polygon,stooq,yahoo"


def fetch(*symbols: str, universe: Path | None = None, source: str = SOURCES, start: date = date(2000, 1, 1),
          end: date | None = None, json: bool = False) -> None:
    """Fetch daily bars into the cache, each symbol from the first source that delivers it.

    A run that was interrupted goes on where it stopped; what is up to date is not asked for again.

    Parameters
    ----------
    symbols
        Symbols, as AAPL MSFT BRK.B; for binance, as BTCUSDT.
    universe
        A file of symbols, one a line, or a CSV with a column symbol.
    source
        Sources in the order to try: polygon, stooq, yahoo, binance.
    start
        First date.
    end
        Last date; without it, the last complete session.
    json
        Print JSON.
    """
    from kobe81.app import home
    from kobe81.app.sources import open_sources, progress
    from kobe81.data.cache import BarCache
    from kobe81.data.fetch import fetch as fetch_
    from kobe81.data.universe import read_universe
    from kobe81.reports import terminal

    wanted = [*symbols, *(read_universe(universe) if universe else [])]
    if not wanted:
        raise UsageError("give symbols, as in kobe data fetch AAPL MSFT, or --universe FILE")
    with progress(len(wanted), quiet=json) as tick:
        report = fetch_(wanted, open_sources(source), start, end or home.now().date(), BarCache(home.cached_bars()),
                        home.now, tick)
    frame = report.to_frame()
    if json:
        sys.stdout.write(frame.write_json() + "\n")
    else:
        told = frame.filter((frame["message"] != "") | (frame["status"] == "failed")) if len(frame) > 40 else frame
        rows = [[r["symbol"], r["status"], r["source"] or "–", f"{r['rows']:,}", str(r["first"] or "–"),
                 str(r["last"] or "–")] for r in told.iter_rows(named=True)]
        counts = ", ".join(f"{n:,} {status}" for status, n in sorted(frame["status"].value_counts().iter_rows()))
        said = [f"{r.symbol}: {r.message}" for r in report.rows if r.message and r.message not in report.notes]
        terminal.show(terminal.table(f"{counts}; the cache is {home.cached_bars()}",
                                     ["symbol", "status", "source", "bars", "first", "last"], rows, left=3),
                      terminal.notes([*report.notes, *said]))
    if report.failed:
        raise KobeError(f"{len(report.failed):,} of {len(frame):,} symbols could not be fetched; the others are kept. "
                        "Bars that need no network and no key: --data sample")


def check(data: DataOptions = DATA, *, top: Whole = 30, json: bool = False) -> None:
    """Look for bad bars, by symbol and date: invalid, wrong by a factor, level breaks, gaps, stale prices.

    Parameters
    ----------
    top
        Findings shown at most, the worst first.
    json
        Print every finding as JSON.
    """
    from kobe81.app.checking import check_data
    from kobe81.app.waiting import waiting
    from kobe81.reports import terminal

    if top < 1:
        raise UsageError(f"--top {top} is not at least 1")
    with waiting("Checking", quiet=json):
        report = check_data(data)
    if json:
        sys.stdout.write(report.findings.write_json() + "\n")
        return
    summary = report.summary
    kinds = [[kind, f"{count:,}"] for kind, count in summary.counts.items()]
    rank = {kind: i for i, kind in enumerate(summary.counts)}
    worst = sorted(report.findings.iter_rows(named=True), key=lambda r: (
        r["action"] != "kept", rank[r["finding"]], r["symbol"], r["date"]))
    rows = [[r["symbol"], str(r["date"]), r["action"], f"{r['finding']}: {r['detail']}"] for r in worst[:top]]
    if not rows:
        terminal.show(summary.line)
        return
    terminal.show(terminal.table(summary.line.split(";")[0], ["finding", "count"], kinds))
    terminal.show(terminal.table(f"The {len(rows)} worst of {len(worst):,} (all with --json)",
                                     ["symbol", "date", "action", "finding"], rows, left=4))


def info(data: DataOptions = DATA, *, json: bool = False) -> None:
    """What a set of bars holds: span, symbols, source, hash.

    Parameters
    ----------
    json
        Print JSON.
    """
    import numpy as np

    from kobe81.app.opening import open_market
    from kobe81.core.days import day
    from kobe81.reports import terminal

    market = open_market(data)
    bars = market.bars
    lengths = np.diff(bars.offsets)
    facts: dict[str, Any] = {
        "source": bars.origin.source, "synthetic": bars.origin.synthetic, "symbols": len(bars.symbols),
        "bars": len(bars), "sessions": len(bars.sessions), "first": str(day(bars.sessions[0])),
        "last": str(day(bars.sessions[-1])), "bars_per_symbol": f"{lengths.min()} to {lengths.max()}",
        "data_hash": market.data_hash, "note": bars.origin.note, "warnings": list(market.warnings)}
    if json:
        sys.stdout.write(json_.dumps(facts, indent=2) + "\n")
        return
    facts["data_hash"] = market.data_hash[:19] + "… (whole with --json)"
    lines = {k.replace("_", " "): f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v)
             for k, v in facts.items() if v not in ("", [], False) and k != "warnings"}
    terminal.show(bars.origin.label, terminal.pairs(lines), terminal.notes(market.warnings))


def export(out: Annotated[Path, Parameter(name=["out", "--out"])], data: DataOptions = DATA) -> None:
    """Write bars to one Parquet or CSV file, as its ending says.

    Parameters
    ----------
    out
        The file to write.
    """
    from io import BytesIO

    from kobe81.app.opening import open_market
    from kobe81.experiments.registry import write_files
    from kobe81.reports import terminal

    if out.suffix not in {".parquet", ".csv"}:
        raise UsageError(f"{out}: end the name in .parquet or .csv")
    bars = open_market(data).bars
    frame, buffer = bars.to_frame(), BytesIO()
    frame.write_parquet(buffer) if out.suffix == ".parquet" else frame.write_csv(buffer)
    write_files(out.parent, {out.name: buffer.getvalue()})
    terminal.show(f"{len(bars):,} bars of {len(bars.symbols):,} symbols written to {out}")


def import_(path: Path, *, policy: Literal["drop", "strict", "flag"] = "drop") -> None:
    """Take bars from a file or a folder into the cache, where --data cache finds them.

    Parameters
    ----------
    path
        Parquet or CSV, one long table or a folder with a file per symbol; Stooq's bulk folders too.
    policy
        What to do with invalid bars.
    """
    from kobe81.app.importing import import_bars
    from kobe81.app.waiting import waiting
    from kobe81.reports import terminal

    with waiting("Importing"):
        symbols, bars, line = import_bars(path, policy)
    terminal.show(f"{bars:,} bars of {symbols:,} symbols are in the cache; use them with --data cache", line)
