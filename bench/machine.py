"""What the numbers were measured with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("kobe81", "numpy", "numba", "polars", "vectorbt", "pandas", "backtesting")


def machine() -> dict[str, str | int]:
    """Processor, cores, system and Python."""
    return {"processor": _processor(), "cores": os.cpu_count() or 1, "system": platform.system(),
            "python": platform.python_version()}


def load() -> float:
    """How many processes wanted a core over the last minute, on average: what else the machine was doing."""
    return round(os.getloadavg()[0], 1)


def versions() -> dict[str, str]:
    """The packages that matter, as far as they are installed."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's own name, or what Python knows of it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
