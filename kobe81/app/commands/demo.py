"""kobe demo."""

from __future__ import annotations

from pathlib import Path

from kobe81.app.options import DataOptions, RunOptions


def demo(*, out: Path = Path("demo"), json: bool = False) -> None:
    """Both strategies, judged out of sample on the embedded sample and on a synthetic market, then a trading day with a
    crash in it; offline, no key.

    Parameters
    ----------
    out
        Folder for the report and the output files.
    json
        Print the results as JSON, and nothing else.
    """
    from kobe81.app.analysis import Setup
    from kobe81.app.commands.simulate_day import DAY
    from kobe81.app.compute import walk_forward_on
    from kobe81.app.deliver import check_out, finish
    from kobe81.app.live.simulation import simulate
    from kobe81.app.opening import open_market
    from kobe81.app.runs import Run, run_walk_forward
    from kobe81.app.waiting import waiting
    from kobe81.backtest.engine import Account
    from kobe81.backtest.walk_forward import Plan
    from kobe81.strategies import strategies, strategy

    account, plan, done = Account(notional=5_000.0), Plan(), list[Run]()
    options = RunOptions(out=out, json=json)
    check_out(out)
    with waiting("Judging both strategies out of sample", quiet=json):
        for source in ("sample", "synthetic"):
            market = open_market(DataOptions(source))
            done += [run_walk_forward(market, Setup(strategy(name), account, vars(plan), GRID), options.seed, None,
                                      lambda m, setup: walk_forward_on("local", m, setup, plan))
                     for name in strategies.names()]
    finish(done, options, "Both strategies, out of sample", brief=True)
    if not json:
        print()
        simulate(DAY, 1, "sample", None, None, crash=True, quiet=False)


GRID: dict[str, list[float]] = {"lookback": [10, 20, 55], "stop_atr": [2.0, 3.0], "hold": [5, 10]}
"""Twelve parameter sets: enough to show that choosing among them has its price."""
