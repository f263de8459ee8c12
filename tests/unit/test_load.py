"""Loading: the same bars the second time, sooner; and never from a damaged or an outdated panel."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kobe81.core.bars import FIELDS, Bars, Origin
from kobe81.core.errors import DataError, UsageError
from kobe81.data import load as loading
from kobe81.data.load import load, survivorship, verify_loaded
from kobe81.data.panel import DamagedPanel, content_hash, verify

SHARED = Path(__file__).parents[3] / "shared/data/us_eod_900.parquet"


def make(symbols=("A", "BRK.B", "ZZ"), bars=7, seed=1, origin=Origin("test", note="made up")):  # noqa: B008
    """Bars of random but valid prices, a different number for each symbol."""
    rng = np.random.default_rng(seed)
    counts = [bars + i for i in range(len(symbols))]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    days = np.concatenate([np.arange(18000, 18000 + n) for n in counts] or [[]]).astype(np.int32)
    low = rng.uniform(1, 100, len(days))
    fields = {"open": low * 1.01, "high": low * 1.02, "low": low, "close": low * 1.015, "volume": np.round(low * 1e4)}
    return Bars.of(symbols, offsets, days, fields, origin)


def same(one, two):
    """Whether two Bars hold the same symbols and numbers."""
    arrays = all(np.array_equal(getattr(one, k), getattr(two, k)) for k in ("offsets", "date", *FIELDS))
    return one.symbols == two.symbols and arrays


LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from kobe81.data.load import load
loaded = load(Path(sys.argv[1]), cache_dir=Path(sys.argv[2]))
print(len(loaded.bars), loaded.panel, loaded.data_hash, loaded.warnings[-1])
"""


@pytest.fixture
def source(tmp_path):
    """A Parquet file of 400 bars for each of two symbols."""
    path = tmp_path / "source.parquet"
    make(("AAA", "BBB"), 400).to_frame().write_parquet(path)
    return path


def test_a_full_disk_does_not_stop_a_run(source, tmp_path):
    """A process that may write no more than 4 KiB gets its bars and a warning, and leaves the old panel as it was."""
    cache = tmp_path / "cache"
    first = load(source, cache_dir=cache)
    old = first.panel.read_bytes()
    os.utime(source, (1, 1))
    done = subprocess.run([sys.executable, "-c", LIMITED, source, cache], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"801 None {first.data_hash} bars not cached")
    assert "File too large" in done.stdout
    assert [p.read_bytes() for p in cache.iterdir()] == [old]


def test_a_cache_folder_that_cannot_be_made_does_not_stop_a_run(source, tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "cache").touch()
    loaded = load(source, cache_dir=tmp_path / "cache")
    assert len(loaded.bars) == 801
    assert loaded.panel is None
    assert loaded.warnings[-1].startswith("bars not cached, the next run reads them again")


def test_the_second_load_reads_no_source(source, tmp_path, monkeypatch):
    """Bars, hash, quality and warnings come from the panel, equal to the first time's."""
    without_volume(pl.read_parquet(source), 9).write_parquet(source)
    first = load(source, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(loading, "read_content", None)
    second = load(source, cache_dir=tmp_path / "cache")
    assert same(first.bars, second.bars)
    assert first[1:] == second[1:]
    assert first.bars.origin == second.bars.origin
    assert second.quality.counts["no volume"] == 1
    assert second.warnings[0].startswith("800 of 801 bars of 2 symbols kept")
    assert second.data_hash == load_without(source, monkeypatch).data_hash


def without_volume(frame, row):
    """The frame with no volume in this row."""
    return frame.with_columns(volume=pl.when(pl.int_range(pl.len()) == row).then(0.0).otherwise(pl.col("volume")))


def load_without(source, monkeypatch):
    """A load with no cache at all."""
    monkeypatch.undo()
    return load(source, cache_dir=None)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:100], lambda b: b"", lambda b: b"x" * len(b),
                                    lambda b: b[:30] + b"?" + b[31:]])
def test_a_damaged_panel_is_made_again(source, tmp_path, damage):
    """Cut, emptied, overwritten or flipped: the source is read once more and the panel is whole again."""
    first = load(source, cache_dir=tmp_path / "cache")
    first.panel.write_bytes(damage(first.panel.read_bytes()))
    assert same(load(source, cache_dir=tmp_path / "cache").bars, first.bars)
    assert verify(first.panel) == first.data_hash


