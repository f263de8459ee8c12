"""kobe reconcile, kobe resume."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kobe81.core.errors import KobeError, UsageError

if TYPE_CHECKING:
    from kobe81.app.live.config import LiveConfig
    from kobe81.core.events import Difference, Record
    from kobe81.oms.ledger import Ledger

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
        _show("Book and broker", lines)
        if adopt and r.total(lines):
            _confirm(yes=yes)
            lines = table.adopt(lines, name, reason)
            _show(f"Book and broker, after {name} adjusted the book", lines)
            _say_what_adoption_leaves(table.ledger)
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
    from kobe81.app.clock import SystemClock
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
    with closing(open_journal(home.journal(), SystemClock())) as journal:
        clock = Past.of(journal).clock
    with closing(open_journal(home.journal(), clock)) as journal:
        _go_on(Ledger(journal), name, reason, r.unclean(found, clock.now()))


def _go_on(ledger: Ledger, name: str, reason: str, unclean: str) -> None:
    """Lift what stands in the way, where book and broker agree; say what was lifted."""
    from kobe81.app import home
    from kobe81.app.live import reconciling as r
    from kobe81.core.events import Acknowledged
    from kobe81.execution.kill_switch import FileKillSwitch

    switch = FileKillSwitch(home.kill_switch())
    stopped = r.stopped_by(ledger.book, switch)
    if unclean:
        raise KobeError(f"nothing was lifted: {unclean}. Look with kobe reconcile, and come back when they agree")
    if not stopped:
        print("Nothing is halted, killed or open: there is nothing to resume")
        return
    alerts = [event.id for event in r.resume(ledger, switch, name, reason) if isinstance(event, Acknowledged)]
    for why in stopped:
        print(f"Lifted by {name}: {why}")
    print(f"{len(alerts)} critical alerts acknowledged. Book and broker agree; trading may go on")


def _running(runs: str, last: Record | None) -> None:
    """What the runner found last; KobeError where that was a difference."""
    from kobe81.app.live.reconciling import CASH, moment
    from kobe81.core.events import Difference, Halted, Reconciled

    print(f"A runner trades ({runs}), so this is what it found last")
    if last is None:
        raise KobeError("the runner has not compared book and broker yet; see: kobe status")
    if isinstance(last.event, Reconciled):
        held = {CASH: last.event.cash, **last.event.positions}
        _show(f"Book and broker at {moment(last.time)}",
              [Difference(what=what, book=amount, broker=amount) for what, amount in held.items()])
    if isinstance(last.event, Halted):
        _show(f"Book and broker at {moment(last.time)}: only what differs", last.event.differences)
        raise KobeError(f"{last.event.reason}. To look anew, stop the runner and run kobe reconcile again")


def _show(title: str, lines: Sequence[Difference]) -> None:
    from kobe81.app.live.reconciling import rows
    from kobe81.reports import terminal

    terminal.show(terminal.table(title, ["", "book", "broker", "equal"], rows(lines)))


def _confirm(*, yes: bool) -> None:
    """UsageError unless a person types the word."""
    if yes:
        return
    try:
        typed = input("The book is changed to what the broker says. Type adopt to go on: ")
    except EOFError:
        typed = ""
    if typed.strip() != "adopt":
        raise UsageError("nothing was changed; type the word adopt, or give --yes")


def _say_what_adoption_leaves(ledger: Ledger) -> None:
    """Positions that nothing will sell, and a halt that stays."""
    bare = [symbol for symbol, p in ledger.book.positions.items() if p.protect is None]
    if bare:
        print(f"Without a stop or a time exit, because no decision of ours opened them: {', '.join(bare)}")
    if ledger.book.halted:
        print("Trading stays halted until: kobe resume --reason TEXT")


def _config(path: Path | None) -> LiveConfig:
    from kobe81.app import home
    from kobe81.app.commands.run import CONFIG
    from kobe81.app.live.config import read_config

    return read_config(path, home.home() / CONFIG)
