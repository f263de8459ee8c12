"""Files of the state: owner-only, durable when written, and errors that say what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import BinaryIO

import msgspec

from kobe81.core.errors import Damaged, DiskFull, StoreError

OWNER_ONLY = 0o600
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, no text, or nested without end."""


@contextmanager
def appended(path: Path) -> Iterator[BinaryIO]:
    """A file to read and to write at its end, made where there is none; durable when the block ends."""
    with named(path):
        fresh = not path.exists()
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, OWNER_ONLY), "r+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            sync_folder(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """A new file, durable; StoreError where it exists."""
    with named(path):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)


def read_bytes(path: Path) -> bytes:
    """A file's content; Damaged where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror}); restore it or give another") from None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of the operating system, with the file and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in {ENOSPC, EDQUOT}:
            raise DiskFull(f"{path}: cannot grow ({error.strerror}). Free space there and try again; kobe kill works "
                           f"on a full disk") from None
        raise StoreError(f"{path}: cannot be written ({error.strerror}). Check its folder and permissions") from None
