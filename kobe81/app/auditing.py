"""The audit, checked: what was found wrong, what was checked, and what could not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kobe81.app import home
from kobe81.app.clock import SystemClock
from kobe81.core.errors import Damaged
from kobe81.store import audit_trail, checkpoints, verification
from kobe81.store.checkpoints import Checkpoint, Notary
from kobe81.store.findings import Finding, Walk
from kobe81.store.journal import SqliteJournal, open_journal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass
class Report:
    """What an audit came to, in words."""

    checked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def existing_journal() -> SqliteJournal:
    """The journal of this home; Damaged where there is none, for looking must not make one."""
    if not home.journal().exists():
        raise Damaged(f"{home.journal()}: there is no journal. If there was one, look for it before anything is sent; "
                      f"to check a copy of the audit alone: kobe audit verify --file FILE")
    return open_journal(home.journal(), SystemClock())


def notary(journal: SqliteJournal) -> Notary:
    """Who signs for this home's journal."""
    return Notary(journal, home.checkpoints(), checkpoints.signing_key(home.audit_key()), home.code_version(),
                  SystemClock())


def outside(given: str) -> list[Checkpoint]:
    """Checkpoints kept elsewhere: the printed line itself, or a file with one or more of them."""
    found = checkpoints.parse(given) or checkpoints.parse(_text(Path(given)))
    if not found:
        raise Damaged(f"{given}: no checkpoint in there. Give the line that kobe audit checkpoint printed, or a file "
                      f"with it")
    return found


def audit(given: list[Checkpoint], file: Path | None, public: Path | None) -> Report:
    """Check this home's journal and audit, or one copy of an audit, against what is known of them."""
    report = Report()
    local = [] if file else checkpoints.read(home.checkpoints())
    _signatures(report, local, given, public)
    if file is None:
        _journal(report, [*local, *given])
    walk = audit_trail.verify(file or home.audit(), [*local, *given])
    _say(report, f"{file or home.audit()}", walk.findings, f"{walk.size:,} lines: compact JSON, chain, Merkle root")
    if file is None and not report.findings:
        _same(report, walk)
    if not report.findings:
        _covered(report, walk.size, local, given)
    return report


def _signatures(report: Report, local: list[Checkpoint], given: list[Checkpoint], public: Path | None) -> None:
    path = public or home.audit_key().with_suffix(".pub")
    if not (local or given):
        return
    if not path.exists() and public is None:
        report.unchecked.append(f"the signatures of checkpoints: {path} is not there; give --public-key")
        return
    key: Ed25519PublicKey = checkpoints.public_key(path)
    for whose, found in (("of this home", local), ("from outside", given)):
        bad = checkpoints.unsigned(found, key)
        if bad:
            report.findings.append(f"{len(bad):,} of {len(found):,} checkpoints {whose} are not signed with the key of "
                                   f"{path}; the first covers {bad[0].size:,} records")
        elif found:
            report.checked.append(f"checkpoints {whose}: {len(found):,}, signed with the key of {path}")


def _journal(report: Report, known: list[Checkpoint]) -> None:
    journal = existing_journal()
    found = verification.verify(journal, known)
    _say(report, f"{home.journal()}", found, "" if found else (
        f"{journal.head()[0]:,} records: pages, tables, order, keys, chain"))
    journal.close()


def _same(report: Report, walk: Walk) -> None:
    """The audit is the journal, as far as it goes."""
    journal = existing_journal()
    size, _ = journal.head()
    last = next(journal.raw(walk.size - 1), None) if walk.size else None
    journal.close()
    if walk.size and (last is None or last.hash != walk.head):
        report.findings.append(str(Finding(walk.size, f"{home.audit()} and {home.journal()} tell different stories")))
    elif walk.size < size:
        report.unchecked.append(f"{size - walk.size:,} records that the journal has and {home.audit()} not yet")


def _covered(report: Report, size: int, local: list[Checkpoint], given: list[Checkpoint]) -> None:
    if given:
        last = max(given, key=lambda c: c.size)
        report.checked.append(f"the outside checkpoint of {last.time:%Y-%m-%d %H:%M:%S}: its {last.size:,} records are "
                              f"what they were")
        covered, who = last.size, "whoever has the signing key"
    else:
        covered, who = 0, "whoever has this folder"
        if local:
            report.checked.append(f"the last checkpoint of this home: its {max(c.size for c in local):,} records are "
                                  f"what it says")
    if covered < size:
        since = "since the last outside checkpoint" if given else "for want of an outside checkpoint (--checkpoint)"
        report.unchecked.append(f"{size - covered:,} of {size:,} records, {since}: {who} could have rewritten them")


def _say(report: Report, what: str, findings: list[Finding], sound: str) -> None:
    report.findings += [f"{what}: {finding}" for finding in findings]
    if not findings:
        report.checked.append(f"{what}: {sound}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror}); give a checkpoint's file, or its line in quotes"
                      ) from None
