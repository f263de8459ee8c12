"""What goes over the wire: requests, answers, and the ways Alpaca writes numbers, times and refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from kobe81.core.errors import KobeError

NEW_YORK = ZoneInfo("America/New_York")

FORBIDDEN, UNPROCESSABLE, MALFORMED, NOT_FOUND = 40310000, 42210000, 40010001, 40410000
"""Alpaca's codes: the account may not, the order cannot, the parameters are wrong, there is no such thing."""


class Request(NamedTuple):
    """One call: the path as '/v2/orders', the query with one value a name."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str]


class Response(NamedTuple):
    """One answer; the body is JSON or empty."""

    status: int
    headers: dict[str, str]
    body: bytes


class Refusal(KobeError):  # noqa: N818  (reads as what happened)
    """A request that Alpaca would answer with an error: its status, code, message and further fields."""

    def __init__(self, status: int, code: int | None, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {**fields, **({} if code is None else {"code": code}), "message": message}


def forbidden(message: str, **fields: Any) -> Refusal:
    """403: the account may not do this (buying power, shares, wash trade)."""
    return Refusal(403, FORBIDDEN, message, **fields)


def unprocessable(message: str, **fields: Any) -> Refusal:
    """422: understood, and cannot be done."""
    return Refusal(422, UNPROCESSABLE, message, **fields)


def malformed(message: str) -> Refusal:
    """422: a parameter is missing or wrong."""
    return Refusal(422, MALFORMED, message)


def not_found(message: str) -> Refusal:
    """404: no such order, position or asset."""
    return Refusal(404, NOT_FOUND, message)


def reply(status: int, value: Any = None) -> Response:
    """An answer with `value` as JSON, without a body where it is None."""
    body = b"" if value is None else msgspec.json.encode(value)
    return Response(status, {"Content-Type": "application/json; charset=UTF-8"} if body else {}, body)


def text(number: Decimal) -> str:
    """The number in plain digits, without needless zeros: 187.50 is '187.5'."""
    plain = format(number, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", ""} else plain


def rounded(number: Decimal, places: int = 6) -> str:
    """The number as text with at most so many decimals; for quotients, which may have no end."""
    return text(number.quantize(Decimal(1).scaleb(-places)))


def stamp(moment: datetime) -> str:
    """The instant in UTC, as 2026-03-02T14:35:00.25Z."""
    words = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (words.rstrip("0") if "." in words else words) + "Z"


def parse_moment(words: str) -> datetime:
    """An instant as clients write it: RFC 3339, or a date, which is its first moment in New York; from 1970 to 2100."""
    try:
        moment = datetime.fromisoformat(words.replace(" ", "+"))  # a plus sign that nobody escaped
    except ValueError:
        raise malformed(f"invalid timestamp: {words[:40]!r}") from None
    if not 1970 <= moment.year <= 2100:
        raise malformed(f"timestamp out of range: {words[:40]!r}")
    return moment.replace(tzinfo=moment.tzinfo or NEW_YORK).astimezone(UTC)
