"""Panels: cleaned bars as one binary file that is mapped into memory, not read.

A panel begins with MAGIC, the header's length and its CRC-32 (two little-endian uint32), and the header, JSON in UTF-8;
then come the arrays of Bars, raw, each at a multiple of 64 bytes. A panel is disposable: it can be made again.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kobe81.core.bars import FIELDS, Bars, Origin
from kobe81.core.errors import DataError

FORMAT = 1
"""Raised whenever the bytes, or the rules by which bars were cleaned, mean something else than before."""

MAGIC = b"KOBEPANL"
ALIGNMENT = 64
_PREFIX = struct.Struct("<8sII")
_LAYOUT = {"offsets": "<i8", "date": "<i4", **dict.fromkeys(FIELDS, "<f8")}


class DamagedPanel(DataError):  # noqa: N818  (reads as what was found)
    """A file that is not a whole panel of this format; make it again."""


def content_hash(bars: Bars) -> str:
    """'sha256:...' over symbols, offsets, dates and prices in one byte order, however the bars came about."""
    digest = hashlib.sha256(json.dumps(bars.symbols).encode())
    for _, array in _arrays(bars):
        digest.update(array.data)
    return f"sha256:{digest.hexdigest()}"


def write_panel(path: Path, bars: Bars, facts: dict[str, Any]) -> str:
    """Write the bars beside the path and rename them to it; returns their content hash.

    facts: whatever JSON the reader wants back. OSError where the folder cannot be written or the disk is full; then
    what was at the path is still there, and nothing else.
    """
    sha256 = content_hash(bars)
    header = {"format": FORMAT, "sha256": sha256, "symbols": bars.symbols, "rows": len(bars),
              "origin": bars.origin._asdict(), "facts": facts}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_PREFIX.pack(MAGIC, len(text), zlib.crc32(text)) + text)
            for _, array in _arrays(bars):
                file.write(bytes(-file.tell() % ALIGNMENT))
                file.write(array.data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)  # half a panel must not stay behind, not even after Ctrl-C
    return sha256


def read_header(path: Path) -> dict[str, Any]:
    """The panel's header: format, sha256, symbols, rows, origin, facts. DamagedPanel where it is not whole."""
    return _header(path)[0]


def open_panel(path: Path) -> Bars:
    """The panel's bars, mapped into memory: nothing is read before it is used, and the file is never written to.

    Sizes and the header's checksum are looked at, the arrays are not: see `verify`. DamagedPanel where they do not fit,
    OSError where the file cannot be opened.
    """
    header, start = _header(path)
    with path.open("rb") as file:
        # a private mapping: numba compiles its kernels a second time for arrays that are marked read-only
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    arrays = dict(_mapped(mapped, header, start))
    offsets = arrays.pop("offsets")
    if offsets[0] != 0 or offsets[-1] != header["rows"] or not (np.diff(offsets) > 0).all():
        raise _damaged(path, "its offsets do not ascend from 0 to its rows")
    return Bars.of(header["symbols"], offsets, arrays.pop("date"), arrays, Origin(**header["origin"]))


def verify(path: Path) -> str:
    """The content hash of the arrays as they are on disk; DamagedPanel where it is not the header's."""
    found = content_hash(open_panel(path))
    if found != read_header(path)["sha256"]:
        raise _damaged(path, f"its bars hash to {found}, not to what its header says")
    return found


def _arrays(bars: Bars) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays in the order and byte order of the file."""
    for name, kind in _LAYOUT.items():
        yield name, np.ascontiguousarray(np.asarray(getattr(bars, name)), dtype=kind)


def _places(header: dict[str, Any], start: int) -> Iterator[tuple[str, int, int, int]]:
    """name, first byte, count, end byte of each array."""
    for name, kind in _LAYOUT.items():
        start += -start % ALIGNMENT
        count = len(header["symbols"]) + 1 if name == "offsets" else int(header["rows"])
        end = start + count * np.dtype(kind).itemsize
        yield name, start, count, end
        start = end


def _mapped(mapped: mmap.mmap, header: dict[str, Any], start: int) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, first, count, _ in _places(header, start):
        yield name, np.frombuffer(mapped, _LAYOUT[name], count, first)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and where it ends, once everything that can be known without the arrays is right."""
    with path.open("rb") as file:
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise _damaged(path, "it is too short")
        magic, length, checksum = _PREFIX.unpack(prefix)
        text = file.read(length) if magic == MAGIC else b""
        size = os.fstat(file.fileno()).st_size
    if zlib.crc32(text) != checksum or not text:
        raise _damaged(path, "its header is not whole")
    header = json.loads(text)
    if header.get("format") != FORMAT:
        raise _damaged(path, f"its format is {header.get('format')}, this version's is {FORMAT}")
    end = max(place[-1] for place in _places(header, len(prefix) + length))
    if size != end:
        raise _damaged(path, f"it has {size:,} bytes instead of {end:,}")
    return header, len(prefix) + length


def _damaged(path: Path, how: str) -> DamagedPanel:
    return DamagedPanel(f"{path} is no sound panel: {how}. Delete it; it is made again from its source.")
