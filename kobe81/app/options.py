"""The options commands share, and how text, a TOML file and defaults become an account, a plan and a strategy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from kobe81.core.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from kobe81.backtest.engine import Account
    from kobe81.backtest.walk_forward import Plan
    from kobe81.engine.rules import Rules
    from kobe81.strategies import Strategy

SECTIONS = ("strategy", "account", "plan", "data", "trading", "gates")
SHARED = ("sizing", "notional", "size", "max_positions")
"""What an account says of its orders, and the decision path takes over where [trading] says nothing else."""


def _whole(_: object, tokens: Sequence[Any]) -> int:
    """A whole number; 1.5 is none, which cyclopts would round."""
    text: str = tokens[0].value
    if not text.removeprefix("-").isdecimal():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


Whole = Annotated[int, Parameter(converter=_whole)]


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """Which bars. Options left out take the config file's value, then the default."""

    data: str | None = None
    "Parquet or CSV file, a folder of them, 'cache' (what kobe data fetch brought), 'sample', or 'synthetic'. [sample]"
    _: KW_ONLY
    symbols: Annotated[str | None, Parameter(name="--symbols")] = None
    "Only these symbols: a comma-separated list, or a universe file."
    start: date | None = None
    "First date, as 2015-01-31."
    end: date | None = None
    "Last date."
    policy: Literal["drop", "strict", "flag"] | None = None
    "What to do with invalid bars: drop and report them, refuse the run, or keep them. [drop]"

    def over(self, table: Mapping[str, Any]) -> DataOptions:
        """These options; where one was left out, the table's value, then the default."""
        known = [f.name for f in fields(self)]
        for name in table:
            if name not in known:
                raise unknown_name("data setting", name, known)
        given = {name: value for name, value in vars(self).items() if value is not None}
        read = {name: _data(name, value) for name, value in table.items()}
        return DataOptions(**{"data": "sample", "policy": "drop"} | read | given)


@Parameter(name="*")
@dataclass(frozen=True)
class AccountOptions:
    """Whose money, in what size, at what cost. Options left out take the config file's value, then the default."""

    mode: Literal["portfolio", "independent"] | None = None
    "portfolio: shared cash (the default); independent: every symbol on its own."
    cash: float | None = None
    "Dollars at the start. [100000]"
    max_positions: Whole | None = None
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
    "A parameter, as lookback=55 or strategy.lookback=55, account.cash=5000, gates.policy_gate.max_day=500. Repeatable."
    config: Path | None = None
    "TOML file with [strategy], [account], [plan], [data], [trading] and [gates] tables."
    benchmark: str | None = None
    "A symbol of the data to compare with, beside buying everything in equal parts."
    out: Path | None = None
    "Folder for the output files."
    seed: Whole = 7
    "Seed of the bootstrap."
    json: bool = False
    "Print the result as JSON, and nothing else."
    report: bool = True
    "Write report.html beside the other files."


DATA, ACCOUNT, RUN = DataOptions(), AccountOptions(), RunOptions()
"""No option given."""


