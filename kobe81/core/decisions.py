"""What a decision is made from, and what it comes to: plain values that the journal keeps whole."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256

import msgspec
from msgspec import Struct

from kobe81.core.gates import Verdict
from kobe81.core.orders import Intent, Leg


class Quote(Struct, frozen=True, kw_only=True):
    """What a symbol trades at: best bid and ask, the last trade, and when that was so."""

    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime


class Facts(Struct, frozen=True, kw_only=True):
    """A symbol's own history, up to the last complete bar.

    adv: mean dollars traded a day over 20 bars. volatility: standard deviation (ddof 1) of 20 daily returns. close: the
    last close. None where the bars do not reach back so far.
    """

    adv: float | None = None
    volatility: float | None = None
    close: Decimal | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """A strategy's signal on the last complete bar. session: that bar's; hold: bars to the time exit, the entry's
    included; confidence: in [0, 1], None where nobody knows."""

    symbol: str
    strategy: str
    side: str
    session: date
    entry: Decimal
    stop: Decimal
    target: Decimal | None
    score: float
    confidence: float | None
    hold: int
    reason: str


class Account(Struct, frozen=True, kw_only=True):
    """What the broker says the account is worth. number: the account's; status: ACTIVE where it may trade."""

    number: str
    status: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal


class Snapshot(Struct, frozen=True, kw_only=True):
    """All that a decision sees beside the book: the same kind of value in history, on paper and live.

    scan: its name within the session. entries: new positions may be opened. exits: positions whose time has come leave
    now. opens, closes: the session's hours, None on a day without. bars: the hash of the bars that candidates and facts
    come from. held: for each position, the symbol's bars since its entry, both ends included. killed: the switch
    exists. ending: symbols that trade for the last time today. untradable: why the broker
    does not trade a symbol, for those it does not. missing: what could not be had, for people.
    """

    session: date
    scan: str
    at: datetime
    entries: bool
    exits: bool
    opens: datetime | None
    closes: datetime | None
    bars: str
    candidates: tuple[Candidate, ...]
    quotes: dict[str, Quote]
    facts: dict[str, Facts]
    held: dict[str, int]
    account: Account | None
    killed: bool
    ending: tuple[str, ...] = ()
    untradable: dict[str, str] = {}
    missing: tuple[str, ...] = ()


class Considered(Struct, frozen=True, kw_only=True):
    """One candidate or position that was looked at: the verdict of everything asked, and the order, where there is one.

    Without an order, the verdicts that deny are the reason.
    """

    symbol: str
    strategy: str
    leg: Leg
    why: str
    qty: int
    limit: Decimal | None
    verdicts: tuple[Verdict, ...]
    intent: str | None = None

    @property
    def refusals(self) -> tuple[Verdict, ...]:
        """The verdicts that deny."""
        return tuple(v for v in self.verdicts if not v.allowed)


class Decision(Struct, frozen=True, kw_only=True):
    """What was decided in one scan. inputs: the digest of snapshot, book and configuration. trip: the circuit breaker's
    reason to open now; reset: its reason to close; kill: its reason to set the kill switch."""

    session: date
    scan: str
    inputs: str
    considered: tuple[Considered, ...]
    intents: tuple[Intent, ...]
    trip: str | None = None
    reset: str | None = None
    kill: str | None = None


def encode(value: Struct) -> bytes:
    """A value as canonical JSON: sorted keys, no spaces, decimals as text."""
    return msgspec.json.encode(value, order="deterministic")


def digest(value: Struct) -> str:
    """The hash of a value's canonical JSON."""
    return f"sha256:{sha256(encode(value)).hexdigest()}"
