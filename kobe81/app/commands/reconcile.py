"""kobe reconcile, kobe resume."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kobe81.core.errors import KobeError, UsageError

if TYPE_CHECKING:
    from kobe81.app.live.reconciling import Table
    from kobe81.core.events import Difference, Record

Flag = Annotated[bool, Parameter(negative="")]


def reconcile(*, config: Path | None = None, adopt: Flag = False, reason: str = "", person: str | None = None,
              yes: Flag = False) -> None:
    """Compare book and broker: every position and the cash. Exit code 0 where they agree, 1 where not.

    While a runner trades, what it found last is shown instead. No order is ever sent.

    Parameters
    ----------
    config
        TOML file, as for kobe run.
    adopt
        Make the book agree with the broker, after showing the table and asking; wants a reason.
    reason
        Why the book is wrong, for whoever looks later.
    person
        Who says so; the user of this machine where left out.
    yes
        Do not ask.
    """
    from kobe81.app import home
    from kobe81.app.live import reconciling as r
    from kobe81.app.live.looking import records
    from kobe81.app.live.station import Places
    from kobe81.app.people import who
    from kobe81.store.locks import leader

    if adopt and not reason.strip():
        raise UsageError("--adopt changes the book, and wants --reason TEXT: why it is wrong")
    name, found, runs = who(person), records(), leader(home.lock())
    if runs and adopt:
        raise UsageError(f"a runner trades ({runs}); stop it before the book is changed")
    if runs:
        _running(str(runs), r.last_look(found))
        return
    with r.table_of(Places(home.home()), _config(config), os.environ) as table:
        lines = table.sweep()
        _show(lines)
        if adopt and r.total(lines):
            lines = _adopted(table, lines, name, reason, yes=yes)
    if r.total(lines):
        raise KobeError("book and broker differ; find out why. If the broker is right: kobe reconcile --adopt "
                        "--reason TEXT")


def resume(*, reason: str = "", person: str | None = None, config: Path | None = None) -> None:
    """Let trading go on after a halt, a kill or an open circuit breaker, once book and broker agree.

    The open critical alerts count as acknowledged. No order is sent by it.

    Parameters
    ----------
    reason
        Why it is safe to go on. Required.
    person
        Who says so; the user of this machine where left out.
    config
        TOML file, as for kobe run.
    """
    from contextlib import closing

    from kobe81.app import home
    from kobe81.app.live import reconciling as r
    from kobe81.app.live.counterpart import Past
    from kobe81.app.live.looking import records
    from kobe81.app.live.station import Places
    from kobe81.app.people import who
    from kobe81.oms.ledger import Ledger
    from kobe81.store.journal import open_journal
    from kobe81.store.locks import leader

    if not reason.strip():
        raise UsageError("--reason TEXT is required: why it is safe to go on")
    name, found, runs = who(person), records(), leader(home.lock())
    if runs is None:
        with r.table_of(Places(home.home()), _config(config), os.environ) as table:
            _go_on(table.ledger, name, reason, "" if not r.total(table.sweep()) else "book and broker differ")
        return
    with closing(open_journal(home.journal(), home.SystemClock())) as journal:
        past = Past.of(journal)
        now = past.wrote if past.played and past.wrote else home.now()
    with closing(open_journal(home.journal(), past.clock)) as journal:
        _go_on(Ledger(journal), name, reason, r.unclean(found, now))
