"""Kobe81: daily-bar trading for US stocks by rule.

From Python: load, from_frame, backtest, walk_forward, scan; Strategy, AtrStopStrategy and param to write a rule.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Looked up on first use, so that importing the package costs nothing.
_PUBLIC = {
    **dict.fromkeys(("load", "from_frame", "backtest", "walk_forward", "scan", "Result"), "kobe81.app.api"),
    **dict.fromkeys(("Strategy", "AtrStopStrategy", "Setup"), "kobe81.strategies"),
    "param": "kobe81.core.params",
    "Bars": "kobe81.core.bars",
    "Signals": "kobe81.core.signals",
    "KobeError": "kobe81.core.errors",
}
__all__ = [*_PUBLIC, "__version__"]


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kobe81' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
