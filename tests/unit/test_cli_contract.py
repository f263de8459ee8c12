"""The command line's contract: which files a run leaves, what stands in them, and that they are always the same."""

import csv
import io
import json
import subprocess

import polars as pl
import pytest

import kobe81
from tests import cli_fixtures
from tests.cli_fixtures import QUICK, files, finished, market, start
from tests.oracle import spec

folder, kobe = cli_fixtures.folder, cli_fixtures.kobe

# typed from spec.md, Files
TRADES = ["symbol", "strategy", "side", "signal_date", "entry_date", "entry_price", "exit_date", "exit_price", "qty",
          "stop", "score", "gross_pnl", "fees", "net_pnl", "return", "bars_held", "exit_reason"]
CURVE = ["date", "equity", "cash", "exposure", "return", "drawdown"]
SUMMARY = ["trades", "win_rate", "profit_factor", "net_pnl", "total_return", "cagr", "volatility", "sharpe",
           "sortino", "calmar", "max_drawdown", "max_drawdown_days", "exposure", "avg_trade", "avg_win", "avg_loss",
           "expectancy", "var_95", "cvar_95"]
MADE_FROM = ["data_hash", "config_hash", "code_version", "seed"]
VERDICT = ["splits", "trials", "deflated_sharpe", "pbo"]
SPLIT = ["split", "train_start", "train_end", "test_start", "test_end", "parameters", "chosen_in_training",
         "in_sample_sharpe", "train_trades"]
BACKTEST = {"trade_list.csv", "equity_curve.csv", "summary.json"}
WF = ("wf", "--data", "bars.parquet", "--strategy", "donchian", "--grid", "lookback=5,20", "--grid", "hold=3,8",
      "--set", "plan.train=150", "--test", "60", *QUICK)


def table(content):
    return list(csv.reader(io.StringIO(content.decode())))


def without_code(found):
    """The files without the code's version: a file that is edited while the tests run changes nothing else."""
    return {name: b"\n".join(line for line in content.split(b"\n") if b"code_version" not in line)
            for name, content in found.items()}


@pytest.mark.parametrize("strategy", ["donchian", "ict_turtle_soup"])
@pytest.mark.parametrize("mode", ["independent", "portfolio"])
def test_the_trades_are_those_of_a_second_program(folder, kobe, strategy, mode):
    """Row by row, with every option of the contract, what tests/oracle finds by itself."""
    done = kobe("backtest", "--data", "bars.parquet", "--strategy", strategy, "--mode", mode, "--notional", 2500,
                "--cash", 50000, "--max-positions", 4, "--slippage-bps", 0, "--costs", "none", *QUICK, "--out", "x")
    assert (done.code, done.err) == (0, "")
    series = {}
    for row in market().iter_rows(named=True):
        series.setdefault(row.pop("symbol"), []).append(spec.Bar(**row))
    terms = {"notional": 2500, "slippage_bps": 0}
    values = {"lookback": 10, "trend": 50}
    expected = (spec.independent(series, strategy, values, **terms) if mode == "independent" else
                spec.portfolio(series, strategy, values, **terms, cash=50000, max_positions=4)[0])
    found = sorted(pl.read_csv("x/trade_list.csv", try_parse_dates=True).iter_rows(named=True),
                   key=lambda r: (r["entry_date"], r["symbol"]))
    assert len(found) > 5
    for name in ("symbol", "side", "signal_date", "entry_date", "exit_date", "qty", "bars_held", "exit_reason"):
        assert [r[name] for r in found] == [r[name] for r in expected], name
    for name in ("entry_price", "exit_price", "stop", "score", "gross_pnl", "fees", "net_pnl", "return"):
        assert [r[name] for r in found] == pytest.approx([float(r[name]) for r in expected], rel=1e-9, abs=1e-9), name


