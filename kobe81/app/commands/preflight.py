"""kobe preflight."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal


def preflight(*, mode: Literal["paper", "live"] = "paper", config: Path | None = None, json: bool = False) -> None:
    """Whether everything is ready to trade: 17 looks, each with what was found and what to do.

    Exit code 0 where nothing fails, 1 otherwise. A running runner is not disturbed.

    Parameters
    ----------
    mode
        paper, or live: real money.
    config
        TOML file, as for kobe run.
    json
        Print it as JSON, and nothing else.
    """
    from contextlib import closing

    import msgspec
    from rich.markup import escape

    from kobe81.app import home
    from kobe81.app.clock import SystemClock
    from kobe81.app.commands.run import CONFIG
    from kobe81.app.live.config import read_config
    from kobe81.app.live.inspection import Inspection
    from kobe81.app.live.readiness import items
    from kobe81.app.live.station import Places
    from kobe81.core.errors import KobeError
    from kobe81.reports import terminal

    home.home().mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(Inspection(mode, Places(home.home()), lambda: read_config(config, home.home() / CONFIG),
                            os.environ, SystemClock())) as look:
        found = list(items(look))
    if json:
        sys.stdout.write(msgspec.json.encode([item._asdict() for item in found]).decode() + "\n")
    else:
        rows = [[item.name, item.state, escape(item.found + (f". Do: {item.todo}" if item.todo else ""))]
                for item in found]
        terminal.show(terminal.table(f"Preflight for --mode {mode}", ["", "", "found"], rows, left=3))
    failed = [item.name for item in found if item.state == "fail"]
    if failed:
        raise KobeError(f"not ready: {len(failed)} of {len(found)} looks fail ({', '.join(failed)})")
