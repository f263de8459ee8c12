"""Strategies: one file each, found by name. To add one, see docs/add-a-strategy.md."""

from collections.abc import Mapping
from typing import Any

from kobe81.core.params import with_values
from kobe81.core.registry import Registry
from kobe81.strategies.base import AtrStopStrategy, Setup, Strategy

__all__ = ["AtrStopStrategy", "Setup", "Strategy", "strategies", "strategy"]

strategies: Registry[Strategy] = Registry("strategy", "kobe81.strategies", Strategy)  # type: ignore[type-abstract]


def strategy(name: str, values: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy of that name with these parameters; UsageError where a name or a value is wrong."""
    return with_values(strategies.load(name)(), values or {}, f"parameter of {name}")
