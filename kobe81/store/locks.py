"""The leader's lock: one runner at a time. The kernel holds it for as long as the process lives, and not longer."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock
from pathlib import Path

import msgspec
from msgspec import Struct

from kobe81.core.clock import Clock
from kobe81.core.decisions import encode
from kobe81.core.errors import LostLead, StoreError
from kobe81.store.files import NOT_JSON, OWNER_ONLY, named

ATTEMPTS, PAUSE = 5, 0.01
"""Who only looks holds the lock for a moment, so a single refusal is not yet a leader."""


class Leader(Struct, frozen=True, kw_only=True):
    """Who leads, by their own words. beat: when they last said that they are alive."""

    pid: int
    host: str
    started: datetime
    beat: datetime | None = None

    def __str__(self) -> str:
        beat = f", last sign of life {self.beat:%Y-%m-%d %H:%M:%S} UTC" if self.beat else ""
        return f"process {self.pid} on {self.host}, since {self.started:%Y-%m-%d %H:%M:%S} UTC{beat}"


class LeaderLock:
    """The lead, held until released or until the process ends, however it ends."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Take the lead; StoreError naming the leader where there is one."""
        self._path, self._clock = path, clock
        with named(path):
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        try:
            self._take()
        except StoreError:
            os.close(self._handle)
            raise
        me = Leader(pid=os.getpid(), host=socket.gethostname(), started=self._clock.now())
        with suppress(OSError):  # on a full disk the lock holds as well, only its text is missing
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, encode(me), 0)
        self.beat()

    def beat(self) -> None:
        """Say that we are alive; LostLead where our lock file was removed or replaced, so that another may lead."""
        moment = self._clock.now().timestamp()
        with named(self._path):
            os.utime(self._handle, (moment, moment))
        if not self._in_place():
            raise LostLead(f"{self._path} was removed or replaced while we led; another runner may lead now. This one "
                           f"writes and sends nothing more")

    def release(self) -> None:
        """Give the lead up."""
        os.close(self._handle)

    def _take(self) -> None:
        for _ in range(ATTEMPTS):
            if _locked(self._handle, LOCK_EX) and self._in_place():
                return
            self._clock.sleep(PAUSE)
        raise StoreError(f"another runner leads: {_words(self._handle) or 'it left no name'}. Stop it first; two would "
                         f"send twice ({self._path})")

    def _in_place(self) -> bool:
        """Whether the file at the path is the one we hold."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._handle))
        except OSError:
            return False


def leader(path: Path) -> Leader | None:
    """Who holds the lead; None where nobody does. A leader without a readable text is one of process 0."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if _locked(handle, LOCK_SH):
            flock(handle, LOCK_UN)
            return None
        beat = datetime.fromtimestamp(os.fstat(handle).st_mtime, UTC)
        found = _words(handle) or Leader(pid=0, host="unknown", started=beat)
        return msgspec.structs.replace(found, beat=beat)
    finally:
        os.close(handle)


def _locked(handle: int, kind: int) -> bool:
    try:
        flock(handle, kind | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _words(handle: int) -> Leader | None:
    try:
        return msgspec.json.decode(os.pread(handle, 4096, 0), type=Leader)
    except NOT_JSON:
        return None