@dataclass(frozen=True)
class Settings:
    """Values by section, from the config file, then the command line."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, run: RunOptions, account: AccountOptions | None = None,
             plan: Mapping[str, Any] | None = None, *, decides: bool = False) -> Settings:
        """The settings of a command; UsageError names the file or the option that is wrong.

        account, plan: None where the command has no use for one; decides: it has one for trading and gates. A config
        file may have all tables, because it may serve several commands; --set is for this command, so it takes only
        what the command uses.
        """
        values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        for section, table in (read_toml(run.config) if run.config else {}).items():
            if section not in SECTIONS or not isinstance(table, dict):
                raise unknown_name(f"table in {run.config}:", section, SECTIONS)
            values[section].update(table)
        unused = {name for name, use in (("account", account), ("plan", plan)) if use is None}
        unused |= set() if decides else {"trading", "gates"}
        for section, table in _assigned(run.set, [name for name in SECTIONS if name not in unused]).items():
            values[section].update(table)
        for section, options in (("account", vars(account) if account else {}), ("plan", plan or {})):
            values[section].update({k: v for k, v in options.items() if v is not None})
        read = cls(values)
        read.account(), read.plan(), read.data(DATA), read.rules("")  # a wrong name is told even where it is not used
        return read

    def data(self, options: DataOptions) -> DataOptions:
        """The bars to use: what the command line says, then these settings, then the defaults."""
        return options.over(self.values["data"])

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

    def rules(self, account: str) -> Rules:
        """What an account of this number decides by."""
        from kobe81.engine.rules import Rules

        shared = {name: value for name, value in self.values["account"].items() if name in SHARED}
        return Rules.of({"account": account, "trading": shared | self.values["trading"],
                         "gates": _nested(self.values["gates"])})

    def strategy(self, name: str) -> Strategy:
        """The strategy of that name with these parameters."""
        from kobe81.strategies import strategy

        return strategy(name, self.values["strategy"])

    def strategies(self, names: Sequence[str], grid: Mapping[str, list[str]] | None = None
                   ) -> list[tuple[Strategy, dict[str, list[Any]]]]:
        """Several strategies, each with its part of the grid; a name must belong to one of them at least."""
        from kobe81.core.params import parameters
        from kobe81.strategies import strategies, strategy

        known = {name: parameters(strategies.load(name)) for name in dict.fromkeys(names)}
        grid, every = grid or {}, {key for of in known.values() for key in of}
        for key in (*self.values["strategy"], *grid):
            if key not in every:
                raise unknown_name(f"parameter of {', '.join(known)}:", key, every)
        made = {name: strategy(name, {k: v for k, v in self.values["strategy"].items() if k in known[name]})
                for name in known}
        return [(s, typed_grid(s, {k: v for k, v in grid.items() if k in known[name]})) for name, s in made.items()]


def typed_grid(base: Strategy, grid: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """The grid with every value as its parameter's type; UsageError for a wrong value, or one that is there twice."""
    from kobe81.core.params import with_values

    found = {}
    for name, values in grid.items():
        found[name] = [getattr(with_values(base, {name: v}, f"parameter of {base.name}"), name) for v in values]
        if not values or len(set(found[name])) != len(values):
            raise UsageError(f"grid {name}={','.join(map(str, values))}: " + (
                "a value is given twice, which would count one trial as two" if values else "no values to try"))
    return found


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
        grid[name] = [v.strip() for v in values.split(",")]
        if not all(grid[name]):
            raise UsageError(f"--grid {text}: a value is empty; write a list without gaps, as in --grid {name}=10,20")
    return grid


def _assigned(texts: Sequence[str], sections: Sequence[str]) -> dict[str, dict[str, str]]:
    """The values of --set by section; a name without one is a strategy's."""
    values: dict[str, dict[str, str]] = {}
    for text in texts:
        name, value = assignment(text, "--set")
        section, _, key = name.partition(".") if "." in name else ("strategy", "", name)
        if section not in sections:
            raise unknown_name("section in --set", section, sections)
        if key in values.setdefault(section, {}):
            raise UsageError(f"--set {name} is given twice; give it once")
        values[section][key] = value
    return values


def _nested(table: Mapping[str, Any]) -> dict[str, Any]:
    """Names with a dot as values of the table before it: policy_gate.max_order is one of policy_gate's."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        owner, dot, inner = name.partition(".")
        before = found.get(owner, {})
        if isinstance(before, dict):
            found[owner] = {**before, inner: value} if dot else value
    return found


def _data(name: str, value: Any) -> Any:
    """A data setting of a config file as the option's type."""
    if name in {"start", "end"} and not isinstance(value, date):
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise UsageError(f"data {name} = {value!r} is not a date, as in 2015-01-31") from None
    return ",".join(map(str, value)) if isinstance(value, list) else value


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; UsageError where it cannot be read or is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such config file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a config file ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
