"""Rules: everything a decision is made by, beside what it sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from kobe81 import compliance, ml, risk
from kobe81.core.errors import UsageError, unknown_name
from kobe81.core.gates import Gate, in_force
from kobe81.core.hashing import digest_of
from kobe81.core.params import check_bounds, param, with_values
from kobe81.risk.policy_gate import PolicyGate

SIZINGS = ("notional", "fraction", "risk", "volatility")
REGISTRIES = (ml.gates, risk.gates, compliance.gates)
KEYS = ("account", "trading", "gates", "reduce_only")


@dataclass(frozen=True)
class Trading:
    """How orders are sized and written. Source: docs/spec.md (sizing), Execution in docs/trading.md."""

    sizing: str = param("notional", None, None, "notional, fraction, risk or volatility")
    notional: float = param(1_000.0, 1.0, 1e12, "dollars per trade (sizing notional)")
    size: float = param(0.02, 1e-6, 10.0, "share of equity per trade: invested (fraction), lost at the stop (risk), "
                                          "or moved in a year (volatility)")
    max_positions: int = param(20, 1, 10_000, "open positions at most")
    reach_bps: float = param(10.0, 0.0, 200.0, "basis points beyond the best price that an IOC limit reaches")
    expires: int = param(60, 1, 3_600, "seconds after its decision from which an order is not sent any more")
    profile: str = param("alpaca", None, None, "the broker's margin profile, which decides between the dated rules")

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.sizing not in SIZINGS:
            raise unknown_name("sizing", self.sizing, SIZINGS)


@dataclass(frozen=True)
class Rules:
    """A configuration, ready to decide by. account: part of every decision key; reduce_only: only exits are decided."""

    account: str
    trading: Trading
    gates: tuple[Gate, ...]
    off: tuple[str, ...] = ()
    reduce_only: bool = False
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(self.values))

    @property
    def values(self) -> dict[str, Any]:
        """As plain values, from which `of` makes the same rules again."""
        gates = {gate.name: msgspec.to_builtins(asdict(gate)) for gate in self.gates}
        return {"account": self.account, "trading": asdict(self.trading), "gates": {**gates, "off": list(self.off)},
                "reduce_only": self.reduce_only}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Rules:
        """The rules of plain values: account, trading, gates (by name, and `off`: the names of those not asked).

        UsageError for a name nobody knows and a value out of bounds. What is left out has its default.
        """
        for name in values:
            if name not in KEYS:
                raise unknown_name("table of rules", name, KEYS)
        tables = dict(values.get("gates", {}))
        off = _names(tables.pop("off", ()))
        known = {name: registry for registry in REGISTRIES for name in registry.names()}
        for name in (*tables, *off):
            if name not in known:
                raise unknown_name("gate", name, known)
            if not isinstance(tables.get(name, {}), Mapping):
                raise UsageError(f"gate {name} = {tables[name]!r} is no table; name a limit of it, or use gates.off")
        gates = tuple(with_values(registry.load(name)(), tables.get(name, {}), f"setting of {name}")
                      for name, registry in known.items() if name not in off)
        trading = with_values(Trading(), values.get("trading", {}), "trading setting")
        return cls(str(values.get("account", "")), trading, gates, off, bool(values.get("reduce_only", False)))

    def in_force(self, session: date) -> tuple[Gate, ...]:
        """The gates asked on that day: dated rules only while they hold, and of the margin rules the profile's."""
        rules = compliance.applying(self.trading.profile, session)
        asked = [g for g in self.gates if g.name in rules or g.name not in compliance.gates.names()]
        return tuple(in_force(asked, session))

    @property
    def max_order(self) -> Decimal | None:
        """Dollars an order may come to; None where no policy says so."""
        return next((g.max_order for g in self.gates if isinstance(g, PolicyGate)), None)

    def require(self, *names: str) -> None:
        """Raise UsageError where a gate that must not be switched off is."""
        for name in names:
            if name in self.off:
                raise UsageError(f"gate {name} cannot be switched off here; take it out of gates.off")


def _names(listed: Any) -> tuple[str, ...]:
    """A list of names; as text, they stand between commas."""
    names = listed.split(",") if isinstance(listed, str) else listed
    return tuple(name.strip() for name in names)
