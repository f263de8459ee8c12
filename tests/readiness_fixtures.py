"""A home with a real day behind it, and looks at homes."""

from __future__ import annotations

import atexit
import shutil
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from kobe81.app.live.config import read_config
from kobe81.app.live.inspection import Inspection
from kobe81.app.live.readiness import ITEMS, Item, items
from kobe81.app.live.rehearsal import Script, rehearse
from kobe81.app.live.station import Places
from kobe81.core.clock import SteppedClock
from kobe81.data.providers.sample import sample_bars
from kobe81.engine.rules import Rules
from kobe81.store.journal import SqliteJournal, open_journal
from kobe81.strategies import strategy

DAY, MORNING = date(2023, 2, 3), datetime(2023, 9, 22, 12, tzinfo=UTC)
"""The day that is behind; and the morning after the sample's last session."""
SAMPLE = '[data]\ndata = "sample"\n'


@cache
def _rehearsed() -> Path:
    folder = Path(mkdtemp(prefix="kobe-rehearsed-"))
    atexit.register(shutil.rmtree, folder)
    rules = {"account": "rehearsal", "gates": {"off": ["confidence_gate"], "policy_gate": {"max_order": 500}}}
    rehearse(folder, Script(sample_bars(), [strategy("donchian")], Rules.of(rules)), [DAY])
    return folder


def rehearsed(folder: Path) -> Path:
    """A copy of a home in which donchian bought two stocks with $500 each, and stopped in the evening."""
    shutil.copytree(_rehearsed(), folder, dirs_exist_ok=True)
    folder.chmod(0o700)
    return folder


class Bent(SteppedClock):
    """A wall clock that jumps by so many seconds while it sleeps."""

    def __init__(self, start: datetime, jump: float) -> None:
        super().__init__(start)
        self._jump = jump

    def sleep(self, seconds: float) -> None:
        elapsed = self._elapsed + seconds
        super().sleep(seconds + self._jump)
        self._elapsed = elapsed


def journal_of(folder: Path, at: datetime = MORNING) -> SqliteJournal:
    """The journal of a home, at an instant."""
    return open_journal(folder / "journal.db", SteppedClock(at))


def looked(folder: Path, name: str, text: str = SAMPLE, *, mode: str = "paper", clock: SteppedClock | None = None,
           **environment: str) -> Item:
    """What one of the looks says of a home with this configuration."""
    path = folder / "kobe.toml"
    path.write_text(text)
    path.chmod(0o600)
    look = Inspection(mode, Places(folder), lambda: read_config(path, path), environment,
                      clock or SteppedClock(MORNING))
    try:
        (found,) = items(look, tuple(other for other, _ in ITEMS if other != name))
    finally:
        look.close()
    return found
