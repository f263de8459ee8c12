"""Whether a journal is what was written, and what becomes of one that is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from kobe81.core.errors import StoreError
from kobe81.store.checkpoints import Checkpoint
from kobe81.store.files import NOT_JSON, named
from kobe81.store.findings import Finding, Walk
from kobe81.store.journal import Row, SqliteJournal


class _Place(Struct, frozen=True):
    """What the columns repeat of a body."""

    seq: int
    key: str | None = None


_place = msgspec.json.Decoder(_Place).decode


def verify(journal: SqliteJournal, checkpoints: Iterable[Checkpoint] = ()) -> list[Finding]:
    """What is wrong with a journal: its pages, its tables and triggers, each record's place, key and hash, and what
    checkpoints say of it. Without findings it is sound; with any it is damaged: nothing may be sent.

    SQLite itself takes back a last transaction that a crash has torn; where a checkpoint covers it, that is a finding.
    """
    walk = Walk(checkpoints, rooted=False)
    try:
        for text in journal.defects():
            walk.findings.append(Finding(0, text))
        for row in journal.raw(0):
            if wrong := _wrong(row, walk):
                walk.wrong(wrong)
            if walk.findings:
                break
    except StoreError as error:
        walk.findings.append(Finding(walk.size + 1, str(error)))
    return walk.end()


def quarantine(paths: Iterable[Path], folder: Path, at: datetime) -> Path:
    """Copy what was found damaged aside, as evidence; nothing is deleted. The journal must be closed: see SQLite's
    "How To Corrupt", 2.2. Returns the folder of the copies."""
    place = folder / at.strftime("%Y%m%dT%H%M%SZ")
    with named(place):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in paths:
            for found in sorted(path.parent.glob(f"{path.name}*")):
                if not (place / found.name).exists():
                    shutil.copy2(found, place / found.name)
    return place


def _wrong(row: Row, walk: Walk) -> str:
    if {type(row.body), type(row.hash)} != {bytes}:
        return "not a record: its body and hash are not bytes"
    try:
        place = _place(row.body)
    except NOT_JSON as error:
        return f"not a record: {error}"
    if not row.seq == place.seq == walk.size + 1:
        return f"record {place.seq:,} stands here: records were removed, added or moved"
    if row.key != place.key:
        return f"its key is {row.key!r}, and its text says {place.key!r}"
    if not walk.follows(row.body, row.hash.hex().encode()):
        return "its hash does not follow from its text and the records before it: it was edited"
    return ""
