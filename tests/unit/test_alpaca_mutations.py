"""A thousand spoiled answers: every one is a value, a typed error or Lost, and none passes for our order."""

import json
import math
from decimal import Decimal
from random import Random

import msgspec
import pytest

from kobe81.core.ports import Accepted, BrokerError, Lost
from kobe81.execution.alpaca_call import Reply
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.broker_alpaca import AlpacaBroker
from tests.alpaca_fixtures import (
    ACCOUNT,
    CLIENT_ID,
    DIVIDEND,
    FILL,
    NOW,
    ORDER,
    POSITION,
    SNAPSHOT,
    RealClock,
    Switch,
    approved,
)

MUTATIONS = 1000
ASSET, CLOCK = {"symbol": "AAPL", "status": "active", "tradable": True}, {"is_open": True}
NESTED = ORDER | {"legs": [ORDER | {"id": "leg-1"}]}
ASKED = {
    "account": (ACCOUNT, lambda b: b.account()), "positions": ([POSITION, POSITION], lambda b: b.positions()),
    "find": (ORDER, lambda b: b.find(CLIENT_ID)), "order": (NESTED, lambda b: b.order(ORDER["id"])),
    "orders": ([NESTED], lambda b: b.orders(NOW)), "activities": ([DIVIDEND, FILL], lambda b: b.activities(NOW)),
    "clock": (CLOCK, lambda b: b.market_open()), "asset": (ASSET, lambda b: b.tradable("AAPL")),
    "quotes": ({"AAPL": SNAPSHOT}, lambda b: AlpacaFeed(b._wire, RealClock(), "iex").quotes(["AAPL"])),
}  # fmt: skip
JUNK = [None, True, False, 0, -1, 1.5, 10**30, "", "x", "NaN", "-Infinity", "1e999", "sNaN", [], {}, [1], {"a": 1},
        float("nan"), float("inf"), "../x", "\u202e", "\0", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-05:00", "10 ", "1_0",
        "٣", "0x10", [[[]]]]


class Canned:
    """A wire that gives one answer to everything."""

    def __init__(self, body, status=200):
        self.reply, self.sent = Reply(status, {}, body), []

    def send(self, call, gate=lambda: ""):
        self.sent.append(call)
        return self.reply


def spoiled(value, random):
    """The JSON of a good answer with one thing wrong: a field dropped, renamed, retyped, swapped or twice, or a cut."""
    if random.random() < 0.2:
        body = json.dumps(value).encode()
        at = random.randrange(len(body))
        hit = body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
        return random.choice([body[:at], hit, body[at:] + body[:at]])
    value = json.loads(json.dumps(value))
    holder = random.choice(list(_objects(value)))
    key = random.choice(list(holder))
    match random.choice(["drop", "rename", "retype", "retype", "retype", "swap", "twice"]):
        case "drop":
            del holder[key]
        case "rename":
            holder[f"{key}_v3"] = holder.pop(key)
        case "retype":
            holder[key] = random.choice(JUNK)
        case "swap":
            other = random.choice(list(holder))
            holder[key], holder[other] = holder[other], holder[key]
        case "twice":
            return json.dumps(value).replace(f'"{key}":', f'"{key}": "k1", "{key}":').encode()
    return json.dumps(value).encode()


def _objects(value):
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _numbers(value):
    if isinstance(value, Decimal):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _numbers(inner)


def broker_saying(body, status=200):
    return AlpacaBroker(Canned(body, status), RealClock(), Switch())


@pytest.mark.parametrize("name", ASKED)
def test_a_spoiled_answer_is_a_value_or_a_broker_error(name):
    """No other exception, and no number in a value that is not one."""
    good, ask = ASKED[name]
    random, errors = Random(f"81 {name}"), 0
    for _ in range(MUTATIONS // len(ASKED) + 1):
        body = spoiled(good, random)
        try:
            found = msgspec.to_builtins(ask(broker_saying(body)), builtin_types=(Decimal,))
        except BrokerError:
            errors += 1
        else:
            assert all(math.isfinite(number) for number in _numbers(found)), body
    assert errors > MUTATIONS // len(ASKED) // 10


def test_a_spoiled_order_is_ours_or_lost():
    """Accepted only where the answer, read by Python's own parser, names our id, symbol, side and quantity, once."""
    random, lost = Random(81), 0
    for _ in range(MUTATIONS):
        body = spoiled(NESTED, random)
        broker = broker_saying(body, random.choice([200, 201]))
        taken = broker.submit(approved())
        assert len(broker._wire.sent) == 1
        lost += isinstance(taken, Lost)
        if isinstance(taken, Accepted):
            told = json.loads(body)
            assert (told["client_order_id"], told["symbol"], told["side"], Decimal(told["qty"])) == (
                CLIENT_ID, "AAPL", "buy", 10)
            assert body.count(b'"client_order_id"') <= 2  # the order's and its leg's
        else:
            assert isinstance(taken, Lost), (body, taken)
    assert lost > MUTATIONS // 3


@pytest.mark.parametrize("status", [400, 401, 403, 422, 404, 500, 302])
def test_a_spoiled_refusal_never_accepts(status):
    """Nor does it raise."""
    random = Random(status)
    for _ in range(MUTATIONS // 10):
        body = spoiled({"code": 40310000, "message": "insufficient buying power", "existing": {"id": "x"}}, random)
        assert not isinstance(broker_saying(body, status).submit(approved()), Accepted)
