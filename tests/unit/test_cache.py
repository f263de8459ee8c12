"""The cache on a real disk: what is written is read, what is damaged is noticed, what was restated is not spliced."""

import os
import random
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from kobe81.core.errors import DataError, UsageError
from kobe81.data.cache import BarCache, DamagedCache, Provenance, overlap_start, splice
from tests.vendor_server import split, weekdays

COLUMNS = ["date", "open", "high", "low", "close", "volume"]
BARS = weekdays(date(2024, 1, 1), 40)
ORIGIN = Provenance("stooq", "AAPL", "splits and dividends", date(2023, 12, 1), date(2024, 3, 1), BARS[0].day,
                    BARS[-1].day, 40, datetime(2024, 3, 2, 12, tzinfo=UTC), "1.2.3")


def frame(bars) -> pl.DataFrame:
    return pl.DataFrame(bars, schema=COLUMNS, orient="row").with_columns(pl.col(COLUMNS[1:]).cast(pl.Float64))


@pytest.fixture
def cache(tmp_path) -> BarCache:
    return BarCache(tmp_path / "cache")


def files(cache: BarCache) -> list[str]:
    return sorted(str(p.relative_to(cache.folder)) for p in cache.folder.rglob("*") if p.is_file())


def test_what_is_written_is_read(cache):
    """Bars and provenance, to the last bit; one Parquet file that any tool opens, its provenance beside it."""
    cache.write(frame(BARS), ORIGIN)
    held = cache.read("stooq", "AAPL")
    assert held.frame.equals(frame(BARS))
    assert replace(held.provenance, sha256="") == ORIGIN
    assert files(cache) == ["stooq/AAPL.json", "stooq/AAPL.parquet"]
    assert pl.read_parquet(cache.folder / "stooq" / "AAPL.parquet").equals(frame(BARS))


def test_what_was_never_written_is_absent(cache):
    assert cache.read("stooq", "AAPL") is None
    assert cache.symbols("stooq") == []


def test_every_flipped_byte_is_noticed(cache):
    """In either file, wherever it is; 300 places each. A reader sees a named error, never other figures."""
    cache.write(frame(BARS), ORIGIN)
    rng = random.Random(81)
    for path in (cache.folder / "stooq" / "AAPL.parquet", cache.folder / "stooq" / "AAPL.json"):
        good = path.read_bytes()
        for place in rng.sample(range(len(good)), min(300, len(good))):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1 << rng.randrange(8)]) + good[place + 1 :])
            with pytest.raises(DamagedCache, match="fetch it again: kobe data fetch AAPL"):
                cache.read("stooq", "AAPL")
        path.write_bytes(good)
    assert cache.read("stooq", "AAPL") is not None


@pytest.mark.parametrize("ending", ["parquet", "json"])
@pytest.mark.parametrize("kept", [0, 1, 100])
def test_a_file_cut_short_is_noticed(cache, ending, kept):
    cache.write(frame(BARS), ORIGIN)
    path = cache.folder / "stooq" / f"AAPL.{ending}"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedCache):
        cache.read("stooq", "AAPL")


def test_a_crash_between_the_two_files_is_noticed(cache):
    """The bars are new, the provenance is old: fetched again rather than believed."""
    cache.write(frame(BARS[:30]), ORIGIN)
    old = (cache.folder / "stooq" / "AAPL.json").read_bytes()
    cache.write(frame(BARS), ORIGIN)
    (cache.folder / "stooq" / "AAPL.json").write_bytes(old)
    with pytest.raises(DamagedCache, match="do not match its hash"):
        cache.read("stooq", "AAPL")


def test_a_crash_while_writing_leaves_the_old_bars(cache, monkeypatch):
    """The process dies at the moment the new file would take the old one's place."""
    cache.write(frame(BARS[:30]), ORIGIN)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        cache.write(frame(BARS), ORIGIN)
    monkeypatch.undo()
    assert len(cache.read("stooq", "AAPL").frame) == 30
    assert files(cache) == ["stooq/AAPL.json", "stooq/AAPL.parquet"]


