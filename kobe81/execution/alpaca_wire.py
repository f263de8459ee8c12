"""Alpaca's JSON and our values. What does not fit is Unreadable; fields that nobody needs may come and go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal, DecimalException
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from kobe81.core.clock import utc
from kobe81.core.decisions import Account, Quote
from kobe81.core.events import CashMoved
from kobe81.core.money import ZERO
from kobe81.core.orders import Fill, Intent
from kobe81.core.ports import BrokerOrder, BrokerPosition

T = TypeVar("T")

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,127}$")]
Name = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9./_-]{0,31}$")]
Word = Annotated[str, Meta(pattern=r"^[A-Za-z_]{1,40}$")]
Moment = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with a zone; nanoseconds are rounded to microseconds."""

LARGEST = Decimal(10) ** 13
"""Dollars or shares; anything larger is a mistake, and slow to reckon with."""
YEARS = range(2000, 2200)
"""Of every instant; near the ends of the calendar no time zone can be changed."""

MOVE_SHARES = {"ACATS", "EXTRD", "JNLS", "MA", "NC", "OPASN", "OPEXC", "OPEXP", "OPTRD", "PTC", "REORG", "SC", "SPIN",
               "SPLIT", "SSO", "SSP", "SWP", "VOF"}
"""Activities that change what is held, and may have no amount of money."""


class Unreadable(ValueError):  # noqa: N818
    """A body that is not what it should be."""


class _Read(Struct, frozen=True, kw_only=True):
    """What is read: every number in it is finite, and numbers and instants are within reason."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if isinstance(value, Decimal) and not (value.is_finite() and abs(value) < LARGEST):
                raise ValueError(f"{field} is {value}")
            if isinstance(value, datetime) and value.year not in YEARS:
                raise ValueError(f"{field} is {value.isoformat()}")


class _Refusal(_Read, frozen=True):
    message: str
    code: int = 0


class _Account(_Read, frozen=True):
    account_number: Id
    status: Word
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False


class _Position(_Read, frozen=True):
    symbol: Name
    side: Literal["long", "short"]
    qty: Decimal
    avg_entry_price: Decimal


class WireOrder(_Read, frozen=True):
    """An order as Alpaca writes it; qty is null where it was given in dollars."""

    id: Id
    client_order_id: str
    symbol: Name
    side: Literal["buy", "sell"]
    qty: Decimal | None
    filled_qty: Decimal
    status: Word
    submitted_at: Moment | None
    legs: list[WireOrder] | None = None


class _Fill(_Read, frozen=True):
    id: Id
    order_id: Id
    symbol: Name
    side: Literal["buy", "sell", "sell_short"]
    qty: Decimal
    price: Decimal
    transaction_time: Moment


class _Move(_Read, frozen=True):
    id: Id
    activity_type: Word
    date: date
    net_amount: Decimal | None = None
    qty: Decimal | None = None
    symbol: str | None = None
    description: str | None = None
    status: str | None = None


class _Clock(_Read, frozen=True):
    is_open: bool


class _Asset(_Read, frozen=True):
    symbol: Name
    status: Word
    tradable: bool


class _Trade(_Read, frozen=True):
    p: Decimal


class _Quote(_Read, frozen=True):
    bp: Decimal
    ap: Decimal
    t: Moment


class _Snapshot(_Read, frozen=True, rename="camel"):
    latest_trade: _Trade | None = None
    latest_quote: _Quote | None = None


def parse(body: bytes, kind: type[T]) -> T:
    """The body as `kind`; Unreadable where it is anything else, has a key twice, a NaN, or no bottom."""
    try:
        value = json.loads(body, object_pairs_hook=_once, parse_float=Decimal, parse_constant=_refuse)
        return msgspec.convert(value, kind)
    except (ValueError, DecimalException, RecursionError, msgspec.ValidationError) as error:
        raise Unreadable(f"{_kind_of(body)}: {str(error)[:200]}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands there twice, so that it has two meanings")
    return fields


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _kind_of(body: bytes) -> str:
    return "a page for people instead of JSON" if body.lstrip()[:1] == b"<" else "not in Alpaca's format"


def refusal(body: bytes) -> tuple[int, str]:
    """Code (0 where there is none) and message, in printable characters, of an answer that says no."""
    said = parse(body, _Refusal)
    return said.code, "".join(c if c.isprintable() else " " for c in said.message[:300])


def account(body: bytes) -> Account:
    """status is ACTIVE only where nothing else in it stands against trading."""
    found = parse(body, _Account)
    blocks = [f for f in ("trading_blocked", "account_blocked", "trade_suspended_by_user") if getattr(found, f)]
    return Account(number=found.account_number, status=blocks[0].upper() if blocks else found.status, cash=found.cash,
                   equity=found.equity, buying_power=found.buying_power)


def positions(body: bytes) -> tuple[BrokerPosition, ...]:
    """All positions; Unreadable where a sign and a side contradict each other."""
    return tuple(map(_position, parse(body, list[_Position])))


def _position(found: _Position) -> BrokerPosition:
    if found.side == "long" and found.qty < 0:
        raise Unreadable(f"{found.symbol} is held long, and its quantity is {found.qty}")
    qty = found.qty if found.side == "long" else -abs(found.qty)
    return BrokerPosition(symbol=found.symbol, qty=qty, price=found.avg_entry_price)


def order(body: bytes) -> BrokerOrder:
    """One order."""
    return as_order(parse(body, WireOrder))


def as_order(found: WireOrder) -> BrokerOrder:
    """The order as we speak of it; the quantity of one given in dollars is what has been filled."""
    return BrokerOrder(id=found.id, client=found.client_order_id, symbol=found.symbol, side=found.side,
                       qty=found.filled_qty if found.qty is None else found.qty, filled=found.filled_qty,
                       status=found.status, legs=tuple(leg.id for leg in found.legs or ()))


def flat(orders: Iterable[WireOrder]) -> Iterator[WireOrder]:
    """The orders, each followed by its legs."""
    for found in orders:
        yield found
        yield from flat(found.legs or ())


def order_body(intent: Intent) -> bytes:
    """What is sent for an order that `unsendable` has nothing against."""
    kind, price = ("limit", intent.limit) if intent.stop is None else ("stop", intent.stop)
    return msgspec.json.encode({
        "symbol": intent.symbol, "qty": str(intent.qty), "side": intent.side, "type": kind,
        "time_in_force": intent.tif, f"{kind}_price": f"{price:f}", "client_order_id": intent.id})


def unsendable(intent: Intent) -> str:
    """Why an intent is no order, which is of whole shares and has one price, a limit's or a stop's; "" where it is."""
    prices = [price for price in (intent.limit, intent.stop) if price is not None]
    if len(prices) != 1:
        return "it has to have a limit or a stop, and not both"
    if not (prices[0].is_finite() and prices[0] > 0):
        return f"its price is {prices[0]}"
    return "" if intent.qty >= 1 else f"its quantity is {intent.qty}"


def differs(intent: Intent, found: BrokerOrder) -> str:
    """How the broker's order is not the one that was meant; "" where it is."""
    asked = (intent.id, intent.symbol, intent.side, Decimal(intent.qty))
    got = (found.client, found.symbol, found.side, found.qty)
    return "" if asked == got else f"the answer is about another order: {got[0][:64]!r} {got[2]} {got[3]} {got[1]}"


