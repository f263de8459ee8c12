"""kobe replay, kobe parity: whether a finished day was what the code says, and what the backtest says."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING

from kobe81.app.options import DATA, DataOptions

if TYPE_CHECKING:
    from kobe81.core.bars import Bars


def replay(session: date, *, data: DataOptions = DATA, json: bool = False) -> None:
    """Make every decision of a finished day again from the journal, and compare the digests.

    Exit code 0 where all are the same, 1 where one differs.

    Parameters
    ----------
    session
        The day, as 2023-02-03.
    json
        Print it as JSON, and nothing else.
    """
    import msgspec

    from kobe81.app.live import looking
    from kobe81.app.live.replay import replay
    from kobe81.core.errors import DataError, KobeError
    from kobe81.reports import terminal

    found = looking.records()
    remade = replay(found, session, _bars(data))
    if not remade:
        raise DataError(f"the journal has no decision of {session}; see: kobe status")
    if json:
        sys.stdout.write(msgspec.json.encode([{**vars(r), "same": r.same} for r in remade]).decode() + "\n")
    else:
        rows = [[f"{r.seq:,}", r.scan, "same" if r.was == r.now else "OTHER", r.was[7:19], r.now[7:19],
                 r.signals or "same"] for r in remade]
        terminal.show(terminal.table(f"Decisions of {session}, made again",
                                     ["record", "scan", "decision", "then", "now", "signals"], rows, left=6))
    differing = [r for r in remade if not r.same]
    if differing:
        raise KobeError(f"{len(differing)} of {len(remade)} decisions come out otherwise; the code, the bars or the "
                        f"journal changed since")


def parity(first: date, last: date, *, data: DataOptions = DATA, slippage_bps: float = 5.0, json: bool = False) -> None:
    """Run the same sessions through the backtest, and explain every difference to what was done.

    Exit code 0 where everything is explained, 1 where something is not.

    Parameters
    ----------
    first
        The first session, as 2023-02-03; the account must have begun it flat.
    last
        The last session.
    slippage_bps
        Basis points by which the backtest's fills are worse than the price seen: the half-spread.
    json
        Print it as JSON, and nothing else.
    """
    import msgspec

    from kobe81.app.live import looking
    from kobe81.app.live.parity import differences, parity
    from kobe81.core.errors import KobeError, UsageError
    from kobe81.reports import terminal

    bars = _bars(data)
    if bars is None:
        raise UsageError("name the bars to compare with, as in --data sample or --data cache")
    found = parity(looking.records(), bars, first, last, slippage_bps)
    if json:
        sys.stdout.write(msgspec.json.encode({**vars(found), "holds": found.holds}).decode() + "\n")
    else:
        terminal.show(f"{found.first} to {found.last}: {found.decisions} decisions, {found.same} trades alike, "
                      f"{len(found.differences)} differences", *differences(found))
    if not found.holds:
        wrong = sum(not d.explained for d in found.differences)
        raise KobeError(f"{wrong} differences have no explanation: what was done is not what the backtest does")


def _bars(data: DataOptions) -> Bars | None:
    from kobe81.app.opening import open_market

    return open_market(data).bars if data.data else None
