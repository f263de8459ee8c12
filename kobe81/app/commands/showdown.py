"""kobe showdown."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kobe81.app.options import AccountOptions, DataOptions, RunOptions, Settings


def showdown(*, strategy: Annotated[tuple[str, ...], Parameter(name="--strategy", negative="")] = (),
             data: DataOptions = DataOptions(), account: AccountOptions = AccountOptions(),
             run: RunOptions = RunOptions()) -> None:
    """Strategies head to head: the same bars, the same account, the same period.

    Parameters
    ----------
    strategy
        A name, repeatable; without any, all of them.
    """
    from kobe81.app.analysis import Setup
    from kobe81.app.deliver import finish
    from kobe81.app.opening import open_market
    from kobe81.app.runs import run_backtest
    from kobe81.app.waiting import waiting
    from kobe81.strategies import strategies

    settings = Settings.read(run, account)
    chosen = settings.strategies(strategy or strategies.names())
    with waiting("Backtesting", quiet=run.json):
        market = open_market(data)
        done = [run_backtest(market, Setup(s, settings.account()), run.seed, run.benchmark) for s in chosen]
    finish(done, run, "Showdown")
