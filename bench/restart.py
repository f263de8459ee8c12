"""Restarting on a long journal: the home folder it is done in, and the process that does it and nothing else.

    python -m bench.restart FOLDER PANEL     says READY once an order might be sent
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

from bench.data import Source
from bench.days import ACCOUNT, CASH, EVENTS, day
from bench.processes import ROOT
from kobe81.app.live.rehearsal import Script, exchange_of
from kobe81.app.live.runner import Runner
from kobe81.app.live.station import Market, Places, station
from kobe81.core.bars import Bars
from kobe81.core.calendar import hours, sessions
from kobe81.core.clock import SteppedClock
from kobe81.core.days import day as calendar_day
from kobe81.core.events import Valued
from kobe81.engine.rules import Rules
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.broker_paper import InProcess, paper_broker
from kobe81.store.checkpoints import Notary, signing_key
from kobe81.store.journal import open_journal
from kobe81.strategies import strategies, strategy

READY = "READY"
RULES = {"account": ACCOUNT, "trading": {"notional": 1_000},
         "gates": {"policy_gate": {"max_order": "1100", "max_day": "100000"}}}
"""All gates on, with room for orders of $1,000."""


@contextmanager
def runner_at(folder: Path, bars: Callable[[], Bars], clock: SteppedClock) -> Iterator[Runner]:
    """A runner of both strategies, started, with the exchange within. bars: opened anew for each session."""
    script = Script(bars(), [strategy(name) for name in strategies.names()], Rules.of(RULES))
    with exchange_of(folder, script, clock) as exchange:
        market = Market(broker=lambda switch: paper_broker(exchange, clock, switch), mode="paper", rules=script.rules,
                        feed=AlpacaFeed(InProcess(exchange, clock), clock, "iex"), bars=bars,
                        strategies=script.strategies)
        with station(Places(folder), market, clock) as runner:
            yield runner


def make_home(folder: Path, bars: Bars, events: int) -> Path:
    """A home folder whose journal has so many records, of whole trading days but for a few, a checkpoint after each.

    The account was opened, and is left, with the same cash and nothing held; so the exchange has it too.
    """
    folder.mkdir(mode=0o700)
    past = _past(bars, events // EVENTS)
    clock = SteppedClock(_evening(past[0]) - timedelta(days=1))
    with runner_at(folder, lambda: bars, clock):
        pass
    places = Places(folder)
    journal = open_journal(places.journal, clock)
    notary = Notary(journal, places.checkpoints, signing_key(places.key), "bench", clock)
    days, rest = divmod(events - journal.head()[0], EVENTS)
    journal.append(*[Valued(session=past[0], equity=CASH)] * rest)
    for session in past[-days:] if days else []:
        clock.move_to(_evening(session))
        journal.append(*day(session))
        notary.checkpoint()
    journal.close()
    return folder


def restart(folder: Path, bars: Bars) -> tuple[float, int]:
    """Seconds from a closed journal to READY, and how many records it had; SystemExit where it is not ready."""
    clock = SteppedClock(evening_of(bars))
    begun = time.perf_counter()
    with runner_at(folder, lambda: bars, clock) as runner:
        took = time.perf_counter() - begun
        if not runner.book.ready or runner.book.cash != CASH:
            raise SystemExit(f"the runner is not ready: {runner.book.not_ready}; nothing was written")
        return took, runner.book.started - 1


def restart_process(source: Source, folder: Path) -> float:
    """Wall seconds from the start of a process to its READY."""
    command = [sys.executable, "-m", "bench.restart", str(folder), str(source.panel)]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ) as process:
        said = process.stdout.readline() if process.stdout else ""
        took = time.perf_counter() - begun
    if said.strip() != READY:
        raise SystemExit(f"the restarted process said {said!r}; nothing was written")
    return took


def evening_of(bars: Bars) -> datetime:
    """After the last session of the bars, when nothing is due."""
    return _evening(_past(bars, 1)[-1])


def _past(bars: Bars, count: int) -> list[date]:
    """The last sessions up to the end of the bars, one at least."""
    last = calendar_day(bars.sessions[-1])
    return sessions("XNYS", last - timedelta(days=10 + 2 * count), last)[-max(count, 1):]


def _evening(session: date) -> datetime:
    found = hours("XNYS", session)
    if found is None:
        raise ValueError(f"{session} is no session of the exchange")
    return found[1] + timedelta(hours=1)


if __name__ == "__main__":
    home, panel = map(Path, sys.argv[1:])
    known = Source("", Path(), panel).bars()
    with runner_at(home, lambda: known, SteppedClock(evening_of(known))) as runner:
        print(READY if runner.book.ready else runner.book.not_ready, flush=True)
