"""The bars everything is measured on: the shared 900 stocks where they are, else a synthetic market of that size."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kobe81.core.bars import Bars
from kobe81.data.load import load
from kobe81.data.panel import open_panel
from kobe81.data.providers.synthetic import synthetic_bars

SHARED = Path(__file__).parents[2] / "shared" / "data" / "us_eod_900.parquet"
SYMBOLS, SESSIONS, SEED = 900, 2519, 7


class Source(NamedTuple):
    """What is measured on: its name, the Parquet file, and the panel made of it."""

    name: str
    file: Path
    panel: Path

    def bars(self) -> Bars:
        """The bars, mapped into memory."""
        return open_panel(self.panel)


def prepare(folder: Path) -> Source:
    """Find or make the Parquet file, and its panel below `folder`."""
    name, file = SHARED.name, SHARED
    if not file.exists():
        name, file = f"synthetic market, seed {SEED}", folder / "synthetic.parquet"
        synthetic_bars(SYMBOLS, SESSIONS, SEED).to_frame().write_parquet(file)
    panel = load(file, cache_dir=folder).panel
    if panel is None:
        raise OSError(f"no panel could be written to {folder}; give another temporary folder with TMPDIR")
    return Source(name, file, panel)
