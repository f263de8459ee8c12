"""The book: all orders ever, what the open ones hold back, and which belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from kobe81.core.money import ZERO
from kobe81.execution.exchange.orders import Order, Status


class Book:
    """Orders by id, in the order they were taken in. `changed`: ids put since the last `settle`."""

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._orders: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._by_client: dict[str, str] = {}
        self._groups: dict[str, list[str]] = {}
        self.changed: dict[str, None] = {}
        for order in orders:
            self.put(order)
        self.settle()

    def __len__(self) -> int:
        return len(self._orders)

    def __getitem__(self, order_id: str) -> Order:
        return self._orders[order_id]

    def put(self, order: Order) -> None:
        """Keep the order, in the place of what was known under its id."""
        if order.id not in self._orders:
            self._by_client[order.client_order_id] = order.id
            self._groups.setdefault(order.group or order.id, []).append(order.id)
        self._orders[order.id] = order
        self.changed[order.id] = None
        if order.open:
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)

    def settle(self) -> list[Order]:
        """What changed since the last time."""
        changed = [self._orders[order_id] for order_id in self.changed]
        self.changed = {}
        return changed

    def all(self) -> Iterator[Order]:
        """Every order, oldest first."""
        return iter(self._orders.values())

    def open(self) -> list[Order]:
        """The open orders, oldest first."""
        return list(self._open.values())

    def find(self, order_id: str) -> Order | None:
        """The order of that id."""
        return self._orders.get(order_id)

    def of_client(self, client_order_id: str) -> Order | None:
        """The order that the client named so; names are taken for ever."""
        return self._orders.get(self._by_client.get(client_order_id, ""))

    def family(self, order: Order) -> list[Order]:
        """The other open orders of the same complex order."""
        members = self._groups.get(order.group, []) if order.group else []
        return [self._open[m] for m in members if m != order.id and m in self._open]

    def legs(self, order: Order) -> list[Order]:
        """The legs under the head of a complex order, without those that others have replaced."""
        if not is_head(order):
            return []
        members = (self._orders[m] for m in self._groups[order.group])
        return [m for m in members if not is_head(m) and m.status is not Status.REPLACED]

    def held_shares(self, symbol: str, besides: Order | None = None) -> Decimal:
        """Shares of a symbol that open sales hold back; parts of one complex order, of which one can fill, once.

        besides: an order that does not count with its complex order, because another is to take its place.
        """
        spared = "" if besides is None else besides.group or besides.id
        held: dict[str, Decimal] = {}
        for order in self._open.values():
            name = order.group or order.id
            if order.symbol == symbol and not order.buys and name != spared:
                held[name] = max(held.get(name, ZERO), self._held(order))
        return sum(held.values(), ZERO)

    def reserved_cash(self, besides: Order | None = None) -> Decimal:
        """Dollars of buying power that open purchases hold back."""
        return sum((order.reserved for order in self._open.values() if order != besides), ZERO)

    def _held(self, order: Order) -> Decimal:
        """Shares that a sale holds: of a waiting leg, only what its entry has bought so far."""
        if order.status is not Status.HELD:
            return order.leaves
        bought = sum((self._orders[m].filled_qty for m in self._groups[order.group]
                      if self._orders[m].role == "entry"), ZERO)
        return min(order.leaves, bought)


def is_head(order: Order) -> bool:
    """Whether legs hang under this order: the entry of a bracket or OTO, the target of an OCO."""
    return order.role == "entry" or (order.order_class == "oco" and order.role == "target")
