"""What a trading day is timed at: restarting, scanning, sending, telling, proving, simulating, deciding a history."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bench.data import Source
from bench.days import rows
from bench.machine import load, machine, versions
from bench.measure import spread
from bench.orders import metrics_pace, order_path
from bench.processes import decide_seconds
from bench.restart import make_home, restart, restart_process
from bench.scan import scans
from kobe81.store import audit_trail


@dataclass(frozen=True)
class Sizes:
    """How much of everything. seconds: for how long /metrics is asked while nothing else is done."""

    events: int = 100_000
    restarts: int = 5
    scans: int = 7
    orders: int = 1_000
    seconds: float = 5.0
    entries: int = 1_000_000
    audits: int = 3
    points: int = 3_000
    decides: int = 1


def measure_trading(source: Source, folder: Path, sizes: Sizes = Sizes()) -> dict[str, Any]:
    """All numbers, in seconds or pieces a second."""
    bars, before = source.bars(), load()
    sent = order_path(folder / "orders", sizes.orders)
    measured = {
        **restarts(source, folder / "restart", sizes),
        "scan": spread(scans(source, folder / "scan", sizes.scans)),
        "order": spread(sent["quiet"]), "order_loaded": spread(sent["loaded"]), "metrics_loaded": spread(sent["pace"]),
        "metrics": spread([metrics_pace(folder / "orders", sizes.seconds)]),
        "audit": spread(audits(folder / "audit.jsonl", sizes)),
        "simulation": spread([crash_pace(sizes.points)]),
        "decide": spread([decide_seconds(source, folder / f"decide{i}") for i in range(sizes.decides)]),
    }
    return {"machine": machine(), "versions": versions(), "load": before, "sizes": asdict(sizes), "measured": measured,
            "data": {"name": source.name, "symbols": len(bars.symbols), "bars": len(bars)}}


def restarts(source: Source, folder: Path, sizes: Sizes) -> dict[str, dict[str, float]]:
    """From a closed journal to READY: in this process, and in a new one."""
    bars = source.bars()
    make_home(folder, bars, sizes.events)
    within = [restart(folder, bars)[0] for _ in range(sizes.restarts)]
    anew = [restart_process(source, folder) for _ in range(sizes.restarts)]
    return {"restart": spread(within), "restart_process": spread(anew)}


def audits(path: Path, sizes: Sizes) -> list[float]:
    """Seconds to verify a trail of so many entries; SystemExit where it does not verify."""
    with path.open("wb") as file:
        file.writelines(map(audit_trail.line, rows(date(1990, 1, 2), sizes.entries)))
    return [_audit(path, sizes.entries) for _ in range(sizes.audits)]


def _audit(path: Path, entries: int) -> float:
    begun = time.perf_counter()
    walk = audit_trail.verify(path)
    took = time.perf_counter() - begun
    if walk.findings or walk.size != entries:
        raise SystemExit(f"the audit of {walk.size} entries finds {walk.findings}; nothing was written")
    return took


def crash_pace(points: int) -> float:
    """Crash points simulated in a second by one process; SystemExit where one of them breaks an invariant."""
    from tests.simulation.soak import crash

    crash(1, 1)
    begun = time.perf_counter()
    found = crash(points, 1)
    pace = found.points / (time.perf_counter() - begun)
    if found.wrong:
        raise SystemExit(f"the crash simulation finds {found.wrong[0]}; nothing was written")
    return pace
