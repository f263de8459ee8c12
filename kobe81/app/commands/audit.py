"""kobe audit."""

from __future__ import annotations

import sys
from pathlib import Path

from kobe81.app.options import Whole
from kobe81.core.errors import KobeError, UsageError


def verify(*, checkpoint: str | None = None, file: Path | None = None, public_key: Path | None = None) -> None:
    """Check journal and audit: each record, the chain, the root, the checkpoints.

    Exit code 0: nothing found; 1: findings; 2: missing or unreadable.

    Parameters
    ----------
    checkpoint
        A checkpoint kept outside this machine: a file with it, or the printed line itself.
    file
        Check this copy of an audit instead of this machine's journal and audit.
    public_key
        The audit.pub of the machine that signed; without it, this machine's.
    """
    from kobe81.app.auditing import audit, outside

    report = audit(outside(checkpoint) if checkpoint else [], file, public_key)
    _say(*(f"checked      {line}" for line in report.checked), *(f"not checked  {line}" for line in report.unchecked),
         *(f"FOUND        {line}" for line in report.findings))
    if report.findings:
        raise KobeError(f"findings: {len(report.findings)}. Send no orders; keep a copy of the folder, and compare "
                        f"with the broker's statements")
    _say("Nothing found. The audit is tamper-evident up to the last outside checkpoint.")


def export(out: Path | None = None) -> None:
    """Write the audit anew from the journal, to a file that is not there yet.

    Parameters
    ----------
    out
        The file; without it, this machine's audit.jsonl.
    """
    from kobe81.app import home
    from kobe81.app.auditing import existing_journal
    from kobe81.store import audit_trail

    path = out or home.audit()
    if path.exists():
        raise UsageError(f"{path} exists, and may be evidence; move it away or choose another name")
    journal = existing_journal()
    _say(f"{audit_trail.export(journal, path):,} records written to {path}")
    journal.close()


def checkpoint(*, out: Path | None = None) -> None:
    """Sign what the journal holds now, and print it as one line: send it off this machine.

    Parameters
    ----------
    out
        Add the line to this file as well.
    """
    from kobe81.app import home
    from kobe81.app.auditing import existing_journal, notary
    from kobe81.store import audit_trail
    from kobe81.store.files import appended

    journal = existing_journal()
    found = audit_trail.catch_up(journal, home.audit())
    if found:
        raise KobeError(f"{found[0]}; no checkpoint is made of that. See: kobe audit verify")
    made = notary(journal).checkpoint()
    journal.close()
    if out is not None:
        with appended(out) as copy:
            copy.write(made.line.encode() + b"\n")
    _say(made.line)


def tamper_demo(*, copies: Whole = 60, seed: Whole = 81) -> None:
    """Tamper with copies of a small audit in every way, and show which check finds it and which cannot.

    Parameters
    ----------
    copies
        Copies for each attack.
    seed
        Of the places where they are attacked.
    """
    from kobe81.app.tampering import ATTACKS, CHECKS, tamper
    from kobe81.reports import terminal

    if copies < 1:
        raise UsageError(f"--copies {copies} is not at least 1")
    counts = tamper(copies, seed)
    rows = [[attack.words, *(f"{counts[name][check]}/{copies}" for check in CHECKS)]
            for name, attack in ATTACKS.items()]
    terminal.show(terminal.table("Copies found to be tampered with, by what they are held against",
                                 ["attack", *CHECKS], rows),
                  "chain: each record bound to the one before it. local: and the checkpoints\n"
                  "beside it. outside: and one that left the machine.\n"
                  "Tamper-evident up to the last outside checkpoint: what is older cannot be\n"
                  "changed unseen, whoever has the key; what is newer can be.")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
