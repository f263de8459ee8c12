"""Alerts: telling people, once, through every channel there is. A channel that fails is told of and stops nothing."""

from __future__ import annotations

import os
import re
from base64 import b32encode
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import IO, Literal, Protocol
from urllib.parse import urlsplit
from warnings import catch_warnings, simplefilter

from msgspec import Struct

from kobe81.core import events as e
from kobe81.core.clock import Clock
from kobe81.core.errors import KobeError, MissingExtra, UsageError
from kobe81.core.events import Record

Severity = Literal["info", "warning", "critical"]

REPEAT_AFTER = timedelta(minutes=15)
"""The same alert is told again only after this long."""

MOST, WITHIN = 20, timedelta(hours=1)
"""Alerts that are sent in so long a time; critical ones always are."""

ACKNOWLEDGE_WITHIN = timedelta(minutes=30)
"""How long a critical alert may stand unacknowledged before trading stops."""

PATIENCE = 5.0
"""Seconds that all channels together may take."""


class Alert(Struct, frozen=True, kw_only=True):
    """Something a person must know. seq: its record's in the journal, 0 while it has none."""

    id: str
    at: datetime
    severity: Severity
    text: str
    seq: int = 0

    @property
    def line(self) -> str:
        """The alert in one line, without what a terminal would obey."""
        ask = f" (acknowledge: kobe alerts ack {self.id})" if self.severity != "info" else ""
        return f"{self.at:%Y-%m-%d %H:%M:%S}Z {self.severity.upper()} {printable(self.text)}{ask}"


class ChannelFailed(KobeError):  # noqa: N818
    """An alert did not get through."""


class Channel(Protocol):
    """A way to tell people."""

    name: str

    def send(self, alert: Alert) -> None:
        """Send it; whatever is raised is told as this channel's failure."""


class Failure(Struct, frozen=True):
    """A channel that did not do its part, and why."""

    channel: str
    reason: str


class Raised(Struct, frozen=True):
    """What became of an alert: failures of its channels; held: it is journaled, but too many were sent before."""

    alert: Alert
    failures: tuple[Failure, ...] = ()
    held: bool = False

    @property
    def event(self) -> e.Alerted:
        """What the journal keeps."""
        return e.Alerted(id=self.alert.id, severity=self.alert.severity, text=self.alert.text)


class Console:
    """The terminal, or whatever stands in its place."""

    name = "console"

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def send(self, alert: Alert) -> None:
        self._stream.write(alert.line + "\n")
        self._stream.flush()


class LogFile:
    """A file of alerts, one a line, for its owner alone."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, alert: Alert) -> None:
        with open(self._path, "a", encoding="utf-8", opener=_owner_only) as file:
            file.write(alert.line + "\n")


class Apprise:
    """Any of the services apprise knows, by its URL. name: the service, never the URL, which holds secrets.

    UsageError for a URL that apprise does not understand, MissingExtra where it is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            from apprise import Apprise as Service
        except ImportError:
            raise MissingExtra("sending alerts through apprise", "alerts") from None
        self.name, self._service = urlsplit(url).scheme or "apprise", Service()
        with catch_warnings():
            simplefilter("ignore")  # apprise's services import what newer Pythons deprecate
            understood = self._service.add(url)
        if not understood:
            raise UsageError(f"the alert channel {self.name}://*** is not understood; see the URLs of apprise")

    def send(self, alert: Alert) -> None:
        if not self._service.notify(alert.line, title=f"Kobe81: {alert.severity}"):
            raise ChannelFailed("the service did not take it")


