"""AlpacaBroker: Alpaca's trading API, paper and live, and whatever else speaks it, behind the broker port.

An order goes out once. Its answer is Accepted or Rejected only where it says so in Alpaca's format and about our order;
everything else is Lost, which means that nobody knows, except where it is certain that not a byte went out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from kobe81.core.approved import Approved
from kobe81.core.clock import Clock, utc
from kobe81.core.decisions import Account
from kobe81.core.events import CashMoved
from kobe81.core.orders import Fill, Intent
from kobe81.core.ports import (
    Accepted,
    Activities,
    Answer,
    BrokerError,
    BrokerOrder,
    BrokerPosition,
    KillSwitch,
    Lost,
    NotSent,
    Rejected,
)
from kobe81.execution import alpaca_wire
from kobe81.execution.alpaca_call import (
    Call,
    Patience,
    Reply,
    Unheard,
    Wire,
    ask,
    lookup,
    read,
    readable,
    refused,
)
from kobe81.execution.alpaca_wire import Unreadable, WireOrder

T = TypeVar("T")

ORDERS, ACTIVITIES = "/v2/orders", "/v2/account/activities"
ORDERS_PAGE, ACTIVITIES_PAGE = 500, 100
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Before anybody had an account."""


class AlpacaBroker:
    """Alpaca over a wire: HttpWire to its servers, or the way to the exchange within.

    switch: looked at before every order, at the last step before its first byte.
    """

    def __init__(self, wire: Wire, clock: Clock, switch: KillSwitch, name: str = "alpaca") -> None:
        self.name, self._wire, self._clock, self._switch = name, wire, clock, switch

    def submit(self, order: Approved[Intent], *, reduce_only: bool = False) -> Answer:
        """Send one order, as the port says; TypeError for anything without the seal.

        Whatever stops an order after a 429 leaves it Lost: a POST was made, and a 429 is not among the answers that
        prove that it was not taken.
        """
        intent = _sealed(order)
        if wrong := alpaca_wire.unsendable(intent):
            return NotSent(f"{intent.id} is not an order: {wrong}")
        call, patience = Call("POST", ORDERS, body=alpaca_wire.order_body(intent)), Patience(self._clock)
        gate, sent = partial(self._stopped, intent, reduce_only), False
        while True:
            answer = self._wire.send(call, gate)
            if isinstance(answer, Unheard):
                if sent:
                    return Lost(f"HTTP 429, and then: {answer.reason}")
                return Lost(answer.reason) if answer.sent else NotSent(answer.reason)
            if answer.status != 429:
                return self._meaning(intent, answer)
            sent = True
            if not patience.wait(answer):
                return Lost("too many requests (HTTP 429), for longer than an order waits")

    def _stopped(self, intent: Intent, reduce_only: bool) -> str:
        """Why the order must not go out now, the kill switch last; "" where it may."""
        if not (self._clock.now() <= intent.expires):
            return f"it expired at {intent.expires.isoformat()}"
        if reduce_only and intent.leg != "entry":
            return ""
        return self._switch.engaged()

    def _meaning(self, intent: Intent, reply: Reply) -> Answer:
        """What an answer to an order says; nothing, unless it says it in Alpaca's format."""
        try:
            if reply.status in {200, 201}:
                return _ours(intent, alpaca_wire.order(reply.body), "")
            if reply.status not in {400, 401, 403, 422}:
                return Lost(f"HTTP {reply.status}, which proves nothing")
            code, message = alpaca_wire.refusal(reply.body)
        except Unreadable as error:
            return Lost(f"HTTP {reply.status}, {error}")
        no = Rejected(reply.status, code, message)
        return no if reply.status != 422 else self._unless_there(intent, no)

    def _unless_there(self, intent: Intent, no: Rejected) -> Answer:
        """The order, where the broker has it. Alpaca refuses an id it has seen with a code (40010001) that other
        mistakes share, so it is asked for the id. Its words are believed only where they make us more careful."""
        try:
            found = self.find(intent.id)
        except BrokerError as error:
            return Lost(f"refused ({no.reason}), perhaps because it is there already: {error}")
        if found is not None:
            return _ours(intent, found, f"refused ({no.reason}): ")
        if re.search(r"client.?order.?id|unique", no.reason, re.IGNORECASE):
            return Lost(f"refused ({no.reason}), but not to be found")
        return no

    def account(self) -> Account:
        """The account as it stands."""
        return self._read("/v2/account", alpaca_wire.account)

    def positions(self) -> tuple[BrokerPosition, ...]:
        """All open positions."""
        return self._read("/v2/positions", alpaca_wire.positions)

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that client id; None where the broker says, in its format, that it knows none."""
        call = Call("GET", f"{ORDERS}:by_client_order_id", {"client_order_id": client_order_id})
        found = lookup(self._wire, self._clock, call, alpaca_wire.order)
        return _as_asked(call, found, client_order_id, "" if found is None else found.client)

    def order(self, broker_id: str) -> BrokerOrder | None:
        """The order of that broker id, with its legs."""
        call = Call("GET", f"{ORDERS}/{quote(broker_id, safe='')}", {"nested": "true"})
        found = lookup(self._wire, self._clock, call, alpaca_wire.order)
        return _as_asked(call, found, broker_id, "" if found is None else found.id)

    def orders(self, since: datetime) -> tuple[BrokerOrder, ...]:
        """All open orders, and all submitted since then, legs included."""
        found = self._orders("open", None) | self._orders("all", since)
        return tuple(alpaca_wire.as_order(order) for order in found.values())

    def _orders(self, status: str, after: datetime | None) -> dict[str, WireOrder]:
        """By id, page by page until one brings nothing new. Alpaca pages by time, so that the next page begins just
        before the last order of this one, lest one of the same instant be lost."""
        found: dict[str, WireOrder] = {}
        query = {"status": status, "direction": "asc", "limit": str(ORDERS_PAGE), "nested": "true"}
        while True:
            begin = {} if after is None else {"after": _just_before(after)}
            page = self._read(ORDERS, partial(alpaca_wire.parse, kind=list[WireOrder]), query | begin)
            known = all(order.id in found for order in page)
            found |= {order.id: order for order in alpaca_wire.flat(page)}
            times = [order.submitted_at for order in page if order.submitted_at is not None]
            if (known and len(page) != ORDERS_PAGE) or not times:
                return found
            if known:
                raise BrokerError(f"GET {ORDERS}: {len(page)} orders of one instant ({after}), and no way past them")
            after = max(times)

    def cancel(self, broker_id: str) -> str:
        """Ask to cancel; "" where it was taken up, otherwise the broker's reason."""
        call = Call("DELETE", f"{ORDERS}/{quote(broker_id, safe='')}")
        reply = ask(self._wire, self._clock, call)
        if reply.status in {200, 204}:
            return ""
        if reply.status in {404, 422}:
            return readable(call, reply, alpaca_wire.refusal)[1] or f"HTTP {reply.status}"
        raise refused(call, reply)

    def activities(self, since: datetime) -> Activities:
        """All fills and cash movements since then, each once, in the order they happened.

        Fees and dividends are entered days after the day they bear, so ask from a week or so before what is known.
        """
        found: dict[str, Fill | CashMoved] = {}
        query = {"direction": "asc", "page_size": str(ACTIVITIES_PAGE), "after": _just_before(since)}
        while True:
            page = self._read(ACTIVITIES, alpaca_wire.activity_page, query)
            if all(_id(entry) in found for entry in page):
                break
            found |= {_id(entry): entry for entry in page}
            query["page_token"] = _id(page[-1])
        entries = sorted(found.values(), key=lambda entry: entry.at)
        return Activities(fills=tuple(e for e in entries if isinstance(e, Fill)),
                          moves=tuple(e for e in entries if isinstance(e, CashMoved)))

    def market_open(self) -> bool:
        """Whether the market is open now, by the broker's clock."""
        return self._read("/v2/clock", alpaca_wire.is_open)

    def tradable(self, symbol: str) -> str:
        """"" where a symbol can be traded now; otherwise why not (unknown, inactive, halted)."""
        call = Call("GET", f"/v2/assets/{quote(symbol, safe='')}")
        why = lookup(self._wire, self._clock, call, partial(alpaca_wire.untradable, symbol))
        return f"{symbol} is unknown to the broker" if why is None else why

    def _read(self, path: str, parse: Callable[[bytes], T], query: Mapping[str, str] | None = None) -> T:
        return read(self._wire, self._clock, Call("GET", path, query or {}), parse)


def _sealed(order: Approved[Intent]) -> Intent:
    if not (isinstance(order, Approved) and isinstance(order.value, Intent)):
        raise TypeError("only an Approved[Intent] is sent; there is no way around the gates")
    return order.value


def _ours(intent: Intent, found: BrokerOrder, before: str) -> Answer:
    wrong = alpaca_wire.differs(intent, found)
    return Lost(before + wrong) if wrong else Accepted(found)


def _as_asked(call: Call, found: BrokerOrder | None, asked: str, got: str) -> BrokerOrder | None:
    if found is not None and got != asked:
        raise BrokerError(f"{call.method} {call.path}: {asked} was asked for, and {got[:64]!r} answered; "
                          "nothing can be told from that")
    return found


def _id(entry: Fill | CashMoved) -> str:
    return entry.execution if isinstance(entry, Fill) else entry.activity


def _just_before(moment: datetime) -> str:
    """For a filter that leaves out what happened at its instant."""
    return (max(utc(moment), BEGINNING) - timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
