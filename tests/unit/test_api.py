"""The product from Python: five lines, in a process that has seen nothing else."""

import subprocess
import sys

import polars as pl
import pytest

import kobe81 as kobe81_
from kobe81.core.errors import DataError, UsageError
from tests import cli_fixtures
from tests.cli_fixtures import market, surroundings

folder = cli_fixtures.folder
FIVE_LINES = """
import kobe81 as kobe
bars = kobe.load("bars.parquet")
run = kobe.backtest(bars, "donchian", lookback=10, trend=50)
print(run.summary["trades"], run.trades.height, run.equity.columns)
print(run.plot("out/report.html", show=False).stat().st_size > 10_000)
"""


@pytest.fixture
def bars(folder):
    """The market of the tests."""
    return kobe81_.load("bars.parquet")


@pytest.mark.parametrize("before", ["import kobe81.backtest.engine", "from kobe81 import backtest"])
def test_five_lines_from_prices_to_a_report(folder, before):
    """Whatever was imported before: `kobe81.backtest` is a folder and a function."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", before + FIVE_LINES], capture_output=True, text=True,
                          timeout=60, env=surroundings({}))
    assert (done.returncode, done.stderr) == (0, "")
    trades, *rest = done.stdout.split("\n")[0].split(maxsplit=2)
    assert int(trades) == int(rest[0]) > 5
    assert rest[1] == "['date', 'equity', 'cash', 'exposure', 'return', 'drawdown']"
    assert done.stdout.split("\n")[1] == "True"


def test_every_public_name_is_there():
    """What `from kobe81 import ...` promises."""
    for name in kobe81_.__all__:
        assert getattr(kobe81_, name) is not None
    with pytest.raises(AttributeError, match="backtests"):
        kobe81_.backtests  # noqa: B018  (looking it up is the test)


def test_frames_of_polars_and_pandas_are_the_file(folder, bars):
    """The same bars, the same hash, the same trades."""
    pd = pytest.importorskip("pandas")
    frame = market()
    columns = {name: frame[name].to_list() for name in frame.columns}
    for given in (frame, pd.DataFrame(columns | {"date": pd.to_datetime(columns["date"])})):
        made = kobe81_.from_frame(given, "mine")
        assert made.data_hash == bars.data_hash
        assert made.bars.origin.source == "mine"


def test_a_frame_that_lacks_a_column_or_holds_text_is_refused():
    """As from a file: the column is named."""
    with pytest.raises(DataError, match="close"):
        kobe81_.from_frame(market().drop("close"))
    with pytest.raises(DataError, match="close"):
        kobe81_.from_frame(market().with_columns(pl.lit("n.b.").alias("close")))
    with pytest.raises(DataError, match="date"):
        kobe81_.from_frame(market().with_columns(pl.lit("soon").alias("date")))


def test_a_synthetic_frame_is_labelled():
    """By its names, as from a file."""
    from kobe81.data.providers.synthetic import synthetic_bars

    assert kobe81_.from_frame(synthetic_bars(2, 50).to_frame()).bars.origin.synthetic
    assert not kobe81_.from_frame(market()).bars.origin.synthetic


@pytest.mark.parametrize(("call", "said"), [
    (lambda bars: kobe81_.backtest(bars, "donchain"), "'donchian'"),
    (lambda bars: kobe81_.backtest(bars, "donchian", lokback=5), "'lookback'"),
    (lambda bars: kobe81_.backtest(bars, "donchian", lookback=1), "2 to 500"),
    (lambda bars: kobe81_.backtest(bars, "donchian", csh=1), "'cash'"),
    (lambda bars: kobe81_.walk_forward(bars, "donchian", {"lokback": [5]}), "'lookback'"),
    (lambda bars: kobe81_.walk_forward(bars, "donchian", {"lookback": []}), "no values"),
    (lambda bars: kobe81_.walk_forward(bars, "donchian", {"lookback": [5, 5.0]}), "given twice"),
    (lambda bars: kobe81_.load("bars.parquet", symbols="ZZZ"), "ZZZ"),
], ids=range(8))
def test_wrong_names_and_values_are_told(bars, call, said):
    """The same errors as on the command line, with the nearest name."""
    with pytest.raises(UsageError, match=said):
        call(bars)


def test_a_walk_forward_tells_its_splits(bars):
    """One row per split; it has no signals of its own."""
    walked = kobe81_.walk_forward(bars, "donchian", {"lookback": [5, 10]}, train=150, test=60, trend=50)
    assert walked.splits.height == (market()["date"].n_unique() - 150) // 60 == 5
    assert set(walked.splits["lookback"]) <= {5, 10}
    assert walked.summary["trials"] == 2
    with pytest.raises(AttributeError, match="split by split"):
        walked.signals  # noqa: B018


def test_scan_and_signals_have_the_missions_columns(bars):
    """timestamp, symbol, side, entry, stop, take_profit, reason, score, strategy."""
    columns = {"timestamp", "symbol", "side", "entry", "stop", "take_profit", "reason", "score", "strategy"}
    assert set(kobe81_.scan(bars).columns) == columns
    run = kobe81_.backtest(bars, "donchian", lookback=10, trend=50)
    assert set(run.signals.columns) == columns
    assert "donchian on bars.parquet" in repr(run)
    assert f"{run.summary['net_pnl']:,.4f}" in repr(run)


def test_write_leaves_the_files_of_the_command_line(bars, folder):
    """trade_list.csv, equity_curve.csv, summary.json, and the report."""
    run = kobe81_.backtest(bars, "donchian", lookback=10, trend=50)
    assert run.write("x") == (folder / "x").relative_to(folder)
    assert {p.name for p in (folder / "x").iterdir()} == {
        "trade_list.csv", "equity_curve.csv", "summary.json", "report.html"}
