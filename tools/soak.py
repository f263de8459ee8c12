"""The long version of the fault suite: every fault in its full number; the crash simulation is recorded for the README.

    python -m tools.soak
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
POINTS = 100_000
VARIABLE = "KOBE_SOAK"
"""Set, it makes the tests of faults run in full numbers; without it they run a share."""
TESTS = ("tests/faults", "tests/simulation", "tests/unit/test_runner_restarts.py", "tests/unit/test_alpaca_switch.py",
         "tests/unit/test_alpaca_mutations.py")


def main() -> int:
    """Both, one after the other; the exit code of the first that fails."""
    run = (("the simulation", [sys.executable, "-m", "tests.simulation", "--points", str(POINTS), "--record"]),
           ("the faults", [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *TESTS]))
    for name, command in run:
        print(f"soak: {name}", flush=True)
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {VARIABLE: "1"}, check=False)  # noqa: S603
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
