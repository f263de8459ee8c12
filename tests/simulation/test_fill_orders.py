"""Fills may come in parts, twice, late and in any order: the book is the broker's, to the cent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace

from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import encode
from kobe81.core.events import AccountOpened, AnyEvent, Intended, OrderMoved, Record, SessionOpened, decode
from kobe81.core.orders import Fill, Intent, Leg, Side, State
from kobe81.core.ports import Activities, BrokerOrder
from kobe81.oms.ledger import Ledger
from kobe81.oms.reconcile import Reconciler

SESSION, NOON = date(2026, 6, 8), datetime(2026, 6, 8, 16, tzinfo=UTC)
CASH = 1_000_000
"""Cents that the account begins with."""
PERMUTATIONS = 10_000
ORDERED = 21


class ListJournal:
    """A journal without a disk: what is appended is what its bytes read back as."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock, self.records, self.keys = clock, list[Record](), set[str]()

    def append(self, *events: AnyEvent, cause: int = 0, keys: Sequence[str | None] = ()) -> tuple[Record, ...]:
        new = []
        for event, key in zip(events, keys or [None] * len(events), strict=True):
            assert key not in self.keys, f"{key} is told twice"
            self.keys |= {key} - {None}  # type: ignore[arg-type]
            record = Record(seq=len(self.records) + 1, time=self.clock.now(), cause=cause, event=event, key=key)
            self.records.append(decode(encode(record)))
            new.append(self.records[-1])
        return tuple(new)

    def since(self, seq: int) -> Iterable[Record]:
        return self.records[seq:]

    def known(self, keys: Sequence[str]) -> set[str]:
        return self.keys.intersection(keys)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        yield


class Teller:
    """A broker that has one bought and one sold order, and tells of their fills what it is given to tell."""

    name = "teller"

    def __init__(self, fills: Sequence[Fill]) -> None:
        self.fills, self.told = fills, tuple[Fill, ...]()

    def activities(self, since: datetime) -> Activities:
        return Activities(fills=self.told, moves=())

    def order(self, broker_id: str) -> BrokerOrder:
        """With all that it has filled in truth, told or not."""
        mine = [fill for fill in self.fills if fill.order == broker_id] or self.fills[:1]
        filled = sum((fill.qty for fill in mine), Decimal(0))
        return BrokerOrder(id=broker_id, client=f"k1-{broker_id}", symbol="ABC", side=mine[0].side,
                           qty=Decimal(ORDERED), filled=filled, status="canceled")


def _cents(amount: int) -> Decimal:
    return Decimal(amount) / 100


def _fills(random: Random) -> list[Fill]:
    """Two to five parts of a bought and of a sold order, of 1 to 4 shares each at prices to the cent."""
    def part(number: int, order: str, side: Side) -> Fill:
        return Fill(execution=f"x{number}", order=order, symbol="ABC", side=side, qty=Decimal(random.randint(1, 4)),
                    price=_cents(random.randint(900, 1_100)), at=NOON + timedelta(seconds=number),
                    fee=_cents(random.randint(0, 3)))

    bought = [part(n, "entry", "buy") for n in range(random.randint(2, 5))]
    return bought + [part(n + 10, "time", "sell") for n in range(random.randint(2, 5))]


def _tellings(random: Random, fills: list[Fill]) -> Iterator[tuple[Fill, ...]]:
    """What the broker tells, poll by poll: some twice, in any order, some lost for a while; in the end all of it."""
    for _ in range(random.randint(1, 3)):
        some = random.choices(fills, k=random.randint(1, 2 * len(fills)))
        yield tuple(some)
    yield tuple(random.sample(fills, len(fills)))


