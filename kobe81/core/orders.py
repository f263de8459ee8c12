"""Orders: what may be asked of a broker, the states an order goes through, and what comes back."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from kobe81.core.errors import KobeError

Side = Literal["buy", "sell"]
Leg = Literal["entry", "stop", "time", "target", "end"]
"""What an order is for: opening a position, protecting it, or closing it after its time, at its target, or because the
symbol stops trading."""
TimeInForce = Literal["ioc", "day", "gtc"]


class State(StrEnum):
    """Where an order stands. UNKNOWN: it was sent and nobody knows whether it arrived, which is a state, no error."""

    INTENT = "intent"
    SENT = "sent"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


_LIVE_AT_BROKER = {State.PARTIAL, State.FILLED, State.CANCELLED, State.EXPIRED}
TRANSITIONS: dict[State, frozenset[State]] = {
    State.INTENT: frozenset({State.SENT, State.CANCELLED, State.EXPIRED}),
    State.SENT: frozenset({State.ACCEPTED, State.REJECTED, State.UNKNOWN, State.CANCELLED}),
    State.UNKNOWN: frozenset({State.ACCEPTED, State.EXPIRED}),
    State.ACCEPTED: frozenset({*_LIVE_AT_BROKER, State.REJECTED}),
    State.PARTIAL: frozenset(_LIVE_AT_BROKER),
    State.FILLED: frozenset(),
    State.CANCELLED: frozenset(),
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""Where an order may go from each state.

INTENT is durable before anything is sent, so from there it is cancelled or expires without the broker ever having seen
it. SENT goes to CANCELLED only where the kill switch stopped it before the first byte. UNKNOWN never becomes REJECTED:
it is found (ACCEPTED, and then whatever the broker says), or expires after the session in which it could have lived.
"""

TERMINAL = frozenset(state for state, after in TRANSITIONS.items() if not after)
OPEN = frozenset(State) - TERMINAL
MAYBE_AT_BROKER = OPEN - {State.INTENT}


class IllegalTransition(KobeError):  # noqa: N818
    """An order was to go where its state does not lead."""


def check_transition(order: str, old: State, new: State) -> None:
    """Raise IllegalTransition where `new` does not follow `old`."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransition(f"order {order} cannot go from {old} to {new}; the journal was not written by this "
                                f"program, or has a gap. See: kobe audit verify")


class Intent(Struct, frozen=True, kw_only=True):
    """An order as decided, before anything is sent.

    id: the client order id, made of key. qty: whole shares. A limit order has `limit`, a stop order `stop`. notional:
    dollars of the day's budget it takes at most (0 for exits). expires: it is not sent after this. An entry carries
    what its position will need: protect (its stop's price), target, hold (bars), signalled (the signal's session).
    """

    key: str
    id: str
    session: date
    scan: str
    strategy: str
    symbol: str
    side: Side
    leg: Leg
    qty: int
    tif: TimeInForce
    expires: datetime
    limit: Decimal | None = None
    stop: Decimal | None = None
    notional: Decimal = Decimal(0)
    protect: Decimal | None = None
    target: Decimal | None = None
    hold: int = 0
    signalled: date | None = None
    score: float = 0.0


class Fill(Struct, frozen=True, kw_only=True):
    """Shares that changed hands.

    execution: the broker's id of this fill. order: our client order id, or the broker's own where it is not ours. qty
    and price are this fill's, never cumulative. fee: dollars, where the broker says so.
    """

    execution: str
    order: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    at: datetime
    fee: Decimal = Decimal(0)
