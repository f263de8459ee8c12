"""Order state: what a broker's words mean for an order of ours."""

from __future__ import annotations

from kobe81.core.orders import TERMINAL, State
from kobe81.core.ports import BrokerOrder
from kobe81.engine.book import Order

ENDED = {"canceled": State.CANCELLED, "expired": State.EXPIRED, "rejected": State.REJECTED, "replaced": State.CANCELLED}
"""Alpaca's words for orders that will not trade any more. All others are alive, or filled, which only fills tell."""


def ended(order: Order, found: BrokerOrder) -> State | None:
    """The state an order ends in by the broker's answer; None while it lives, or while fills of it are still to come.

    The broker's filled quantity is cumulative and is only compared, never added: what it counts and our activities do
    not show yet will be shown.
    """
    if order.state in TERMINAL or found.filled > order.filled:
        return None
    state = ENDED.get(found.status)
    return State.CANCELLED if state is State.REJECTED and order.filled else state  # what traded was not refused
