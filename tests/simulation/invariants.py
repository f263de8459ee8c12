"""What must hold at the end of a life, by the truth at the broker and by the journal's own account of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from kobe81.core.decisions import encode
from kobe81.core.events import (
    AccountOpened,
    AnyEvent,
    Decided,
    Filled,
    Intended,
    OrderAdopted,
    OrderMoved,
    Record,
    Resumed,
    Scanned,
    Started,
)
from kobe81.core.orders import Intent, State
from kobe81.engine.apply import apply
from kobe81.engine.book import Book
from kobe81.engine.decide import PROTECT
from tests.simulation.days import MAX_DAY, START
from tests.simulation.process import Process
from tests.simulation.world import World

BEGINNINGS = Started | AccountOpened | Scanned | Resumed
TOUCHES_BUDGET = Intended | OrderMoved | Filled
BLAMELESS = {State.REJECTED, State.CANCELLED, State.INTENT}
"""States of a stop that say why a position stands without one."""


def violations(process: Process) -> list[str]:
    """Everything that does not hold, in words that begin with the invariant."""
    world, book = process.world, process.ledger.book
    records = list(process.journal.since(0))
    return [*world.problems, *_told(records, book, world), *one_order_each(world), *nobody_unknown(records, world),
            *same_fills(records, world), *same_account(book, world), *never_rejected(records, world),
            *protected(process), *sold_once(world)]


def _told(records: Sequence[Record], live: Book, world: World) -> Iterator[str]:
    """I5, I6, I12: the budget at every moment, the book from the journal alone, and that every record has a cause."""
    book, whose = Book(), {x.fill.execution: world.orders[x.fill.order].client for x in world.executions}
    for record in records:
        event = record.event
        if not (0 <= record.cause < record.seq) or (record.cause == 0 and not isinstance(event, BEGINNINGS)):
            yield f"I12 record {record.seq} ({type(event).__name__}) has the cause {record.cause}"
        yield from _steps(event, book, whose)
        book = apply(book, record)
        if isinstance(event, TOUCHES_BUDGET) and not (book.reserved <= MAX_DAY):
            yield f"I5 the day's budget is ${book.reserved} of ${MAX_DAY} at record {record.seq}"
    if encode(book) != encode(live):
        yield "I6 the journal replayed is another book"


def _steps(event: AnyEvent, book: Book, whose: dict[str, str]) -> Iterator[str]:
    """What must hold of the book that an event meets. whose: the client order id of each execution."""
    if isinstance(event, OrderMoved) and event.state is State.SENT and book.halted:
        yield f"{event.order} was sent while trading was halted"
    if isinstance(event, Decided) and event.decision.scan in book.scans and event.decision.scan != PROTECT:
        yield f"I1 scan {event.decision.scan} was decided twice"
    if isinstance(event, Intended):
        yield from _fits(event.intent, book)
    if isinstance(event, Filled) and event.fill.order != whose[event.fill.execution]:
        order = book.orders.get(whose[event.fill.execution])
        if order and (order.broker or order.state is State.UNKNOWN):
            yield f"{event.fill.execution} is a fill of {order.intent.id}, and was taken for a stranger's"


def _fits(intent: Intent, book: Book) -> Iterator[str]:
    """A symbol is entered when flat, and no share of it is offered twice."""
    held, orders = book.positions.get(intent.symbol), book.open_orders(intent.symbol)
    if intent.side == "buy" and (held or orders):
        yield f"{intent.id} enters {intent.symbol} a second time"
    offered = sum(o.intent.qty - o.filled for o in orders if o.intent.side == "sell") + intent.qty
    if intent.side == "sell" and not (held and offered <= held.qty):
        yield f"{intent.id} makes it {offered} shares of {intent.symbol} to sell, of {held.qty if held else 0}"


def nobody_unknown(records: Sequence[Record], world: World) -> Iterator[str]:
    """Every order at the broker is in the journal, ours or a stranger's."""
    known = {r.event.intent.id for r in records if isinstance(r.event, Intended)}
    known |= {r.event.client for r in records if isinstance(r.event, OrderAdopted)}
    yield from (f"the broker has {o.client}, and the journal does not" for o in world.orders.values()
                if o.client not in known and o.at >= START)


def one_order_each(world: World) -> Iterator[str]:
    """I1."""
    for key, orders in Counter(order.key for order in world.orders.values()).items():
        if orders > 1:
            yield f"I1 {orders} orders at the broker for one decision: {key}"


def same_fills(records: Sequence[Record], world: World) -> Iterator[str]:
    """I2, fill by fill."""
    ours = Counter((f.execution, f.symbol, f.side, f.qty, f.price, f.fee) for r in records
                   if isinstance(r.event, Filled) for f in [r.event.fill])
    theirs = Counter((f.execution, f.symbol, f.side, f.qty, f.price, f.fee) for f in (x.fill for x in world.executions)
                     if f.at >= START)
    for name, wrong in (("lost", theirs - ours), ("twice, or never happened", ours - theirs)):
        if wrong:
            yield f"I2 fills {name}: {', '.join(' '.join(map(str, fill)) for fill in wrong)}"


def same_account(book: Book, world: World) -> Iterator[str]:
    """I2, as it adds up: shares and cash to the cent."""
    ours = {symbol: p.qty for symbol, p in book.positions.items()}
    theirs = {symbol: Decimal(n) for symbol, n in world.shares.items() if n}
    if ours != theirs:
        yield f"I2 the book holds {ours}, the broker {theirs}"
    if book.cash != world.cash:
        yield f"I2 the book has ${book.cash}, the broker ${world.cash}"


def never_rejected(records: Sequence[Record], world: World) -> Iterator[str]:
    """What the broker has was not called refused or never sent."""
    there = {order.client for order in world.orders.values()}
    for record in records:
        event = record.event
        if isinstance(event, OrderMoved) and event.state is State.REJECTED and event.order in there:
            yield f"{event.order} is called rejected, and the broker has it"


def protected(process: Process) -> Iterator[str]:
    """Every share we bought stands behind a stop, or the journal says why not."""
    world, book = process.world, process.ledger.book
    if book.halted or process.switch.engaged():
        return
    for symbol, position in book.positions.items():
        orders = [o for o in book.orders.values() if o.intent.symbol == symbol and o.intent.side == "sell"]
        told = any(o.state in BLAMELESS for o in orders)
        if position.protect is not None and world.free(symbol) and not told:
            yield f"{world.free(symbol)} shares of {symbol} stand without a stop, and nothing says why"


def sold_once(world: World) -> Iterator[str]:
    """No share is offered twice."""
    for symbol in world.shares:
        if world.free(symbol) < 0:
            yield f"open orders would sell {-world.free(symbol)} shares of {symbol} more than there are"
