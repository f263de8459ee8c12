"""Looking: what the journal of this home says, for commands that only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from kobe81.app import home
from kobe81.app.auditing import existing_journal
from kobe81.app.live.schedule import EXCHANGE_TIME, jobs
from kobe81.core.events import Decided, Reconciled, Record, SessionOpened, Started
from kobe81.core.gates import Gate
from kobe81.core.money import ZERO
from kobe81.engine.apply import apply, replay
from kobe81.engine.book import Book, ClosedTrade
from kobe81.engine.rules import KEYS, Rules
from kobe81.store.locks import leader

Rows = list[list[str]]


def records() -> list[Record]:
    """Everything in this home's journal; Damaged where there is none."""
    journal = existing_journal()
    try:
        return list(journal.since(0))
    finally:
        journal.close()


def book() -> Book:
    """The book of this home."""
    return replay(records())


def rules(found: Sequence[Record]) -> Rules | None:
    """What the last runner decides by; None where none ever started."""
    configs = [r.event.config for r in found if isinstance(r.event, Started)]
    return Rules.of({k: v for k, v in configs[-1].items() if k in KEYS}) if configs else None


def status(found: Sequence[Record], now: Book) -> dict[str, Any]:
    """Where things stand, in one table."""
    runs = leader(home.lock())
    session = now.session
    last = {type(r.event): r for r in found if isinstance(r.event, Decided | Reconciled)}
    return {
        "runner": str(runs) if runs else "none is running",
        "mode": f"{now.mode}, broker {now.broker}, account {now.account}" if now.mode else None,
        "ready": "yes" if now.ready and runs else "no: " + "; ".join(now.not_ready or ("no runner",)),
        "halted": now.halted or None, "killed": now.killed or None,
        "session": str(session) if session else None,
        "jobs": ", ".join(f"{j.name} {now.jobs.get(j.name, 'to come')}" for j in jobs(session)) if session else None,
        "last scan": _when(last.get(Decided)), "last reconciled": _when(last.get(Reconciled)),
        "equity": _dollars(now.equity), "day": _dollars(now.day_gain), "cash": _dollars(now.cash),
        "positions": len(now.positions), "open orders": sum(o.open for o in now.orders.values()),
        "budget in use": _dollars(now.reserved), "alerts open": len(now.alerts), "records": now.seq,
    }


def positions(now: Book) -> list[dict[str, Any]]:
    """One row for each position."""
    return [{"symbol": p.symbol, "shares": p.qty, "price": p.cost / p.bought if p.bought else None, "cost": p.value,
             "stop": p.protect, "target": p.target, "entered": p.entered, "hold": p.hold, "strategy": p.strategy}
            for _, p in sorted(now.positions.items())]


def orders(now: Book) -> list[dict[str, Any]]:
    """One row for each open order, and each of the session."""
    return [{"symbol": o.intent.symbol, "leg": o.intent.leg, "side": o.intent.side, "shares": o.intent.qty,
             "filled": o.filled, "limit": o.intent.limit, "stop": o.intent.stop, "state": str(o.state),
             "reason": o.reason, "id": o.intent.id} for o in now.orders.values()]


def closed(found: Sequence[Record]) -> list[ClosedTrade]:
    """Every finished trade of the journal."""
    now, done = Book(), list[ClosedTrade]()
    for record in found:
        if isinstance(record.event, SessionOpened):
            done += now.closed
        now = apply(now, record)
    return [*done, *now.closed]


def profit(found: Sequence[Record]) -> list[dict[str, Any]]:
    """One row for each session in which a trade ended."""
    trades = closed(found)
    days = sorted({t.left for t in trades})
    return [{"session": day, "trades": len(own), "won": sum(t.net > 0 for t in own),
             "gross": sum((t.gross for t in own), ZERO), "fees": sum((t.fees for t in own), ZERO),
             "net": sum((t.net for t in own), ZERO)}
            for day in days for own in [[t for t in trades if t.left == day]]]


def limits(decided_by: Rules, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each limit of these gates."""
    gates = [g for g in decided_by.gates if g.name in names]
    return [{"gate": gate.name, "limit": name, "value": value} for gate in gates for name, value in _settings(gate)]


def _settings(gate: Gate) -> list[tuple[str, Any]]:
    return [(name, msgspec.to_builtins(value)) for name, value in vars(gate).items()] or [("", "no setting")]


def _when(record: Record | None) -> str | None:
    return f"{record.time.astimezone(EXCHANGE_TIME):%Y-%m-%d %H:%M:%S} New York" if record else None


def _dollars(amount: Decimal | None) -> str | None:
    return None if amount is None else f"${amount:,.2f}"


def said(value: Any) -> str:
    """A value in a table."""
    if value is None or value == "":
        return "–"
    return f"{value:,.2f}" if isinstance(value, Decimal) and value != value.to_integral_value() else str(value)


def table(title: str, rows: Sequence[Mapping[str, Any]], hidden: Sequence[str] = ()) -> Any:
    """Rows as a terminal table; nothing to show is said in words."""
    from kobe81.reports import terminal

    if not rows:
        return f"{title}: none"
    names = [name for name in rows[0] if name not in hidden]
    text = [name for name in names if isinstance(rows[0][name], str) or rows[0][name] is None]
    ordered = [*text, *(n for n in names if n not in text)]
    return terminal.table(title, ordered, [[said(row[n]) for n in ordered] for row in rows], left=len(text))


def usage(now: Book) -> dict[str, Any]:
    """What the risk gates count, as the book has it."""
    return {
        "budget in use": _dollars(now.reserved), "trades today": now.trades_today, "day": _dollars(now.day_gain),
        "peak equity": _dollars(now.peak), "losses in a row": now.losses_in_row,
        "failures in 15 minutes": len(now.failures),
        "circuit breaker": f"open since {now.tripped_at:%Y-%m-%d %H:%M:%S} UTC, {now.probes} probes used" if
        now.tripped_at else "closed", "killed": now.killed or None, "halted": now.halted or None,
    }
