"""Rehearsal: a whole trading day on bars of the past, with the real runner, order path and exchange, in seconds.

Only the clock is not real: it is stepped. The first process is killed, by the kernel and for good, while the broker's
answer to its first order is on its way; a second one picks up what is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from kobe81.app.live.schedule import jobs
from kobe81.app.live.station import Listener, Market, Places, station
from kobe81.core.bars import Bars
from kobe81.core.clock import SteppedClock
from kobe81.core.errors import UsageError
from kobe81.engine.rules import Rules
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.broker_paper import InProcess, paper_broker
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request, Response
from kobe81.strategies import Strategy

ACCOUNT = "rehearsal"
EVENING = timedelta(minutes=1)
"""How long after its last job a day is over."""


@dataclass(frozen=True)
class Script:
    """What to rehearse: the bars, who trades by which rules, on what terms the exchange fills."""

    bars: Bars
    strategies: Sequence[Strategy]
    rules: Rules
    terms: Terms = Terms()  # noqa: RUF009  (frozen)
    seed: int = 0


def rehearse(folder: Path, script: Script, sessions: Sequence[date], listeners: Sequence[Listener] = (), *,
             dies: bool = False) -> None:
    """Run these sessions in `folder`, from wherever its journal stopped; dies: until its first order is accepted."""
    places, clock = Places(folder), SteppedClock(_begins(folder, sessions[0]))
    exchange = Exchange(BarQuotes(script.bars, script.terms.half_spread_bps), clock.now, store=folder / "exchange.db",
                        terms=script.terms, seed=script.seed)
    handled = _Deadly(exchange) if dies else exchange
    market = Market(broker=lambda switch: paper_broker(handled, clock, switch),
                    feed=AlpacaFeed(InProcess(exchange, clock), clock, "iex"), bars=lambda: script.bars,
                    strategies=script.strategies, rules=script.rules, mode="paper")
    try:
        with station(places, market, clock, listeners) as runner:
            for session in sessions:
                for moment in _moments(session):
                    clock.move_to(moment)
                    runner.step()
            runner.stop("the rehearsal is over")
    finally:
        exchange.close()


class _Deadly:
    """An exchange whose first accepted order is the last thing its caller ever learns of."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def handle(self, request: Request) -> Response:
        answer = self._exchange.handle(request)
        if request.method == "POST" and answer.status < 300:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def _begins(folder: Path, session: date) -> datetime:
    """Just before the first job of the first session, or where the journal stopped, whichever is later."""
    from kobe81.store.journal import open_journal

    first = _moments(session)[0]
    if not Places(folder).journal.exists():
        return first
    journal = open_journal(Places(folder).journal, SteppedClock(first))
    try:
        seq, _ = journal.head()
        return max([first, *(record.time for record in journal.since(seq - 1))])
    finally:
        journal.close()


def _moments(session: date) -> list[datetime]:
    """When something is due: each job, and a look every half hour in between, for stops that fill."""
    today = jobs(session)
    if not today:
        raise UsageError(f"the exchange is closed on {session}; give a session, as 2023-02-03")
    looks = (today[1].at + timedelta(minutes=30 * i) for i in range(1, 48))
    return sorted({*(job.at for job in today), *(t for t in looks if t < today[-1].at), today[-1].at + EVENING})


def killed_process(arguments: Sequence[str], environment: dict[str, str]) -> int:
    """Run the product's own command in another process that kills itself; its exit code, which is -SIGKILL."""
    command = [sys.executable, "-m", "kobe81", *arguments]
    return subprocess.run(command, env=environment, check=False, capture_output=True).returncode  # noqa: S603
