"""Whole processes, as a user starts them: how long they take and how much memory they hold."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.data import Source

ROUNDS = 5
MEASURED = ("independent", "portfolio", "walk_forward", "walk_forward_portfolio")
ROOT = Path(__file__).parents[1]


def help_seconds() -> float:
    """Wall seconds of `kobe --help`, median."""
    return statistics.median(seconds_of(["--help"], {}) for _ in range(ROUNDS))


def backtest_seconds(source: Source, folder: Path) -> tuple[float, float]:
    """Wall seconds of `kobe backtest` on the Parquet file, medians: the first time it is seen, and the second.

    Kernels are compiled before. The first run decodes and checks the file and writes its panel.
    """
    arguments = _backtest(source, folder / "warm")
    seconds_of(arguments, {"KOBE_HOME": str(folder / "warm")})
    first, again = [], []
    for turn in range(ROUNDS):
        fresh = {"KOBE_HOME": str(folder / f"home{turn}")}
        first.append(seconds_of(_backtest(source, folder / f"first{turn}"), fresh))
        again.append(seconds_of(_backtest(source, folder / f"again{turn}"), fresh))
    return statistics.median(first), statistics.median(again)


def peaks(source: Source, folder: Path, peers: bool) -> dict[str, float]:
    """Peak memory in megabytes (10^6 bytes) by job, each in a process of its own."""
    home = {"KOBE_HOME": str(folder / "peak")}
    found = {name: _peak(source, [name], home) for name in MEASURED}
    found["kobe backtest"] = _peak(source, ["kobe", *_backtest(source, folder / "peak_out")], home)
    if peers:
        found |= {name: _peak(source, [name], home) for name in ("vectorbt_independent", "vectorbt_walk_forward")}
    return found


def _backtest(source: Source, out: Path) -> list[str]:
    return ["backtest", "--data", str(source.file), "--strategy", "donchian", "--mode", "independent",
            "--out", str(out)]


def decide_seconds(source: Source, folder: Path) -> float:
    """Wall seconds of one `kobe backtest` through the decision path, every gate on."""
    arguments = ["backtest", "--data", str(source.file), "--strategy", "donchian", "--engine", "decide", "--out",
                 str(folder / "decided")]
    return seconds_of(arguments, {"KOBE_HOME": str(folder / "decides")})


def seconds_of(arguments: Sequence[str], environment: dict[str, str]) -> float:
    """Wall seconds of one command; CalledProcessError where it fails."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "kobe81", *arguments], check=True, env=os.environ | environment,
                   stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - begin


def _peak(source: Source, arguments: Sequence[str], environment: dict[str, str]) -> float:
    done = subprocess.run([sys.executable, "-m", "bench.child", str(source.panel), *arguments], check=True, cwd=ROOT,
                          env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.splitlines()[-1]) / 1e6
