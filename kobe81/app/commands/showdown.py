"""kobe showdown."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kobe81.app.options import ACCOUNT, DATA, RUN, AccountOptions, DataOptions, RunOptions, Settings


def showdown(*, strategy: Annotated[tuple[str, ...], Parameter(name="--strategy", negative="")] = (),
             data: DataOptions = DATA, account: AccountOptions = ACCOUNT,
             run: RunOptions = RUN) -> None:
    """Strategies head to head: the same bars, the same account, the same period.

    Parameters
    ----------
    strategy
        A name, repeatable; without any, all of them.
    """
    from kobe81.app.deliver import check_out, finish
    from kobe81.app.opening import open_market
    from kobe81.app.runs import run_backtests
    from kobe81.app.waiting import waiting
    from kobe81.strategies import strategies

    settings = Settings.read(run, account)
    chosen = settings.strategies(strategy or strategies.names())
    check_out(run.out)
    with waiting("Backtesting", quiet=run.json):
        market = open_market(settings.data(data))
        rules = [rule for rule, _ in chosen]
        done = run_backtests(market, rules, settings.account(), run.seed, run.benchmark)
    finish(done, run, "Showdown")
