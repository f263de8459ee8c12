"""Approved: the seal that only the decision path can set, and without which nothing is sent."""

from __future__ import annotations

from typing import Generic, TypeVar, final

T = TypeVar("T")
_SEAL = object()


@final
class Approved(Generic[T]):
    """A value that passed every gate. Brokers take orders in no other form.

    It is made by `approve`, which engine/ alone calls; a test over the syntax tree holds everybody to that.
    """

    __slots__ = ("value",)

    def __init__(self, value: T, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only engine.decide approves; there is no way around the gates")
        self.value = value


def approve(value: T) -> Approved[T]:
    """Set the seal."""
    return Approved(value, _SEAL)
