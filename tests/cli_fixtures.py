"""The program as a person starts it: in this process or in one of its own, with a home and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from kobe81.app.cli import main
from kobe81.data.providers.synthetic import synthetic_bars

ROOT = Path(__file__).parents[1]
QUICK = ("--set", "lookback=10", "--set", "trend=50", "--no-report")
"""Rules that trade on few bars."""


class Done(NamedTuple):
    """What a command left: its exit code, what it said, and what it complained of."""

    code: int
    out: str
    err: str


@cache
def market() -> pl.DataFrame:
    """Six stocks over 500 sessions, named as real ones are."""
    frame = synthetic_bars(6, 500, seed=5).to_frame()
    names = dict(zip(frame["symbol"].unique().sort(), ("AAPL", "BRK.B", "GOOG", "IBM", "MSFT", "T"), strict=True))
    return frame.with_columns(pl.col("symbol").replace_strict(names))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with bars.parquet, and a home beside it."""
    monkeypatch.setenv("KOBE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("MASSIVE_API_KEY", "POLYGON_API_KEY", "STOOQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    market().write_parquet(work / "bars.parquet")
    return work


@pytest.fixture
def kobe(folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command in this process."""
    def run(*words: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(w) for w in words])
        return Done(int(left.value.code or 0), *capfd.readouterr())

    return run


def start(*words: object, **environment: str) -> subprocess.Popen[str]:
    """A command in a process, and a process group, of its own."""
    return subprocess.Popen([sys.executable, "-m", "kobe81", *map(str, words)], text=True, start_new_session=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings(environment))


def surroundings(environment: dict[str, str]) -> dict[str, str]:
    """This process's environment, with changes, in which the product is found."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | environment


def finished(process: subprocess.Popen[str]) -> Done:
    """What the process left, within a minute."""
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(done: Done, code: int, *said: str) -> None:
    """One message on the error stream that says all this, no traceback, nothing on the other stream."""
    assert done.code == code, done
    assert done.err.startswith("kobe: "), done.err
    assert done.err.count("\n") == 1, done.err
    assert not done.out
    for words in said:
        assert words in done.err, (words, done.err)
