"""The product from Python: five lines from prices to a verdict.

    import kobe81 as kobe
    bars = kobe.load("prices.parquet")
    run = kobe.backtest(bars, "donchian", lookback=55)
    print(run.summary["sharpe"], run.trades.head())
    run.plot()
"""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from kobe81.app.analysis import Analysis, Setup
from kobe81.app.market import Market
from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions, typed_grid
from kobe81.app.present import as_values, report
from kobe81.app.runs import Run, register, run_backtests, run_walk_forward
from kobe81.backtest.engine import Account
from kobe81.backtest.walk_forward import Plan
from kobe81.backtest.walk_forward import walk_forward as walk_forward_
from kobe81.core.bars import FIELDS, Bars, Origin
from kobe81.core.errors import DataError, unknown_name
from kobe81.core.params import parameters, with_values
from kobe81.experiments.registry import write_files
from kobe81.strategies import Strategy, strategy

if TYPE_CHECKING:
    import polars as pl

SEED = 7
COLUMNS = ("symbol", "date", *FIELDS)


@dataclass(frozen=True, eq=False)
class Result:
    """What a backtest or a walk-forward found."""

    run: Run

    @property
    def analysis(self) -> Analysis:
        """Everything behind the figures."""
        return self.run.analysis

    @property
    def trades(self) -> pl.DataFrame:
        """One row per trade; of a walk-forward, the out-of-sample ones."""
        return self.analysis.trades

    @property
    def equity(self) -> pl.DataFrame:
        """date, equity, cash, exposure, return, drawdown; of a walk-forward, out of sample."""
        return self.analysis.curve.to_frame()

    @property
    def signals(self) -> pl.DataFrame:
        """The signals a backtest traded on, with their reasons; a walk-forward has none of its own."""
        found = getattr(self.analysis.result, "signals", None)
        if found is None:
            raise AttributeError("a walk-forward chooses its signals split by split; see .splits and .trades")
        frame: pl.DataFrame = found.to_frame(self.analysis.market.bars)
        return frame

    @property
    def splits(self) -> pl.DataFrame:
        """One row per split of a walk-forward: windows, chosen parameters, Sharpe in and out of sample."""
        from kobe81.app.present import splits_frame

        return splits_frame(self.analysis.result)

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of summary.json."""
        return self.analysis.figures

    @property
    def statistics(self) -> dict[str, Any]:
        """All figures, by display name."""
        return {name: found.value for name, found in self.analysis.statistics.items()}

    def write(self, folder: str | Path) -> Path:
        """Write the output files and report.html; returns the folder."""
        page = report([self.run], self.run.inputs.strategy, "Python")
        write_files(Path(folder), {**self.run.files, "report.html": page})
        return Path(folder)

    def plot(self, path: str | Path = "report.html", *, show: bool = True) -> Path:
        """Write the report to `path` and, unless `show` is false, open it in the browser."""
        path = Path(path).resolve()
        write_files(path.parent, {path.name: report([self.run], self.run.inputs.strategy, "Python")})
        if show:
            webbrowser.open(path.as_uri())
        return path

    def __repr__(self) -> str:
        """The figures, one a line."""
        values = as_values(self.run)
        lines = [f"{values['strategy']} on {self.analysis.market.bars.origin.label}, {values['span']}"]
        lines += [f"  {name:<18}{value:,.4f}" if isinstance(value, float) else f"  {name:<18}{value}"
                  for name, value in self.summary.items()]
        return "\n".join([*lines, *(f"  ! {c}" for c in self.analysis.caveats)])


def load(data: str | Path, *, symbols: str | None = None, policy: Literal["drop", "strict", "flag"] = "drop") -> Market:
    """Bars from a file, a folder, "sample", "synthetic" or "cache", as --data takes them."""
    return open_market(DataOptions(str(data), symbols=symbols, policy=policy))


def from_frame(frame: Any, name: str = "frame") -> Market:
    """Bars from a polars or pandas frame: symbol, date, open, high, low, close, volume; checked, bad ones dropped.

    DataError where a column is missing or holds something else, and where no bar is valid.
    """
    from kobe81.data.load import is_synthetic, survivorship
    from kobe81.data.panel import content_hash
    from kobe81.preflight.data_quality import check

    clean, found = check(_table(frame, name))
    if clean.is_empty():
        raise DataError(f"{name} holds no valid bar: {found.summary.line}")
    bars = Bars.from_frame(clean, Origin(name))
    bars = replace(bars, origin=Origin(name, is_synthetic(bars), survivorship(bars)))
    warnings = () if found.findings.is_empty() else (found.summary.line,)
    return Market(bars, content_hash(bars), {"data": name}, warnings, None, lambda: None)


def backtest(market: Market, rule: str | Strategy, *, benchmark: str | None = None, seed: int = SEED,
             keep: bool = True, **settings: Any) -> Result:
    """Trade a strategy over the bars. settings: the strategy's and the account's parameters, by name.

    keep: register the run below KOBE_HOME, as the commands do.
    """
    setup = _setup(rule, settings)
    run = run_backtests(market, [setup.strategy], setup.account, seed, benchmark)[0]
    return Result(register(run) if keep else run)


def walk_forward(market: Market, rule: str | Strategy, grid: Mapping[str, Sequence[Any]] | None = None, *,
                 benchmark: str | None = None, seed: int = SEED, keep: bool = True, **settings: Any) -> Result:
    """Judge a strategy out of sample. grid: values to try; settings: strategy, account and plan parameters.

    keep: register the run below KOBE_HOME, as the commands do.
    """
    plan_values = {k: settings.pop(k) for k in list(settings) if k in parameters(Plan)}
    plan = with_values(Plan(), plan_values)
    own = _setup(rule, settings)
    setup = Setup(own.strategy, own.account, vars(plan), typed_grid(own.strategy, grid or {}))
    run = run_walk_forward(market, setup, seed, benchmark, lambda m, s: walk_forward_(
        m.bars, s.strategy, s.grid, s.account, plan))
    return Result(register(run) if keep else run)


def scan(market: Market, *rules: str | Strategy) -> pl.DataFrame:
    """The signals of the last session, best first; without rules, of every strategy."""
    from kobe81.app.scanning import last_signals
    from kobe81.strategies import strategies

    return last_signals(market.bars, [_strategy(rule) for rule in rules or strategies.names()])


def _table(frame: Any, name: str) -> pl.DataFrame:
    """The columns of bars, typed."""
    import polars as pl

    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(f"{name} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    try:
        table = pl.DataFrame({column: _column(frame[column]) for column in COLUMNS})
        return table.with_columns(pl.col("date").cast(pl.Date), pl.col(FIELDS).cast(pl.Float64))
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(f"{name}: {str(error).splitlines()[0]}; write dates as dates, prices as numbers") from error


def _column(values: Any) -> Any:
    """A column for polars; of pandas, what NumPy can hold without a detour over Python's objects."""
    return values.to_numpy() if getattr(values.dtype, "kind", "") in "fiu" else values.to_list()


class _Room(ModuleType):
    """The folder kobe81/backtest, which importing puts where users look for the function of that name."""

    def __call__(self, *args: Any, **settings: Any) -> Result:
        """Trade a strategy over the bars; see kobe81.app.api.backtest."""
        return backtest(*args, **settings)


sys.modules["kobe81.backtest"].__class__ = _Room


def _strategy(rule: str | Strategy) -> Strategy:
    return strategy(rule) if isinstance(rule, str) else rule


def _setup(rule: str | Strategy, settings: dict[str, Any]) -> Setup:
    chosen = _strategy(rule)
    account = {k: settings[k] for k in settings if k in parameters(Account)}
    rest = {k: v for k, v in settings.items() if k not in account}
    for name in rest:
        if name not in parameters(chosen):
            raise unknown_name(f"setting of {chosen.name}:", name, [*parameters(chosen), *parameters(Account)])
    return Setup(with_values(chosen, rest), with_values(Account(), account))
