"""The end of a command that ran something: register, write, show."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from kobe81.app.options import RunOptions
from kobe81.app.present import register_line, report, show
from kobe81.app.runs import Run, deliver, register
from kobe81.core.errors import KobeError


def finish(runs: Sequence[Run], options: RunOptions, title: str, *, brief: bool = False) -> None:
    """Register the runs, write their files and one report to the folder asked for, and print what they found."""
    kept = [register(run) for run in runs]
    extra = {"report.html": report(kept, title, command_line())} if options.report and options.out else {}
    deliver(kept, options.out, extra)
    show(kept, options.json, brief)
    if not options.json:
        register_line(kept, [str(Path(options.out) / name) for name in extra] if options.out else [])


def check_out(out: Path | None) -> None:
    """Refuse a folder that cannot be written to before the work is done, not after."""
    if out is None:
        return
    there = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    try:
        with TemporaryFile(dir=there):
            return
    except OSError as error:
        raise KobeError(f"--out {out}: cannot be written ({there}: {error.strerror}); choose another folder") from None


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["kobe", *sys.argv[1:]])
