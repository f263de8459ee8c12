"""The order desk: /v2/orders."""

from __future__ import annotations

from collections.abc import Iterator

from kobe81.core.money import ZERO
from kobe81.execution.exchange.admission import admit, check_funds, check_name, check_stop, first_chance, reserve
from kobe81.execution.exchange.book import is_head
from kobe81.execution.exchange.chance import identifier
from kobe81.execution.exchange.floor import Floor
from kobe81.execution.exchange.intake import PRICES, TIMES_IN_FORCE, Ask, Body, check_tick, read_ask
from kobe81.execution.exchange.orders import REPLACEABLE, Order, Status
from kobe81.execution.exchange.routes import Route, choice, flag, names, whole
from kobe81.execution.exchange.sessions import session_at
from kobe81.execution.exchange.views import View, order_view
from kobe81.execution.exchange.wire import (
    Request,
    Response,
    malformed,
    not_found,
    parse_moment,
    reply,
    unprocessable,
)

MOST_LISTED = 500


class OrderDesk:
    """Takes, shows, changes and cancels orders."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/v2/orders", self._submit),
            Route("GET", "/v2/orders", self._list),
            Route("DELETE", "/v2/orders", self._cancel_all),
            Route("GET", "/v2/orders:by_client_order_id", self._by_client),
            Route("GET", "/v2/orders/{order_id}", self._get),
            Route("PATCH", "/v2/orders/{order_id}", self._replace),
            Route("DELETE", "/v2/orders/{order_id}", self._cancel),
        ]

    def submit(self, ask: Ask) -> View:
        """Take the order in; what it looks like before it meets the market."""
        head, *legs = admit(self._floor, ask)
        for order in (head, *legs):
            self._floor.take(order)
        return order_view(head, legs)

    def cancel_all(self) -> list[View]:
        """Cancel every open order."""
        done = []
        for order in self._floor.book.open():
            if self._floor.book[order.id].open:
                self._floor.cancel(self._floor.book[order.id])
            done.append({"id": order.id, "status": 200, "body": self._view(self._floor.book[order.id])})
        return done

    def _submit(self, request: Request) -> Response:
        return reply(200, self.submit(read_ask(request.body)))

    def _get(self, request: Request, order_id: str) -> Response:
        return reply(200, self._view(self._find(order_id)))

    def _by_client(self, request: Request) -> Response:
        order = self._floor.book.of_client(request.query.get("client_order_id", ""))
        if order is None:
            raise not_found("order not found")
        return reply(200, self._view(order))

    def _list(self, request: Request) -> Response:
        limit, nested = whole(request, "limit", 50, MOST_LISTED), flag(request, "nested")
        found = list(self._matching(request, nested))
        if choice(request, "direction", ("desc", "asc")) == "desc":
            found.reverse()
        return reply(200, [self._view(order) if nested else order_view(order) for order in found[:limit]])

    def _matching(self, request: Request, nested: bool) -> Iterator[Order]:
        """The orders that the query wants, oldest first; nested, legs are under their heads and not beside them."""
        status, side = choice(request, "status", ("open", "closed", "all")), request.query.get("side")
        after, until = (parse_moment(request.query[name]) if request.query.get(name) else None
                        for name in ("after", "until"))
        symbols, book = names(request), self._floor.book
        for order in book.all():
            if (after and order.submitted_at <= after) or (until and order.submitted_at >= until):
                continue
            if (symbols and order.symbol not in symbols) or (side and order.side != side):
                continue
            parts = [order, *book.legs(order)] if nested else [order]
            if nested and order.role and not is_head(order):
                continue
            if status == "all" or any(part.open == (status == "open") for part in parts):
                yield order

    def _cancel(self, request: Request, order_id: str) -> Response:
        order = self._find(order_id)
        if not order.open:
            raise unprocessable(f'order is already in "{order.status}" state')
        self._floor.cancel(order)
        return reply(204)

    def _cancel_all(self, request: Request) -> Response:
        return reply(207, self.cancel_all())

    def _replace(self, request: Request, order_id: str) -> Response:
        old, body = self._find(order_id), Body(request.body)
        if old.status not in REPLACEABLE:
            raise unprocessable(f'order is not replaceable in "{old.status}" state')
        new = self._successor(old, body)
        check_name(self._floor, body.name("client_order_id"))
        for name in ("limit_price", "stop_price"):
            check_tick(name, getattr(new, name))
        if new.status is not Status.HELD:
            check_stop(self._floor, new)
            check_funds(self._floor, new, replaces=old)
        self._floor.replace(old, new)
        return reply(200, self._view(new))

    def _successor(self, old: Order, body: Body) -> Order:
        """The order that takes the place of `old`: for what it leaves, or for a new quantity; the rest as it was."""
        floor, seq = self._floor, len(self._floor.book)
        session = session_at(floor.at)
        changes = _price_changes(old, body)
        qty = body.number("qty")
        if qty is not None and (old.role or qty % 1):
            raise unprocessable("qty of a complex order cannot be replaced, and none with a fraction")
        force = body.word("time_in_force", TIMES_IN_FORCE, old.time_in_force)
        if force != old.time_in_force and (old.role or not {force, old.time_in_force} <= {"day", "gtc"}):
            raise unprocessable(f"time_in_force cannot be replaced from {old.time_in_force} to {force}")
        waits = Status.PENDING_NEW if session.trades(floor.at) else Status.ACCEPTED
        new = old.but(
            **changes, seq=seq, id=identifier(floor.seed, "order", seq), replaces=old.id, time_in_force=force,
            client_order_id=body.name("client_order_id") or identifier(floor.seed, "client", seq),
            qty=qty or old.leaves, filled_qty=ZERO, filled_value=ZERO, fills=0,
            status=old.status if old.status is Status.HELD else waits, submitted_at=floor.at, updated_at=floor.at,
            live_at=first_chance(floor, session, force), expires_at=session.closes if force == "day" else None)
        return new.but(reserve=reserve(floor, new))

    def _find(self, order_id: str) -> Order:
        order = self._floor.book.find(order_id.lower())
        if order is None:
            raise not_found(f"order not found for {order_id[:40]}")
        return order

    def _view(self, order: Order) -> View:
        return order_view(order, self._floor.book.legs(order))


def _price_changes(old: Order, body: Body) -> dict[str, object]:
    """The prices that a replacement sets; Refusal for one that the order's type does not have."""
    changes: dict[str, object] = {}
    for name in ("limit_price", "stop_price"):
        price = body.number(name)
        if price is not None:
            if name not in PRICES[old.type]:
                raise malformed(f"{old.type} orders have no {name.replace('_', ' ')}")
            changes[name] = price
    trail = body.number("trail")
    if trail is not None:
        if old.type != "trailing_stop":
            raise malformed(f"{old.type} orders have no trail")
        changes["trail_price" if old.trail_price is not None else "trail_percent"] = trail
    return changes
