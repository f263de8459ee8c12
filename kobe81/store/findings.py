"""What a check of journal or audit finds: whether each entry follows from those before it, and what checkpoints say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from kobe81.core.hash_chain import GENESIS, Frontier, link
from kobe81.store.checkpoints import Checkpoint


class Finding(NamedTuple):
    """What is wrong, from which record on; 0 where it is the file as a whole."""

    seq: int
    text: str

    def __str__(self) -> str:
        return f"record {self.seq:,}: {self.text}" if self.seq else self.text


class Walk:
    """The commitments to a list of entries, entry by entry, held against checkpoints on the way.

    Stop at the first finding: what comes after a wrong entry is bound to it. rooted: compute the Merkle root as well,
    which doubles the work and finds nothing that the chain's head does not, unless SHA-256 is broken.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint], *, rooted: bool) -> None:
        self.size, self.head, self.findings = 0, GENESIS, list[Finding]()
        self.frontier = Frontier() if rooted else None
        self._due = defaultdict[int, list[Checkpoint]](list)
        for checkpoint in checkpoints:
            self._due[checkpoint.size].append(checkpoint)
        self._compare()

    def follows(self, body: bytes, claimed: bytes) -> bool:
        """Take one more entry; False where its claimed hash (hex) is not what the entries so far come to."""
        head = link(self.head, body)
        if head.hex().encode() != claimed:
            return False
        self.head, self.size = head, self.size + 1
        if self.frontier is not None:
            self.frontier.add(body)
        if self.size in self._due:
            self._compare()
        return True

    def wrong(self, text: str) -> None:
        """The next entry is not what it should be."""
        self.findings.append(Finding(self.size + 1, text))

    def end(self) -> list[Finding]:
        """All findings, once there are no more entries: a checkpoint that covers more was made of more."""
        beyond = [c for size, due in self._due.items() if size > self.size for c in due]
        if beyond and not self.findings:
            last = max(beyond, key=lambda c: c.size)
            self.wrong(f"missing: the records end at {self.size:,}, and the checkpoint of {_moment(last)} covers "
                       f"{last.size:,}; the end was cut off, or this is an old copy")
        return self.findings

    def _compare(self) -> None:
        for checkpoint in self._due.get(self.size, ()):
            rooted = self.frontier is None or self.frontier.root().hex() == checkpoint.root
            if not (self.head.hex() == checkpoint.head and rooted):
                self.findings.append(Finding(max(self.size, 1), (
                    f"not what it was: the {self.size:,} records up to here differ from those that the checkpoint of "
                    f"{_moment(checkpoint)} vouches for; one or more of them were rewritten")))


def _moment(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.time:%Y-%m-%d %H:%M:%S}"
