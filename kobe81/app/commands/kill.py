"""kobe kill."""

from __future__ import annotations

import sys


def kill(*, reason: str = "no reason given") -> None:
    """Stop all trading: no order is sent any more until kobe resume. Cancels and reads go on.

    The switch is a file, and is set first; it works with a full disk and without the journal.

    Parameters
    ----------
    reason
        Why, for whoever looks later.
    """
    from getpass import getuser

    from kobe81.app import home
    from kobe81.core.errors import KobeError
    from kobe81.execution.kill_switch import FileKillSwitch

    by = f"kobe kill ({getuser()})"
    FileKillSwitch(home.kill_switch()).engage(by, reason)
    _say(f"Kill switch set: {home.kill_switch()} exists. No order is sent while it does.")
    try:
        _say(*_record(by, reason))
    except (KobeError, OSError) as error:
        _say(f"The journal could not be asked or written: {error}")
    _say("To trade again: kobe resume")


def _record(by: str, reason: str) -> list[str]:
    """Tell the journal; what stays open."""
    from kobe81.app import home
    from kobe81.app.clock import SystemClock
    from kobe81.core.errors import StoreError
    from kobe81.core.events import Adjusted, Filled, Intended, Killed, OrderMoved, SessionOpened
    from kobe81.engine.apply import replay
    from kobe81.store.journal import open_journal

    if not home.journal().exists():
        return ["There is no journal here, so nothing of ours is open."]
    journal, said = open_journal(home.journal(), SystemClock(), patience=0.2), list[str]()
    try:
        journal.append(Killed(by=by, reason=reason))
    except StoreError as error:
        said.append(f"The journal was not told: {error}")
    book = replay(journal.of(SessionOpened, Intended, OrderMoved, Filled, Adjusted))
    journal.close()
    orders = [o for o in book.orders.values() if o.open]
    said += [f"Open order {o.intent.id}: {o.intent.side} {o.intent.qty - o.filled} {o.intent.symbol}, {o.intent.leg}, "
             f"{o.state}" for o in orders]
    said += [f"Position: {p.qty} {p.symbol}" for p in book.positions.values()]
    return [*said, f"Open: {len(orders)} orders, {len(book.positions)} positions. Orders at the broker may still fill, "
                   "and stops there still protect."]


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
