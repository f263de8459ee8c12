"""Timing: jobs take turns, so that whatever else the machine does meets all of them alike; medians are kept."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """What a job found, so that jobs can be compared for more than speed."""

    trades: int
    net_pnl: float


class Job(NamedTuple):
    """One thing to time. rounds: in how many of the first rounds it takes part; scale: what its time is multiplied by,
    for a job that does only a part of the work."""

    name: str
    run: Callable[[], Outcome | None]
    rounds: int
    scale: float = 1.0


class Timing(NamedTuple):
    """Medians in seconds, CPU time over all threads of the process, and what came out."""

    cpu: float
    wall: float
    rounds: int
    scale: float
    outcome: Outcome | None

    def record(self) -> dict[str, Any]:
        """As it stands in results.json."""
        times = {"cpu_s": round(self.cpu, 5), "wall_s": round(self.wall, 5), "rounds": self.rounds, "scale": self.scale}
        return times | (self.outcome._asdict() if self.outcome else {})


def spread(values: Sequence[float]) -> dict[str, float]:
    """How many there are, their median, 90th and 99th percentile (nearest rank, so each was measured)."""
    ordered = sorted(values)
    ranks = {p: -(-p * len(ordered) // 100) - 1 for p in (50, 90, 99)}
    return {"rounds": len(ordered), **{f"p{p}": round(ordered[rank], 6) for p, rank in ranks.items()}}


def once(job: Job) -> tuple[float, float, Outcome | None]:
    """CPU seconds, wall seconds and outcome of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = job.run()
    return (time.process_time() - cpu) * job.scale, (time.perf_counter() - wall) * job.scale, outcome


def interleaved(jobs: Sequence[Job]) -> Iterator[tuple[str, Timing]]:
    """A warm-up of each job, then rounds A B C, A B C ...; yields each job's name and timing when all are done."""
    outcomes = {job.name: job.run() for job in jobs}
    times: dict[str, list[tuple[float, float]]] = {job.name: [] for job in jobs}
    for turn in range(max(job.rounds for job in jobs)):
        for job in jobs:
            if turn < job.rounds:
                times[job.name].append(once(job)[:2])
    for job in jobs:
        cpu, wall = (statistics.median(column) for column in zip(*times[job.name], strict=True))
        yield job.name, Timing(cpu, wall, job.rounds, job.scale, outcomes[job.name])
