"""Attacks on copies of a small audit, and which check finds each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from kobe81.core.clock import SteppedClock
from kobe81.core.errors import Damaged
from kobe81.core.events import Filled
from kobe81.core.hash_chain import GENESIS, Frontier, link
from kobe81.core.orders import Fill
from kobe81.store import audit_trail, checkpoints
from kobe81.store.checkpoints import Checkpoint, Notary
from kobe81.store.journal import Row, open_journal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RECORDS, EVERY, SENT = 120, 20, 100
"""Records in the audit, records between checkpoints, and records covered by the one that left the machine."""
START = datetime(2026, 3, 6, 14, 35, tzinfo=UTC)
CHECKS = ("chain", "local", "outside")


class Audit(NamedTuple):
    """An audit as it lies on the machine, the checkpoint that left it, and the key."""

    bodies: tuple[bytes, ...]
    lines: tuple[bytes, ...]
    local: tuple[Checkpoint, ...]
    outside: Checkpoint
    key: Ed25519PrivateKey


class Copy(NamedTuple):
    """What an attacker leaves: the file's lines, None for no file, and the local checkpoints."""

    lines: Sequence[bytes] | None
    local: Sequence[Checkpoint]


class Attack(NamedTuple):
    """What is done to a copy."""

    words: str
    do: Callable[[Audit, Random], Copy]


def tamper(copies: int, seed: int) -> dict[str, Counter[str]]:
    """For each attack, how many of the copies each check finds."""
    random, counts = Random(seed), dict[str, Counter[str]]()  # noqa: S311  (places to attack, not secrets)
    with TemporaryDirectory(prefix="kobe-audit-") as name:
        folder = Path(name)
        audit = _make(folder)
        for attack, (_, do) in ATTACKS.items():
            found = (_found(audit, do(audit, random), folder / "copy.jsonl") for _ in range(copies))
            counts[attack] = Counter(check for checks in found for check in checks)
    return counts


def _make(folder: Path) -> Audit:
    clock = SteppedClock(START)
    journal = open_journal(folder / "journal.db", clock)
    key = checkpoints.signing_key(folder / "audit.key")
    notary = Notary(journal, folder / "checkpoints.jsonl", key, "demo", clock)
    made = list[Checkpoint]()
    for first in range(0, RECORDS, EVERY):
        journal.append(*(_fill(i) for i in range(first, first + EVERY)))
        clock.sleep(60)
        made.append(notary.checkpoint())
    rows = tuple(journal.raw(0))
    journal.close()
    return Audit(tuple(row.body for row in rows), tuple(audit_trail.line(row) for row in rows), tuple(made),
                 made[SENT // EVERY - 1], key)


def _fill(i: int) -> Filled:
    return Filled(fill=Fill(execution=f"e{i}", order=f"k1-{i}", symbol="AAPL", side="sell" if i % 2 else "buy",
                            qty=Decimal(10), price=Decimal(100) + Decimal(i) / 4, at=START + timedelta(seconds=i)))


def _found(audit: Audit, copy: Copy, path: Path) -> list[str]:
    """The checks that find something in a copy."""
    if copy.lines is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(b"".join(copy.lines))
    public = audit.key.public_key()
    known = {CHECKS[0]: (), CHECKS[1]: copy.local, CHECKS[2]: (audit.outside,)}
    return [check for check, held in known.items() if checkpoints.unsigned(held, public) or _differs(path, held)]


def _differs(path: Path, held: Sequence[Checkpoint]) -> bool:
    try:
        return bool(audit_trail.verify(path, held).findings)
    except Damaged:
        return True


def _edit(audit: Audit, random: Random) -> Copy:
    lines, at = list(audit.lines), random.randrange(SENT)
    lines[at] = _dearer(lines[at])
    return Copy(lines, audit.local)


def _delete(audit: Audit, random: Random) -> Copy:
    lines = list(audit.lines)
    del lines[random.randrange(SENT)]
    return Copy(lines, audit.local)


def _swap(audit: Audit, random: Random) -> Copy:
    lines, (a, b) = list(audit.lines), random.sample(range(SENT), 2)
    lines[a], lines[b] = lines[b], lines[a]
    return Copy(lines, audit.local)


def _insert(audit: Audit, random: Random) -> Copy:
    lines = list(audit.lines)
    lines.insert(random.randrange(SENT), _dearer(random.choice(lines)))
    return Copy(lines, audit.local)


def _truncate(audit: Audit, random: Random) -> Copy:
    return Copy(audit.lines[:random.randrange(1, SENT)], audit.local)


def _rechain(audit: Audit, random: Random) -> Copy:
    return Copy(_chained(_edited(audit.bodies, random.randrange(SENT))), audit.local)


def _resign(audit: Audit, random: Random) -> Copy:
    return _with_the_key(audit, _edited(audit.bodies, random.randrange(SENT)))


def _resign_later(audit: Audit, random: Random) -> Copy:
    return _with_the_key(audit, _edited(audit.bodies, random.randrange(SENT, RECORDS)))


def _begin_anew(audit: Audit, random: Random) -> Copy:
    return Copy((), audit.local)


def _remove(audit: Audit, random: Random) -> Copy:
    return Copy(None, audit.local)


ATTACKS = {
    "edit": Attack("a price edited", _edit),
    "delete": Attack("a record deleted", _delete),
    "swap": Attack("two records swapped", _swap),
    "insert": Attack("a record inserted", _insert),
    "truncate": Attack("the end cut off", _truncate),
    "rechain": Attack("edited, hashes made anew", _rechain),
    "resign": Attack("... and checkpoints, with the stolen key", _resign),
    "resign_later": Attack("... after the outside checkpoint", _resign_later),
    "begin_anew": Attack("emptied", _begin_anew),
    "remove": Attack("removed", _remove),
}


def _dearer(text: bytes) -> bytes:
    return text.replace(b'"price":"1', b'"price":"2')


def _edited(bodies: Sequence[bytes], at: int) -> list[bytes]:
    return [*bodies[:at], _dearer(bodies[at]), *bodies[at + 1:]]


def _chained(bodies: Sequence[bytes]) -> list[bytes]:
    lines, head = list[bytes](), GENESIS
    for seq, body in enumerate(bodies, 1):
        head = link(head, body)
        lines.append(audit_trail.line(Row(seq, body, head, None)))
    return lines


def _with_the_key(audit: Audit, bodies: Sequence[bytes]) -> Copy:
    """A whole new story, with checkpoints to match."""
    lines = _chained(bodies)
    local = [replace(c, root=Frontier(bodies[:c.size]).root().hex(), head=lines[c.size - 1][audit_trail.HASH].decode())
             .signed(audit.key) for c in audit.local]
    return Copy(lines, local)
