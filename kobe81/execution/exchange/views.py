"""How Alpaca shows things: field by field, numbers as text where Alpaca gives text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from kobe81.execution.exchange.accounts import Activity, Fill
from kobe81.execution.exchange.chance import identifier
from kobe81.execution.exchange.orders import Order
from kobe81.execution.exchange.wire import rounded, stamp, text

VENUE = "NYSE"

View = dict[str, Any]


def asset_id(symbol: str) -> str:
    """The same for a symbol in every exchange."""
    return identifier("asset", symbol)


def order_view(order: Order, legs: Sequence[Order] = ()) -> View:
    """An order, with its legs where there are any."""
    average = rounded(order.filled_value / order.filled_qty) if order.filled_qty else None
    trailing = order.type == "trailing_stop"
    return {
        "id": order.id, "client_order_id": order.client_order_id,
        **{name: _stamp(getattr(order, name)) for name in _TIMES}, "created_at": stamp(order.submitted_at),
        "replaced_by": order.replaced_by, "replaces": order.replaces,
        "asset_id": asset_id(order.symbol), "symbol": order.symbol, "asset_class": "us_equity",
        "notional": _text(order.notional), "qty": _text(order.qty), "filled_qty": text(order.filled_qty),
        "filled_avg_price": average, "order_class": order.order_class, "order_type": order.type, "type": order.type,
        "side": order.side, "position_intent": "buy_to_open" if order.buys else "sell_to_close",
        "time_in_force": order.time_in_force, "limit_price": _text(order.limit_price),
        "stop_price": _text(order.trail_stop if trailing else order.stop_price), "status": order.status.value,
        "extended_hours": order.extended_hours, "legs": [order_view(leg) for leg in legs] or None,
        "trail_percent": _text(order.trail_percent), "trail_price": _text(order.trail_price),
        "hwm": None if order.hwm is None else rounded(order.hwm, 4), "subtag": None, "source": None,
    }  # fmt: skip


def update_view(event: str, order: Order, at: datetime, fill: Fill | None, position: Decimal) -> View:
    """A message of the trade_updates stream: what happened to an order, and the position after a fill."""
    view = {"event": event, "timestamp": stamp(at), "order": order_view(order)}
    if fill is None:
        return view
    return {**view, "execution_id": fill.execution_id, "price": text(fill.price), "qty": text(fill.qty),
            "position_qty": text(position)}


def activity_view(activity: Activity, account_id: str) -> View:
    """An activity: an execution, or a fee with its date."""
    if isinstance(activity, Fill):
        return {
            "id": activity.id, "account_id": account_id, "activity_type": "FILL",
            "transaction_time": stamp(activity.at), "type": "partial_fill" if activity.leaves_qty else "fill",
            "price": text(activity.price), "qty": text(activity.qty), "side": activity.side,
            "symbol": activity.symbol, "leaves_qty": text(activity.leaves_qty), "order_id": activity.order_id,
            "cum_qty": text(activity.cum_qty), "order_status": activity.order_status,
        }  # fmt: skip
    return {
        "id": activity.id, "account_id": account_id, "activity_type": "FEE",
        "date": f"{activity.id[:4]}-{activity.id[4:6]}-{activity.id[6:8]}", "created_at": stamp(activity.at),
        "net_amount": text(activity.net_amount), "description": activity.description, "status": "executed",
    }  # fmt: skip


def asset_view(symbol: str, *, tradable: bool, marginable: bool) -> View:
    """An asset. None can be sold short here."""
    return {
        "id": asset_id(symbol), "class": "us_equity", "exchange": VENUE, "symbol": symbol, "name": f"{symbol} shares",
        "status": "active", "tradable": tradable, "marginable": marginable, "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30", "margin_requirement_short": "100", "shortable": False,
        "easy_to_borrow": False, "fractionable": True, "attributes": [],
    }  # fmt: skip


_TIMES = ("updated_at", "submitted_at", "filled_at", "expired_at", "expires_at", "canceled_at", "replaced_at")


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else text(number)
