"""Which code made a result: the product's, and that of a strategy from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

from kobe81.app import home
from kobe81.core.hashing import digest
from kobe81.strategies import Strategy


def code_version(strategy: Strategy) -> str:
    """The product's version and the hash of its code; of a strategy that is not part of it, its file's hash, too."""
    module = type(strategy).__module__
    source = getattr(sys.modules[module], "__file__", None)
    if module.startswith("kobe81.") or source is None:
        return home.code_version()
    return f"{home.code_version()}+{digest(Path(source).read_bytes()).removeprefix('sha256:')[:8]}"
