"""The session's candidates: what every strategy says of the bars before it, and what those bars say themselves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from types import FrameType

import numpy as np

from kobe81.backtest.engine import compute_signals
from kobe81.core.bars import Bars
from kobe81.core.days import day, number
from kobe81.core.decisions import Candidate, Facts
from kobe81.core.errors import KobeError
from kobe81.core.signals import Signals
from kobe81.data.panel import content_hash
from kobe81.engine.candidates import Measured, candidates
from kobe81.strategies import Strategy

LONGEST = 60.0
"""Seconds a strategy may take."""
STALE = 10
"""Sessions after which a symbol without bars is no candidate any more."""


@dataclass(frozen=True)
class Watchlist:
    """What may be traded in one session. bars: the hash of the bars it was made of; failed: strategies and why."""

    session: date
    bars: str
    candidates: tuple[Candidate, ...]
    facts: dict[str, Facts]
    dates: dict[str, np.ndarray[tuple[int], np.dtype[np.int32]]]
    failed: dict[str, str] = field(default_factory=dict)

    def held(self, symbol: str, entered: date, *, trades_today: bool) -> int:
        """The symbol's bars since a session, both ends included; today's counts where it trades."""
        days = self.dates.get(symbol, np.empty(0, np.int32))
        return int(np.count_nonzero(days >= number(entered))) + trades_today


def watchlist(bars: Bars, strategies: Sequence[Strategy], session: date) -> Watchlist:
    """The candidates of a session from the bars before it: signals on each symbol's last bar, unless that is stale.

    A strategy that raises, takes too long or answers with junk is left out, and named.
    """
    known = bars.between(-(1 << 30), number(session) - 1)
    found: list[Candidate] = []
    failed: dict[str, str] = {}
    last = known.offsets[1:] - 1
    fresh = last[known.session[last] >= len(known.sessions) - STALE]
    for strategy in strategies:
        try:
            with _within(LONGEST):
                signals = _sound(known, strategy)
            found += candidates(known, signals, np.flatnonzero(np.isin(signals.bar, fresh)), strategy.hold)
        except Exception as error:  # noqa: BLE001  (a plugin may fail in any way; the others go on)
            failed[strategy.name] = f"{type(error).__name__}: {error}"
    measured = Measured.of(known)
    facts = {symbol: measured.at(int(row)) for symbol, row in zip(known.symbols, last, strict=True)}
    dates = {s: known.date[a:b] for s, a, b in zip(known.symbols, known.offsets[:-1], known.offsets[1:], strict=True)}
    return Watchlist(session, content_hash(known), tuple(found), facts, dates, failed)


def age(bars: Bars, session: date) -> date | None:
    """The last day before the session that the bars know; None where there is none."""
    before = bars.sessions[bars.sessions < number(session)]
    return day(before[-1]) if len(before) else None


def _sound(bars: Bars, strategy: Strategy) -> Signals:
    """The strategy's signals; KobeError where they are none."""
    (signals,) = compute_signals(bars, [strategy])
    columns = (signals.entry, signals.stop, signals.score)
    if not all(np.isfinite(np.asarray(c, np.float64)).all() and len(c) == len(signals.bar) for c in columns):
        raise KobeError("it gave a signal without a finite entry, stop or score")
    if len(signals) and not (signals.bar.min() >= 0 and signals.bar.max() < len(bars)):
        raise KobeError("it gave a signal for a bar that does not exist")
    return signals


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """TimeoutError inside after so long, where this is the main thread, which alone can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
