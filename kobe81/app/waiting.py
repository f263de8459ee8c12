"""A sign of life for whatever takes longer than a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def waiting(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show that something is under way, on a terminal only, and on the error stream only."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} (the first run compiles, which takes some seconds more)"):
        yield
