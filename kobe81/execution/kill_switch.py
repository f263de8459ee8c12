"""The kill switch: a file whose existence is the switch. What it says is only for people."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kobe81.core.errors import StoreError, UsageError

SHOWN = 500
"""Bytes of the file that are shown."""


class FileKillSwitch:
    """The switch at an absolute path, looked at anew each time."""

    def __init__(self, path: Path) -> None:
        if not path.is_absolute():
            raise UsageError(f"{path}: the kill switch needs an absolute path; a relative one moves with the process")
        self._path = path

    def engaged(self) -> str:
        """"" where the folder can be read and has no such file; in every other case why trading must stop."""
        try:
            with _folder(self._path.parent) as folder:
                try:
                    os.stat(self._path.name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    return ""
                return self._text(folder)
        except OSError as error:
            return f"the kill switch cannot be looked at, which counts as set: {self._path}: {error.strerror}"

    def engage(self, by: str, reason: str) -> None:
        """Set it; done is done, twice is once. StoreError where no file can be made, which says what holds instead."""
        try:
            with _folder(self._path.parent) as folder:
                # The empty file is the switch and fits on a full disk; its text may not, and then is left out.
                handle = os.open(self._path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
                with suppress(OSError):
                    os.fsync(folder)
                    os.write(handle, f"{by}: {reason}\n".encode(errors="replace"))
                    os.fsync(handle)
                os.close(handle)
        except FileExistsError:
            return
        except OSError as error:
            raise StoreError(f"{self._path}: the kill switch could not be set ({error.strerror}). "
                             f"{self._otherwise()}") from None

    def lift(self) -> None:
        """Take it away; nothing happens where there is none."""
        try:
            with _folder(self._path.parent) as folder, suppress(FileNotFoundError):
                os.unlink(self._path.name, dir_fd=folder)
                os.fsync(folder)
        except OSError as error:
            raise StoreError(f"{self._path}: the kill switch could not be lifted ({error.strerror}). Remove it by "
                             f"hand, as its owner") from None

    def _text(self, folder: int) -> str:
        """What the file says, on one line; something in any case."""
        with suppress(OSError):
            handle = os.open(self._path.name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=folder)
            try:
                text = os.read(handle, SHOWN) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
            finally:
                os.close(handle)
            if shown := " ".join(text.decode(errors="replace").split()):
                return f"kill switch set by {shown}"
        return f"kill switch set: {self._path} exists"

    def _otherwise(self) -> str:
        return "That counts as set for as long as it lasts" if self.engaged() else "Stop the runner instead"


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)
