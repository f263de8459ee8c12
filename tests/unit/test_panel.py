"""Panels: the bars that were written, to the last bit, or a clear word that they are not."""

import hashlib
import json
import stat
import struct

import numpy as np
import pytest

from kobe81.core.bars import FIELDS, Bars, Origin
from kobe81.data import panel as panels
from kobe81.data.panel import DamagedPanel, content_hash, open_panel, read_header, verify, write_panel


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


@pytest.fixture
def panel(tmp_path):
    """A written panel."""
    write_panel(tmp_path / "x.panel", make(), {"any": "thing"})
    return tmp_path / "x.panel"


def test_a_panel_gives_back_what_was_written(panel):
    """Bars, origin and facts, in arrays that are aligned, contiguous and of the types that Bars promises."""
    bars = open_panel(panel)
    assert same(bars, make())
    assert bars.origin == Origin("test", note="made up")
    assert read_header(panel)["facts"] == {"any": "thing"}
    for name, kind in [("offsets", np.int64), ("date", np.int32), *((f, np.float64) for f in FIELDS)]:
        array = getattr(bars, name)
        assert array.dtype == kind
        assert array.flags.c_contiguous
        assert array.ctypes.data % 64 == 0
    assert np.array_equal(bars.close.offsets, bars.offsets)


def test_bars_without_rows_make_a_panel_too(tmp_path):
    """No symbols, no rows: the header alone, and it opens."""
    write_panel(tmp_path / "x.panel", make(()), {})
    assert len(open_panel(tmp_path / "x.panel")) == 0
    verify(tmp_path / "x.panel")


def test_the_content_hash_is_sha256_over_the_documented_bytes():
    """Symbols as JSON, then offsets, dates and prices, little-endian: computed here from the bare arrays."""
    bars = make()
    raw = json.dumps(["A", "BRK.B", "ZZ"]).encode() + struct.pack("<4q", 0, 7, 15, 24)
    raw += struct.pack("<24i", *bars.date) + b"".join(struct.pack("<24d", *getattr(bars, f)) for f in FIELDS)
    assert content_hash(bars) == "sha256:" + hashlib.sha256(raw).hexdigest()


def test_the_content_hash_does_not_depend_on_how_bars_came_about(panel):
    """From arrays, from a frame, from a panel, from a strided view, whatever their origin: one hash."""
    bars = make()
    strided = Bars.of(bars.symbols, bars.offsets, bars.date,
                      {f: np.repeat(np.asarray(getattr(bars, f)), 2)[::2] for f in FIELDS}, Origin("other"))
    framed = Bars.from_frame(bars.to_frame().sample(fraction=1, shuffle=True, seed=1))
    assert {content_hash(b) for b in (bars, strided, framed, open_panel(panel))} == {read_header(panel)["sha256"]}


@pytest.mark.parametrize("change", ["symbols", "offsets", "date", *FIELDS])
def test_the_content_hash_tells_every_change(change):
    """One symbol renamed, one border moved, one day or one price changed by the last digit."""
    bars, other = make(), make()
    if change == "symbols":
        other = Bars.of(("A", "BRK.B", "ZZZ"), bars.offsets, bars.date, {f: getattr(bars, f) for f in FIELDS})
    else:
        array = getattr(other, change)
        array[1] = np.nextafter(array[1], np.inf) if change in FIELDS else array[1] + 1
    assert content_hash(bars) != content_hash(other)


def test_a_truncated_panel_is_damaged_wherever_it_is_cut(panel):
    """In every region, from the empty file to the last byte missing; and one byte too many."""
    whole = panel.read_bytes()
    for size in (*range(0, len(whole), 7), len(whole) - 1):
        panel.write_bytes(whole[:size])
        with pytest.raises(DamagedPanel, match=r"x.panel is no sound panel: it.* Delete it"):
            open_panel(panel)
    panel.write_bytes(whole + b"\0")
    with pytest.raises(DamagedPanel, match="bytes instead of"):
        open_panel(panel)


def test_a_flipped_bit_is_found(panel):
    """In the header when it is opened, in the arrays by verify; the padding between them holds nothing to damage."""
    whole = panel.read_bytes()
    ends = 16 + struct.unpack("<I", whole[8:12])[0]
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        panel.write_bytes(damaged)
        if place < ends:
            with pytest.raises(DamagedPanel):
                open_panel(panel)
        elif not same_numbers(panel):
            with pytest.raises(DamagedPanel):
                verify(panel)
    panel.write_bytes(whole)
    assert verify(panel) == content_hash(make())


def same_numbers(panel):
    """Whether a panel still opens to the bars of `make`, to the last bit."""
    try:
        bars = open_panel(panel)
    except DamagedPanel:
        return False
    return all(getattr(bars, f).tobytes() == getattr(make(), f).tobytes() for f in ("offsets", "date", *FIELDS))


def test_another_format_is_not_opened(panel, monkeypatch):
    """A panel of an older or newer version of the product is refused, not misread."""
    monkeypatch.setattr(panels, "FORMAT", panels.FORMAT + 1)
    with pytest.raises(DamagedPanel, match=r"its format is 1, this version's is 2"):
        open_panel(panel)


def test_bars_of_a_panel_cannot_change_the_file(panel):
    """The mapping is private: what somebody writes into the arrays stays in that process."""
    before = panel.read_bytes()
    open_panel(panel).close[:] = 0
    assert panel.read_bytes() == before


def test_bars_outlive_the_replacement_of_their_panel(panel):
    """A run that has a panel open keeps its bars while another run renames a new panel over it."""
    bars = open_panel(panel)
    write_panel(panel, make(seed=2), {})
    assert same(bars, make())
    assert same(open_panel(panel), make(seed=2))


def test_a_panel_belongs_to_its_owner_alone(panel):
    """Nobody else may read it: who trades what is private."""
    assert stat.S_IMODE(panel.stat().st_mode) == 0o600
