"""The session's candidates: what every strategy says of the bars before it, and what those bars say themselves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import FrameType

import numpy as np

from kobe81.app.live.schedule import EXCHANGE
from kobe81.backtest.engine import compute_signals
from kobe81.core.bars import Bars, Ints
from kobe81.core.calendar import sessions
from kobe81.core.days import day, number
from kobe81.core.decisions import Candidate, Facts
from kobe81.core.errors import KobeError
from kobe81.core.signals import Signals
from kobe81.data.panel import content_hash
from kobe81.engine.candidates import Measured, candidates
from kobe81.monitor.anomaly_detector import Anomaly, anomalies
from kobe81.strategies import Strategy

LONGEST = 60.0
"""Seconds a strategy may take."""
STALE = 10
"""Sessions after which a symbol without bars is no candidate any more."""
WORST = 3
"""Symbols that stand out which are named."""
A_DAY, A_MONTH = timedelta(days=1), timedelta(days=31)


@dataclass(frozen=True)
class Watchlist:
    """What may be traded in one session.

    bars: the hash of the bars it was made of; failed: strategies and why; doubts: what people are to know of the bars.
    """

    session: date
    bars: str
    candidates: tuple[Candidate, ...]
    facts: dict[str, Facts]
    dates: dict[str, np.ndarray[tuple[int], np.dtype[np.int32]]]
    failed: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    def held(self, symbol: str, entered: date, *, trades_today: bool) -> int:
        """The symbol's bars since a session, both ends included; today's counts where it trades."""
        days = self.dates.get(symbol, np.empty(0, np.int32))
        return int(np.count_nonzero(days >= number(entered))) + trades_today


def watchlist(bars: Bars, strategies: Sequence[Strategy], session: date) -> Watchlist:
    """The candidates of a session from the bars before it: signals on each symbol's last bar, unless that is stale.

    Bars that end before the last complete session give none: what they say is of another day. A strategy that raises,
    takes too long or answers with junk is left out, and named.
    """
    known = bars.between(-(1 << 30), number(session) - 1)
    last = known.offsets[1:] - 1
    fresh = last[known.session[last] >= len(known.sessions) - STALE]
    found, failed = _found(known, strategies, fresh)
    if _behind(known, session):
        found = []
    measured = Measured.of(known)
    facts = {symbol: measured.at(int(row)) for symbol, row in zip(known.symbols, last, strict=True)}
    dates = {s: known.date[a:b] for s, a, b in zip(known.symbols, known.offsets[:-1], known.offsets[1:], strict=True)}
    return Watchlist(session, content_hash(known), tuple(found), facts, dates, failed)


def doubts(bars: Bars, session: date) -> tuple[str, ...]:
    """What people are to know of the bars before a session: that they end too early, and what stands out in the last.

    Symbols without a bar on the last day do not stand out: they are not there.
    """
    known = bars.between(-(1 << 30), number(session) - 1)
    if not len(known):
        return (f"there are no bars before {session}",)
    ends, behind = day(known.sessions[-1]), _behind(known, session)
    told = [f"{behind}; there are no candidates. Run: kobe data fetch"] if behind else []
    there = known.session[known.offsets[1:] - 1] == len(known.sessions) - 1
    odd = sorted(anomalies(known.keep(there[known.symbol_index])), key=_how_odd)
    if odd:
        told.append(f"{len({a.symbol for a in odd})} symbols stand out in the bars of {ends}: "
                    f"{'; '.join(map(str, _worst(odd)))}")
    return tuple(told)


def _behind(known: Bars, session: date) -> str:
    """How the bars before a session miss the last complete one; "" where they do not."""
    due = sessions(EXCHANGE, session - A_MONTH, session - A_DAY)[-1]
    ends = day(known.sessions[-1]) if len(known) else None
    return f"the bars end on {ends}, the last complete session is {due}" if ends is None or ends < due else ""


def _how_odd(anomaly: Anomaly) -> float:
    return -abs(anomaly.score) if anomaly.score == anomaly.score else -np.inf


def _worst(odd: Sequence[Anomaly]) -> list[Anomaly]:
    """The first of each of the first symbols."""
    each = {a.symbol: a for a in reversed(odd)}
    return sorted(each.values(), key=_how_odd)[:WORST]


def _found(bars: Bars, strategies: Sequence[Strategy], fresh: Ints) -> tuple[list[Candidate], dict[str, str]]:
    """The candidates of all strategies, and what became of those that gave none because they failed."""
    together = _together(bars, strategies)
    found: list[Candidate] = []
    failed: dict[str, str] = {}
    for strategy in strategies:
        try:
            signals = together[strategy.name] if together else _alone(bars, strategy)
            _check(bars, signals)
            found += candidates(bars, signals, np.flatnonzero(np.isin(signals.bar, fresh)), strategy.hold)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a plugin may fail in any way; the others go on)
            failed[strategy.name] = f"{type(error).__name__}: {error}"
    return found, failed


def _together(bars: Bars, strategies: Sequence[Strategy]) -> dict[str, Signals]:
    """All strategies' signals, which share their indicators; none where one fails, and each has to be asked alone."""
    try:
        with _within(LONGEST):
            return dict(zip((s.name for s in strategies), compute_signals(bars, strategies), strict=True))
    except (Exception, SystemExit):  # noqa: BLE001  (which it was, and why, is found out one by one)
        return {}


def _alone(bars: Bars, strategy: Strategy) -> Signals:
    with _within(LONGEST):
        (signals,) = compute_signals(bars, [strategy])
    return signals


def _check(bars: Bars, signals: Signals) -> None:
    """KobeError where a strategy's answer is not one."""
    columns = (signals.side, signals.entry, signals.stop, signals.take_profit, signals.score)
    if not all(len(c) == len(signals.bar) for c in columns):
        raise KobeError("it gave arrays of different lengths")
    if not all(np.isfinite(np.asarray(c, np.float64)).all() for c in (signals.entry, signals.stop, signals.score)):
        raise KobeError("it gave a signal without a finite entry, stop or score")
    if len(signals) and not (signals.bar.min() >= 0 and signals.bar.max() < len(bars)):
        raise KobeError("it gave a signal for a bar that does not exist")


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
