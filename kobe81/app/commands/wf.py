"""kobe wf."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from kobe81.app.options import ACCOUNT, DATA, RUN, AccountOptions, DataOptions, RunOptions, Settings, Whole, read_grid


def wf(*, strategy: Annotated[tuple[str, ...], Parameter(name="--strategy", negative="")] = (),
       grid: Annotated[tuple[str, ...], Parameter(name="--grid", negative="")] = (),
       train: Whole | None = None, test: Whole | None = None, embargo: Whole | None = None,
       compute: Literal["local", "dask", "ray"] = "local", data: DataOptions = DATA,
       account: AccountOptions = ACCOUNT, run: RunOptions = RUN) -> None:
    """Walk-forward: judge strategies out of sample, with or without a grid of parameters.

    Parameters
    ----------
    strategy
        A name, repeatable; without any, all of them.
    grid
        Values to try, as lookback=10,20,55; repeatable.
    train
        Sessions of a training window. [252]
    test
        Sessions of a test window. [63]
    embargo
        Sessions before the test window from which no training trade may come. [0]
    compute
        Where large grids run: local processes, Dask ($DASK_SCHEDULER_ADDRESS) or Ray ($RAY_ADDRESS).
    """
    from kobe81.app.analysis import Setup
    from kobe81.app.compute import walk_forward_on
    from kobe81.app.deliver import check_out, finish
    from kobe81.app.opening import open_market
    from kobe81.app.runs import run_walk_forward
    from kobe81.app.waiting import waiting
    from kobe81.strategies import strategies

    settings = Settings.read(run, account, {"train": train, "test": test, "embargo": embargo})
    plan, values = settings.plan(), read_grid(grid)
    chosen = settings.strategies(strategy or strategies.names(), values)
    check_out(run.out)
    with waiting("Walking forward", quiet=run.json) as tick:
        market = open_market(settings.data(data))
        done = [run_walk_forward(market, Setup(s, settings.account(), vars(plan), own), run.seed, run.benchmark,
                                 lambda m, setup: walk_forward_on(compute, m, setup, plan, tick))
                for s, own in chosen]
    finish(done, run, "Walk-forward")
