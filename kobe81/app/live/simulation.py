"""Simulate-day: a rehearsal with everything around it that a person wants to see, and what it proves."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from kobe81.app.live.config import LiveConfig, read_config
from kobe81.app.live.inspection import Inspection
from kobe81.app.live.lines import details, plain
from kobe81.app.live.parity import Parity, differences, parity
from kobe81.app.live.readiness import items
from kobe81.app.live.rehearsal import ACCOUNT, Plan, Script, exchange_of, rehearse, run_and_die
from kobe81.app.live.replay import Remade, replay
from kobe81.app.live.schedule import EXCHANGE_TIME, jobs
from kobe81.app.live.station import Places
from kobe81.core.calendar import sessions as calendar_sessions
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Account
from kobe81.core.errors import KobeError, UsageError
from kobe81.core.events import Decided, Filled, Intended, OrderMoved, Record
from kobe81.core.ids import PREFIX
from kobe81.core.orders import State
from kobe81.engine.apply import replay as fold
from kobe81.engine.book import Book
from kobe81.execution.broker_paper import paper_broker
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.store import audit_trail, checkpoints
from kobe81.store.journal import open_journal

WIDEST, HANGING = 110, 18
"""Columns that a line may take, and where its second line begins."""
SMALL = Path(__file__).with_name("small.toml")
"""Without a config: orders of $500 under a day's budget of $1,000, so that a day shows what a limit does."""


@dataclass
class Outcome:
    """What the days came to, and what of it is proven."""

    book: Book
    records: list[Record]
    killed: bool
    remade: list[Remade]
    parity: Parity
    exchange: Account
    held: dict[str, Decimal]
    at_broker: list[str]
    audit: list[str]
    checkpoint: str

    @property
    def fills(self) -> list[Filled]:
        """All fills."""
        return [r.event for r in self.records if isinstance(r.event, Filled)]

    @property
    def refusals(self) -> Counter[str]:
        """How often each gate denied."""
        return Counter(v.gate for r in self.records if isinstance(r.event, Decided)
                       for c in r.event.decision.considered for v in c.refusals)

    @property
    def proofs(self) -> dict[str, tuple[bool, str]]:
        """What was checked: whether it holds, and in words."""
        sent = {r.event.order for r in self.records if isinstance(r.event, OrderMoved) and r.event.state is State.SENT}
        twice = len(self.at_broker) - len(set(self.at_broker))
        positions = {s: p.qty for s, p in self.book.positions.items()}
        same = sum(r.same for r in self.remade)
        unexplained = sum(not d.explained for d in self.parity.differences)
        return {
            "no order twice": (not twice and set(self.at_broker) <= sent,
                               f"{len(sent)} orders sent, {len(self.at_broker)} at the exchange, {twice} twice"),
            "books": (self.book.cash == self.exchange.cash and positions == self.held,
                      f"${self.book.cash:,.2f} and {len(positions)} positions in the journal, "
                      f"${self.exchange.cash:,.2f} and {len(self.held)} at the exchange"),
            "replay": (same == len(self.remade), f"{same} of {len(self.remade)} decisions made again, with the same "
                                                 f"digests"),
            "parity": (self.parity.holds, f"{self.parity.same} deeds exactly as in the backtest, "
                                          f"{len(self.parity.differences)} otherwise, {unexplained} unexplained"),
            "audit": (not self.audit, f"{self.book.seq:,} records, chain and checkpoints hold" if not self.audit else
                      "; ".join(self.audit)),
        }


def simulate(first: date, count: int, data: str, config: Path | None, out: Path | None, *, crash: bool,
             quiet: bool) -> None:
    """Run, show and prove; KobeError where a proof fails."""
    days = calendar_sessions("XNYS", first, first + timedelta(days=10 + 2 * count))[:count]
    if count < 1 or not days or days[0] != first:
        raise UsageError(f"{first} is no session of the exchange, or --sessions {count} is not at least 1")
    with ExitStack() as stack:
        folder = _folder(out, stack)
        settings = read_config(config, SMALL)._replace(data={"data": data})
        made = {s.name: asdict(s) for s in settings.strategies}
        plan = Plan(folder=str(folder), bars=data, sessions=tuple(days), strategies=made,
                    rules=settings.rules(ACCOUNT).values)
        if not quiet:
            _announce(plan)
            _preflight(settings, plan)
        outcome = _run(plan, crash=crash, quiet=quiet)
        if quiet:
            sys.stdout.write(msgspec.json.encode(summary(outcome)).decode() + "\n")
        else:
            _show(outcome)
    failed = [f"{name}: {told}" for name, (holds, told) in outcome.proofs.items() if not holds]
    if failed:
        raise KobeError(f"the day is not proven: {'; '.join(failed)}")


