"""Risk gates: what an order may cost, and when to stop asking. One file each, found by name."""

from collections.abc import Mapping
from typing import Any

from kobe81.core.gates import Gate
from kobe81.core.params import with_values
from kobe81.core.registry import Registry

__all__ = ["gate", "gates"]

gates: Registry[Gate] = Registry("gate", "kobe81.risk", Gate)  # type: ignore[type-abstract]


def gate(name: str, values: Mapping[str, Any] | None = None) -> Gate:
    """The gate of that name with these limits; UsageError where a name or a value is wrong."""
    return with_values(gates.load(name)(), values or {}, f"limit of {name}")