def _order(leg: Leg, side: Side) -> list[AnyEvent]:
    intent = Intent(key=leg, id=f"k1-{leg}", session=SESSION, scan="1000", strategy="donchian", symbol="ABC", side=side,
                    leg=leg, qty=ORDERED, tif="ioc", limit=Decimal(10), expires=NOON)
    moves = [OrderMoved(order=intent.id, state=State.SENT),
             OrderMoved(order=intent.id, state=State.ACCEPTED, broker=leg)]
    return [Intended(intent=intent), *moves]


def _ledger() -> Ledger:
    clock = SteppedClock(NOON)
    ledger = Ledger(ListJournal(clock))
    ledger.tell(AccountOpened(account="A", cash=_cents(CASH)), SessionOpened(session=SESSION, equity=_cents(CASH)),
                *_order("entry", "buy"), *_order("time", "sell"))
    return ledger


def _expected(fills: list[Fill]) -> tuple[int, int]:
    """Shares held and cents of cash, in integers."""
    way = {"buy": 1, "sell": -1}
    shares = sum(way[f.side] * int(f.qty) for f in fills)
    cash = CASH - sum(way[f.side] * int(f.qty) * int(f.price * 100) + int(f.fee * 100) for f in fills)
    return shares, cash


@pytest.mark.parametrize("part", range(4))
def test_fills_come_to_the_same_in_any_order(part: int) -> None:
    """10,000 tellings in four parts: cash, shares and gains are those of integer arithmetic over the fills."""
    for number in range(PERMUTATIONS // 4):
        random = Random(f"{part}/{number}")
        fills, ledger = _fills(random), _ledger()
        broker = Teller(fills)
        for broker.told in _tellings(random, fills):
            Reconciler(ledger, broker, SteppedClock(NOON)).refresh()  # type: ignore[arg-type]
        _check(ledger, fills, f"telling {part}/{number}")


def _check(ledger: Ledger, fills: list[Fill], which: str) -> None:
    book, (shares, cash) = ledger.book, _expected(fills)
    held = book.positions.get("ABC")
    assert (held.qty if held else 0) == shares, which
    assert book.cash == _cents(cash), which
    assert [book.orders[f"k1-{leg}"].state for leg in ("entry", "time")] == [State.CANCELLED] * 2, which
    gained = sum((t.gross - t.fees for t in book.closed), Decimal(0)) + (held.gained - held.fees if held else 0)
    assert gained == _cents(cash - CASH) + (held.value if held else 0), which
    assert not book.halted, which


def test_an_order_ends_only_when_its_fills_are_told() -> None:
    """The broker says canceled, with five of its shares filled; until all five are told the order stays open."""
    fills = [replace(fill, qty=Decimal(qty)) for fill, qty in zip(_fills(Random(1))[:2], (2, 3), strict=True)]
    ledger, broker = _ledger(), Teller([*fills, replace(fills[0], order="time", side="sell", execution="x99")])
    states = []
    for broker.told in [(), (fills[1],), (fills[1], fills[0])]:
        Reconciler(ledger, broker, SteppedClock(NOON)).refresh()  # type: ignore[arg-type]
        states.append(ledger.book.orders["k1-entry"].state)
    assert states == [State.ACCEPTED, State.PARTIAL, State.CANCELLED]


@pytest.mark.parametrize(("order", "qty"), [("entry", ORDERED + 1), ("nobody's", 3)])
def test_a_fill_that_nothing_explains_is_a_fact_and_stops_trading(order: str, qty: int) -> None:
    """More than was ordered, or of an order that is not ours: cash and shares are counted, and trading halts."""
    fill = replace(_fills(Random(1))[0], order=order, qty=Decimal(qty), price=_cents(1_003), fee=Decimal(0))
    ledger, broker = _ledger(), Teller([fill, replace(fill, order="time", side="sell", execution="x99")])
    broker.told = (fill,)
    Reconciler(ledger, broker, SteppedClock(NOON)).refresh()  # type: ignore[arg-type]
    assert ledger.book.positions["ABC"].qty == qty
    assert ledger.book.cash == _cents(CASH - qty * 1_003)
    assert ledger.book.halted
