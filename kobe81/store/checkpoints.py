"""Checkpoints: signed statements of how many records there were and what they hash to.

One that has left the machine is what the records up to it can be held against; the local ones only show what changed
without the key.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from datetime import datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kobe81.core.clock import Clock
from kobe81.core.decisions import encode
from kobe81.core.errors import Damaged
from kobe81.core.hash_chain import GENESIS, Frontier, link
from kobe81.store.files import appended, read_bytes, write_new
from kobe81.store.journal import SqliteJournal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

OBJECT = re.compile(r"\{[^{}]*\}")
QUOTING = re.compile(r"[\s>]+")
"""What mail programs put between the pieces of a long line."""


class Checkpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first `size` records have this Merkle root and chain head (hex). code: the version that says so; signature:
    Ed25519, in base64, over the line without it."""

    size: int
    root: str
    head: str
    code: str
    time: datetime
    signature: str = ""

    @property
    def line(self) -> str:
        """The checkpoint as one line, for a file, a report or an e-mail."""
        return encode(self).decode()

    def signed(self, key: Ed25519PrivateKey) -> Checkpoint:
        """The checkpoint with its signature."""
        return replace(self, signature=b64encode(key.sign(encode(replace(self, signature="")))).decode())

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the holder of the private key said this."""
        from cryptography.exceptions import InvalidSignature

        try:
            key.verify(b64decode(self.signature, validate=True), encode(replace(self, signature="")))
        except (InvalidSignature, NotBase64):
            return False
        return True


class Notary:
    """Makes the checkpoints of one journal. It reads each record once, so that a checkpoint costs what came since."""

    def __init__(self, journal: SqliteJournal, path: Path, key: Ed25519PrivateKey, code: str, clock: Clock) -> None:
        self._journal, self._path, self._key, self._code, self._clock = journal, path, key, code, clock
        self._frontier, self._head = Frontier(), GENESIS

    def checkpoint(self) -> Checkpoint:
        """Sign what the journal holds now, and keep that durably; Damaged where the journal contradicts itself."""
        for row in self._journal.raw(self._frontier.size):
            head = link(self._head, row.body)
            if (row.seq, row.hash) != (self._frontier.size + 1, head):
                raise Damaged(f"record {row.seq} of the journal does not follow from those before it; no checkpoint is "
                              f"made of that. See: kobe audit verify")
            self._head = head
            self._frontier.add(row.body)
        made = Checkpoint(size=self._frontier.size, root=self._frontier.root().hex(), head=self._head.hex(),
                          code=self._code, time=self._clock.now()).signed(self._key)
        with appended(self._path) as file:
            flock(file, LOCK_EX)
            file.write(made.line.encode() + b"\n")
        return made


def parse(text: str) -> list[Checkpoint]:
    """The checkpoints in a text, whatever stands around them, wrapped and quoted as mail programs do."""
    return [found for piece in OBJECT.findall(QUOTING.sub("", text)) if (found := _checkpoint(piece))]


def read(path: Path) -> list[Checkpoint]:
    """The checkpoints in a file, none where there is no file; Damaged where it cannot be read."""
    return parse(read_bytes(path).decode(errors="replace")) if path.exists() else []


def unsigned(checkpoints: Iterable[Checkpoint], key: Ed25519PublicKey) -> list[Checkpoint]:
    """Those that the holder of the key did not sign as they are."""
    return [checkpoint for checkpoint in checkpoints if not checkpoint.is_signed_by(key)]


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The key in this file, made at first use with its public half beside it (.pub); readable by its owner alone."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not path.exists():
        made = Ed25519PrivateKey.generate()
        write_new(path, made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
        write_new(path.with_suffix(".pub"), made.public_key().public_bytes(
            form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    try:
        key = form.load_pem_private_key(read_bytes(path), None)
    except (ValueError, TypeError) as error:
        raise Damaged(f"{path}: not a key ({error}); restore it, or move it away to have a new one made") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Damaged(f"{path}: not an Ed25519 key; restore it, or move it away to have a new one made")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in this file (PEM); Damaged where there is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(read_bytes(path))
    except ValueError as error:
        raise Damaged(f"{path}: not a public key ({error}); give the audit.pub of the machine that signed") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Damaged(f"{path}: not an Ed25519 key; give the audit.pub of the machine that signed")
    return key


def _checkpoint(piece: str) -> Checkpoint | None:
    try:
        return msgspec.json.decode(piece, type=Checkpoint)
    except msgspec.DecodeError:
        return None
