"""Intake: what a client asks for, read from JSON and checked as far as the request alone tells. Nothing else is."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct

from kobe81.core.money import to_tick
from kobe81.execution.exchange.wire import Refusal, malformed, unprocessable

SIDES = ("buy", "sell")
CLASSES = ("simple", "bracket", "oco", "oto")
TIMES_IN_FORCE = ("day", "gtc", "opg", "cls", "ioc", "fok")
PRICES = {"market": set[str](), "limit": {"limit_price"}, "stop": {"stop_price"},
          "stop_limit": {"limit_price", "stop_price"}, "trailing_stop": set[str]()}
"""The prices that each type of order must have; it may have no other."""
LONGEST_NAME = 128
LARGEST = Decimal(10) ** 9


class Exit(Struct, frozen=True):
    """A leg that closes: a target (limit), a stop, or a stop with a limit."""

    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class Ask(Struct, frozen=True, kw_only=True):
    """An order as a client asks for it."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    order_class: str = "simple"
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    client_order_id: str | None = None
    target: Exit | None = None
    stop: Exit | None = None


class Body:
    """A JSON object with the ways to take a value out of it; Refusal where it is not of the kind asked for."""

    def __init__(self, content: bytes) -> None:
        try:
            self._values = msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Refusal(400, 40010000, "request body format is invalid") from None

    def word(self, name: str, known: Collection[str], default: str | None = None) -> str:
        """One of the known words."""
        value = self._values.get(name) or default
        if value is None:
            raise malformed(f"{name} is required")
        if not isinstance(value, str) or value not in known:
            raise malformed(f"invalid {name}: {str(value)[:40]!r}")
        return value

    def name(self, field: str) -> str | None:
        """Printable text, at most 128 characters; None where there is none."""
        value = self._values.get(field)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_NAME:
            raise malformed(f"{field} must be at most {LONGEST_NAME} characters of text")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where it is missing."""
        value = self._values.get(name) or False
        if not isinstance(value, bool):
            raise malformed(f"{name} must be true or false")
        return value

    def number(self, name: str) -> Decimal | None:
        """A positive number, given as a number or as text; None where there is none."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        return positive(name, value)

    def exit(self, name: str) -> Exit | None:
        """The leg under this name."""
        values = self._values.get(name)
        if values is None:
            return None
        if not isinstance(values, dict):
            raise malformed(f"{name} must be an object")
        return Exit(**{price: positive(f"{name}.{price}", values[price]) for price in ("limit_price", "stop_price")
                       if values.get(price) is not None})


def positive(name: str, value: object) -> Decimal:
    """The value as a decimal in (0, 1e9] with at most nine decimals."""
    try:
        number = Decimal(str(value)) if isinstance(value, int | float | str) else Decimal("nan")
    except (InvalidOperation, ValueError):
        number = Decimal("nan")
    if isinstance(value, bool) or not number.is_finite():
        raise malformed(f"{name} must be a number")
    if not (0 < number <= LARGEST):
        raise malformed(f"{name} must be > 0 and at most {LARGEST:f}")
    if int(number.normalize().as_tuple().exponent) < -9:
        raise malformed(f"{name} has more than nine decimals")
    return number


def read_ask(content: bytes) -> Ask:
    """The order that a POST /v2/orders asks for."""
    body = Body(content)
    symbol = body.name("symbol")
    if symbol is None:
        raise malformed("symbol is required")
    ask = Ask(
        symbol=symbol.upper(), side=body.word("side", SIDES), type=body.word("type", PRICES),
        time_in_force=body.word("time_in_force", TIMES_IN_FORCE),
        order_class=body.word("order_class", CLASSES, "simple"), qty=body.number("qty"),
        notional=body.number("notional"), limit_price=body.number("limit_price"), stop_price=body.number("stop_price"),
        trail_price=body.number("trail_price"), trail_percent=body.number("trail_percent"),
        extended_hours=body.flag("extended_hours"), client_order_id=body.name("client_order_id"),
        target=body.exit("take_profit"), stop=body.exit("stop_loss"))
    check_shape(ask)
    return ask


