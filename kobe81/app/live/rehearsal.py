"""Rehearsal: a whole trading day on bars of the past, with the real runner, order path and exchange, in seconds.

Only the clock is not real: it is stepped. The first process is killed, by the kernel and for good, while the broker's
answer to its first order is on its way; a second one picks up what is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.json import decode

from kobe81.app.live.play import play, play_clock, resumes
from kobe81.app.live.station import Listener, Market, Places, station
from kobe81.core.bars import Bars
from kobe81.core.clock import Clock
from kobe81.core.decisions import encode
from kobe81.engine.rules import Rules
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.broker_paper import InProcess, paper_broker
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request, Response
from kobe81.strategies import Strategy, strategy

ACCOUNT = "rehearsal"


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
    clock = play_clock(resumes(folder, sessions[0]), 0.0)
    with exchange_of(folder, script, clock) as exchange:
        handled = _Deadly(exchange) if dies else exchange
        market = Market(broker=lambda switch: paper_broker(handled, clock, switch),
                        feed=AlpacaFeed(InProcess(exchange, clock), clock, "iex"), bars=lambda: script.bars,
                        strategies=script.strategies, rules=script.rules, mode="paper")
        with station(Places(folder), market, clock, listeners) as runner:
            play(runner, clock, sessions, 0.0)


@contextmanager
def exchange_of(folder: Path, script: Script, clock: Clock) -> Iterator[Exchange]:
    """The exchange that keeps its books in `folder`."""
    exchange = Exchange(BarQuotes(script.bars, script.terms.half_spread_bps), clock.now, store=folder / "exchange.db",
                        terms=script.terms, seed=script.seed)
    try:
        yield exchange
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


class Plan(Struct, frozen=True, kw_only=True):
    """A rehearsal as one process tells it another. bars: as for --data; rules: plain values, as Rules.of takes them."""

    folder: str
    bars: str
    sessions: tuple[date, ...]
    strategies: dict[str, dict[str, Any]]
    rules: dict[str, Any]

    @property
    def script(self) -> Script:
        """What it describes."""
        from kobe81.app.opening import open_market
        from kobe81.app.options import DataOptions

        made = [strategy(name, values) for name, values in self.strategies.items()]
        return Script(open_market(DataOptions(self.bars)).bars, made, Rules.of(self.rules))


def run_and_die(plan: Plan) -> int:
    """Rehearse in another process until it kills itself; its exit code, minus the signal's number where it did."""
    command = [sys.executable, "-m", "kobe81.app.live.rehearsal", encode(plan).decode()]
    return subprocess.run(command, check=False).returncode  # noqa: S603  (our own interpreter and module)


def main(argument: str) -> None:
    """What the other process does."""
    plan = decode(argument, type=Plan)
    rehearse(Path(plan.folder), plan.script, plan.sessions, dies=True)


if __name__ == "__main__":
    main(sys.argv[1])
