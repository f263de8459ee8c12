"""Names of orders: made from the decision alone."""

import re
from base64 import b32encode
from datetime import date
from hashlib import sha256

import pytest

from kobe81.core.ids import client_order_id, decision_key

PARTS = {"account": "PA3X", "session": date(2026, 6, 8), "scan": "3", "strategy": "ict_turtle_soup",
         "symbol": "BRK.B", "side": "sell", "leg": "time"}
OTHER = {"account": "PA3Y", "session": date(2026, 6, 9), "scan": "2", "strategy": "donchian", "symbol": "BRK.A",
         "side": "buy", "leg": "stop"}


def name(**changed):
    return client_order_id(decision_key(**{**PARTS, **changed}))


def test_the_form():
    """k1-<session>-<scan>-<20 of base32 of the SHA-256 of the parts>, worked out with the standard library here."""
    parts = "PA3X|2026-06-08|3|ict_turtle_soup|BRK.B|sell|time"
    assert name() == f"k1-20260608-3-{b32encode(sha256(parts.encode()).digest()).decode().lower()[:20]}"


def test_it_fits_the_broker():
    """At most 48 characters of letters, digits and hyphens, for the longest scan name too."""
    for scan in ("1", "protect", "t123", "p9"):
        assert re.fullmatch(r"k1-20260608-[a-z0-9]+-[a-z2-7]{20}", name(scan=scan))
        assert len(name(scan=scan)) <= 48


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_in_the_name(part):
    """Another account, session, scan, strategy, symbol, side or leg is another order."""
    assert name(**{part: OTHER[part]}) != name()


def test_neither_quantity_nor_price_is():
    """There is nothing else that a name could depend on, so a size computed anew cannot become a second order."""
    assert list(PARTS) == list(decision_key.__code__.co_varnames[: decision_key.__code__.co_argcount])
    assert name() == name()
