"""A process of its own, to see how much memory one job takes at most: python -m bench.child WORK JOB [ARGUMENTS].

JOB is a job's name, or `kobe`, followed by the arguments of the command line. Prints the peak in bytes.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from bench.data import Source


def peak() -> int:
    """The most memory this process has held, in bytes.

    Linux counts what a process's parent held into its own ru_maxrss, but not into VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(held.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run(source: Source, name: str, arguments: list[str]) -> None:
    """Run the job once."""
    if name == "kobe":
        from kobe81.app.cli import main

        try:
            main(arguments)
        except SystemExit as done:
            if done.code:
                raise
    elif name.startswith("vectorbt"):
        from bench.peers import vectorbt_jobs

        next(job for job in vectorbt_jobs(source.bars()) if job.name == name).run()
    else:
        from bench.jobs import our_jobs

        next(job for job in our_jobs(source) if job.name == name).run()


if __name__ == "__main__":
    panel, job, *rest = sys.argv[1:]
    run(Source("", Path(), Path(panel)), job, rest)
    print(peak())
