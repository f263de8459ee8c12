"""A runner's story as a journal, for what tells of it: events with their records, a journal in a list, a switch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from kobe81.core import events as e
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Considered, Decision, Snapshot
from kobe81.core.events import AnyEvent, Record
from kobe81.core.gates import Verdict
from kobe81.core.orders import Fill, Intent

START = datetime(2026, 3, 6, 14, 35, tzinfo=UTC)
SESSION = date(2026, 3, 6)
CONFIG = {"gates": {"policy_gate": {"max_order": "75", "max_day": "1000"}}}
D = Decimal


def started(**config) -> e.Started:
    return e.Started(run="r1", mode="paper", broker="paper", account="A1", code="1", config=config or CONFIG, term=1)


def opened(session=SESSION, equity="10000") -> e.SessionOpened:
    return e.SessionOpened(session=session, equity=D(equity))


def intent(name="k1-a", *, symbol="AAPL", side="buy", leg="entry", qty=3, notional="60", session=SESSION) -> Intent:
    return Intent(key=f"key of {name}", id=name, session=session, scan="0935", strategy="donchian", symbol=symbol,
                  side=side, leg=leg, qty=qty, tif="ioc", expires=START, limit=D(20), notional=D(notional))


def fill(order="k1-a", qty="3", price="19.5", *, symbol="AAPL", side="buy", fee="0", execution="x1") -> e.Filled:
    return e.Filled(fill=Fill(execution=execution, order=order, symbol=symbol, side=side, qty=D(qty), price=D(price),
                              at=START, fee=D(fee)))


def scanned(scan="0935") -> e.Scanned:
    return e.Scanned(snapshot=Snapshot(
        session=SESSION, scan=scan, at=START, entries=True, exits=False, opens=None, closes=None, bars="",
        candidates=(), quotes={}, facts={}, held={}, account=None, killed=False))


def decided(*refusing: str, scan="0935") -> e.Decided:
    """A decision about one candidate, refused by these gates and passed by one."""
    verdicts = (Verdict("order_rate", True, "fine"), *(Verdict(gate, False, "no") for gate in refusing))
    considered = Considered(symbol="T", strategy="donchian", leg="entry", why="", qty=1, limit=D(20), verdicts=verdicts)
    return e.Decided(decision=Decision(session=SESSION, scan=scan, inputs="", considered=(considered,), intents=()))


def story(*events: AnyEvent | float, first: int = 1) -> list[Record]:
    """The events as records, a second apart; a number lets so many seconds more pass."""
    at, records = START, list[Record]()
    for event in events:
        if isinstance(event, int | float):
            at += timedelta(seconds=event)
            continue
        records.append(Record(seq=first + len(records), time=at, cause=0, event=event))
        at += timedelta(seconds=1)
    return records


class ListJournal:
    """A journal in a list; `fails` is raised by whoever reads; looks: how often its head was asked for."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.records, self.fails, self.looks = list(records), None, 0

    def since(self, seq: int) -> list[Record]:
        if self.fails:
            raise self.fails
        return [record for record in self.records if record.seq > seq]

    def head(self) -> tuple[int, bytes]:
        self.looks += 1
        if self.fails:
            raise self.fails
        return len(self.records), bytes([len(self.records)]) * 32


class Switch:
    """A kill switch that says what it was told to."""

    def __init__(self, says: str = "") -> None:
        self.says = says

    def engaged(self) -> str:
        return self.says

    def engage(self, by: str, reason: str) -> None:
        self.says = f"kill switch set by {by}: {reason}"


class HeldLease:
    """A lease somebody holds."""

    def problem(self, now: datetime) -> str:
        return ""


def clock() -> SteppedClock:
    return SteppedClock(START)
