"""kobe scan."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kobe81.app.options import DATA, RUN, DataOptions, RunOptions, Settings, Whole
from kobe81.core.errors import UsageError


def scan(*, strategy: Annotated[tuple[str, ...], Parameter(name="--strategy", negative="")] = (),
         top: Whole = 20, data: DataOptions = DATA, run: RunOptions = RUN) -> None:
    """The signals of the last complete bar: what would be bought at the next open, and why.

    Parameters
    ----------
    strategy
        A name, repeatable; without any, all of them.
    top
        Signals shown at most, the highest scores first.
    """
    import sys

    from kobe81.app.market import day
    from kobe81.app.opening import open_market
    from kobe81.app.scanning import last_signals
    from kobe81.reports import terminal
    from kobe81.strategies import strategies

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
