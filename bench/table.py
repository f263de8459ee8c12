"""From results.json to tables: what is to be reached and what was, and the README's comparison."""

from __future__ import annotations

import json
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


def deviation(results: Results, name: str, against: str) -> float | None:
    """How far a peer's profit is from the bare loop's, as a fraction of it."""
    jobs = results["jobs"]
    if name not in jobs or against not in jobs:
        return None
    ours: float = jobs[against]["net_pnl"]
    found: float = jobs[name]["net_pnl"] / ours - 1
    return found


def markdown(results: Results | None = None) -> str:
    """The README's table and the sentences under it."""
    known = results or read()
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