@pytest.mark.parametrize("touch", ["content", "time"])
def test_a_changed_file_is_read_again_and_keeps_one_panel(source, tmp_path, touch):
    """Another size or another modification time: the new panel takes the old one's place."""
    first = load(source, cache_dir=tmp_path / "cache")
    made = first.panel.stat().st_mtime_ns
    if touch == "content":
        make(("AAA", "CCC"), 400).to_frame().write_parquet(source)
    os.utime(source, ns=(0, source.stat().st_mtime_ns + 1))
    second = load(source, cache_dir=tmp_path / "cache")
    assert (second.bars.symbols == ("AAA", "CCC")) == (touch == "content")
    assert second.panel.stat().st_mtime_ns > made
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_policies_and_paths_have_panels_of_their_own(source, tmp_path):
    """What was dropped for one run is not missing in another's flagged bars, nor in another file's."""
    dirty = without_volume(pl.read_parquet(source), 9)
    dirty.write_parquet(source)
    (tmp_path / "other").mkdir()
    dirty.head(500).write_parquet(tmp_path / "other/source.parquet")
    cases = [(source, "drop"), (source, "flag"), (tmp_path / "other/source.parquet", "drop")]
    for _ in range(2):
        counts = [len(load(path, policy=policy, cache_dir=tmp_path / "cache").bars) for path, policy in cases]
        assert counts == [800, 801, 499]
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_folder_is_read_again_when_one_file_comes_goes_or_changes(tmp_path):
    """The panel of a folder is made of all its files."""
    folder = tmp_path / "d"
    folder.mkdir()

    def put(name, close=11):
        (folder / name).write_text(f"date,o,h,l,c,v\n2020-01-02,10,12,9,{close},100\n")

    def loaded():
        bars = load(folder, cache_dir=tmp_path / "cache").bars
        return dict(zip(bars.symbols, bars.close.tolist(), strict=True))

    put("A.csv")
    assert loaded() == {"A": 11}
    put("B.csv")
    assert loaded() == {"A": 11, "B": 11}
    put("A.csv", 10.5)
    assert loaded() == {"A": 10.5, "B": 11}
    (folder / "B.csv").unlink()
    assert loaded() == {"A": 10.5}


def test_errors_of_the_source_are_not_hidden_by_an_old_panel(source, tmp_path):
    """A source that is gone or broken is told, though a panel of it exists."""
    load(source, cache_dir=tmp_path / "cache")
    source.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(source, cache_dir=tmp_path / "cache")
    source.unlink()
    with pytest.raises(UsageError, match="does not exist"):
        load(source, cache_dir=tmp_path / "cache")


def test_a_file_without_a_valid_bar_is_an_error(tmp_path):
    """Every bar without volume: nothing to trade, and the counts say why."""
    path = tmp_path / "x.csv"
    path.write_text("symbol,date,o,h,l,c,v\nA,2020-01-02,10,12,9,11,0\n")
    with pytest.raises(DataError, match="holds no valid bar: 0 of 1 bars of 1 symbols kept; 1 no volume"):
        load(path, cache_dir=None)


def test_verify_loaded_finds_bars_that_changed(source, tmp_path):
    """A bit flipped in the panel's arrays is not seen at opening, but by the check that a registered run makes."""
    panel = load(source, cache_dir=tmp_path / "cache").panel
    verify_loaded(load(source, cache_dir=tmp_path / "cache"))
    with panel.open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"\x7f")
    with pytest.raises(DamagedPanel, match=str(panel)):
        verify_loaded(load(source, cache_dir=tmp_path / "cache"))


def ending(*last):
    """Symbols whose bars run from day 0 to these days, and one that runs to day 99."""
    lengths = [n + 1 for n in (*last, 99)]
    days = np.concatenate([np.arange(n) for n in lengths]).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Bars.of([f"S{i}" for i in range(len(lengths))], offsets, days, {f: np.ones(len(days)) for f in FIELDS})


def test_survivorship_is_told_from_the_data():
    """Ten sessions before the end still count as trading to it, eleven do not."""
    flattered = "every symbol trades to the end of the data: survivors only, returns are flattered"
    assert survivorship(ending(99, 89)) == flattered
    assert survivorship(ending(99, 88, 50)) == "2 of 4 symbols end before the data does"


def test_bars_say_where_they_came_from_and_what_was_done(tmp_path):
    """The origin has the file's name, the survivorship sentence and the adjustment; so have the panel's bars."""
    path = tmp_path / "mine.csv"
    path.write_text("symbol,date,o,h,l,c,adj close,v\nA,2020-01-02,10,12,9,11,5.5,100\n")
    for _ in range(2):
        origin = load(path, cache_dir=tmp_path / "cache").bars.origin
        assert origin.source == "mine.csv"
        assert origin.note.startswith("every symbol trades to the end of the data")
        assert origin.note.endswith("; open, high, low and close scaled by 'adj close' over 'c'")


def test_the_first_price_error_is_told_and_the_others_counted(tmp_path):
    """The user sees the first price error that was kept, and how many more there are."""
    frame = make(("AAA",), 60).to_frame().with_columns(
        *(pl.lit(100.0 + i).alias(f) for i, f in enumerate(("low", "open", "close", "high"))), volume=pl.lit(1e6))
    row = pl.int_range(pl.len())
    slipped = frame.with_columns(low=pl.when(row % 8 == 4).then(1.0).otherwise(pl.col("low")))
    slipped.write_parquet(tmp_path / "x.parquet")
    warnings = load(tmp_path / "x.parquet", cache_dir=None).warnings
    assert warnings[0] == "60 of 60 bars of 1 symbols kept; 7 wrong by a factor"
    assert warnings[1].startswith(f"AAA {date.fromordinal(719163 + 18004)}: low 1 is 1/10")
    assert warnings[2:] == ("6 more price errors; see: kobe data check",)


def test_the_900_stocks_are_the_same_bars_from_their_panel(tmp_path):
    """What is read the second time, from the panel, is what was read from the file."""
    if not SHARED.exists():
        pytest.skip("needs the 900-stock file")
    first, again = load(SHARED, cache_dir=tmp_path), load(SHARED, cache_dir=tmp_path)
    assert (len(again.bars), len(again.bars.symbols)) == (2_266_132, 900)
    assert again.data_hash == first.data_hash == content_hash(again.bars)
