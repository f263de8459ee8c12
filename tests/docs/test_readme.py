"""The README, followed by somebody who types what it says."""

import re
import subprocess
from shutil import copy

import polars as pl
import pytest
from blocks import ROOT, blocks, commands, run

from tools.demo import run_demo, trading_day, verdict
from tools.docs import MARKED

PAGE = "README.md"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the reader's own bars: some of the sample, as prices.csv."""
    from kobe81 import load

    folder = tmp_path_factory.mktemp("desk")
    load("sample", symbols="AAPL,MSFT,NVDA").bars.to_frame().write_csv(folder / "prices.csv")
    copy(ROOT / "kobe81/app/live/small.toml", folder)
    return folder


@pytest.mark.parametrize("command", [c for c in commands(PAGE) if c.startswith("kobe")])
def test_commands_on_own_bars_work(command, desk):
    """Each command on prices.csv ends well, and leaves a report where it was asked to."""
    done = run(command, desk, KOBE_HOME=str(desk / "home"))
    assert done.returncode == 0, done.stderr
    if "--out" in command:
        assert (desk / "result/report.html").stat().st_size > 10_000


def test_python_example_runs_as_shown(tmp_path):
    """The lines of Python, as they stand, print figures and leave a report."""
    (code,) = blocks(PAGE, "python")
    assert sum(1 for line in code.splitlines() if line.strip()) == 5
    (tmp_path / "example.py").write_text(code)
    done = run("python example.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert 0.0 < float(done.stdout.split()[0]) < 2.0
    assert "symbol" in done.stdout
    assert (tmp_path / "report.html").is_file()


def test_two_commands_are_targets_of_make():
    """`make demo` and `make test` exist, as does every other target the page names."""
    text = (ROOT / PAGE).read_text("utf-8")
    for target in set(re.findall(r"(?:^|`)make (\w+)", text, re.MULTILINE)):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """The demo, run once: what it printed and where its files are."""
    folder = tmp_path_factory.mktemp("demo")
    return run_demo(folder), folder / "demo"


def test_demo_prints_what_the_readme_shows(demonstration):
    """The same lines, the same figures or nearly. If it should print others: python -m tools.docs --measured."""
    shown = next(m["body"] for m in MARKED.finditer((ROOT / PAGE).read_text("utf-8")) if m["name"] == "demo")
    numbers = re.compile(r"[−-]?\d[\d,]*\.?\d*")
    expected, found = shown.strip("`\n"), verdict(demonstration[0])
    assert words(numbers.sub("#", expected)) == words(numbers.sub("#", found))
    pairs = zip(numbers.findall(expected), numbers.findall(found), strict=True)
    values = [[float(text.replace(",", "").replace("−", "-")) for text in pair] for pair in pairs]
    assert all(abs(a - b) <= 0.02 + 0.01 * abs(a) for a, b in values)


def words(text):
    """The text without curves, rules and spacing."""
    return " ".join(re.sub("[▁-█─]", "", text).split())


def test_demo_trades_with_both_strategies_and_leaves_its_report(demonstration):
    """Out of sample, on real prices, both strategies trade, and the report that the README shows is there."""
    folder = demonstration[1]
    for name in ("donchian", "ict_turtle_soup"):
        files = sorted(folder.rglob(f"{name}*/oos_trades.csv"))
        assert files
        assert all(len(pl.read_csv(file)) > 100 for file in files)
    assert (folder / "report.html").stat().st_size > 100_000


def test_demo_ends_with_the_day_that_the_readme_shows(demonstration):
    """The same scans, orders, refusals, restart and proofs, word for word."""
    shown = next(m["body"] for m in MARKED.finditer((ROOT / PAGE).read_text("utf-8")) if m["name"] == "day")
    assert trading_day(demonstration[0]).split() == shown.strip("`\n").split()


def test_demo_labels_the_synthetic_market(demonstration):
    """Numbers that no real market made say so where they stand, in the terminal and in the report."""
    assert "[SYNTHETIC]" in demonstration[0]
    assert "SYNTHETIC" in (demonstration[1] / "report.html").read_text("utf-8")
