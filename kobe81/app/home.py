"""Where things live, and the only place that asks the environment and the clock."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import platformdirs

import kobe81
from kobe81.core.hashing import digest, digest_of

VARIABLE = "KOBE_HOME"


def home() -> Path:
    """The folder of all state: $KOBE_HOME, or the user's data folder."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_data_path("kobe81", appauthor=False)).expanduser()


def panels() -> Path:
    """Memory-mapped panels: disposable."""
    return home() / "cache" / "panels"


def cached_bars() -> Path:
    """Bars as fetched: disposable."""
    return home() / "cache" / "bars"


def runs() -> Path:
    """Registered runs: immutable."""
    return home() / "runs"


def journal() -> Path:
    """The truth: every event, append-only."""
    return home() / "journal.db"


def audit() -> Path:
    """The journal as text, hash-chained."""
    return home() / "audit.jsonl"


def checkpoints() -> Path:
    """Signed statements of what the journal held."""
    return home() / "checkpoints.jsonl"


def audit_key() -> Path:
    """The key that signs them; its public half is beside it, with the ending .pub."""
    return home() / "audit.key"


def quarantine() -> Path:
    """Copies of what was found damaged."""
    return home() / "quarantine"


def kill_switch() -> Path:
    """Its existence is the switch. Absolute, so that it is the same file from wherever it is looked at."""
    return home().absolute() / "KILL_SWITCH"


def lock() -> Path:
    """The leader's lock."""
    return home() / "runner.lock"


def exchange() -> Path:
    """What the paper exchange keeps of itself."""
    return home() / "exchange"


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


@cache
def code_version() -> str:
    """The product's version and the hash of its Python files, by relative path and content."""
    package = Path(kobe81.__file__).parent
    files = [(p.relative_to(package).as_posix(), digest(p.read_bytes())) for p in sorted(package.rglob("*.py"))]
    return f"{kobe81.__version__}+{digest_of(files).removeprefix('sha256:')[:8]}"
