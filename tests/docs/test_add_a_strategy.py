"""docs/add-a-strategy.md, done: its code, taken from the page, works inside the package and from outside."""

import os
import re
import subprocess
import sys
import tomllib

import polars as pl
import pytest
from blocks import ROOT, blocks, commands, run

PAGE = "docs/add-a-strategy.md"
EXAMPLE = ROOT / "docs/examples/kobe81-pullback"
INSIDE = """
import sys, kobe81.strategies
kobe81.strategies.__path__.append(sys.argv.pop(1))
from kobe81.app.cli import main
main()
"""
"""`kobe`, with one more folder of strategies: what saving a file in kobe81/strategies does."""


@pytest.fixture
def installed(tmp_path):
    """A site folder that holds the example as `pip install` leaves it: the module, and its entry points."""
    (code,), (project,) = blocks(PAGE, "python"), blocks(PAGE, "toml")
    declared = tomllib.loads(project)["project"]
    about = tmp_path / f"{declared['name'].replace('-', '_')}-{declared['version']}.dist-info"
    about.mkdir()
    (tmp_path / "pullback.py").write_text(code)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".format(**declared))
    groups = [f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
              for group, points in declared["entry-points"].items()]
    (about / "entry_points.txt").write_text("\n".join(groups))
    return str(tmp_path)


def test_page_shows_a_dozen_lines():
    """The strategy on the page is no longer than promised: a dozen lines of code."""
    (code,) = blocks(PAGE, "python")
    assert code == (EXAMPLE / "pullback.py").read_text()
    body = code[code.index("@dataclass"):]
    assert 5 <= sum(1 for line in body.splitlines() if line.strip()) <= 13


def test_file_in_the_package_is_found_by_its_name(tmp_path):
    """Saved among the strategies, it is known to the commands without another change."""
    (code,) = blocks(PAGE, "python")
    (tmp_path / "pullback.py").write_text(code)
    options = ["--strategy", "pullback", "--no-report", "--out", str(tmp_path / "result")]
    subprocess.run([sys.executable, "-c", INSIDE, str(tmp_path), "backtest", *options], check=True, capture_output=True)
    assert len(pl.read_csv(tmp_path / "result/trade_list.csv")) > 50


@pytest.mark.parametrize("command", [c for c in commands(PAGE) if c.startswith("kobe")])
def test_commands_of_the_page_work_from_another_package(command, installed, tmp_path):
    """Each command of the page, with the strategy installed beside kobe81 and found by its entry point."""
    done = run(command, tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert "pullback" in done.stdout or "scan" in command
    if "--out" in command:
        assert list((tmp_path / "result").rglob("*trade*.csv"))


def test_entry_point_trades_as_the_file_does(installed, tmp_path):
    """The strategy makes trades, under the name it was asked for."""
    run("kobe backtest --strategy pullback --no-report --out result", tmp_path, PYTHONPATH=installed)
    trades = pl.read_csv(tmp_path / "result/trade_list.csv")
    assert set(trades["strategy"]) == {"pullback"}
    assert len(trades) > 50


def test_strategy_from_outside_is_held_to_the_laws(installed):
    """The page's last command puts it under every law, and it keeps them."""
    (command,) = [c for c in commands(PAGE) if "conformance" in c]
    done = run(f"{command} -p no:cacheprovider -p no:xdist", ROOT, PYTHONPATH=os.pathsep.join([installed, str(ROOT)]))
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\b(2[5-9]|[3-9]\d) passed", done.stdout), "not under every law, in every variant"
