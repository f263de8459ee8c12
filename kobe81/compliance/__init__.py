"""Compliance: the rules a market or a broker makes, one file each, dated, found by name."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from kobe81.compliance.profiles import MARGIN_RULES, rule_for
from kobe81.core.gates import Gate
from kobe81.core.params import with_values
from kobe81.core.registry import Registry

__all__ = ["applying", "gate", "gates"]

gates: Registry[Gate] = Registry("rule", "kobe81.compliance", Gate, besides=("profiles",))  # type: ignore[type-abstract]


def gate(name: str, values: Mapping[str, Any] | None = None) -> Gate:
    """The rule of that name with these limits; UsageError where a name or a value is wrong."""
    return with_values(gates.load(name)(), values or {}, f"limit of {name}")


def applying(profile: str, session: date) -> list[str]:
    """The names of all rules but the margin rule that a broker of this profile does not apply on this day."""
    margin_rule = rule_for(profile, session)
    return [name for name in gates.names() if name == margin_rule or name not in MARGIN_RULES]
