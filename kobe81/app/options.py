"""The options commands share, and how text, a TOML file and defaults become an account, a plan and a strategy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from kobe81.core.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from kobe81.backtest.engine import Account
    from kobe81.backtest.walk_forward import Plan
    from kobe81.strategies import Strategy

SECTIONS = ("strategy", "account", "plan", "data")


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """Which bars."""

    data: str = "sample"
    "Parquet or CSV file, a folder of them, 'cache' (what kobe data fetch brought), 'sample', or 'synthetic'."
    symbols: Annotated[str | None, Parameter(name="--symbols")] = None
    "Only these symbols: a comma-separated list, or a universe file."
    start: date | None = None
    "First date, as 2015-01-31."
    end: date | None = None
    "Last date."
    policy: Literal["drop", "strict", "flag"] = "drop"
    "What to do with invalid bars: drop and report them, refuse the run, or keep them."


@Parameter(name="*")
@dataclass(frozen=True)
class AccountOptions:
    """Whose money, in what size, at what cost. Options left out take the config file's value, then the default."""

    mode: Literal["portfolio", "independent"] | None = None
    "portfolio: shared cash (the default); independent: every symbol on its own."
    cash: float | None = None
    "Dollars at the start. [100000]"
    max_positions: int | None = None
    "Open positions at most. [20]"
    sizing: Literal["notional", "fraction", "risk", "volatility"] | None = None
    "How an order's size is found. [notional]"
    notional: float | None = None
    "Dollars per trade, for sizing notional. [1000]"
    size: float | None = None
    "Share of equity per trade, for the other sizings. [0.02]"
    slippage_bps: float | None = None
    "Basis points by which every fill is worse than the price seen. [5]"
    costs: Literal["us", "none"] | None = None
    "us: SEC and FINRA fees on sells, by date (the default); none."


@Parameter(name="*")
@dataclass(frozen=True)
class RunOptions:
    """How to run, and what to leave behind."""

    set: Annotated[tuple[str, ...], Parameter(name="--set", negative="", consume_multiple=False)] = ()
    "A parameter, as lookback=55 or strategy.lookback=55, account.cash=5000, plan.train=504. Repeatable."
    config: Path | None = None
    "TOML file with [strategy], [account], [plan] and [data] tables."
    benchmark: str | None = None
    "A symbol of the data to compare with, beside buying everything in equal parts."
    out: Path | None = None
    "Folder for the output files."
    seed: int = 7
    "Seed of the bootstrap."
    json: bool = False
    "Print the result as JSON, and nothing else."
    report: bool = True
    "Write report.html beside the other files."


@dataclass(frozen=True)
class Settings:
    """Values by section, from the config file, then the command line."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, run: RunOptions, account: AccountOptions | None = None, plan: Mapping[str, Any] | None = None,
             grid: Sequence[str] = ()) -> Settings:
        """The settings of a command; UsageError names the file or the option that is wrong."""
        values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        for section, table in (_toml(run.config) if run.config else {}).items():
            if section not in SECTIONS or not isinstance(table, dict):
                raise unknown_name(f"table in {run.config}:", section, SECTIONS)
            values[section].update(table)
        for text in run.set:
            name, value = assignment(text, "--set")
            section, _, key = name.rpartition(".")
            if (section or "strategy") not in SECTIONS:
                raise unknown_name("section in --set", section, SECTIONS)
            values[section or "strategy"][key] = value
        given = {k: v for k, v in (vars(account) if account else {}).items() if v is not None}
        values["account"].update(given)
        values["plan"].update({k: v for k, v in (plan or {}).items() if v is not None})
        return cls(values)

    def account(self) -> Account:
        """The account these settings describe."""
        from kobe81.backtest.engine import Account
        from kobe81.core.params import with_values

        return with_values(Account(), self.values["account"], "account setting")

    def plan(self) -> Plan:
        """The walk-forward plan these settings describe."""
        from kobe81.backtest.walk_forward import Plan
        from kobe81.core.params import with_values

        return with_values(Plan(), self.values["plan"], "plan setting")

    def strategy(self, name: str) -> Strategy:
        """The strategy of that name with these parameters."""
        from kobe81.strategies import strategy

        return strategy(name, self.values["strategy"])

    def strategies(self, names: Sequence[str], grid: Mapping[str, list[str]] | None = None
                   ) -> list[tuple[Strategy, dict[str, list[str]]]]:
        """Several strategies, each with its part of the grid; a name must belong to one of them at least."""
        from kobe81.core.params import parameters
        from kobe81.strategies import strategies, strategy

        known = {name: parameters(strategies.load(name)) for name in dict.fromkeys(names)}
        grid, every = grid or {}, {key for of in known.values() for key in of}
        for key in (*self.values["strategy"], *grid):
            if key not in every:
                raise unknown_name(f"parameter of {', '.join(known)}:", key, every)
        return [(strategy(name, {k: v for k, v in self.values["strategy"].items() if k in of}),
                 {k: v for k, v in grid.items() if k in of}) for name, of in known.items()]


def assignment(text: str, option: str) -> tuple[str, str]:
    """`name=value` taken apart."""
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise UsageError(f"{option} {text!r} is not of the form name=value, as in {option} lookback=55")
    return name.strip(), value.strip()


def read_grid(texts: Sequence[str]) -> dict[str, list[str]]:
    """The values to try, by parameter: `lookback=10,20,55` each."""
    grid: dict[str, list[str]] = {}
    for text in texts:
        name, values = assignment(text, "--grid")
        name = name.removeprefix("strategy.")
        if name in grid:
            raise UsageError(f"--grid {name} is given twice; write one list, as in --grid {name}=10,20,55")
        grid[name] = [v.strip() for v in values.split(",") if v.strip()]
        if len(set(grid[name])) != len(grid[name]):
            raise UsageError(f"--grid {text}: a value is given twice, which would count one trial as two")
    return grid


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such config file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
