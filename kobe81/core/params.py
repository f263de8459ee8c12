"""Parameters: dataclass fields with bounds and one line of meaning, set by name from text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, field, fields, replace
from decimal import Decimal
from math import isfinite
from numbers import Integral
from typing import Any, TypeVar, get_type_hints

from kobe81.core.errors import UsageError, unknown_name

P = TypeVar("P")


def param(default: Any, low: float | None, high: float | None, meaning: str) -> Any:
    """A dataclass field with its default, its inclusive bounds (None: unbounded or not a number) and its meaning."""
    return field(default=default, metadata={"low": low, "high": high, "meaning": meaning})


def parameters(owner: Any) -> dict[str, Field[Any]]:
    """The parameters of a dataclass or an instance, by name, in order of definition."""
    return {f.name: f for f in fields(owner) if "meaning" in f.metadata}


def check_bounds(owner: Any) -> None:
    """Raise UsageError where a parameter has another type or lies outside its bounds; NaN lies outside all."""
    for name, spec in parameters(owner).items():
        value, low, high = getattr(owner, name), spec.metadata["low"], spec.metadata["high"]
        kind = spec.type if isinstance(spec.type, str) else getattr(spec.type, "__name__", "")
        for typed, wanted in ((bool, "bool"), (Integral, "int"), (Decimal, "Decimal")):
            if kind == wanted and (not isinstance(value, typed) or isinstance(value, bool) != (wanted == "bool")):
                raise UsageError(f"{name} = {value!r} is not {_words(kind)} ({spec.metadata['meaning']})")
        if value is None or low is None:
            continue
        if value != value or not (low <= value <= high):  # a Decimal NaN cannot be ordered
            raise UsageError(f"{name} = {value} is outside {low} to {high} ({spec.metadata['meaning']})")


def with_values(owner: P, values: Mapping[str, Any], kind: str = "parameter") -> P:
    """A copy of a dataclass instance with these parameters; text is read as the parameter's type."""
    known = parameters(owner)
    hints = get_type_hints(type(owner))
    for name in values:
        if name not in known:
            raise unknown_name(kind, name, known)
    return replace(owner, **{n: _read(n, v, str(hints[n])) for n, v in values.items()})  # type: ignore[type-var]


def _read(name: str, value: Any, hint: str) -> Any:
    """`value` as the type the annotation names: bool, int, float, Decimal, or one of them or none."""
    text = str(value).strip().lower()
    if text in {"none", ""} and "None" in hint:
        return None
    try:
        if "bool" in hint:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text]
        if "str" in hint:
            return str(value)
        number = float(text)
        if "Decimal" in hint and isfinite(number):
            return Decimal(text)
        if "int" in hint and "float" not in hint:
            if number != int(number):
                raise ValueError
            return int(number)
        return number
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"{name} = {value!r} is not {_words(hint)}") from None


def _words(hint: str) -> str:
    for key, words in (("Decimal", "an amount"), ("bool", "true or false"), ("float", "a number"),
                       ("int", "a whole number")):
        if key in hint:
            return words + (" or none" if "None" in hint else "")
    return hint
