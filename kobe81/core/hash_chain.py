"""Two commitments to a growing list of entries: a SHA-256 chain, and the Merkle tree head of RFC 6962, section 2.1.

The chain's head changes with every edit, deletion, swap or insertion before it. The tree head says the same of the same
entries, and lets a holder of it check a single one against a short path.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

GENESIS = bytes(32)
"""The head of a chain without entries."""
EMPTY_ROOT = sha256().digest()
"""The root of a tree without entries."""


def link(head: bytes, body: bytes) -> bytes:
    """The head after one more entry."""
    return sha256(head + body).digest()


def leaf(body: bytes) -> bytes:
    """The hash of an entry. Its prefix keeps it from being taken for an inner node's."""
    return sha256(b"\0" + body).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """A tree that grows at its right edge, kept as the roots of its perfect subtrees, largest first: O(log n)."""

    def __init__(self, bodies: Iterable[bytes] = ()) -> None:
        self.size, self._peaks = 0, list[bytes]()
        for body in bodies:
            self.add(body)

    def add(self, body: bytes) -> None:
        """One more entry: two subtrees of the same size become one, as in counting the bits of `size` up."""
        grown, size = leaf(body), self.size
        while size & 1:
            grown, size = node(self._peaks.pop(), grown), size >> 1
        self._peaks.append(grown)
        self.size += 1

    def root(self) -> bytes:
        """The Merkle tree head of all entries so far."""
        if not self._peaks:
            return EMPTY_ROOT
        *larger, root = self._peaks
        for peak in reversed(larger):
            root = node(peak, root)
        return root
