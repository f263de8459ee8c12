"""The embedded sample: real daily bars of a few famous US stocks, 2000 to 2023, for work without a network.

What they are, where they come from and under which licence is told in kobe81/data/sample/README.md.
"""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO

from kobe81.core.bars import Bars, Origin

NOTE = ("Hand-picked survivors: giants of today, chosen knowing that they became giants, so every long rule looks "
        "better on them than it was. Good for learning the tool, not for judging a strategy.")


def sample_bars() -> Bars:
    """The sample's bars: 8 symbols, all bars valid, prices and volumes in the shares of each symbol's last day."""
    import polars as pl

    frame = pl.read_parquet(BytesIO((files("kobe81.data.sample") / "bars.parquet").read_bytes()))
    count = frame["symbol"].n_unique()
    return Bars.from_frame(frame, Origin(f"embedded sample of {count} real US stocks", note=NOTE))
