"""kobe simulate-day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kobe81.app.options import Whole

DAY = date(2023, 2, 3)
"""A day of the sample with fills, a gap through a stop, a budget used up and candidates of little confidence."""


def simulate_day(session: Annotated[date | None, Parameter(show_default=lambda _: str(DAY))] = None, *,
                 sessions: Whole = 1, data: str = "sample", config: Path | None = None, out: Path | None = None,
                 crash: bool = True, json: bool = False) -> None:
    """A whole trading day in seconds: scans, gates, orders, a kill in the middle, reconciliation, and the proof.

    The runner, the order path and the exchange are the real ones; the prices are those of past bars and the clock is
    stepped. The first process is killed by the kernel while its first order is under way.

    Parameters
    ----------
    session
        The first day, as 2023-02-03.
    sessions
        How many sessions.
    data
        Bars, as for the other commands: a file, 'sample', 'synthetic' or 'cache'.
    config
        TOML file with [strategies], [trading] and [gates] tables; without it, a small account of the house's own.
    out
        A new folder for the journal, the audit and the exchange's books; a temporary one otherwise.
    crash
        Kill the first process.
    json
        Print the outcome as JSON, and nothing else.
    """
    from kobe81.app.live.simulation import simulate

    simulate(session or DAY, sessions, data, config, out, crash=crash, quiet=json)