def activity_page(body: bytes) -> list[Fill | CashMoved]:
    """One page of account activities, in the order it came. Fills are of this execution only, never cumulative."""
    return [_activity(entry) for entry in parse(body, list[dict[str, Any]])]


def _activity(entry: dict[str, Any]) -> Fill | CashMoved:
    try:
        if entry.get("activity_type") == "FILL":
            return _as_fill(msgspec.convert(entry, _Fill))
        return _as_move(msgspec.convert(entry, _Move))
    except msgspec.ValidationError as error:
        raise Unreadable(f"activity {str(entry.get('id', ''))[:64]!r}: {error}") from None


def _as_fill(found: _Fill) -> Fill:
    if not (found.qty > 0 and found.price > 0):
        raise Unreadable(f"fill {found.id} is of {found.qty} shares at {found.price}")
    return Fill(execution=found.id, order=found.order_id, symbol=found.symbol,
                side="buy" if found.side == "buy" else "sell", qty=found.qty, price=found.price,
                at=utc(found.transaction_time))


def _as_move(found: _Move) -> CashMoved:
    """Where shares move, the money may be none; reconciliation will find the shares."""
    if found.net_amount is None and found.activity_type not in MOVE_SHARES:
        raise Unreadable(f"activity {found.id} ({found.activity_type}) has no net_amount")
    shares = f"{found.qty} shares" if found.activity_type in MOVE_SHARES and found.qty is not None else None
    told = [found.symbol, shares, found.description, None if found.status == "executed" else found.status]
    return CashMoved(activity=found.id, activity_type=found.activity_type, amount=found.net_amount or ZERO,
                     at=datetime.combine(found.date, time(), UTC), note="; ".join(filter(None, told))[:300])


def is_open(body: bytes) -> bool:
    """Whether the market is open now."""
    return parse(body, _Clock).is_open


def untradable(symbol: str, body: bytes) -> str:
    """Why the asset cannot be traded; "" where it can."""
    asset = parse(body, _Asset)
    if asset.symbol != symbol:
        raise Unreadable(f"{symbol} was asked for, and {asset.symbol} answered")
    if asset.status != "active":
        return f"{symbol} is {asset.status} at the broker"
    return "" if asset.tradable else f"{symbol} is not tradable at the broker now (halted, or not offered)"


def quotes(body: bytes) -> dict[str, Quote]:
    """The quotes of those symbols that have a bid, an ask and a last trade above zero."""
    found = parse(body, dict[str, _Snapshot | None])
    return {symbol: quote for symbol, snapshot in found.items() if snapshot and (quote := _as_quote(snapshot))}


def _as_quote(snapshot: _Snapshot) -> Quote | None:
    quote, trade = snapshot.latest_quote, snapshot.latest_trade
    if quote is None or trade is None or not (quote.bp > 0 and quote.ap > 0 and trade.p > 0):
        return None
    return Quote(bid=quote.bp, ask=quote.ap, last=trade.p, at=utc(quote.t))
