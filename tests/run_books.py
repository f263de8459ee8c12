"""Two books of one home folder, side by side: what the journal comes to, and what the exchange's own file says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from kobe81.core.events import Filled, Intended, OrderMoved, Record
from kobe81.core.orders import State
from kobe81.engine.apply import replay
from kobe81.engine.book import Book
from kobe81.execution.exchange.accounts import Account, Fill
from kobe81.execution.exchange.store import State as Exchange
from kobe81.execution.exchange.store import Store
from kobe81.store.journal import open_journal

ENDED = {"filled", "canceled", "expired", "rejected", "replaced"}


class Trade(NamedTuple):
    """Shares that changed hands, without what names them."""

    symbol: str
    side: str
    qty: Decimal
    price: Decimal


class Books(NamedTuple):
    """What a home folder holds."""

    records: tuple[Record, ...]
    book: Book
    exchange: Exchange

    @classmethod
    def of(cls, folder: Path) -> Books:
        """Both, read from their files."""
        journal, store = open_journal(folder / "journal.db", NoClock()), Store(folder / "exchange.db")
        try:
            records, state = tuple(journal.since(0)), store.load()
        finally:
            journal.close()
            store.close()
        assert state is not None
        return cls(records, replay(records), state)

    @property
    def account(self) -> Account:
        """The exchange's account, added up from its activities."""
        return Account(self.exchange.cash, self.exchange.activities)

    @property
    def trades(self) -> Counter[Trade]:
        """What was traded, by the exchange."""
        return Counter(Trade(a.symbol, a.side, a.qty, a.price) for a in self.exchange.activities if isinstance(a, Fill))

    @property
    def intents(self) -> list[Intended]:
        """Every order that was decided."""
        return [r.event for r in self.records if isinstance(r.event, Intended)]

    @property
    def cut_off(self) -> set[str]:
        """Symbols in which a kill came between the last look and the exchange, so that nobody may send again."""
        symbols = {event.intent.id: event.intent.symbol for event in self.intents}
        return {symbols[r.event.order] for r in self.records
                if isinstance(r.event, OrderMoved) and r.event.state is State.UNKNOWN}

    def differences(self) -> Iterator[str]:
        """Whatever should be the same and is not."""
        yield from self._money()
        yield from self._fills()
        yield from self._orders()
        yield from self._stops()

    def _money(self) -> Iterator[str]:
        if self.book.cash != self.account.cash:
            yield f"cash: book {self.book.cash}, exchange {self.account.cash}"
        held = {s: p.qty for s, p in self.book.positions.items()}
        if held != {s: p.qty for s, p in self.account.positions.items()}:
            yield f"positions: book {held}, exchange {self.account.positions}"

    def _fills(self) -> Iterator[str]:
        ours = Counter((r.event.fill.execution, r.event.fill.qty, r.event.fill.price)
                       for r in self.records if isinstance(r.event, Filled))
        theirs = Counter((a.id, a.qty, a.price) for a in self.exchange.activities if isinstance(a, Fill))
        if ours != theirs:
            yield f"fills: only in the book {ours - theirs}, only at the exchange {theirs - ours}"

    def _orders(self) -> Iterator[str]:
        ids, keys = Counter(e.intent.id for e in self.intents), Counter(e.intent.key for e in self.intents)
        sent = Counter(order.client_order_id for order in self.exchange.orders)
        for what, found in (("decision key", keys), ("id", ids), ("order at the exchange", sent)):
            yield from (f"{what} {name} is there {n} times" for name, n in found.items() if n > 1)
        yield from (f"order {name} was never decided" for name in sent if name not in ids)

    def _stops(self) -> Iterator[str]:
        for symbol, position in self.account.positions.items():
            stops = [o for o in self.exchange.orders if o.symbol == symbol and o.type == "stop"
                     and o.status.value not in ENDED]
            if [o.leaves for o in stops] != [position.qty]:
                yield f"{symbol}: {position.qty} held, stops for {[o.leaves for o in stops]}"


class NoClock:
    """For those who only read."""
