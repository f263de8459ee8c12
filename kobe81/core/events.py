"""Events: everything that happens, as the journal keeps it. Budgets, positions, counts, states are folds of them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct

from kobe81.core.decisions import Decision, Snapshot
from kobe81.core.gates import Prohibition
from kobe81.core.orders import Fill, Intent, Side, State


class Event(Struct, frozen=True, kw_only=True, tag_field="kind", tag=True):
    """Something that happened."""


class Started(Event, frozen=True):
    """A runner took the lead. term: one more than the last leader's; config: everything it was set to."""

    run: str
    mode: str
    broker: str
    account: str
    code: str
    config: dict[str, Any]
    term: int


class Stopped(Event, frozen=True):
    """The runner stopped of its own accord."""

    reason: str


class Ready(Event, frozen=True):
    """Lock, journal check, sweep and reconciliation are done (I11)."""


class NotReady(Event, frozen=True):
    """No order may be sent, and why."""

    reasons: tuple[str, ...]


class AccountOpened(Event, frozen=True):
    """The first look at an account whose journal is empty: the cash all later cash is counted from. before: ids of
    the account activities that this cash already holds, and of the orders that were over."""

    account: str
    cash: Decimal
    before: tuple[str, ...] = ()


class SessionOpened(Event, frozen=True):
    """A trading day began: budgets and counts start anew. equity: the broker's, before the first order."""

    session: date
    equity: Decimal


class Valued(Event, frozen=True):
    """What the account was worth."""

    session: date
    equity: Decimal


class JobDone(Event, frozen=True):
    """A job of the day is over and will not run again in this session. outcome: done, skipped (missed by more than its
    grace) or failed."""

    session: date
    job: str
    outcome: Literal["done", "skipped", "failed"]
    note: str = ""


class Scanned(Event, frozen=True):
    """What a scan saw."""

    snapshot: Snapshot


class Decided(Event, frozen=True):
    """What a scan decided."""

    decision: Decision


class Intended(Event, frozen=True):
    """An order about to be sent, durable before it is."""

    intent: Intent


class OrderMoved(Event, frozen=True):
    """An order of ours went from one state to another. broker: the broker's id of it, once known."""

    order: str
    state: State
    broker: str = ""
    reason: str = ""


class Filled(Event, frozen=True):
    """Shares changed hands, by the broker's account activities."""

    fill: Fill


class CashMoved(Event, frozen=True):
    """Cash came or went without a trade: a fee, a dividend, interest, a deposit."""

    activity: str
    activity_type: str
    amount: Decimal
    at: datetime
    note: str = ""


class OrderAdopted(Event, frozen=True):
    """The broker has an order that we did not send."""

    broker: str
    client: str
    symbol: str
    side: Side
    qty: Decimal
    note: str


class Difference(Struct, frozen=True, kw_only=True):
    """Where book and broker disagree. what: a symbol, or cash."""

    what: str
    book: Decimal
    broker: Decimal


class Reconciled(Event, frozen=True):
    """Book and broker agree on every position and on the cash, to the cent."""

    cash: Decimal
    positions: dict[str, Decimal]


class Halted(Event, frozen=True):
    """Trading stops until a person resumes it."""

    reason: str
    differences: tuple[Difference, ...] = ()


class Resumed(Event, frozen=True):
    """A person lets trading go on."""

    person: str
    reason: str


class Adjusted(Event, frozen=True):
    """A person made the book agree with the broker: the symbol's shares and price a share, or the cash, as given."""

    what: str
    qty: Decimal
    price: Decimal
    person: str
    reason: str


class Failed(Event, frozen=True):
    """Something went wrong. source: api where a broker or vendor did not do its part, error otherwise."""

    source: Literal["api", "error"]
    note: str


class Tripped(Event, frozen=True):
    """The circuit breaker opened."""

    reason: str


class BreakerReset(Event, frozen=True):
    """The circuit breaker closed."""

    reason: str


class Killed(Event, frozen=True):
    """The kill switch was seen, or set."""

    by: str
    reason: str


class Lifted(Event, frozen=True):
    """A person lifted the kill switch."""

    person: str
    reason: str


class Alerted(Event, frozen=True):
    """Somebody is to know. id: the alert's, for its acknowledgement."""

    id: str
    severity: Literal["info", "warning", "critical"]
    text: str


class Acknowledged(Event, frozen=True):
    """Somebody knows."""

    id: str
    person: str


class ProhibitionSet(Event, frozen=True):
    """A symbol may not be bought."""

    prohibition: Prohibition
    person: str


class ProhibitionLifted(Event, frozen=True):
    """It may be bought again."""

    symbol: str
    person: str


class StoodDown(Event, frozen=True):
    """A strategy failed and rests for the session."""

    session: date
    strategy: str
    reason: str


AnyEvent = (
    Started | Stopped | Ready | NotReady | AccountOpened | SessionOpened | Valued | JobDone | Scanned | Decided
    | Intended | OrderMoved | Filled | CashMoved | OrderAdopted | Reconciled | Halted | Resumed | Adjusted | Failed
    | Tripped | BreakerReset | Killed | Lifted | Alerted | Acknowledged | ProhibitionSet | ProhibitionLifted
    | StoodDown
)


class Record(Struct, frozen=True, kw_only=True):
    """An event in its place. seq: 1, 2, 3 ...; time: when it was written; cause: the seq of what led to it, 0 for a
    beginning; key: what must not happen twice, where there is such a thing."""

    seq: int
    time: datetime
    cause: int
    event: AnyEvent
    key: str | None = None


_DECODER = msgspec.json.Decoder(Record)


def decode(body: bytes) -> Record:
    """The record with this canonical JSON; msgspec.DecodeError or ValidationError where it is none."""
    return _DECODER.decode(body)
