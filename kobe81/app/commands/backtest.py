"""kobe backtest."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from kobe81.app.options import ACCOUNT, DATA, RUN, AccountOptions, DataOptions, RunOptions, Settings


def backtest(*, strategy: Annotated[str, Parameter(name="--strategy")] = "donchian", data: DataOptions = DATA,
             account: AccountOptions = ACCOUNT, run: RunOptions = RUN,
             engine: Annotated[Literal["kernel", "decide"], Parameter(name="--engine")] = "kernel") -> None:
    """Trade one strategy over a set of bars.

    Parameters
    ----------
    strategy
        Its name; see: kobe strategies
    engine
        kernel: compiled, no gates; decide: the path that trades on paper and live, every gate asked.
    """
    from kobe81.app.deliver import check_out, finish
    from kobe81.app.opening import open_market
    from kobe81.app.runs import run_backtests
    from kobe81.app.waiting import waiting

    settings = Settings.read(run, account, decides=engine == "decide")
    rule, trader = settings.strategy(strategy), settings.account()
    rules = settings.rules("sim") if engine == "decide" else None
    check_out(run.out)
    with waiting("Backtesting", quiet=run.json):
        done = run_backtests(open_market(settings.data(data)), [rule], trader, run.seed, run.benchmark, rules)
    finish(done, run, f"{strategy}: backtest")
