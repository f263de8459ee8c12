"""The vendors a fetch asks, with their keys and addresses from the environment, and its progress bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kobe81.app import home
from kobe81.data.providers import Manners, Provider, provider

if TYPE_CHECKING:
    from kobe81.data.fetch import Progress


def open_sources(names: str) -> list[Provider]:
    """The providers of a comma-separated list. KOBE_<NAME>_URL names another address to ask: a proxy or a mirror."""
    manners = Manners(folder=home.home() / "cache" / "vendors")
    wanted = dict.fromkeys(name.strip().lower() for name in names.split(",") if name.strip())
    return [provider(name, dict(os.environ), base=os.environ.get(f"KOBE_{name.upper()}_URL"), manners=manners)
            for name in wanted]


@contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Progress | None]:
    """A progress bar on the error stream, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Fetching", total=total)
        yield lambda row, done, _: bar.update(task, completed=done, description=f"{row.symbol} {row.status}")