def _folder(out: Path | None, stack: ExitStack) -> Path:
    if out is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kobe81-")))
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; give a new folder, so that no other journal is touched")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    return out


def _announce(plan: Plan) -> None:
    more = f" and {len(plan.sessions) - 1} more" if plan.sessions[1:] else ""
    _wrapped(f"A trading day, {plan.sessions[0]}{more}, on the bars {plan.bars!r}. Runner, order path and exchange "
             f"are the real ones, the prices are past, the clock is stepped. New York time.\n")


def _preflight(settings: LiveConfig, plan: Plan) -> None:
    """Say in a line whether everything is ready, and name what is not."""
    begins = jobs(plan.sessions[0])[0].at
    with closing(Inspection("paper", Places(Path(plan.folder)), lambda: settings, {}, SteppedClock(begins))) as look:
        found = list(items(look))
    count = Counter(item.state for item in found)
    others = ", ".join(item.name for item in found if item.state != "pass")
    _wrapped(f"08:00:00  preflight {len(found)} items, {count['pass']} pass, {count['warn']} warn, "
             f"{count['fail']} fail ({others})")


def _run(plan: Plan, *, crash: bool, quiet: bool) -> Outcome:
    folder, script = Path(plan.folder), plan.script
    say: Callable[[str], None] = _nothing if quiet else _wrapped
    killed = crash and run_and_die(plan) == -signal.SIGKILL

    def tell(record: Record) -> None:
        if (text := plain(record)) and not isinstance(record.event, Intended):
            say(f"{record.time.astimezone(EXCHANGE_TIME):%H:%M:%S}  {text.partition('; refused')[0]}")
        if isinstance(record.event, Decided):
            for detail in details(record.event.decision):
                say(f"          {detail}")

    if killed:
        for record in _records(folder):
            tell(record)
        say("          kill -9: the process is gone, and nobody heard the answer to its first order; restarting")
    rehearse(folder, script, plan.sessions, [tell])
    return _prove(plan, script, killed)


def _wrapped(line: str) -> None:
    """Print a line, its continuation under its text."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    indent = "" if line.endswith("\n") else " " * HANGING
    print(textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False),
          end="\n\n" if line.endswith("\n") else "\n")


def _nothing(line: str) -> None:
    """Said to nobody."""


def _records(folder: Path) -> list[Record]:
    journal = open_journal(Places(folder).journal, SteppedClock(datetime(1970, 1, 1, tzinfo=UTC)))
    try:
        return list(journal.since(0))
    finally:
        journal.close()


def _prove(plan: Plan, script: Script, killed: bool) -> Outcome:
    """Look at everything again, from the files alone."""
    places, records = Places(Path(plan.folder)), _records(Path(plan.folder))
    remade = [r for session in plan.sessions for r in replay(records, session, script.bars)]
    slippage = script.terms.half_spread_bps
    compared = parity(records, script.bars, plan.sessions[0], plan.sessions[-1], slippage)
    known = checkpoints.read(places.checkpoints)
    walk = audit_trail.verify(places.audit, known)
    with exchange_of(places.folder, script, SteppedClock(records[-1].time)) as exchange:
        broker = paper_broker(exchange, SteppedClock(records[-1].time), FileKillSwitch(places.switch))
        account, orders = broker.account(), broker.orders(records[0].time - timedelta(days=1))
        held = {p.symbol: p.qty for p in broker.positions()}
    return Outcome(fold(records), records, killed, remade, compared, account, held,
                   [o.client for o in orders if o.client.startswith(PREFIX)], [str(f) for f in walk.findings],
                   known[-1].line)


def summary(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain values."""
    book = outcome.book
    return {
        "killed": outcome.killed, "sessions": [outcome.parity.first, outcome.parity.last],
        "fills": [f.fill for f in outcome.fills], "refusals": dict(outcome.refusals.most_common()),
        "positions": {s: p.qty for s, p in book.positions.items()}, "cash": book.cash, "equity": book.equity,
        "parity": outcome.parity.differences, "checkpoint": outcome.checkpoint,
        "proofs": {name: {"holds": holds, "told": told} for name, (holds, told) in outcome.proofs.items()},
    }


def _show(outcome: Outcome) -> None:
    refused = ", ".join(f"{gate} {n}" for gate, n in outcome.refusals.most_common())
    print()
    _wrapped(f"Refusals by gate  {refused or 'none'}")
    for line in differences(outcome.parity):
        _wrapped(f"Live or backtest  {line}")
    print()
    for name, (holds, told) in outcome.proofs.items():
        _wrapped(f"{'✓' if holds else '✗'} {name:<16}{told}")
    print(f"\nCheckpoint, to be kept elsewhere:\n{outcome.checkpoint}")
