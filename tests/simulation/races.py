"""Several deciders on one budget: each with a connection of its own to one real journal file."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from time import sleep

from msgspec.structs import replace

from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Account, Candidate, Decision, Snapshot
from kobe81.core.events import AccountOpened, SessionOpened
from kobe81.engine.book import Book
from kobe81.engine.decide import decide
from kobe81.oms.ledger import Ledger
from kobe81.oms.outbox import Outbox
from kobe81.store.journal import open_journal
from tests.simulation.broker import SimulatedBroker
from tests.simulation.chance import Chance
from tests.simulation.days import CASH, MAX_DAY, MONDAY, PLAN, rules, snapshot
from tests.simulation.disk import Disk
from tests.simulation.world import Masks, World

DECIDERS = 8
SCAN = PLAN[1]
THINKS = 0.001
"""Seconds a decider takes at least: time enough for another to come in between, if it can."""


def race(folder: Path, deciders: int = DECIDERS) -> list[str]:
    """All decide at once, each for a symbol of its own, of which two fit the day's budget."""
    path = folder / "journal.db"
    prepare(path)
    start = Barrier(deciders)
    with ThreadPoolExecutor(deciders) as pool:
        list(pool.map(lambda number: decide_once(path, number, start), range(deciders)))
    return overspent(path)


def prepare(path: Path) -> None:
    """A journal of a day that has begun."""
    journal = open_journal(path, SteppedClock(SCAN.at))
    journal.append(AccountOpened(account="SIM", cash=CASH))
    journal.append(SessionOpened(session=MONDAY, equity=CASH), cause=1)
    journal.close()


def decide_once(path: Path, number: int, start: Barrier | None = None) -> None:
    """One decider's scan. start: where it waits for the others."""
    clock = SteppedClock(SCAN.at)
    journal = open_journal(path, clock, patience=60.0)
    ledger = Ledger(journal)
    seen = wish(number)

    def slowly(book: Book) -> Decision:
        decision = decide(book, seen, rules())
        sleep(THINKS)
        return decision

    if start:
        start.wait()
    Outbox(ledger, _nobody(clock), clock).commit(slowly, 2, f"decided|{number}")
    journal.close()


def wish(number: int) -> Snapshot:
    """What one decider sees: a symbol nobody else wants."""
    account = Account(number="SIM", status="ACTIVE", cash=CASH, equity=CASH, buying_power=CASH)
    common = snapshot(SCAN, SCAN.at, Book(), Chance(0), account, killed=False)
    symbol, model = f"S{number}", common.candidates[0]
    candidate: Candidate = replace(model, symbol=symbol)
    return replace(common, scan=f"d{number}", candidates=(candidate,), quotes={symbol: common.quotes[model.symbol]},
                   facts={symbol: common.facts[model.symbol]})


def overspent(path: Path) -> list[str]:
    """I5, and that the budget was used at all."""
    journal = open_journal(path, SteppedClock(SCAN.at))
    orders = Ledger(journal).book.orders.values()
    journal.close()
    spent = sum((o.intent.notional for o in orders), Decimal(0))
    fits = MAX_DAY / 2 < spent <= MAX_DAY
    return [] if fits else [f"I5 {len(orders)} orders of ${spent} in all on a budget of ${MAX_DAY}"]


def races(number: int) -> list[str]:
    """So many races, until one is lost."""
    for _ in range(number):
        with TemporaryDirectory() as folder:
            if lost := race(Path(folder)):
                return lost
    return []


def _nobody(clock: SteppedClock) -> SimulatedBroker:
    """A broker that nobody asks anything."""
    return SimulatedBroker(World(Chance(0), Masks()), Disk(lambda at: None), clock, None)  # type: ignore[arg-type]


def main() -> None:
    """A process that decides for some of the symbols: races.py JOURNAL NUMBER..."""
    for number in sys.argv[2:]:
        decide_once(Path(sys.argv[1]), int(number))


if __name__ == "__main__":
    main()
