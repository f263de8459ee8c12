"""A run from options to registered results: load, compute, write, register, report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kobe81.app import home
from kobe81.app.analysis import Analysis, Setup
from kobe81.app.market import Market
from kobe81.app.versions import code_version
from kobe81.backtest.files import Files, backtest_files, walk_forward_files
from kobe81.core.hashing import digest_of
from kobe81.experiments.registry import Experiment, ExperimentRegistry, Inputs, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kobe81.backtest.engine import Account, Backtest
    from kobe81.backtest.walk_forward import WalkForward
    from kobe81.core.bars import Bars
    from kobe81.engine.rules import Rules
    from kobe81.strategies import Strategy

SPLIT_FILES = ("trade_list.csv", "equity_curve.csv", "summary.json")


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: what it found, the files it made, where it is registered."""

    analysis: Analysis
    inputs: Inputs
    files: Files
    experiment: Experiment | None = None


def run_backtests(market: Market, strategies: Sequence[Strategy], account: Account, seed: int,
                  benchmark: str | None = None, rules: Rules | None = None) -> list[Run]:
    """Each strategy over all bars, with an account of its own; rules: by the decision path and its gates."""
    with _checked(market):
        results = _results(market.bars, strategies, account, rules)
    runs = []
    for result in results:
        inputs = _inputs("backtest", market, Setup(result.strategy, account, rules=rules), seed)
        analysis = Analysis(market, result, seed, benchmark, rules)
        runs.append(Run(analysis, inputs, backtest_files(result, inputs.made_from)))
    return runs


def _results(bars: Bars, strategies: Sequence[Strategy], account: Account, rules: Rules | None) -> list[Backtest]:
    if rules is None:
        from kobe81.backtest.engine import backtests

        return backtests(bars, strategies, account)
    from kobe81.backtest.decided import decide_history

    return [decide_history(bars, strategy, account, rules) for strategy in strategies]


def run_walk_forward(market: Market, setup: Setup, seed: int, benchmark: str | None,
                     compute: Callable[[Market, Setup], WalkForward]) -> Run:
    """One strategy out of sample; `compute` says where the work is done."""
    with _checked(market):
        result = compute(market, setup)
    analysis = Analysis(market, result, seed, benchmark)
    inputs = _inputs("walk_forward", market, setup, seed)
    return Run(analysis, inputs, walk_forward_files(result, inputs.made_from, analysis.verdict))


def register(run: Run) -> Run:
    """Keep the run in the registry."""
    from kobe81.backtest.walk_forward import WalkForward

    result = run.analysis.result
    sets = result.sets if isinstance(result, WalkForward) else [result.strategy]
    trials = tuple(digest_of(vars(s)).removeprefix("sha256:")[:16] for s in sets)
    kept = registry().register(run.inputs, run.files, run.analysis.figures, trials, home.now())
    return Run(run.analysis, run.inputs, run.files, kept)


def registry() -> ExperimentRegistry:
    """The registry below KOBE_HOME."""
    return ExperimentRegistry(home.runs())


def deliver(runs: list[Run], out: Path | None, extra: Mapping[str, bytes]) -> None:
    """Write the files of the runs, and what was made of them together, to the folder asked for.

    Runs that would write to the same places get a folder each, by the name of their bars or their strategy.
    """
    if out is None:
        return
    markets = list(dict.fromkeys(run.analysis.market.reference["data"] for run in runs))
    files: Files = {}
    for run in runs:
        folder = f"{run.analysis.market.reference['data']}/" if len(markets) > 1 else ""
        if len(runs) > 1 and run.inputs.kind == "backtest":
            folder += f"{run.inputs.strategy}/"
        files |= {f"{folder}{name}": content for name, content in run.files.items()}
    if out.name == "wf_outputs":
        files = {name.removeprefix("wf_outputs/"): content for name, content in files.items()}
    write_files(out, {**files, **extra})
    _remove_older_splits(out, files)


def _remove_older_splits(out: Path, files: Files) -> None:
    """A walk-forward of fewer splits must not stand among the splits of an earlier one; strangers' files stay."""
    folders = {Path(name).parents[1] for name in files if Path(name).parent.name.startswith("split_")}
    for path in [p for folder in folders for p in (out / folder).glob("split_*/*")]:
        if path.name in SPLIT_FILES and path.relative_to(out).as_posix() not in files:
            path.unlink()
            with suppress(OSError):  # not empty
                path.parent.rmdir()


def _inputs(kind: str, market: Market, setup: Setup, seed: int) -> Inputs:
    return Inputs(kind, setup.strategy.name, market.reference, market.data_hash, setup.config,
                  code_version(setup.strategy), seed)


@contextmanager
def _checked(market: Market) -> Iterator[None]:
    """Hash the bars on another thread while they are used, and refuse the result where they are not what they were."""
    failed: list[Exception] = []

    def check() -> None:
        try:
            market.check()
        except Exception as error:  # noqa: BLE001  (carried to the caller's thread and raised there)
            failed.append(error)

    thread = threading.Thread(target=check)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]
