"""Ports: the small interfaces behind which history, paper and live differ, and what passes through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from kobe81.core.approved import Approved
from kobe81.core.decisions import Account, Quote
from kobe81.core.errors import KobeError
from kobe81.core.events import AnyEvent, CashMoved, Record
from kobe81.core.orders import Fill, Intent, Side


class BrokerError(KobeError):
    """The broker could not be asked, or did not answer in its format. status: of HTTP, 0 where there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class BrokerOrder(Struct, frozen=True, kw_only=True):
    """An order as the broker has it. status: new, partially_filled, filled, canceled, expired, rejected, replaced,
    pending_new, accepted, held ... (Alpaca's words). legs: broker ids of child orders."""

    id: str
    client: str
    symbol: str
    side: Side
    qty: Decimal
    filled: Decimal
    status: str
    legs: tuple[str, ...] = ()


class BrokerPosition(Struct, frozen=True, kw_only=True):
    """Shares the broker says we hold; negative where short. price: the average entry price a share."""

    symbol: str
    qty: Decimal
    price: Decimal


class Accepted(Struct, frozen=True):
    """The broker has the order, by its answer or because it said that the id exists."""

    order: BrokerOrder


class Rejected(Struct, frozen=True):
    """The broker said no, in its format: parsed 400, 401, 403 or 422."""

    status: int
    code: int
    reason: str


class Lost(Struct, frozen=True):
    """Nobody knows: timeout, 5xx, a cut connection, an unreadable answer. The order may exist."""

    reason: str


class NotSent(Struct, frozen=True):
    """Not a byte went out: the kill switch exists, or the order has expired. Safe to forget."""

    reason: str


Answer = Accepted | Rejected | Lost | NotSent


class Activities(Struct, frozen=True, kw_only=True):
    """Account activities in the order they happened."""

    fills: tuple[Fill, ...]
    moves: tuple[CashMoved, ...]


class Broker(Protocol):
    """Who trades for us. Reads raise BrokerError; a submit never does, it answers."""

    name: str

    def account(self) -> Account:
        """The account as it stands."""

    def positions(self) -> tuple[BrokerPosition, ...]:
        """All open positions."""

    def submit(self, order: Approved[Intent], *, reduce_only: bool = False) -> Answer:
        """Send one order: look at the kill switch, one POST, a total deadline, no automatic retry, no redirect.

        A 429 waits for its reset (capped), looks at switch and expiry again and sends the same id. "id must be unique"
        means that the order exists: it is fetched, and Accepted. reduce_only: exits may pass the switch.
        """

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that client id; None where the broker says it knows none, which proves nothing."""

    def order(self, broker_id: str) -> BrokerOrder | None:
        """The order of that broker id."""

    def orders(self, since: datetime) -> tuple[BrokerOrder, ...]:
        """All open orders, and all submitted since then, legs included."""

    def cancel(self, broker_id: str) -> str:
        """Ask to cancel; "" where it was taken up, otherwise the broker's reason (it may be filled already)."""

    def activities(self, since: datetime) -> Activities:
        """All fills and cash movements since then. Fill.order is the broker's id of the order."""

    def market_open(self) -> bool:
        """Whether the market is open now, whatever a calendar says."""

    def tradable(self, symbol: str) -> str:
        """"" where the symbol can be traded now; otherwise why not (unknown, inactive, halted)."""


class Feed(Protocol):
    """Where prices come from while a session runs. A symbol without a quote is absent."""

    name: str

    def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """The latest quotes; BrokerError where the source does not answer."""


class Journal(Protocol):
    """The truth: an append-only sequence of records."""

    def append(self, *events: AnyEvent, cause: int = 0, keys: Sequence[str | None] = ()) -> tuple[Record, ...]:
        """Write events durably, all or none; AlreadyThere where a key exists."""

    def since(self, seq: int) -> Iterable[Record]:
        """The records after `seq`, in order."""

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that the journal has."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Nobody else writes inside; appends inside become durable together at its end."""


class AlreadyThere(KobeError):  # noqa: N818
    """An event whose key is in the journal already: it happened, and must not happen again."""


class KillSwitch(Protocol):
    """The switch: its existence is the switch."""

    def engaged(self) -> str:
        """"" where trading may go on; otherwise why not. Anything but a plain "no such file" means engaged."""

    def engage(self, by: str, reason: str) -> None:
        """Set it; done is done, twice is once."""

