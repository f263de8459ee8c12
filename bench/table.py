"""From results.json to tables: what is to be reached and what was, and the README's comparison."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).with_name("results.json")
Results = dict[str, Any]

ROWS = {
    "Both strategies, signals and trades": ("independent", "bare_independent", "vectorbt_independent",
                                            "backtesting_independent"),
    "The same, one shared account": ("portfolio", None, None, None),
    "Walk-forward, 24 sets, 35 splits": ("walk_forward", "bare_walk_forward", "vectorbt_walk_forward", None),
    "The same, one shared account ": ("walk_forward_portfolio", None, None, None),
    "Opening the bars": ("open_panel", None, None, None),
}
"""What is done: the jobs of this product, the bare loop, vectorbt and backtesting.py."""


class Timed(NamedTuple):
    """A row of the trading table: what, where it is measured, which percentile is held against the limit."""

    what: str
    name: str
    limit: float
    percentile: str = "p50"
    unit: str = "s"


TRADED = (
    Timed("Restart to READY, {events:,} events in the journal", "restart", 2),
    Timed("The same, from the start of a new process", "restart_process", math.inf),
    Timed("One scan of {symbols} stocks: bars, decisions, journal, orders, fills", "scan", 1),
    Timed("Decide, journal, POST, answer journaled", "order", 0.025, "p99"),
    Timed("The same, while /metrics is asked {metrics_loaded:,.0f} times a second", "order_loaded", math.inf, "p99"),
    Timed("Audit verified, {entries:,} entries", "audit", 10),
    Timed("`kobe backtest --engine decide`, {bars:,} bars, every gate on", "decide", 60),
    Timed("/metrics answered, a second", "metrics", 5_000, unit="/s"),
    Timed("Crash points simulated, a second and core", "simulation", 300, unit="/s"),
)
"""What the trading table shows. Rates (/s) are to be reached, times not to be passed."""
SLOWER = 2.0
"""How many times as long an order may take while /metrics is asked, at the 99th percentile."""


class Check(NamedTuple):
    """A target: what, the value reached (None: not measured), its limit, and whether more is better."""

    what: str
    value: float | None
    limit: float
    unit: str = "x"
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """None where it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def read(path: Path = RESULTS) -> Results:
    """The results as they were written; FileNotFoundError before the first `make bench`."""
    found: Results = json.loads(path.read_text(encoding="utf-8"))
    return found


def checks(results: Results) -> list[Check]:
    """Every target, with what was reached."""
    cpu = {name: job["cpu_s"] for name, job in results["jobs"].items()}
    wall, whole = {name: job["wall_s"] for name, job in results["jobs"].items()}, results["processes"]

    def ratio(a: str, b: str) -> float | None:
        return cpu[a] / cpu[b] if a in cpu and b in cpu else None

    ours = [peak for name, peak in whole["peak_mb"].items() if not name.startswith("vectorbt")]
    return [
        Check("signals and trades, against the bare loop", ratio("independent", "bare_independent"), 4),
        Check("signals and trades, faster than vectorbt", ratio("vectorbt_independent", "independent"), 15,
              at_least=True),
        Check("shared account, against the bare loop", ratio("portfolio", "bare_independent"), 10),
        Check("walk-forward, against the bare loop", ratio("walk_forward", "bare_walk_forward"), 5),
        Check("walk-forward, faster than vectorbt", ratio("vectorbt_walk_forward", "walk_forward"), 50, at_least=True),
        Check("twice the symbols", ratio("independent", "independent_half"), 2.1),
        Check("cached bars reach the kernel", wall["open_panel"], 0.02, "s"),
        Check("memory at most", max(ours), 1000, "MB"),
        Check("kobe --help", whole["help_s"], 0.3, "s"),
        Check("kobe backtest, file never seen before", whole["backtest_first_s"], 4, "s"),
        Check("kobe backtest, again", whole["backtest_again_s"], 4, "s"),
    ]


def trading_checks(trading: Results) -> list[Check]:
    """Every target of a trading day, with what was reached."""
    measured = trading["measured"]
    found = [Check(_named(row, trading), measured[row.name][row.percentile], row.limit, row.unit, row.unit == "/s")
             for row in TRADED if row.limit < math.inf]
    slower = measured["order_loaded"]["p99"] / measured["order"]["p99"]
    pace = Check("/metrics while orders are sent", measured["metrics_loaded"]["p50"], 5_000, "/s", at_least=True)
    return [*found, pace, Check("an order's p99 meanwhile, against quiet", slower, SLOWER)]