def check_shape(ask: Ask) -> None:
    """Refuse what contradicts itself."""
    _check_size(ask)
    _check_class(ask)
    check_prices(ask)
    if ask.type not in {"market", "limit"} and ask.time_in_force not in {"day", "gtc"}:
        raise unprocessable(f"{ask.type} orders must be day or gtc, not {ask.time_in_force}")
    if ask.extended_hours and not (ask.type == "limit" and ask.time_in_force in {"day", "gtc"}):
        raise unprocessable("extended hours order must be DAY or GTC limit orders")


def check_prices(ask: Ask) -> None:
    """Refuse prices that the type does not have, lacks, or that are off the tick."""
    wanted = PRICES[ask.type] if ask.order_class != "oco" else set[str]()
    given = {name for name in ("limit_price", "stop_price") if getattr(ask, name) is not None}
    if ask.order_class != "oco" and given != wanted:
        needs = " and ".join(sorted(wanted)).replace("_", " ") or "no stop or limit price"
        raise malformed(f"{ask.type} orders require {needs}")
    trails = [trail for trail in (ask.trail_price, ask.trail_percent) if trail is not None]
    if len(trails) != (ask.type == "trailing_stop"):
        raise malformed("trailing_stop orders, and no others, require one of trail_price and trail_percent")
    if ask.trail_percent is not None and not (ask.trail_percent < 100):
        raise malformed("trail_percent must be < 100")
    for leg in (ask, ask.target, ask.stop):
        for name in ("limit_price", "stop_price"):
            check_tick(name, getattr(leg, name, None))


def check_tick(name: str, price: Decimal | None) -> None:
    """Refuse a price between two ticks."""
    if price is not None and price != to_tick(price, up=False):
        raise unprocessable(f"invalid {name} {price:f}. sub-penny increment does not fulfill minimum pricing criteria")


def _check_size(ask: Ask) -> None:
    if (ask.qty is None) == (ask.notional is None):
        raise malformed("qty or notional is required, and not both")
    if ask.notional is not None:
        if (ask.type, ask.time_in_force, ask.order_class) != ("market", "day", "simple"):
            raise unprocessable("notional orders must be simple DAY market orders")
        if ask.notional != to_tick(ask.notional, up=False):
            raise malformed("notional value must be limited to 2 decimal places")
    elif ask.qty is not None and ask.qty % 1:
        if ask.time_in_force != "day":
            raise unprocessable("fractional orders must be DAY orders")
        if ask.order_class != "simple" or ask.type == "trailing_stop":
            raise unprocessable("fractional orders must be simple orders")


def _check_class(ask: Ask) -> None:
    kind = ask.order_class
    if kind == "simple":
        if ask.target or ask.stop:
            raise malformed("simple orders have no take_profit and no stop_loss")
        return
    if ask.time_in_force not in {"day", "gtc"} or ask.extended_hours:
        raise unprocessable(f"{kind} orders must be DAY or GTC orders of regular hours")
    if kind != "oto" and not (ask.target and ask.stop):
        raise malformed(f"{kind} orders require take_profit.limit_price and stop_loss.stop_price")
    if kind == "oto" and (ask.target is None) == (ask.stop is None):
        raise malformed("oto orders require either take_profit or stop_loss")
    if kind == "oco" and ask.type != "limit":
        raise unprocessable("oco orders must be limit orders")
    _check_exits(ask)


def _check_exits(ask: Ask) -> None:
    """A target has a limit price, a stop a stop price, and they stand on their own sides."""
    target = ask.target.limit_price or (ask.limit_price if ask.order_class == "oco" else None) if ask.target else None
    stop = ask.stop.stop_price if ask.stop else None
    if ask.target and target is None:
        raise malformed("take_profit.limit_price is required")
    if ask.stop and stop is None:
        raise malformed("stop_loss.stop_price is required")
    if target is not None and stop is not None and not (target > stop):
        raise unprocessable("take_profit.limit_price must be > stop_loss.stop_price")
