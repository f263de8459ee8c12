"""The command line: one table of commands, each imported only when it is called, so that --help answers at once."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError, UnusedCliTokensError

from kobe81 import __version__
from kobe81.core.errors import KobeError, UsageError

COMMANDS = {
    "demo": ("kobe81.app.commands.demo:demo", "Judge both strategies on the embedded sample: offline, no key."),
    "backtest": ("kobe81.app.commands.backtest:backtest", "Trade one strategy over a set of bars."),
    "showdown": ("kobe81.app.commands.showdown:showdown", "Strategies head to head on the same bars."),
    "wf": ("kobe81.app.commands.wf:wf", "Walk-forward: judge a strategy out of sample, with or without a grid."),
    "scan": ("kobe81.app.commands.scan:scan", "The signals of the last complete bar."),
    "simulate-day": ("kobe81.app.commands.simulate_day:simulate_day",
                     "A trading day in seconds: gates, orders, a kill in the middle, and the proof."),
    "replay": ("kobe81.app.commands.prove:replay", "Make a finished day's decisions again, and compare."),
    "parity": ("kobe81.app.commands.prove:parity", "The same sessions through the backtest, differences explained."),
    "run": ("kobe81.app.commands.run:run", "Trade, on paper or live, day after day."),
    "preflight": ("kobe81.app.commands.preflight:preflight", "Whether everything is ready to trade: 17 items."),
    "status": ("kobe81.app.commands.watch:status", "Where things stand: runner, readiness, session, budget."),
    "positions": ("kobe81.app.commands.watch:positions", "What is held, and the stops that protect it."),
    "orders": ("kobe81.app.commands.watch:orders", "Open orders and those of the session."),
    "pnl": ("kobe81.app.commands.watch:pnl", "Profit and loss of finished trades, by session."),
    "risk": ("kobe81.app.commands.watch:risk", "The risk gates' limits, and how much of them is used."),
    "reconcile": ("kobe81.app.commands.reconcile:reconcile", "Compare book and broker, to the cent."),
    "kill": ("kobe81.app.commands.kill:kill", "Stop all orders, now."),
    "resume": ("kobe81.app.commands.reconcile:resume", "Let trading go on, once book and broker agree."),
    "exchange": ("kobe81.app.commands.exchange:exchange", "A local exchange that speaks Alpaca's protocol."),
    "health": ("kobe81.app.commands.health:health", "Serve /health, /ready and /metrics."),
    "strategies": ("kobe81.app.commands.strategies:show", "The strategies and their parameters."),
}
GROUPS = {
    "data": ("Bars: fetch, check, info, export, import.", {
        "fetch": ("kobe81.app.commands.data:fetch", "Fetch daily bars into the cache, from the first source that can."),
        "check": ("kobe81.app.commands.data:check", "Look for bad bars, by symbol and date."),
        "info": ("kobe81.app.commands.data:info", "What a set of bars holds: span, symbols, source, hash."),
        "export": ("kobe81.app.commands.data:export", "Write bars to one Parquet or CSV file."),
        "import": ("kobe81.app.commands.data:import_", "Take bars from files into the cache."),
    }),
    "audit": ("The audit trail: every record, chained by hashes.", {
        "verify": ("kobe81.app.commands.audit:verify", "Check journal, audit and checkpoints, kept elsewhere too."),
        "export": ("kobe81.app.commands.audit:export", "Write the audit anew from the journal."),
        "checkpoint": ("kobe81.app.commands.audit:checkpoint", "Sign what there is, in one line to keep elsewhere."),
        "tamper-demo": ("kobe81.app.commands.audit:tamper_demo", "What each check finds, and what it cannot."),
    }),
    "alerts": ("What somebody must know.", {
        "list": ("kobe81.app.commands.health:list_", "The alerts nobody has acknowledged."),
        "ack": ("kobe81.app.commands.health:ack", "Acknowledge one."),
    }),
    "compliance": ("The rules in force, and the symbols nobody may buy.", {
        "show": ("kobe81.app.commands.compliance:show", "Rules, limits and prohibited symbols."),
        "prohibit": ("kobe81.app.commands.compliance:prohibit", "Put a symbol on the prohibited list."),
        "allow": ("kobe81.app.commands.compliance:allow", "Take a symbol off it."),
    }),
    "universe": ("The symbols to trade.", {
        "build": ("kobe81.app.commands.universe:build", "Keep the most traded candidates with a long history."),
    }),
    "experiments": ("Every run, with the hash of what went in and came out.", {
        "list": ("kobe81.app.commands.experiments:list_", "The registered runs, latest first."),
        "show": ("kobe81.app.commands.experiments:show", "One run: inputs, outputs, figures."),
        "compare": ("kobe81.app.commands.experiments:compare", "Two or more runs side by side."),
        "verify": ("kobe81.app.commands.experiments:verify", "Run again and compare the outputs byte by byte."),
    }),
}
EXIT_INTERRUPTED, RETRY_AFTER = 130, 0.02
CHATTY = ("stamina", "yfinance")
"""Libraries that log what the commands say in their own words."""


def build() -> App:
    """The application, with every command registered by name and none imported."""
    app = App("kobe", help="Daily-bar trading for US stocks by rule. Start with: kobe demo", version=__version__,
              result_action="return_value", suppress_keyboard_interrupt=False, help_format="plaintext")
    for name, (target, text) in COMMANDS.items():
        app.command(target, name=name, help=text)
    for name, (text, commands) in GROUPS.items():
        group = App(name, help=text)
        for command, (target, line) in commands.items():
            group.command(target, name=command, help=line)
        app.command(group)
    return app


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command. Exit codes: 0 done, 1 failed, 2 the request is wrong, 130 interrupted."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    _listen()
    try:
        build()(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        _say(f"kobe: {_wrong(error)}")
        sys.exit(UsageError.exit_code)
    except KobeError as error:
        _say(f"kobe: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read the output has read enough, as in kobe experiments list | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _say(f"kobe: {_about(error)}")
        sys.exit(1)
    except KeyboardInterrupt:
        _say("kobe: interrupted; what was finished is kept, and the same command goes on from there")
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(0)


def _listen() -> None:
    """Have Ctrl-C raise KeyboardInterrupt where that is safe. Python's own handler stays where there is no timer."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupted)
        signal.signal(signal.SIGALRM, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    """Numba's compiled code calls Python and does not survive an exception there: wait until it has returned."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(("numba", "llvmlite")):
            signal.setitimer(signal.ITIMER_REAL, RETRY_AFTER)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _wrong(error: CycloptsError) -> str:
    """What is wrong with the command line, and where to read how it is right."""
    text = str(error).rstrip(".")
    if isinstance(error, UnusedCliTokensError):
        text = f"Nothing takes {' '.join(error.unused_tokens or ())!r} here; options are written --name value"
    chain = error.command_chain or []
    return f"{text}. See: {' '.join(['kobe', *chain])} --help"


def _about(error: OSError) -> str:
    """What a person can do about a failed file operation."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. Earlier results are untouched; mend that and run the command again"


def _say(text: str) -> None:
    print(text, file=sys.stderr)