def deviation(results: Results, name: str, against: str) -> float | None:
    """How far a peer's profit is from the bare loop's, as a fraction of it."""
    jobs = results["jobs"]
    if name not in jobs or against not in jobs:
        return None
    ours: float = jobs[against]["net_pnl"]
    found: float = jobs[name]["net_pnl"] / ours - 1
    return found


def markdown(results: Results | None = None) -> str:
    """The README's tables and the sentences under them."""
    known = results or read()
    return "\n\n".join([_backtests(known), *([_trading(known["trading"])] if "trading" in known else [])])


def _backtests(known: Results) -> str:
    lines = ["| CPU seconds | Kobe81 | bare loop | vectorbt | backtesting.py |", "|---|---:|---:|---:|---:|"]
    for what, jobs in ROWS.items():
        cells = (_seconds(known["jobs"].get(job), bold=column == 0) for column, job in enumerate(jobs))
        lines.append(f"| {what.strip()} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_notes(known)])


def _seconds(job: dict[str, Any] | None, bold: bool) -> str:
    if job is None:
        return ""
    text = f"{job['cpu_s']:.2g}" if job["cpu_s"] < 10 else f"{job['cpu_s']:.0f}"
    text = text if job["scale"] == 1 else f"{text} (scaled)"
    return f"**{text}**" if bold else text


def _notes(results: Results) -> list[str]:
    machine, data, versions = results["machine"], results["data"], results["versions"]
    peers = [f"{name} {versions[name]}" for name in ("vectorbt", "backtesting", "numba", "numpy") if name in versions]
    notes = [f"{data['symbols']} stocks, {data['bars']:,} daily bars ({data['name']}); {machine['processor']}, "
             f"{machine['cores']} cores, Python {machine['python']}; Kobe81 {versions['kobe81']}, {', '.join(peers)}; "
             f"measured on {results['date']}. Medians of interleaved rounds, everything warm."]
    vbt = deviation(results, "vectorbt_independent", "bare_independent")
    back = deviation(results, "backtesting_independent", "bare_few")
    if vbt is not None and back is not None:
        few = round(data["symbols"] / results["jobs"]["backtesting_independent"]["scale"])
        notes.append(f"Kobe81 and the bare loop make the same trades. vectorbt's profit is {vbt:+.1%} off, because it "
                     f"does not look at a stop on the entry bar; backtesting.py's is {back:+.1%} off, because it can "
                     f"leave only at an open; it ran on {few} stocks and its time was scaled up.")
    return notes


def _trading(trading: Results) -> str:
    """The trading table and the sentence under it."""
    lines = ["| Trading | target | 50 % | 90 % | 99 % | runs |", "|---|---:|---:|---:|---:|---:|"]
    for row in TRADED:
        found = trading["measured"][row.name]
        cells = (_amount(found[p], row.unit, bold=p == row.percentile) for p in ("p50", "p90", "p99"))
        lines.append(f"| {_named(row, trading)} | {_limit(row)} | {' | '.join(cells)} | {found['rounds']:,} |")
    return "\n".join([*lines, "", _circumstances(trading)])


def _circumstances(trading: Results) -> str:
    machine, data = trading["machine"], trading["data"]
    pace, slower = (check.value or 0.0 for check in trading_checks(trading)[-2:])
    return (f"{data['symbols']} stocks ({data['name']}); {machine['processor']}, {machine['cores']} cores, Python "
            f"{machine['python']}; measured on {trading['date']} at a load of {trading['load']:g} before it began. "
            f"Orders go over HTTP to a `kobe exchange` in a process of its own; while /metrics is asked {pace:,.0f} "
            f"times a second beside them, the slowest hundredth takes {slower:.2f} times as long (target: {SLOWER:g} "
            f"times at most, at 5,000).")


def _named(row: Timed, trading: Results) -> str:
    pace = trading["measured"]["metrics_loaded"]["p50"]
    return row.what.format(**trading["sizes"], **trading["data"], metrics_loaded=pace)


def _limit(row: Timed) -> str:
    return "" if row.limit == math.inf else f"{'≥' if row.unit == '/s' else '≤'} {_amount(row.limit, row.unit)}"


def _amount(value: float, unit: str, bold: bool = False) -> str:
    """Seconds with what matters of them, milliseconds below a tenth; whole pieces."""
    text = f"{value:,.0f}" if unit == "/s" else f"{value * 1e3:.1f} ms" if value < 0.1 else f"{value:.3g} s"
    return f"**{text}**" if bold else text
