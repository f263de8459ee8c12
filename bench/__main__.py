"""Measure and write results.json: python -m bench [--only PART] [--quick] [--date YYYY-MM-DD] [--out FILE].

--only measures backtest or trading and keeps the other's last results; --quick leaves the peers out; --out writes
elsewhere than bench/results.json; --date is today where not given.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import tempfile
import warnings
from pathlib import Path

from bench.data import Source, prepare
from bench.jobs import our_jobs
from bench.machine import machine, versions
from bench.measure import Job, Timing, interleaved
from bench.processes import backtest_seconds, help_seconds, peaks
from bench.show import show
from bench.table import RESULTS, Results, read
from bench.trading import measure_trading

PARTS = ("backtest", "trading")


def main() -> None:
    """Measure, write, show."""
    parser = argparse.ArgumentParser("bench", description="Time this product, a bare loop, vectorbt, backtesting.py.")
    parser.add_argument("--only", choices=PARTS, help="measure this part, and keep the other's last results")
    parser.add_argument("--quick", action="store_true", help="leave the peers out")
    parser.add_argument("--date", type=dt.date.fromisoformat, default=dt.datetime.now(dt.UTC).date())
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    parts = [asked.only] if asked.only else PARTS
    known = read(asked.out) if asked.only and asked.out.exists() else {}
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        source = prepare(Path(name))
        if "backtest" in parts:
            trading = {"trading": known["trading"]} if "trading" in known else {}
            known = {**measure(source, Path(name), not asked.quick), "date": asked.date.isoformat(), **trading}
        if "trading" in parts:
            known["trading"] = {"date": asked.date.isoformat(), **measure_trading(source, Path(name))}
    asked.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    show(known, parts)


def measure(source: Source, folder: Path, peers: bool) -> Results:
    """All numbers. Memory first: a child of a process that holds little."""
    bars = source.bars()
    peak = peaks(source, folder, peers)
    seconds = backtest_seconds(source, folder)
    processes = {"help_s": help_seconds(), "backtest_first_s": seconds[0], "backtest_again_s": seconds[1],
                 "peak_mb": peak}
    timings = dict(interleaved(our_jobs(source) + (_peers(source) if peers else [])))
    _agree(timings)
    return {"machine": machine(), "versions": versions(),
            "data": {"name": source.name, "symbols": len(bars.symbols), "bars": len(bars)},
            "processes": processes, "jobs": {name: timing.record() for name, timing in timings.items()}}


def _peers(source: Source) -> list[Job]:
    warnings.simplefilter("ignore")  # theirs, about pandas and about one another
    os.environ["TQDM_DISABLE"] = "1"  # backtesting.py shows a progress bar for every symbol
    from bench.peers import peer_jobs

    return peer_jobs(source.bars())


def _agree(timings: dict[str, Timing]) -> None:
    """SystemExit unless the bare loop made the product's trades: a quick wrong answer is no limit."""
    for ours in ("independent", "walk_forward"):
        a, b = timings[ours].outcome, timings[f"bare_{ours}"].outcome
        if not (a and b and a.trades == b.trades and abs(a.net_pnl - b.net_pnl) <= 1e-6 * abs(b.net_pnl)):
            raise SystemExit(f"{ours}: the product found {a}, the bare loop {b}; nothing was written")


if __name__ == "__main__":
    main()
