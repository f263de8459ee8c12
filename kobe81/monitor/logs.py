"""Logs: JSON lines in a rotating file and readable ones on the console, both without secrets.

Everything that logs through the standard library comes the same way, so that what a library says of a URL or of an
error is masked as well.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from logging.handlers import RotatingFileHandler
from math import isfinite
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from kobe81.core.clock import Clock
from kobe81.core.secret import MASK, Secret

SHORTEST_SECRET = 4
"""Characters; a shorter value is in too many words to be masked."""

LARGEST_FILE, OLD_FILES = 10_000_000, 5
"""Bytes of a log file, and how many of those before are kept."""

SECRET_NAME = re.compile(r"(?i)secret|passw|passphrase|token|credential|authori[sz]ation|cookie|private|"
                         r"api[-_]?key|key[-_]?id|access[-_]?key")
"""Names of values that are masked whatever they are."""

_IN_TEXT = (
    (re.compile(r"(?<=://)[^/\s@'\"]+(?=@)"), MASK),
    (re.compile(r"(?i)\b([\w.-]*(?:key|token|secret|signature|passw)[\w.-]*=)[^&;#\s'\"]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {MASK}"),
)
"""Who logs in by a URL, what its query gives as a key, and what an Authorization header holds."""


STRUCTLOGS_OWN = {"_record", "_from_structlog"}
"""What structlog's formatter adds, and takes out again before anything is written."""


class Masker:
    """Takes secrets out of values. secrets: known ones, found in any text, as they are, quoted and escaped."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        plain = [secret.reveal() for secret in secrets]
        spelt = {s for secret in plain if len(secret) >= SHORTEST_SECRET for s in _spellings(secret)}
        longest_first = sorted(spelt, key=lambda s: (-len(s), s))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if spelt else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known:
            text = self._known.sub(MASK, text)
        for pattern, masked in _IN_TEXT:
            text = pattern.sub(masked, text)
        return text

    def value(self, value: Any) -> Any:
        """The value without secrets: collections by their parts, anything that is no plain number as masked text."""
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
            return value
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.named(str(name), part) for name, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(part) for part in value]
        return self.text(value.decode(errors="replace") if isinstance(value, bytes) else str(value))

    def named(self, name: str, value: Any) -> Any:
        """The value of that name without secrets."""
        return MASK if SECRET_NAME.search(name) and value is not None else self.value(value)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """As a processor of structlog, after which nothing unmasked is left in the event."""
        return {self.text(name): value if name in STRUCTLOGS_OWN else self.named(name, value)
                for name, value in event.items()}


def set_up(file: Path, stream: IO[str], clock: Clock, secrets: Iterable[Secret] = (),
           level: int = logging.INFO, shown: int = logging.NOTSET) -> None:
    """From here on all that is logged goes to the file, in JSON, and to the stream, for people.

    clock: what the lines are stamped with. secrets: the known ones. shown: the least level that the stream shows.
    """
    masker = Masker(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(), _Stamp(clock), structlog.processors.format_exc_info, masker]
    structlog.configure(processors=[*shared, ProcessorFormatter.wrap_for_formatter],
                        logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger)
    people = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    console = _handler(logging.StreamHandler(stream), shared, people)
    console.setLevel(shown)
    _install([_handler(_file(file), shared, structlog.processors.JSONRenderer(_json)), console], level)


def _install(handlers: list[logging.Handler], level: int) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def _handler(handler: logging.Handler, shared: list[Processor], renderer: Processor) -> logging.Handler:
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=shared, processors=[
        ProcessorFormatter.remove_processors_meta, renderer]))
    return handler


def _file(path: Path) -> RotatingFileHandler:
    """The file, and those it becomes when it is full, for their owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _OwnerOnly(path, maxBytes=LARGEST_FILE, backupCount=OLD_FILES, encoding="utf-8")


class _OwnerOnly(RotatingFileHandler):
    def _open(self) -> Any:
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=_opener)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Stamp:
    """The processor that says when, by the clock that was handed in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {"time": self._clock.now().isoformat(timespec="milliseconds"), **event}


def _json(values: Any, **more: Any) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)


def _spellings(secret: str) -> set[str]:
    """How a text may show it: plain, in a URL, in JSON, in the repr of text and of bytes."""
    return {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1],
            repr(secret.encode())[2:-1]}
