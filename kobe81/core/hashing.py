"""Hashes of inputs and outputs: SHA-256, written as sha256:<hex>."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(content: bytes) -> str:
    """The hash of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of(values: Any) -> str:
    """The hash of plain values: their JSON with sorted keys and no spaces."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)
    return digest(text.encode())
