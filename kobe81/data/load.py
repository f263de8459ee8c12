"""Loading: from a path to clean bars, by way of a panel that makes the second time quick."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import kobe81
from kobe81.core.bars import Bars, Origin
from kobe81.core.errors import DataError
from kobe81.data.panel import DamagedPanel, content_hash, open_panel, read_header, write_panel
from kobe81.data.providers.files import bar_files, read_content
from kobe81.preflight.data_quality import PRICE_ERRORS, Policy, QualityReport, Summary, check, from_ordered

ENDED = 10
"""Sessions before the data's last one: a symbol whose bars stop earlier has left the market, or the file."""

TOLD = 1
"""Price errors that are told; the rest are counted."""


class Loaded(NamedTuple):
    """Clean bars, what the check found in the source, the bars' content hash, and sentences the user should see."""

    bars: Bars
    quality: Summary
    data_hash: str
    warnings: tuple[str, ...]
    panel: Path | None = None


def load(path: Path, *, policy: Policy = "drop", cache_dir: Path | None, made_by: str = kobe81.__version__) -> Loaded:
    """The path's bars, from a panel in `cache_dir` where a sound one was made of the same files under the same policy.

    Otherwise the files are read and checked, and a panel is written; where it cannot be written, the bars are returned
    all the same, with a warning. Errors are those of providers.files.read and data_quality.check.
    """
    panel = cache_dir / _panel_name(path, policy) if cache_dir else None
    made_of = _fingerprint(path, made_by)
    known = _from_panel(panel, made_of) if panel else None
    if known:
        return known
    fresh = _from_files(path, policy)
    return _remember(fresh, panel, made_of) if panel else fresh._replace(data_hash=content_hash(fresh.bars))


def verify_loaded(loaded: Loaded) -> None:
    """DamagedPanel where the bars no longer are what their hash says; reads every byte, so call it in a thread."""
    if content_hash(loaded.bars) != loaded.data_hash:
        raise DamagedPanel(f"the bars of {loaded.bars.origin.source} are no longer those of {loaded.data_hash}. "
                           f"Run again{f' without {loaded.panel}' if loaded.panel else ''}.")


def survivorship(bars: Bars) -> str:
    """What the data's own end says about who is missing from it."""
    last = np.searchsorted(bars.sessions, bars.date[bars.offsets[1:] - 1])
    ended = int(np.count_nonzero(last < len(bars.sessions) - 1 - ENDED))
    if not ended:
        return "every symbol trades to the end of the data: survivors only, returns are flattered"
    return f"{ended:,} of {len(last):,} symbols end before the data does"


def is_synthetic(bars: Bars) -> bool:
    """Whether the bars are the synthetic market's, by its names: what it made stays labelled after an export."""
    return all(re.fullmatch(r"SYN\d+", symbol) for symbol in bars.symbols)


def _from_files(path: Path, policy: Policy) -> Loaded:
    """The path's bars, read and checked; `data_hash` is still to be filled in."""
    frame, notes = read_content(path)
    try:
        clean, report = check(frame, policy)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if clean.is_empty():
        raise DataError(f"{path} holds no valid bar: {report.summary.line}. See: kobe data check {path}")
    bars = from_ordered(clean)
    bars = replace(bars, origin=Origin(path.name, is_synthetic(bars), "; ".join((survivorship(bars), *notes))))
    return Loaded(bars, report.summary, "", (*notes, *_told(report)))


def _told(report: QualityReport) -> Iterator[str]:
    """The check's one line where it found errors or worse than notes, and the price errors that were kept."""
    if report.findings.is_empty():
        return
    yield report.summary.line
    kept = [row for row in report.findings.iter_rows() if row[2] in PRICE_ERRORS and row[4] == "kept"]
    yield from (f"{symbol} {day}: {detail}" for symbol, day, _, detail, _ in kept[:TOLD])
    if len(kept) > TOLD:
        yield f"{len(kept) - TOLD:,} more price errors; see: kobe data check"


def _remember(fresh: Loaded, panel: Path, made_of: str) -> Loaded:
    """Write the panel, and go on without one where that fails: it only saves time."""
    facts = {"made_of": made_of, "quality": fresh.quality._asdict(), "warnings": fresh.warnings}
    try:
        return fresh._replace(data_hash=write_panel(panel, fresh.bars, facts), panel=panel)
    except OSError as error:
        unsaved = f"bars not cached, the next run reads them again: {panel.parent}: {error.strerror or error}"
        return fresh._replace(data_hash=content_hash(fresh.bars), warnings=(*fresh.warnings, unsaved))


def _from_panel(panel: Path, made_of: str) -> Loaded | None:
    """What the panel holds, or None where it is absent, damaged, of another format or made of other files."""
    try:
        header = read_header(panel)
        facts = header["facts"]
        if facts["made_of"] != made_of:
            return None
        return Loaded(open_panel(panel), Summary(**facts["quality"]), header["sha256"], tuple(facts["warnings"]), panel)
    except (DamagedPanel, OSError):
        return None


def _panel_name(path: Path, policy: Policy) -> str:
    """One panel for each path and policy; a changed file's new panel takes the old one's place."""
    return f"{_digest(str(path.resolve()), policy)}.panel"


def _fingerprint(path: Path, made_by: str) -> str:
    """Changes with the files behind the path (name, size, times, inode) and with the code that judges them."""
    files = bar_files(path) if path.exists() else []
    facts = ((file.resolve(), file.stat()) for file in files)
    return _digest(made_by, *(f"{file} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}" for file, s in facts))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
