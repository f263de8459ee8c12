"""Names of orders. They are made from the decision alone, so that deciding again cannot make a second order."""

from __future__ import annotations

from base64 import b32encode
from datetime import date
from hashlib import sha256

PREFIX = "k1"
"""Orders whose id begins otherwise are not ours."""


def decision_key(account: str, session: date, scan: str, strategy: str, symbol: str, side: str, leg: str) -> str:
    """What one decision is about. Neither quantity nor price is in it: a size computed anew is the same decision."""
    return "|".join((account, session.isoformat(), scan, strategy, symbol, side, leg))


def client_order_id(key: str) -> str:
    """The order's name at the broker, at most 48 characters of [A-Za-z0-9-]: k1-<session>-<scan>-<20 of base32>."""
    _, session, scan, *_ = key.split("|")
    name = b32encode(sha256(key.encode()).digest()).decode().lower()[:20]
    return f"{PREFIX}-{session.replace('-', '')}-{scan}-{name}"
