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
    if module.startswith("kobe81."):
        return home.code_version()
    file = getattr(sys.modules[module], "__file__", None)
    source = Path(file).read_bytes() if file else _compiled(type(strategy))
    return f"{home.code_version()}+{digest(source).removeprefix('sha256:')[:8]}"


def _compiled(cls: type) -> bytes:
    """What the methods of a class without a file, as one typed into a notebook, were compiled to."""
    code = [f.__code__ for f in vars(cls).values() if hasattr(f, "__code__")]
    return b"".join(c.co_code + repr((c.co_names, [v for v in c.co_consts if not hasattr(v, "co_code")])).encode()
                    for c in code)
