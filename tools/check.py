"""Everything that is checked, in the order in which it fails fastest; pytest last, so that its line is the last one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
STEPS: Mapping[str, Sequence[str]] = {
    "ruff": (PYTHON, "-m", "ruff", "check", "."),
    "mypy": (PYTHON, "-m", "mypy"),
    "docs": (PYTHON, "-m", "tools.docs", "--check"),
    "pytest": (PYTHON, "-m", "pytest", "-q", "-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile"),
}


def check(steps: Mapping[str, Sequence[str]]) -> int:
    """Run the steps until one fails; its exit code, or 0."""
    for number, (name, command) in enumerate(steps.items(), start=1):
        print(f"== {number}/{len(steps)} {name}", flush=True)
        started = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603  (the commands above)
        left = list(steps)[number:]
        if code and left:  # the last one's own closing line is the last line
            print(f"== {name} FAILED after {time.monotonic() - started:.0f} s; not run: {', '.join(left)}", flush=True)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(check(STEPS))
