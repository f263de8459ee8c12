"""kobe run."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from kobe81.app.options import Whole
from kobe81.core.errors import UsageError

if TYPE_CHECKING:
    from kobe81.app.live.config import LiveConfig

CONFIG = "kobe.toml"
Flag = Annotated[bool, Parameter(negative="")]


def run(*, mode: Literal["paper", "live"] | None = None, config: Path | None = None, account: str | None = None,
        play: date | None = None, sessions: Whole = 1, speed: float = 0.0, health: Whole | None = None,
        reduce_only: Flag = False, check: Flag = False, json: Flag = False) -> None:
    """Trade: day after day, each job once, through whatever kills the process, until Ctrl-C.

    Parameters
    ----------
    mode
        paper: the exchange within, or Alpaca's paper account; live: real money at Alpaca. Required.
    config
        TOML file; without it kobe.toml in the home folder, where there is one, and the defaults.
    account
        The number of the account, which must be the one the key belongs to. Live wants it.
    play
        Trade the past from this day on, on bars and the exchange within; the same command goes on after a kill.
    sessions
        How many sessions to play.
    speed
        How many times as fast as ours the clock of a play runs; 0 steps through it.
    health
        Serve /health, /ready and /metrics on this port of the machine.
    reduce_only
        Only leave positions; with it, exits pass the kill switch.
    check
        Only check the configuration, and show what is in force.
    json
        With --check: print JSON.
    """
    from kobe81.app import home
    from kobe81.app.live import trading
    from kobe81.app.live.config import HealthSettings, read_config

    made = read_config(config, home.home() / CONFIG)
    if check:
        _show(made, json=json)
        return
    port = HealthSettings(health).port if health is not None else 0 if play else made.health.port
    wish = trading.Wish(_checked(mode, made, play), account, reduce_only, port, os.environ)
    home.home().mkdir(mode=0o700, parents=True, exist_ok=True)
    if play:
        trading.play_past(made, wish, play, sessions, speed)
    elif made.broker.name == "alpaca":
        trading.trade_at_alpaca(made, wish)
    else:
        trading.trade_on_paper(made, wish)


def _checked(mode: str | None, config: LiveConfig, play: date | None) -> str:
    """The mode, where it can be meant."""
    if mode is None:
        raise UsageError("--mode paper or --mode live is required; nothing is traded by default")
    if mode == "live" and play:
        raise UsageError("--play is for paper: the past cannot be traded with real money")
    if mode == "live" and config.broker.name != "alpaca":
        raise UsageError('--mode live trades at Alpaca, and the configuration says broker.name = "paper"; write '
                         'name = "alpaca" under [broker]')
    return mode


def _show(config: LiveConfig, *, json: bool) -> None:
    """What is in force, as a table or as JSON."""
    import json as json_

    from kobe81.reports import terminal

    if json:
        sys.stdout.write(json_.dumps(config.values, indent=2, default=str) + "\n")
        return
    rows = [[table, name, _plain(value)] for table, found in config.values.items()
            for name, value in found.items()]
    terminal.show(terminal.table("The configuration is sound. In force:", ["table", "setting", "value"], rows, left=3))


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
