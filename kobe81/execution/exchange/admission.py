"""Admission: a client's order against the account, the market and the other orders, checked as Alpaca checks."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal

from kobe81.core.money import CENT, ZERO, to_tick
from kobe81.execution.exchange.chance import identifier
from kobe81.execution.exchange.floor import Floor
from kobe81.execution.exchange.intake import Ask, Exit
from kobe81.execution.exchange.orders import Order, Status
from kobe81.execution.exchange.sessions import Session, session_after, session_at, sessions
from kobe81.execution.exchange.wire import NEW_YORK, forbidden, malformed, rounded, text, unprocessable

COLLARS = ((Decimal(50), Decimal("1.025")), (ZERO, Decimal("1.04")))
"""From a price of so many dollars on, an order without a limit reserves the price times so much."""
LEAST_VALUE = Decimal(1)
AUCTION_REOPENS = time(19)
"""New York time from which orders for the next session's auctions are taken."""
OPG_CUTOFF, CLS_CUTOFF = timedelta(minutes=2), timedelta(minutes=10)


def admit(floor: Floor, ask: Ask) -> list[Order]:
    """The checked orders that the request makes, the head of a complex order first; Refusal where it may not be."""
    _check_asset(floor, ask.symbol)
    head = _head(floor, ask)
    check_name(floor, ask.client_order_id)
    legs = _legs(floor, ask, head)
    _check_levels(floor, ask, head)
    for order in (head, *legs):
        if order.status is not Status.HELD:
            check_stop(floor, order)
    check_funds(floor, head)
    return [head, *legs]


def check_name(floor: Floor, name: str | None) -> None:
    """Refuse a client order id that was ever used."""
    if name is not None and floor.book.of_client(name) is not None:
        raise malformed("client_order_id must be unique")


def check_funds(floor: Floor, order: Order, replaces: Order | None = None) -> None:
    """Refuse an order that would trade with one's own, sell shares that are not there, or cost more than there is."""
    _check_wash(floor, order, replaces)
    if order.buys:
        _check_power(floor, order, replaces)
    else:
        _check_shares(floor, order, replaces)


def check_stop(floor: Floor, order: Order) -> None:
    """Refuse a stop that the market is already beyond, while the market is open."""
    quote = floor.quote(order.symbol)
    if order.stop_price is None or quote is None or not session_at(floor.at).trades(floor.at):
        return
    if order.buys and not (order.stop_price > quote.price):
        raise unprocessable("stop price must be greater than current price")
    if not order.buys and not (order.stop_price < quote.price):
        raise unprocessable("stop price must be less than current price")


def buying_power(floor: Floor, besides: Order | None = None) -> Decimal:
    """Dollars that new orders may cost: cash, or on margin twice the equity less what is invested, less open orders."""
    power = floor.account.cash
    if floor.terms.multiplier > 1:
        invested = market_value(floor)
        power = floor.terms.multiplier * (power + invested) - invested
    return power - floor.book.reserved_cash(besides)


def market_value(floor: Floor) -> Decimal:
    """Dollars that the positions are worth at their last prices."""
    quotes = ((held.qty, floor.quote(symbol)) for symbol, held in floor.account.positions.items())
    return sum((qty * quote.price for qty, quote in quotes if quote is not None), ZERO)


def reserve(floor: Floor, order: Order) -> Decimal:
    """Dollars a share of the order holds back: its limit, or the price it would meet and a collar on top."""
    if not order.buys:
        return ZERO
    if order.limit_price is not None:
        return order.limit_price
    quote = floor.quote(order.symbol)
    price = order.stop_price or (quote.ask if quote else ZERO)
    return price * next(collar for least, collar in COLLARS if price >= least)


def first_chance(floor: Floor, session: Session, time_in_force: str) -> datetime:
    """When an order taken in now is matched first."""
    soon = floor.at + timedelta(milliseconds=floor.terms.latency_ms)
    if time_in_force in {"ioc", "fok"}:
        return soon
    return session.closes if time_in_force == "cls" else max(soon, session.opens)


def _head(floor: Floor, ask: Ask) -> Order:
    now, seq = floor.at, len(floor.book)
    session = _session(floor, ask.time_in_force)
    name = identifier(floor.seed, "order", seq)
    role = {"simple": "", "oco": "target"}.get(ask.order_class, "entry")
    limit = ask.limit_price if ask.target is None or role == "entry" else ask.target.limit_price or ask.limit_price
    order = Order(
        seq=seq, id=name, client_order_id=ask.client_order_id or identifier(floor.seed, "client", seq),
        symbol=ask.symbol, side=ask.side, type=ask.type, time_in_force=ask.time_in_force,
        order_class=ask.order_class, role=role, group=name if role else "", qty=ask.qty, notional=ask.notional,
        limit_price=limit, stop_price=ask.stop_price, trail_price=ask.trail_price, trail_percent=ask.trail_percent,
        extended_hours=ask.extended_hours, submitted_at=now, updated_at=now,
        status=Status.PENDING_NEW if session.trades(now) else Status.ACCEPTED,
        live_at=first_chance(floor, session, ask.time_in_force),
        expires_at=session.closes if ask.time_in_force == "day" else None)
    return order.but(reserve=reserve(floor, order))


