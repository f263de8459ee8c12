"""The results on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.table import Check, Results, checks, trading_checks

MARKS = {True: "[green]reached[/]", False: "[red]missed[/]", None: "not measured"}


def show(results: Results, parts: Sequence[str]) -> None:
    """Print what was timed, and every target with what was reached; parts: backtest, trading."""
    console = Console()
    if "backtest" in parts:
        data, processor = results["data"], results["machine"]["processor"]
        console.print(f"{data['name']}: {data['symbols']} symbols, {data['bars']:,} bars; {processor}")
        console.print(_timed(results))
        console.print(_targets(checks(results)))
    if "trading" in parts:
        console.print(_spreads(results["trading"]))
        console.print(_targets(trading_checks(results["trading"])))


def _timed(results: Results) -> Table:
    table = Table("job", "CPU s", "wall s", "peak MB", "trades", "net P&L", "rounds")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, job in results["jobs"].items():
        peak = results["processes"]["peak_mb"].get(name)
        traded = (f"{job['trades']:,}", f"{job['net_pnl']:,.2f}") if "trades" in job else ("", "")
        label = name if job["scale"] == 1 else f"{name} (x {job['scale']:g})"
        table.add_row(label, f"{job['cpu_s']:.4f}", f"{job['wall_s']:.4f}", f"{peak:.0f}" if peak else "", *traded,
                      str(job["rounds"]))
    return table


def _spreads(trading: Results) -> Table:
    table = Table("trading", "50 %", "90 %", "99 %", "runs")
    for name, found in trading["measured"].items():
        table.add_row(name, *(f"{found[p]:.6g}" for p in ("p50", "p90", "p99")), str(found["rounds"]))
    return table


def _targets(found: Sequence[Check]) -> Table:
    table = Table("target", "reached", "limit", "")
    for check in found:
        value = "" if check.value is None else f"{check.value:.3g} {check.unit}"
        bound = ">=" if check.at_least else "<="
        table.add_row(check.what, value, f"{bound} {check.limit:g} {check.unit}", MARKS[check.met])
    return table
