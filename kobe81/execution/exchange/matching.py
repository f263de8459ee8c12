"""Matching: what happens to one order next on the path that prices take. Pure; the times are the path's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

from kobe81.execution.exchange.orders import AT_ONCE, WAITING, Order, Status
from kobe81.execution.exchange.quotes import Leg, Quote


class Kind(IntEnum):
    """What can happen to an order by itself; at one instant, in this order."""

    ROUTE = 0
    "It reaches the market."
    TRIGGER = 1
    "A stop-limit's stop is reached; from here on it is a limit order."
    FILL = 2
    CANCEL = 3
    "Nothing of it could be done at its only instant."
    EXPIRE = 4


class Event(NamedTuple):
    """What happens, when, and at which quote."""

    at: datetime
    kind: Kind
    quote: Quote | None = None


class _Wish(NamedTuple):
    """What an order waits for: a test of a price, and the price at which the test begins to hold on a crossing leg."""

    met: Callable[[Leg, Decimal], bool]
    level: Callable[[Leg], Decimal]


def next_event(order: Order, legs: Sequence[Leg], since: datetime, until: datetime) -> Event | None:
    """The first thing that happens to an open order in [since, until] on these legs; None where nothing does."""
    start = max(order.live_at, since)
    last = until if order.expires_at is None else min(until, order.expires_at)
    found = None if order.status is Status.HELD or start > last else _live(order, legs, start, last)
    if found is None and order.expires_at is not None and order.expires_at <= until:
        return Event(max(order.expires_at, since), Kind.EXPIRE)
    return found


def stretch_trail(order: Order, legs: Sequence[Leg], since: datetime, until: datetime) -> Order:
    """A trailing stop that has seen the prices of [since, until]."""
    if order.type != "trailing_stop" or order.status is Status.HELD:
        return order
    start = max(order.live_at, since)
    seen = [leg.price(at) for leg in legs if leg.begins <= until and leg.ends >= start
            for at in (max(leg.begins, start), min(leg.ends, until))]
    if not seen:
        return order
    known = [] if order.hwm is None else [order.hwm]
    return order.but(hwm=min(seen + known) if order.buys else max(seen + known))


def _live(order: Order, legs: Sequence[Leg], start: datetime, last: datetime) -> Event | None:
    if order.status in WAITING:
        return Event(start, Kind.ROUTE)
    if order.time_in_force in AT_ONCE:
        return _at_once(order, legs, start)
    for leg in legs:
        begin = max(leg.begins, start)
        if leg.ends < start or begin > last:
            continue
        event = _crossing(order, leg, begin)
        if event is not None:
            return event if event.at <= last else None
        order = stretch_trail(order, [leg], begin, leg.ends)
    return None


def _at_once(order: Order, legs: Sequence[Leg], at: datetime) -> Event:
    """An order with one chance: it fills there, or is canceled."""
    here = [leg for leg in legs if leg.begins <= at <= leg.ends]
    if not here or not _wish(order).met(here[-1], here[-1].price(at)):
        return Event(at, Kind.CANCEL)
    return Event(at, Kind.FILL, here[-1].quote(here[-1].price(at), at))


def _crossing(order: Order, leg: Leg, begin: datetime) -> Event | None:
    """Where on the leg, from `begin` on, the order gets what it waits for."""
    kind = Kind.TRIGGER if order.type == "stop_limit" and not order.triggered else Kind.FILL
    order = stretch_trail(order, [leg], begin, begin)
    wish, price = _wish(order), leg.price(begin)
    if wish.met(leg, price):
        return Event(begin, kind, leg.quote(price, begin))
    if not wish.met(leg, leg.last):
        return None
    level = wish.level(leg)
    at = max(leg.reaches(level), begin)
    return Event(at, kind, leg.quote(level, at))


def _wish(order: Order) -> _Wish:
    if order.type == "market":
        return _Wish(lambda leg, price: True, lambda leg: leg.first)
    if order.type == "trailing_stop" and order.trail_stop is not None:
        return _stop(order.trail_stop, order.buys)
    if order.type in {"stop", "stop_limit"} and not order.triggered and order.stop_price is not None:
        return _stop(order.stop_price, order.buys)
    if order.limit_price is not None:
        return _limit(order.limit_price, order.buys)
    raise AssertionError(f"order {order.id} is a {order.type} order without its price")


def _stop(stop: Decimal, buys: bool) -> _Wish:
    """The last price reaches the stop, from either side of it after a gap."""
    return _Wish(lambda leg, price: price >= stop if buys else price <= stop, lambda leg: stop)


def _limit(limit: Decimal, buys: bool) -> _Wish:
    """The ask comes down, or the bid up, to the limit."""
    if buys:
        return _Wish(lambda leg, price: leg.quote(price, leg.begins).ask <= limit,
                     lambda leg: limit / (1 + leg.half_spread))
    return _Wish(lambda leg, price: leg.quote(price, leg.begins).bid >= limit,
                 lambda leg: limit / (1 - leg.half_spread))