def _legs(floor: Floor, ask: Ask, head: Order) -> list[Order]:
    """The exits under the head: held until an entry fills, live at once beside a target."""
    exits = [("stop", ask.stop)] if head.role == "target" else [("target", ask.target), ("stop", ask.stop)]
    wanted = [(role, leg) for role, leg in exits if head.role and leg is not None]
    return [_leg(floor, head, role, leg, head.seq + i) for i, (role, leg) in enumerate(wanted, 1)]


def _leg(floor: Floor, head: Order, role: str, leg: Exit, seq: int) -> Order:
    kind = "limit" if role == "target" else "stop_limit" if leg.limit_price is not None else "stop"
    held = head.role == "entry"
    return head.but(
        seq=seq, id=identifier(floor.seed, "order", seq), client_order_id=identifier(floor.seed, "client", seq),
        side="sell" if held else head.side, type=kind, role=role, limit_price=leg.limit_price,
        stop_price=leg.stop_price, reserve=ZERO, status=Status.HELD if held else head.status)


def _session(floor: Floor, time_in_force: str) -> Session:
    """The session that an order taken in now is for; auctions have their deadlines."""
    if time_in_force not in {"opg", "cls"}:
        return session_at(floor.at)
    local = floor.at.astimezone(NEW_YORK)
    for today in sessions(local.date(), local.date()):
        deadline = today.opens - OPG_CUTOFF if time_in_force == "opg" else today.closes - CLS_CUTOFF
        if floor.at <= deadline:
            return today
        if local.time() < AUCTION_REOPENS:
            raise unprocessable(f"{time_in_force} orders are taken until {deadline.astimezone(NEW_YORK):%H:%M} and "
                                f"again from {AUCTION_REOPENS:%H:%M}")
    return session_after(local.date())


def _check_asset(floor: Floor, symbol: str) -> None:
    if symbol not in floor.symbols:
        raise unprocessable(f'asset "{symbol}" not found')
    if symbol in floor.banned:
        raise unprocessable(f'asset "{symbol}" is not tradable')


def _check_levels(floor: Floor, ask: Ask, head: Order) -> None:
    """A bracket enters and an OCO leaves; stops and targets stand on their own side of the price."""
    if head.role == "entry" and not head.buys:
        raise unprocessable(f"{head.order_class} orders must be entry orders")
    if head.role == "target" and head.buys:
        raise unprocessable("oco orders must be exit orders")
    quote = floor.quote(head.symbol)
    base = head.limit_price or head.stop_price or (quote.price if quote else None)
    if head.role == "entry" and base is not None:
        _check_exits(ask, to_tick(base, up=False))


def _check_exits(ask: Ask, base: Decimal) -> None:
    target = ask.target.limit_price if ask.target else None
    stop = ask.stop.stop_price if ask.stop else None
    if target is not None and not (target >= base + CENT):
        raise unprocessable("take_profit.limit_price must be >= base_price + 0.01", base_price=text(base))
    if stop is not None and not (stop <= base - CENT):
        raise unprocessable("stop_loss.stop_price must be <= base_price - 0.01", base_price=text(base))


def _check_wash(floor: Floor, order: Order, replaces: Order | None) -> None:
    """Alpaca refuses an order that could meet one's own on the other side; complex orders and trailing stops may."""
    if _exempt(order):
        return
    for other in floor.book.open():
        if other.symbol != order.symbol or other.side == order.side or other == replaces or _exempt(other):
            continue
        limits = [o.limit_price for o in (order, other)]
        if order.buys:
            limits.reverse()
        sell, buy = limits
        if sell is None or buy is None or buy >= sell:
            kind = "market/stop" if other.limit_price is None else "limit"
            raise forbidden("potential wash trade detected. use complex orders", existing_order_id=other.id,
                            reject_reason=f"opposite side {kind} order exists")


def _exempt(order: Order) -> bool:
    return bool(order.role) or order.type == "trailing_stop"


def _check_shares(floor: Floor, order: Order, replaces: Order | None) -> None:
    owned = floor.account.shares(order.symbol)
    if not owned:
        raise forbidden("account is not allowed to short")
    held = floor.book.held_shares(order.symbol, replaces)
    wanted = order.leaves if order.notional is None else _shares_for(floor, order)
    if not (wanted <= owned - held):
        raise forbidden(
            f"insufficient qty available for order (requested: {text(wanted)}, available: {text(owned - held)})",
            available=text(owned - held), existing_qty=text(owned), held_for_orders=text(held), symbol=order.symbol,
            related_orders=[o.id for o in floor.book.open() if o.symbol == order.symbol and not o.buys])


def _shares_for(floor: Floor, order: Order) -> Decimal:
    """Shares that a notional sale needs at the bid."""
    quote = floor.quote(order.symbol)
    if quote is None or order.notional is None or not quote.bid:
        return ZERO
    return (order.notional / quote.bid).quantize(Decimal("1e-9"))


def _check_power(floor: Floor, order: Order, replaces: Order | None) -> None:
    power = buying_power(floor, replaces)
    if not (order.reserved <= power):
        raise forbidden("insufficient buying power", buying_power=rounded(power, 2),
                        cost_basis=rounded(order.reserved, 2))
    if not (order.reserved >= LEAST_VALUE):
        raise forbidden("cost basis must be >= minimal amount of order 1")

