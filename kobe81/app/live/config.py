"""Configuration: one TOML file that says what a runner trades, by which rules, where, and whom it tells.

Every table, key and value is checked before anything else happens; a mistake names the file and the table.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kobe81.app.options import DataOptions, read_toml
from kobe81.core.errors import UsageError, unknown_name
from kobe81.core.params import check_bounds, param, with_values
from kobe81.core.secret import Secret
from kobe81.engine.rules import Rules
from kobe81.execution.alpaca_http import check_address
from kobe81.execution.exchange.terms import Terms
from kobe81.strategies import Strategy, strategies, strategy

TABLES = ("strategies", "trading", "gates", "data", "broker", "paper", "alerts", "health")
BROKERS, FEEDS, POLICIES = ("paper", "alpaca"), ("iex", "sip"), ("drop", "strict", "flag")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class BrokerSettings:
    """Who executes, and who quotes."""

    name: str = param("paper", None, None, "paper, the exchange within, or alpaca")
    feed: str = param("iex", None, None, "Alpaca's quotes: iex, free, or sip, a paid plan")
    url: str = param("", None, None, "of a local exchange; without it Alpaca's own")
    keys: str = param("", None, None, "TOML file with id and secret, which only its owner may read")

    def __post_init__(self) -> None:
        _one_of("broker", self.name, BROKERS)
        _one_of("feed", self.feed, FEEDS)
        if self.url:
            check_address(self.url)


@dataclass(frozen=True)
class AlertSettings:
    """Whom to tell, beside the console and the file of alerts."""

    acknowledge_within: float = param(30.0, 1.0, 1_440.0, "minutes a critical alert may stand before trading stops")
    urls: tuple[Secret, ...] = ()

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def shown(self) -> dict[str, Any]:
        """As a person may see it: the services, not how to log in there."""
        services = [url.reveal().partition("://")[0] + "://***" for url in self.urls]
        return {"acknowledge_within": self.acknowledge_within, "urls": services}


@dataclass(frozen=True)
class HealthSettings:
    """Where /health, /ready and /metrics are served."""

    port: int = param(0, 0, 65_535, "a port of this machine; 0 serves none")

    def __post_init__(self) -> None:
        check_bounds(self)


class LiveConfig(NamedTuple):
    """A checked configuration. decides: the tables trading and gates, as they stand in the file."""

    strategies: tuple[Strategy, ...]
    decides: dict[str, Any]
    data: Mapping[str, Any]
    broker: BrokerSettings
    paper: Terms
    alerts: AlertSettings
    health: HealthSettings

    def rules(self, account: str, *, reduce_only: bool = False) -> Rules:
        """What the account of this number decides by."""
        return Rules.of({"account": account, "reduce_only": reduce_only, **self.decides})

    def bars(self, otherwise: str) -> DataOptions:
        """Which bars; `otherwise` where the file does not say."""
        return DataOptions().over({"data": otherwise, **self.data})

    @property
    def values(self) -> dict[str, dict[str, Any]]:
        """Every setting in force, by table."""
        rules = self.rules("").values
        named = {f"strategies.{made.name}": asdict(made) for made in self.strategies}
        gates = {f"gates.{name}": found for name, found in rules["gates"].items() if name != "off"}
        return {
            "strategies": {"names": [made.name for made in self.strategies]}, **named, "trading": rules["trading"],
            "gates": {"off": rules["gates"]["off"]}, **gates, "data": dict(self.data), "broker": asdict(self.broker),
            "paper": asdict(self.paper), "alerts": self.alerts.shown, "health": asdict(self.health),
        }  # fmt: skip


def read_config(path: Path | None, default: Path) -> LiveConfig:
    """The configuration in `path`, or in `default` where there is one; UsageError for whatever is wrong with it."""
    source = path or default
    given = read_toml(source) if path or default.exists() else {}
    for name, table in given.items():
        if name not in TABLES:
            raise _in(source, "", unknown_name("table", name, TABLES))
        if not isinstance(table, dict):
            raise UsageError(f"{source}: {name} = {table!r} stands outside of any table; write it under its [table]")
    return _checked(source, {name: given.get(name, {}) for name in TABLES})


def owner_only(path: Path) -> None:
    """Raise UsageError where others may read a file that holds secrets."""
    if path.stat().st_mode & OTHERS:
        raise UsageError(f"{path} holds secrets and can be read by others; run: chmod 600 {path}")


def _checked(source: Path, tables: dict[str, dict[str, Any]]) -> LiveConfig:
    with _naming(source, "broker"):
        broker = with_values(BrokerSettings(), tables["broker"], "setting")
    with _naming(source, "paper"):
        paper = with_values(Terms(), tables["paper"], "setting")
    with _naming(source, "health"):
        health = with_values(HealthSettings(), tables["health"], "setting")
    with _naming(source, "alerts"):
        alerts = _alerts(source, tables["alerts"])
    traders, data = _strategies(source, tables["strategies"]), _data(source, tables["data"])
    return LiveConfig(traders, _decides(source, tables), data, broker, paper, alerts, health)


def _strategies(source: Path, table: Mapping[str, Any]) -> tuple[Strategy, ...]:
    """Those named, or all, each with the parameters of its table."""
    values = dict(table)
    with _naming(source, "strategies"):
        names = _texts("names", values.pop("names", list(strategies.names())))
        if not names or len(set(names)) != len(names):
            raise UsageError(f"names = {names} must name each strategy once, and one at least")
        for name in (*names, *values):
            if name not in strategies.names():
                raise unknown_name("strategy", name, strategies.names())
        made = [_strategy(source, name, values.get(name, {})) for name in {**dict.fromkeys(names), **values}]
    return tuple(made[: len(names)])


def _strategy(source: Path, name: str, values: Any) -> Strategy:
    if not isinstance(values, dict):
        raise UsageError(f"{name} = {values!r} is no table; write its parameters under [strategies.{name}]")
    with _naming(source, f"strategies.{name}"):
        return strategy(name, values)


def _decides(source: Path, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The tables trading and gates, after each was tried by itself, so that a refusal names it."""
    with _naming(source, "trading"):
        Rules.of({"trading": tables["trading"]})
    with _naming(source, "gates"):
        _texts("off", tables["gates"].get("off", []))
    for name, value in tables["gates"].items():
        with _naming(source, "gates" if name == "off" else f"gates.{name}"):
            Rules.of({"gates": {name: value}})
    return {"trading": tables["trading"], "gates": tables["gates"]}


