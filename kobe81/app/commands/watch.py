"""kobe status, positions, orders, pnl, risk: what the journal says, runner or no runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any


def status(*, json: bool = False) -> None:
    """Where things stand: runner, readiness, session, budget, alerts.

    Parameters
    ----------
    json
        Print it as JSON, and nothing else.
    """
    from kobe81.app.live import looking
    from kobe81.engine.apply import replay as fold
    from kobe81.reports import terminal

    found = looking.records()
    now = looking.status(found, fold(found))
    if json:
        _json(now)
    else:
        terminal.show(terminal.pairs({name: looking.said(value) for name, value in now.items()}))


def positions(*, json: bool = False) -> None:
    """What is held: shares, price, the stop that protects them.

    Parameters
    ----------
    json
        Print it as JSON, and nothing else.
    """
    from kobe81.app.live import looking

    _show("Positions", looking.positions(looking.book()), json)


def orders(*, json: bool = False) -> None:
    """The open orders and those of the session, with their states.

    Parameters
    ----------
    json
        Print it as JSON, and nothing else.
    """
    from kobe81.app.live import looking

    _show("Orders", looking.orders(looking.book()), json, hidden=("id",))


def pnl(*, json: bool = False) -> None:
    """Profit and loss of the finished trades, by session; the fills' own prices, first in first out.

    Parameters
    ----------
    json
        Print it as JSON, and nothing else.
    """
    from kobe81.app.live import looking
    from kobe81.reports import terminal

    found = looking.records()
    rows = looking.profit(found)
    _show("Profit and loss of finished trades, fees as the broker charged them on the fill", rows, json)
    if not json:
        terminal.show(f"Total: {looking.said(sum((r['net'] for r in rows), Decimal(0)))} in "
                      f"{sum(r['trades'] for r in rows)} trades")


def risk(*, json: bool = False) -> None:
    """The limits of the risk gates, and how much of them is used.

    Parameters
    ----------
    json
        Print it as JSON, and nothing else.
    """
    from kobe81 import risk as room
    from kobe81.app.live import looking
    from kobe81.engine.apply import replay as fold
    from kobe81.reports import terminal

    found = looking.records()
    now, decided_by = fold(found), looking.rules(found)
    used = looking.usage(now)
    limits = looking.limits(decided_by, room.gates.names()) if decided_by else []
    if json:
        _json({"used": used, "limits": limits})
        return
    terminal.show(terminal.pairs({name: looking.said(value) for name, value in used.items()}))
    terminal.show(looking.table("Limits", limits))


def _show(title: str, rows: Sequence[Mapping[str, Any]], json: bool, hidden: Sequence[str] = ()) -> None:
    from kobe81.app.live import looking
    from kobe81.reports import terminal

    if json:
        _json(rows)
    else:
        terminal.show(looking.table(title, rows, hidden))


def _json(value: Any) -> None:
    import sys

    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
