"""Identifiers and luck: made from a seed and what they are for, so that the same day always goes the same way."""

from __future__ import annotations

from hashlib import sha256


def identifier(*about: object) -> str:
    """An id in the shape of a random UUID (version 4)."""
    digits = list(_digest(about).hex()[:32])
    digits[12], digits[16] = "4", "89ab"[int(digits[16], 16) % 4]
    name = "".join(digits)
    return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"


def uniform(*about: object) -> float:
    """A number from [0, 1)."""
    return (int.from_bytes(_digest(about)[:8], "big") >> 11) / 2**53


def _digest(about: tuple[object, ...]) -> bytes:
    return sha256("|".join(map(str, about)).encode()).digest()
