"""The audit trail: the journal as a text file, one record a line, for people and for those who check on them.

A line is {"hash":"<hex>","body":<the record's canonical JSON, byte for byte as in the journal>}.
"""

from __future__ import annotations

from collections.abc import Iterable
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import BinaryIO

import msgspec

from kobe81.core.errors import Damaged
from kobe81.store.checkpoints import Checkpoint
from kobe81.store.files import NOT_JSON, appended, named, sync_folder
from kobe81.store.findings import Finding, Walk
from kobe81.store.journal import Row, SqliteJournal

PREFIX, MIDDLE, END = b'{"hash":"', b'","body":', b"}\n"
HASH = slice(len(PREFIX), len(PREFIX) + 64)
BODY = slice(HASH.stop + len(MIDDLE), -len(END))
BLOCK = 1 << 16

_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def line(row: Row) -> bytes:
    """A record's line."""
    return b"".join((PREFIX, row.hash.hex().encode(), MIDDLE, row.body, END))


def catch_up(journal: SqliteJournal, path: Path) -> list[Finding]:
    """Append durably what the trail lacks; findings, and nothing written, where its end is not the journal's.

    A last line without its end was torn by a crash: it is cut off where it is the beginning of what the journal says.
    """
    with appended(path) as file:
        flock(file, LOCK_EX)
        last, torn = _tail(file)
        seq = _decoded_seq(last)
        rows = journal.raw(max(seq - 1, 0))
        if last and last != next((line(row) for row in rows), b""):
            return [_contradiction(journal, path, seq)]
        due = next(rows, None)
        if not (line(due) if due else b"").startswith(torn):
            return [Finding(seq + 1, f"{path} ends in {len(torn):,} bytes that are not the journal's next record; "
                                     f"move it away and export it anew")]
        if torn:
            file.truncate(file.seek(0, 2) - len(torn))
        for row in [due, *rows] if due else []:
            file.write(line(row))
    return []


def compare(journal: SqliteJournal, path: Path) -> list[Finding]:
    """Whether every whole line of the trail is the journal's; a trail that is behind, or not there, is caught up."""
    if not path.exists():
        return []
    with named(path), path.open("rb") as file:
        rows = journal.raw(0)
        for number, text in enumerate(file, 1):
            row = next(rows, None)
            if text.endswith(b"\n") and (row is None or text != line(row)):
                return [_contradiction(journal, path, number)]
    return []


def export(journal: SqliteJournal, path: Path) -> int:
    """Write the whole trail to a new file; the number of records. It appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    with named(path):
        part.unlink(missing_ok=True)
        with appended(part) as file:
            size = sum(file.write(line(row)) > 0 for row in journal.raw(0))
        part.replace(path)
        sync_folder(path.parent)
    return size


def verify(path: Path, checkpoints: Iterable[Checkpoint] = ()) -> Walk:
    """Check every line, the chain and the root, against checkpoints; Damaged where there is nothing to read."""
    walk = Walk(checkpoints, rooted=True)
    try:
        with path.open("rb") as file:
            for text in file:
                if _decoded_seq(text) != walk.size + 1 or not walk.follows(text[BODY], text[HASH]):
                    walk.wrong(_explain(text, walk.size + 1))
                if walk.findings:
                    break
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror}). Export it anew with kobe audit export, or look for "
                      f"a copy") from None
    walk.end()
    return walk


def _decoded_seq(text: bytes) -> int:
    """The line's record number; 0 for a line that is not canonical."""
    if not (text.startswith(PREFIX) and text[HASH.stop:BODY.start] == MIDDLE and text.endswith(END)):
        return 0
    try:
        value = _decode(text[BODY])
    except NOT_JSON:
        return 0
    if not isinstance(value, dict) or _encode(value) != text[BODY]:
        return 0
    seq = value.get("seq")
    return seq if isinstance(seq, int) else 0


def _explain(text: bytes, due: int) -> str:
    """What is wrong with a line that should have been record `due`."""
    seq = _decoded_seq(text)
    if not seq:
        torn = "" if text.endswith(b"\n") else ", and the last one is cut"
        return f"not a line of an audit trail, as it was written (compact JSON, no key twice){torn}"
    if seq != due:
        return f"record {seq:,} stands here: records were removed, added or moved"
    return "its hash does not follow from its text and the records before it: it was edited"


def _tail(file: BinaryIO) -> tuple[bytes, bytes]:
    """The last whole line, and what stands after it."""
    end, found = file.seek(0, 2), b""
    start = end
    while start and found.count(b"\n") < 2:
        start = max(start - BLOCK, 0)
        file.seek(start)
        found = file.read(end - start)
    whole, newline, torn = found.rpartition(b"\n")
    return whole.rpartition(b"\n")[2] + newline, torn


def _contradiction(journal: SqliteJournal, path: Path, seq: int) -> Finding:
    size, _ = journal.head()
    if seq > size:
        return Finding(size + 1, f"missing: the journal ends at {size:,} and {path} has {seq:,} records; the journal "
                                 f"is an old copy, or lost its end")
    return Finding(max(seq, 1), f"{path} does not say there what the journal says; one of them was changed")
