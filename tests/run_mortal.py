"""`python run_mortal.py LIVES ARGUMENT...`: kobe with these arguments, killed again and again, until it ends by itself.

LIVES is a list, as 17,3,250ms: each a process of its own, which kills itself at its 17th step, or is killed after 250
milliseconds. A step is the moment before or after something becomes durable or is sent: an append to the journal, a
change of the exchange's file, an order or a cancellation. The last line of standard output says how many were killed,
and the exit code of the last.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import cache, wraps
from typing import Any

from kobe81.app.cli import main
from kobe81.app.live.schedule import jobs
from kobe81.app.live.watchlist import watchlist
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.store import Store
from kobe81.store.journal import SqliteJournal
from kobe81.strategies import strategies, strategy


class Fate:
    """Counts steps, and ends the process for good at the last."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, name: str, counts: Callable[..., bool] = lambda *_: True) -> None:
        """Have a step before and after each call of a method that counts."""
        inner = getattr(owner, name)

        @wraps(inner)
        def call(*arguments: Any, **named: Any) -> Any:
            counted = counts(*arguments)
            if counted:
                self.step()
            try:
                return inner(*arguments, **named)
            finally:
                if counted:
                    self.step()

        setattr(owner, name, call)


def live(steps: int, arguments: list[str]) -> None:
    """One life."""
    fate = Fate(steps)
    fate.around(SqliteJournal, "append")
    fate.around(Store, "save")
    fate.around(Exchange, "handle", lambda exchange, request: request.method != "GET")
    main(arguments)


def grow_up() -> None:
    """Have what takes a second in every process done once, before the first life begins."""
    from kobe81.app.live import trading

    trading.open_market = cache(trading.open_market)
    watchlist(synthetic_bars(2, 260, seed=1), [strategy(name) for name in strategies.names()], date(2015, 12, 31))
    jobs(date(2015, 12, 31))


def lives(ends: list[str], arguments: list[str]) -> tuple[int, int]:
    """How many lives were killed, and the exit code of the last."""
    for killed, end in enumerate(ends):
        outside = end.endswith("ms")
        number = int(end.removesuffix("ms"))
        child = os.fork()
        if child == 0:
            live(0 if outside else number, arguments)
        code = killed_after(child, number) if outside else ended(child)
        if code != -signal.SIGKILL:
            return killed, code
    return len(ends), -signal.SIGKILL


def killed_after(child: int, milliseconds: int) -> int:
    """Its exit code, having been killed from outside unless it ended before."""
    time.sleep(milliseconds / 1000)
    os.kill(child, signal.SIGKILL)
    return ended(child)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    grow_up()
    print(*lives(sys.argv[1].split(","), sys.argv[2:]))