def _data(source: Path, table: Mapping[str, Any]) -> Mapping[str, Any]:
    with _naming(source, "data"):
        DataOptions().over(table)
        if not isinstance(table.get("data", ""), str):
            raise UsageError(f"data must be a text, as in data = \"sample\", and is {table['data']!r}")
        if not isinstance(symbols := table.get("symbols", ""), str):
            _texts("symbols", symbols)
        _one_of("policy", table.get("policy", POLICIES[0]), POLICIES)
    return table


def _alerts(source: Path, table: Mapping[str, Any]) -> AlertSettings:
    values = dict(table)
    urls = _texts("urls", values.pop("urls", []))
    if urls:
        owner_only(source)
    if not all("://" in url for url in urls):
        raise UsageError("the alert channel *** is not a URL, as in ntfy://topic")
    made = with_values(AlertSettings(), values, "setting")
    return AlertSettings(made.acknowledge_within, tuple(map(Secret, urls)))


def _texts(name: str, value: Any) -> list[str]:
    if not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise UsageError(f'{name} must be a list of texts, as in {name} = ["one", "two"]')
    return value


def _one_of(kind: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise unknown_name(kind, str(value), known)


@contextmanager
def _naming(source: Path, table: str) -> Iterator[None]:
    """Refusals inside say where the mistake is; those that say it already pass."""
    try:
        yield
    except UsageError as error:
        raise _in(source, f"[{table}] ", error) from None


def _in(source: Path, table: str, error: UsageError) -> UsageError:
    return error if str(error).startswith(f"{source}:") else UsageError(f"{source}: {table}{error}")