class Alerts:
    """Tells people. The caller journals what is raised, and its failures."""

    def __init__(self, channels: Sequence[Channel], clock: Clock) -> None:
        self._channels, self._clock = channels, clock
        self._last: dict[tuple[str, str], datetime] = {}
        self._sent: deque[datetime] = deque()

    def remember(self, records: Iterable[Record]) -> None:
        """Know what was alerted before this process began, so that a restart repeats nothing."""
        for record in records:
            if isinstance(record.event, e.Alerted):
                self._last[record.event.severity, text_key(record.event.text)] = record.time

    def tell(self, severity: Severity, text: str) -> Raised | None:
        """Send an alert through all channels; None where the same was told within the last 15 minutes."""
        now = self._clock.now()
        return self._raise(Alert(id=alert_id(now, severity, text), at=now, severity=severity, text=text))

    def forward(self, record: Record) -> Raised | None:
        """Send an alert that the journal has already, under its id there; None where there is nothing to send."""
        told = record.event
        if not isinstance(told, e.Alerted):
            return None
        return self._raise(Alert(id=told.id, at=record.time, severity=told.severity, text=told.text, seq=record.seq))

    def _raise(self, alert: Alert) -> Raised | None:
        now, key = alert.at, (alert.severity, text_key(alert.text))
        self._last = {k: at for k, at in self._last.items() if at <= now < at + REPEAT_AFTER}
        if key in self._last:
            return None
        self._last[key] = now
        if alert.severity != "critical" and self._too_many(now):
            return Raised(alert, held=True)
        self._sent.append(now)
        return Raised(alert, self._send(alert))

    def _too_many(self, now: datetime) -> bool:
        while self._sent and not now - WITHIN < self._sent[0] <= now:
            self._sent.popleft()
        return len(self._sent) >= MOST

    def _send(self, alert: Alert) -> tuple[Failure, ...]:
        """All channels at once, each in a thread that may outlive our patience and hold up nothing."""
        attempts = [_attempt(channel, alert) for channel in self._channels]
        wait(attempts, PATIENCE)
        failures = zip(self._channels, map(_failure, attempts), strict=True)
        return tuple(Failure(channel.name, reason) for channel, reason in failures if reason)


def _attempt(channel: Channel, alert: Alert) -> Future[None]:
    attempt: Future[None] = Future()

    def work() -> None:
        try:
            channel.send(alert)
        except Exception as error:  # noqa: BLE001  (whatever a channel does, trading goes on)
            attempt.set_exception(error)
        else:
            attempt.set_result(None)

    Thread(target=work, name=f"alert-{channel.name}", daemon=True).start()
    return attempt


def _failure(attempt: Future[None]) -> str:
    """Why it failed, "" where it did not; of a foreign error only its type, for its words may hold a channel's URL."""
    if not attempt.done():
        return f"no answer within {PATIENCE:.0f} s"
    error = attempt.exception()
    return "" if error is None else str(error) if isinstance(error, KobeError) else type(error).__name__


def alert_id(at: datetime, severity: str, text: str) -> str:
    """The alert's name: eight characters that the same alert at the same time always gets."""
    told = sha256(f"{at.isoformat()}|{severity}|{text}".encode()).digest()
    return b32encode(told).decode().lower()[:8]


def text_key(text: str) -> str:
    """What two alerts have in common that tell the same with other numbers."""
    return re.sub(r"\d[\d,.]*", "#", text)


def open_alerts(records: Iterable[Record]) -> dict[str, Alert]:
    """The alerts that ask for an acknowledgement and have none, by id, in order."""
    found: dict[str, Alert] = {}
    for record in records:
        told = record.event
        if isinstance(told, e.Alerted) and told.severity != "info":
            found[told.id] = Alert(id=told.id, at=record.time, severity=told.severity, text=told.text, seq=record.seq)
        elif isinstance(told, e.Acknowledged):
            found.pop(told.id, None)
    return found


def overdue(alerts: Mapping[str, Alert], now: datetime,
            acknowledge_within: timedelta = ACKNOWLEDGE_WITHIN) -> Alert | None:
    """The first open critical alert that nobody acknowledged in time, for which trading is to stop."""
    late = (a for a in alerts.values() if a.severity == "critical" and not now - a.at < acknowledge_within)
    return min(late, key=lambda a: a.seq, default=None)


def printable(text: str) -> str:
    """The text on one line, what a terminal would obey spelt out."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
