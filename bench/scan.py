"""One scan of the whole market: from the bars on disk to decisions in the journal, orders sent and settled."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from bench.data import Source
from bench.restart import runner_at
from kobe81.app.live.runner import Runner
from kobe81.app.live.schedule import Job, jobs
from kobe81.core.clock import SteppedClock
from kobe81.core.days import day
from kobe81.core.events import Decided


class Scan(NamedTuple):
    """Seconds of one scan, and of them those until the decision was in the journal; how many were considered."""

    whole: float
    decided: float
    considered: int


def scans(source: Source, folder: Path, rounds: int) -> list[Scan]:
    """The first scan of each of the last sessions of the bars, in one journal."""
    sessions = [day(number) for number in source.bars().sessions[-rounds:]]
    clock = SteppedClock(jobs(sessions[0])[0].at)
    folder.mkdir(mode=0o700)
    found = []
    with runner_at(folder, source.bars(), clock) as runner:
        for session in sessions:
            morning, first, *_ = jobs(session)
            for job in (morning, first):
                clock.move_to(job.at)
                if job is morning:
                    runner.step()
            found.append(_scan(runner, source, first, session))
    return found
