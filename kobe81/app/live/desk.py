"""The desk: where a runner is watched from. Its lines, its log, its alerts, and the signals it listens to."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

import structlog

from kobe81.app.live.lines import line
from kobe81.app.live.runner import Runner
from kobe81.app.live.station import Places
from kobe81.core.clock import Clock
from kobe81.core.errors import StoreError
from kobe81.core.events import Alerted, Record
from kobe81.core.secret import Secret
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.monitor import logs
from kobe81.monitor.alerts import Alerts, Apprise, Channel, LogFile

log = structlog.get_logger("kobe81.runner")


def show(text: str) -> None:
    """One line on the terminal, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell(record: Record) -> None:
    """A record in the log and, where people want to see it, on the terminal."""
    text = line(record)
    log.info(type(record.event).__name__, seq=record.seq, cause=record.cause, at=record.time.isoformat(), text=text)
    if text:
        show(text)


@dataclass
class Bell:
    """Sends each new alert through the channels, in a thread, so that a slow one holds up no order."""

    alerts: Alerts
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "alerts"))

    def __call__(self, record: Record) -> None:
        """Ring, where the record is an alert."""
        if isinstance(record.event, Alerted):
            self._thread.submit(self._ring, record)

    def _ring(self, record: Record) -> None:
        raised = self.alerts.forward(record)
        for failure in raised.failures if raised else ():
            log.warning("an alert did not get through", channel=failure.channel, reason=failure.reason)

    def close(self) -> None:
        """Let those under way get through."""
        self._thread.shutdown()


@contextmanager
def watched(places: Places, clock: Clock, urls: tuple[Secret, ...] = (), secrets: tuple[Secret, ...] = (),
            ) -> Iterator[list[Callable[[Record], None]]]:
    """The listeners of a runner. urls: channels of apprise; secrets: what no log may show."""
    logging.raiseExceptions = False  # a log that cannot be written, on a full disk, stops nothing and shouts at nobody
    logs.set_up(places.folder / "logs" / "kobe.jsonl", sys.stderr, clock, (*urls, *secrets), shown=logging.WARNING)
    channels: list[Channel] = [LogFile(places.folder / "alerts.log"), *(Apprise(url.reveal()) for url in urls)]
    bell = Bell(Alerts(channels, clock))
    try:
        yield [tell, bell]
    finally:
        bell.close()


@contextmanager
def killable(places: Places) -> Iterator[None]:
    """SIGUSR1 sets the kill switch."""
    def kill(number: int, frame: FrameType | None) -> None:
        with suppress(StoreError):  # without its folder the switch counts as set
            FileKillSwitch(places.switch).engage("SIGUSR1", "the signal was sent")

    with _handled(signal.SIGUSR1, kill):
        yield


@contextmanager
def stoppable(runner: Runner) -> Iterator[None]:
    """SIGINT stops the runner in order, a second one where it stands.

    SIGTERM is left alone: it ends the process, and starting again is recovering from that.
    """
    def stop(number: int, frame: FrameType | None) -> None:
        runner.stopping = "interrupted (Ctrl-C)"
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with _handled(signal.SIGINT, stop):
        yield


@contextmanager
def _handled(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
