"""kobe health and kobe alerts."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from kobe81.app.options import Whole
from kobe81.core.errors import KobeError, UsageError, unknown_name

if TYPE_CHECKING:
    from socket import socket

    from kobe81.store.journal import SqliteJournal

HIGHEST_PORT, NICENESS = 65_535, 10
"""The second: how far these endpoints stand back where an order wants the processor."""


def health(*, host: str = "127.0.0.1", port: Whole = 8801, allow: tuple[str, ...] = ()) -> None:
    """Serve /health, /ready and /metrics beside the runner, from its journal, until interrupted.

    Parameters
    ----------
    host
        The address to listen on.
    port
        The port to listen on; 0 takes a free one.
    allow
        A host name to answer to besides those of this machine; may be given more than once.
    """
    import os

    from kobe81.app import home
    from kobe81.app.clock import SystemClock
    from kobe81.execution.kill_switch import FileKillSwitch
    from kobe81.monitor.health_endpoints import Endpoints, Lease, Watch, serve

    with closing(_journal()) as journal, _listen(host, port) as listening:
        os.nice(NICENESS)
        watch = Watch(journal, Lease(home.lock()), FileKillSwitch(home.kill_switch()), SystemClock())
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"http://{shown}:{listening.getsockname()[1]}/health /ready /metrics\n")
        sys.stdout.flush()
        serve(Endpoints(watch, (shown, *allow)), listening)


def list_(*, json: bool = False) -> None:
    """The alerts that nobody has acknowledged; a critical one stops trading after 30 minutes.

    Parameters
    ----------
    json
        Print JSON.
    """
    import json as json_

    from kobe81.monitor.alerts import open_alerts, printable
    from kobe81.reports import terminal

    with closing(_journal()) as journal:
        found = [{"id": a.id, "time": a.at.isoformat(timespec="seconds"), "severity": a.severity, "text": a.text}
                 for a in open_alerts(journal.since(0)).values()]
    if json:
        sys.stdout.write(json_.dumps(found, indent=2) + "\n")
        return
    rows = [[a["id"], a["severity"], a["time"], printable(a["text"])] for a in found]
    terminal.show(terminal.table(f"{len(rows)} alerts to acknowledge, with: kobe alerts ack ID",
                                 ["id", "severity", "time (UTC)", "what"], rows, left=4))


def ack(alert: str, *, person: str | None = None) -> None:
    """Acknowledge an alert: somebody knows.

    Parameters
    ----------
    alert
        Its id, as kobe alerts list shows it.
    person
        Who knows; without it, the user's name on this machine.
    """
    from getpass import getuser

    from kobe81.core.events import Acknowledged
    from kobe81.monitor.alerts import open_alerts

    person = person or getuser()
    with closing(_journal()) as journal, journal.exclusively():
        found = open_alerts(journal.since(0))
        if alert not in found:
            raise unknown_name("alert", alert, found)
        journal.append(Acknowledged(id=alert, person=person), cause=found[alert].seq)
    sys.stdout.write(f"alert {alert} acknowledged by {person}\n")


def _journal() -> SqliteJournal:
    """The journal there is; a person who only looks makes none."""
    from kobe81.app import home
    from kobe81.app.clock import SystemClock
    from kobe81.store.journal import open_journal

    if not home.journal().exists():
        raise KobeError(f"{home.journal()} does not exist: no runner has traded here yet. Start one with: kobe run "
                        f"--mode paper; or set {home.VARIABLE} to the folder of one")
    return open_journal(home.journal(), SystemClock())


def _listen(host: str, port: int) -> socket:
    from socket import AF_INET, AF_INET6, create_server

    if not 0 <= port <= HIGHEST_PORT:
        raise UsageError(f"--port {port} is outside 0 to {HIGHEST_PORT}")
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except OSError as error:
        raise KobeError(f"cannot listen on {host} port {port} ({error}); give another --host or --port") from None