def test_bytes_reach_the_disk_before_the_name_does(cache, monkeypatch):
    """Otherwise a power cut leaves a name with nothing behind it."""
    order: list[str] = []
    fsync, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("rename"), rename(self, to))[1])
    cache.write(frame(BARS), ORIGIN)
    assert order == ["fsync", "rename", "fsync", "rename"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a file system that is full")
def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written .*; free space or choose another folder"):
        BarCache(tmp_path / "file").write(frame(BARS), ORIGIN)


def test_names_stay_in_their_folder(cache):
    """CON is reserved on Windows; BRK.B keeps its dot; ../x is no symbol."""
    for symbol in ("CON", "BRK.B"):
        cache.write(frame(BARS), replace(ORIGIN, symbol=symbol))
        assert cache.read("stooq", symbol).provenance.symbol == symbol
    assert cache.symbols("stooq") == ["BRK.B", "CON"]
    for symbol in ("../x", "a/b", "\u202eAAPL", "A\0"):
        with pytest.raises(UsageError, match="is not a symbol"):
            cache.read("stooq", symbol)


def test_each_symbol_comes_whole_from_the_first_source_that_has_it(cache):
    """Differently adjusted sources are never mixed within a symbol."""
    cache.write(frame(BARS[:20]), ORIGIN)
    cache.write(frame(split(BARS, 2)), replace(ORIGIN, source="yahoo"))
    cache.write(frame(split(BARS, 2)), replace(ORIGIN, source="yahoo", symbol="MSFT"))
    table = cache.frame(["MSFT", "AAPL"], ["stooq", "yahoo"])
    assert table.columns == ["symbol", *COLUMNS]
    assert table.filter(symbol="AAPL").drop("symbol").equals(frame(BARS[:20]))
    assert table.filter(symbol="MSFT").drop("symbol").equals(frame(split(BARS, 2)))


def test_symbols_nobody_cached_are_named(cache):
    cache.write(frame(BARS), ORIGIN)
    with pytest.raises(DataError, match="not in the cache: NVDA, TSLA; fetch first: kobe data fetch NVDA TSLA"):
        cache.frame(["AAPL", "NVDA", "TSLA"], ["stooq"])


# ------------------------------------------------------------------------------------------------ continuing

def test_an_update_fetches_the_last_ten_bars_again():
    assert overlap_start(frame(BARS)) == BARS[30].day
    assert overlap_start(frame(BARS[:10])) == BARS[0].day
    assert overlap_start(frame(BARS[:3])) == BARS[0].day


def test_bars_that_still_hold_are_continued():
    assert splice(frame(BARS[:30]), frame(BARS[20:])).equals(frame(BARS))


def test_the_fresh_bars_replace_the_overlap():
    """A volume corrected after the day is taken over."""
    fresh = [BARS[20]._replace(volume=7.0), *BARS[21:]]
    assert splice(frame(BARS[:30]), frame(fresh))["volume"][20] == 7.0


def test_nothing_new_leaves_the_bars_as_they_are():
    assert splice(frame(BARS[:30]), frame(BARS[20:30])).equals(frame(BARS[:30]))


@pytest.mark.parametrize("ratio", [2.0, 0.1, 1.0002])
def test_a_split_or_dividend_in_between_is_not_spliced(ratio):
    """The vendor shows its whole history at new prices; two parts in ten thousand are the dividend of a bond fund."""
    assert splice(frame(BARS[:30]), frame(split(BARS[20:], ratio))) is None


def test_a_split_inside_the_overlap_is_not_spliced():
    """Only the bars before the split were restated: the last of the overlap agree, the first do not."""
    fresh = [*split(BARS[20:25], 2.0), *BARS[25:]]
    assert splice(frame(BARS[:30]), frame(fresh)) is None


def test_the_last_bar_alone_being_restated_is_not_spliced():
    assert splice(frame(BARS[:30]), frame([*BARS[20:29], *split(BARS[29:30], 2.0), *BARS[30:]])) is None


def test_rounding_is_no_restatement():
    """Vendors round to four decimals."""
    fresh = [b._replace(close=b.close + 0.00005) for b in BARS[20:]]
    assert splice(frame(BARS[:30]), frame(fresh)) is not None


@pytest.mark.parametrize("fresh", [BARS[21:], [*BARS[20:25], *BARS[26:]], BARS[30:], []])
def test_an_overlap_with_other_dates_is_not_spliced(fresh):
    """A first, a middle, every, and any bar missing."""
    assert splice(frame(BARS[:30]), frame(fresh)) is None


def test_an_undefined_close_is_not_equal_to_anything():
    for close in (None, float("nan")):
        fresh = [BARS[20]._replace(close=close), *BARS[21:]]
        assert splice(frame(BARS[:30]), frame(fresh)) is None
