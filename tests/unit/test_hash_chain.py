"""The chain by hand; the tree by the vectors published with Certificate Transparency, and by RFC 6962's own words."""

from hashlib import sha256

import pytest

from kobe81.core.hash_chain import EMPTY_ROOT, GENESIS, Frontier, link

ENTRIES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first 1, 2 ... 8 entries: certificate-transparency's merkletree tests."""


def tree_head(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written: split at the largest power of two below n."""
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return sha256(b"\x01" + tree_head(entries[:k]) + tree_head(entries[k:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size):
    assert Frontier(ENTRIES[:size]).root().hex() == ROOTS[size - 1]


def test_an_empty_tree_has_the_hash_of_nothing():
    """RFC 6962: MTH({}) = SHA-256()."""
    assert Frontier().root() == EMPTY_ROOT == sha256(b"").digest()


def test_the_frontier_is_the_tree_of_the_rfc_at_every_size():
    """Sizes 1 to 130, across the powers of two; asking for a root on the way changes nothing."""
    frontier, entries = Frontier(), []
    for number in range(130):
        entries.append(f"entry {number}".encode())
        frontier.add(entries[-1])
        assert (frontier.size, frontier.root()) == (len(entries), tree_head(entries))


def test_an_inner_node_cannot_be_passed_off_as_an_entry():
    """The prefixes: a tree of the one entry "left root, right root" is not the tree of the two."""
    left, right = (Frontier([entry]).root() for entry in (b"a", b"b"))
    assert Frontier([left + right]).root() != Frontier([b"a", b"b"]).root()


def test_the_chain_by_hand():
    """sha256(sha256(32 zeros, "a"), "b"), as any tool computes it."""
    first = sha256(b"\0" * 32 + b"a").digest()
    assert link(link(GENESIS, b"a"), b"b") == sha256(first + b"b").digest()
