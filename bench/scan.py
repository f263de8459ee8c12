"""One scan of the whole market: from the bars on disk to decisions in the journal, their orders sent and settled."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

from bench.data import Source
from bench.restart import runner_at
from kobe81.app.live.runner import Runner
from kobe81.app.live.schedule import Job, jobs
from kobe81.core.clock import SteppedClock
from kobe81.core.days import day


def scans(source: Source, folder: Path, rounds: int) -> list[float]:
    """Seconds of the first scan in each of the last sessions of the bars, which one journal goes through.

    The first of them is left out: it compiles.
    """
    sessions = [day(number) for number in source.bars().sessions[-rounds - 1 :]]
    clock = SteppedClock(jobs(sessions[0])[0].at)
    folder.mkdir(mode=0o700)
    found = []
    with runner_at(folder, source.bars, clock) as runner:
        for session in sessions:
            morning, first, *_ = jobs(session)
            clock.move_to(morning.at)
            runner.step()
            clock.move_to(first.at)
            found.append(scan(runner, session, first))
    return found[1:]


def scan(runner: Runner, session: date, job: Job) -> float:
    """Seconds from the bars to the end of the scan; SystemExit where it decided nothing."""
    crew = runner.crew
    begun = time.perf_counter()
    snapshot = crew.sight.snapshot(runner.book, crew.watch(session), job)
    decision = crew.manager.scan(snapshot)
    took = time.perf_counter() - begun
    if decision is None or job.scan not in runner.book.scans or len(decision.considered) < len(snapshot.candidates):
        raise SystemExit(f"scan {job.scan} of {session} decided {decision}; nothing was written")
    return took
