"""kobe scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kobe81.app.options import DATA, RUN, DataOptions, RunOptions, Settings, Whole
from kobe81.core.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from kobe81.core.decisions import Considered, Decision

Flag = Annotated[bool, Parameter(negative="")]


def scan(*, strategy: Annotated[tuple[str, ...], Parameter(name="--strategy", negative="")] = (),
         top: Whole = 20, explain: Flag = False, symbol: str | None = None,
         data: DataOptions = DATA, run: RunOptions = RUN) -> None:
    """The signals of the last complete bar: what would be bought at the next open, and why.

    Parameters
    ----------
    strategy
        A name, repeatable; without any, all of them.
    top
        Signals shown at most, the highest scores first.
    explain
        What a runner would send at the next open, and why not: every gate's verdict, at the last close, by the home
        folder's kobe.toml (or --config) and the journal's book.
    symbol
        With --explain: only this symbol.
    """
    import sys

    from kobe81.app.opening import open_market
    from kobe81.app.scanning import last_signals
    from kobe81.core.days import day
    from kobe81.reports import terminal
    from kobe81.strategies import strategies

    if explain:
        _explain(strategy, symbol, top, data, run)
        return
    settings = Settings.read(run)
    if top < 1:
        raise UsageError(f"--top {top} is not at least 1")
    market = open_market(settings.data(data))
    found = last_signals(market.bars, [s for s, _ in settings.strategies(strategy or strategies.names())])
    if run.out:
        from kobe81.experiments.registry import write_files

        write_files(run.out, {"signals.csv": found.write_csv().encode()})
    if run.json:
        sys.stdout.write(found.write_json() + "\n")
        return
    shown = found.head(top)
    title = f"{market.bars.origin.label}: {found.height} signals of {day(market.bars.sessions[-1])}"
    rows = [[r["symbol"], r["strategy"], r["side"], f"{r['entry']:,.2f}", f"{r['stop']:,.2f}",
             "–" if r["take_profit"] is None else f"{r['take_profit']:,.2f}", f"{r['score']:.2f}", r["reason"]]
            for r in shown.iter_rows(named=True)]
    columns = ["symbol", "strategy", "side", "entry", "stop", "target", "score"]
    terminal.show(terminal.table(title, columns, [row[:7] for row in rows], left=3))
    for row in rows:
        terminal.show(f"{row[0]}: {row[7]}.")
    if not found.height:
        terminal.show("No symbol met a rule on its last bar. The rules: kobe strategies")
    terminal.show(terminal.notes([market.bars.origin.note, *market.warnings]))


def _explain(names: Sequence[str], symbol: str | None, top: int, data: DataOptions, run: RunOptions) -> None:
    """The decision that a runner would make at the next open."""
    import sys

    import msgspec

    from kobe81.app import home
    from kobe81.app.commands.run import CONFIG
    from kobe81.app.live.config import read_config
    from kobe81.app.live.explaining import explain
    from kobe81.app.live.looking import book
    from kobe81.app.opening import open_market
    from kobe81.engine.book import Book

    if run.set or run.out:
        raise UsageError("--explain shows what a runner would do, so --set and --out have no part in it; settings "
                         f"are in {home.home() / CONFIG}, or in the file of --config")
    home.home().mkdir(mode=0o700, parents=True, exist_ok=True)  # without its folder the kill switch counts as set
    config = read_config(run.config, home.home() / CONFIG)
    market = open_market(data.over(config.data))
    now = book() if home.journal().exists() else Book()
    trading = [s for s in config.strategies if not names or s.name in names]
    decision = explain(market.bars, trading, config.rules(now.account), config.paper, now, home.kill_switch())
    found = _of(decision.considered, symbol)
    if run.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        _show(decision, found[:top])


def _of(considered: Sequence[Considered], symbol: str | None) -> list[Considered]:
    """Those of the symbol, or all; UsageError where it is none of them."""
    found = [c for c in considered if symbol is None or c.symbol == symbol.upper()]
    if symbol and not found:
        raise unknown_name("candidate", symbol, {c.symbol for c in considered} or ("none today",))
    return found


def _show(decision: Decision, found: Sequence[Considered]) -> None:
    from rich.markup import escape

    from kobe81.app.live.explaining import outcome
    from kobe81.reports import terminal

    terminal.show(f"What the first scan of {decision.session} would decide, at the last close: "
                  f"{len(decision.considered)} considered, {len(decision.intents)} orders", "")
    for c in found:
        verdicts = [*c.refusals, *(v for v in c.verdicts if v.allowed)]
        rows = [[v.gate, "ok" if v.allowed else "NO", escape(v.reason)] for v in verdicts]
        terminal.show(terminal.table(f"{c.symbol} ({c.strategy}, {c.leg}): {outcome(c)}\n{c.why}",
                                     ["gate", "", "reason"], rows, left=3))
    if not found:
        terminal.show("No symbol met a rule on its last bar. The rules: kobe strategies")
