"""A sign of life for whatever takes longer than a moment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tick = Callable[[int, int], None]
"""Called with how many parts are done, and how many there are."""


def unseen(done: int, total: int) -> None:
    """The tick of a run that nobody watches."""


@contextmanager
def waiting(what: str, *, quiet: bool = False) -> Iterator[Tick]:
    """Show that something is under way, on a terminal only, and on the error stream only; yields its tick."""
    if quiet or not sys.stderr.isatty():
        yield unseen
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[parts]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{what}, compiling at first", total=None, parts="")
        yield lambda done, total: bar.update(task, completed=done, total=total, description=what,
                                             parts=f"{done} of {total} batches")