def test_a_backtest_leaves_the_files_of_the_specification(folder, kobe):
    """Three files with exactly the columns and keys of spec.md, and nothing else."""
    assert kobe("backtest", "--data", "bars.parquet", *QUICK, "--out", "x/y").code == 0
    found = files(folder / "x/y")
    assert set(found) == BACKTEST
    assert table(found["trade_list.csv"])[0] == TRADES
    assert table(found["equity_curve.csv"])[0] == CURVE
    assert len(table(found["equity_curve.csv"])) == 1 + market()["date"].n_unique()
    assert list(json.loads(found["summary.json"])) == SUMMARY + MADE_FROM


def test_a_walk_forward_leaves_a_folder_per_split(folder, kobe):
    """wf_outputs/<strategy>/split_NN with three files each, and the stitched out-of-sample ones beside them."""
    assert kobe(*WF, "--out", "x").code == 0
    found = files(folder / "x")
    splits = [f"split_{k:02d}" for k in range((market()["date"].n_unique() - 150) // 60)]
    own = {f"{split}/{name}" for split in splits for name in BACKTEST} | {
        "oos_trades.csv", "oos_equity.csv", "summary.json"}
    assert set(found) == {f"wf_outputs/donchian/{name}" for name in own}
    one = found["wf_outputs/donchian/split_00/summary.json"]
    assert list(json.loads(one)) == SUMMARY + SPLIT + MADE_FROM
    assert list(json.loads(found["wf_outputs/donchian/summary.json"])) == SUMMARY + VERDICT + MADE_FROM
    rows = [row for split in splits for row in table(found[f"wf_outputs/donchian/{split}/trade_list.csv"])[1:]]
    assert table(found["wf_outputs/donchian/oos_trades.csv"]) == [TRADES, *rows]
    assert table(found["wf_outputs/donchian/oos_equity.csv"])[0] == CURVE


def test_a_later_walk_forward_leaves_no_split_of_an_earlier_one(folder, kobe):
    """Fewer splits into the same folder: what is there belongs to one run; a stranger's file stays."""
    kobe(*WF, "--out", "x")
    (folder / "x/wf_outputs/donchian/split_03/notes.txt").write_text("mine")
    assert kobe(*WF, "--train", "300", "--out", "x").code == 0
    found = set(files(folder / "x"))
    assert "wf_outputs/donchian/split_02/summary.json" in found
    assert {n for n in found if "split_03" in n} == {"wf_outputs/donchian/split_03/notes.txt"}
    assert not [n for n in found if "split_04" in n]


def test_the_folder_may_be_wf_outputs_itself(folder, kobe):
    """--out wf_outputs gives wf_outputs/<strategy>, not wf_outputs/wf_outputs/<strategy>."""
    kobe(*WF, "--out", "wf_outputs")
    assert (folder / "wf_outputs/donchian/summary.json").is_file()


def test_csv_and_parquet_give_the_same_bytes(folder, kobe):
    """Also with the rows in another order, identical rows repeated, and symbols in lower case."""
    market().write_csv("bars.csv")
    odd = pl.concat([market(), market().head(40)]).sample(fraction=1, shuffle=True, seed=1)
    odd.with_columns(pl.col("symbol").str.to_lowercase()).write_csv("odd.csv")
    for name in ("bars.parquet", "bars.csv", "odd.csv"):
        assert kobe("backtest", "--data", name, *QUICK, "--out", f"of_{name}").code == 0
    assert files(folder / "of_bars.parquet") == files(folder / "of_bars.csv") == files(folder / "of_odd.csv")


def test_python_gives_the_bytes_of_the_command_line(folder, kobe):
    """kobe81.backtest and kobe81.walk_forward write what kobe backtest and kobe wf write, hashes included."""
    kobe("backtest", "--data", "bars.parquet", "--cash", "5000", *QUICK, "--out", "x")
    bars = kobe81.load("bars.parquet")
    run = kobe81.backtest(bars, "donchian", cash=5000, lookback=10, trend=50)
    assert run.run.files == files(folder / "x")
    kobe(*WF, "--out", "y")
    walked = kobe81.walk_forward(bars, "donchian", {"lookback": [5, 20], "hold": [3, 8]}, train=150, test=60,
                                 lookback=10, trend=50)
    assert walked.run.files == files(folder / "y")


def test_another_process_with_other_threads_gives_the_same_bytes(folder, kobe):
    """One thread in a process of its own, all of them here."""
    kobe(*WF, "--out", "x")
    done = finished(start(*WF, "--out", "y", NUMBA_NUM_THREADS="1"))
    assert done.code == 0, done.err
    assert without_code(files(folder / "y")) == without_code(files(folder / "x"))


def test_the_same_command_twice_is_one_run(folder, kobe):
    """The second time finds the first one's bytes in the registry, and the report is the same to the byte."""
    words = ("backtest", "--data", "bars.parquet", "--set", "lookback=10", "--set", "trend=50", "--out")
    kobe(*words, "x")
    first = files(folder / "x")
    assert set(first) == BACKTEST | {"report.html"}
    kobe(*words, "x")
    assert files(folder / "x") == first
    assert len(json.loads(kobe("experiments", "list", "--json").out)) == 1


def test_several_strategies_stand_in_folders_of_their_own(folder, kobe):
    """kobe showdown, with both strategies."""
    done = kobe("showdown", "--data", "bars.parquet", *QUICK, "--out", "x")
    assert (done.code, done.err) == (0, "")
    assert set(files(folder / "x")) == {f"{s}/{name}" for s in ("donchian", "ict_turtle_soup") for name in BACKTEST}


def test_a_config_file_says_what_options_say_and_options_win(folder, kobe):
    """Every table of it: the bars, the account, the plan, the strategy."""
    (folder / "c.toml").write_text(
        '[data]\ndata = "bars.parquet"\nsymbols = ["AAPL", "T"]\nstart = 2015-02-02\nend = "2016-02-01"\n'
        '[account]\ncash = 7000\n[plan]\ntrain = 100\n[strategy]\nlookback = 10\ntrend = 50\n')
    [found] = json.loads(kobe("backtest", "--config", "c.toml", "--cash", "8000", "--json").out)
    assert (found["symbols"], found["config"]["account"]["cash"]) == (2, 8000.0)
    assert found["span"] == "2015-02-02 to 2016-02-01"
    assert (found["config"]["strategy"]["lookback"], found["config"]["strategy"]["trend"]) == (10, 50)
    [found] = json.loads(kobe("wf", "--config", "c.toml", "--strategy", "donchian", "--symbols", "ibm", "--json").out)
    assert (found["symbols"], found["config"]["plan"]["train"]) == (1, 100)


@pytest.mark.parametrize("words", [
    ("backtest", "--data", "bars.parquet"), ("showdown", "--data", "bars.parquet"), ("scan", "--data", "bars.parquet"),
    ("strategies",), ("data", "info", "bars.parquet"), ("data", "check", "bars.parquet"), ("experiments", "list"),
    ("universe", "build", "--data", "bars.parquet", "--years", "1"), WF,
], ids=lambda words: " ".join(words[:2]))
def test_json_is_json_and_nothing_else(kobe, words):
    """The whole of standard output parses, strictly: no NaN, no infinity; nothing is said elsewhere."""
    done = kobe(*words, "--json")
    assert (done.code, done.err) == (0, "")

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(done.out, parse_constant=refuse)


def test_a_reader_who_has_read_enough_sees_no_complaint(folder):
    """kobe strategies | head -0: the pipe is closed before the first line is written."""
    with start("strategies") as process:
        process.stdout.close()
        assert (process.wait(60) in (0, 1), process.stderr.read()) == (True, "")


def test_help_answers_without_loading_the_engine():
    """kobe --help imports neither polars nor numba nor numpy."""
    code = ("import sys, contextlib, io\nfrom kobe81.app.cli import main\nwith contextlib.suppress(SystemExit):\n"
            " main(['--help'])\nprint([m for m in ('polars', 'numba', 'numpy', 'pandas') if m in sys.modules])")
    done = subprocess.run([cli_fixtures.sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env=cli_fixtures.surroundings({}))
    assert done.stdout.endswith("[]\n"), done.stderr
