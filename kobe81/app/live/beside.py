"""`python -m kobe81.app.live.beside PORT`: the health endpoints of a runner, for as long as that lives.

Their standard input is a pipe that only the runner holds open, so they end with it, however it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def health_beside(port: int) -> Iterator[None]:
    """Serve them in a process of their own inside the block; port 0 serves none."""
    if not port:
        yield
        return
    command = [sys.executable, "-m", __spec__.name, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:  # noqa: S603  (our own module)
        try:
            yield
        finally:
            child.terminate()


def _end_with_the_runner() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Serve until the runner is gone."""
    from kobe81.app.cli import main as kobe

    Thread(target=_end_with_the_runner, daemon=True).start()
    kobe(["health", "--port", sys.argv[1]])


if __name__ == "__main__":
    main()
