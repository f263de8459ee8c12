"""Bad input: one message that says what, where and what to do; exit code 2 for usage, 1 for failure; nothing lost."""

import resource
import sys
from datetime import date

import polars as pl
import pytest

from kobe81.app import cli
from tests import cli_fixtures
from tests.cli_fixtures import QUICK, files, finished, market, refused, start

folder, kobe = cli_fixtures.folder, cli_fixtures.kobe

B = ("backtest", "--data", "bars.parquet")
W = ("wf", "--data", "bars.parquet", "--strategy", "donchian")

USAGE = [
    (("bakctest",), 'Unknown command "bakctest"', 'Did you mean "backtest"', "kobe --help"),
    (("data", "fech"), "fech", '"fetch"', "kobe data --help"),
    ((*B, "--stratgey", "donchian"), "--stratgey", "--strategy", "kobe backtest --help"),
    ((*B, "extra"), "'extra'", "--name value"),
    ((*B, "--strategy", "donchain"), "unknown strategy 'donchain'", "'donchian'"),
    ((*B, "--strategy", "../x"), "unknown strategy '../x'", "ict_turtle_soup"),
    (("strategies", "donchan"), "'donchian'"),
    ((*B, "--mode", "portfolo"), "--mode", '"portfolio"'),
    ((*B, "--cash", "much"), "--cash", '"much"'),
    ((*B, "--cash", "nan"), "cash = nan", "1.0 to"),
    ((*B, "--cash", "-5"), "cash = -5", "1.0 to"),
    ((*B, "--notional", "inf"), "notional = inf"),
    ((*B, "--max-positions", "0"), "max_positions = 0", "1 to"),
    ((*B, "--max-positions", "2.5"), "--max-positions", "'2.5' is not a whole number"),
    ((*B, "--seed", "1.5"), "--seed", "'1.5' is not a whole number"),
    ((*B, "--slippage-bps", "-1"), "slippage_bps = -1"),
    ((*B, "--costs", "free"), "--costs", '"none"'),
    ((*B, "--set",), "--set", "argument"),
    ((*B, "--set", "lookback"), "--set 'lookback'", "--set lookback=55"),
    ((*B, "--set", "=5"), "--set '=5'"),
    ((*B, "--set", "lokback=5"), "'lokback'", "'lookback'"),
    ((*B, "--set", "stategy.lookback=5"), "section in --set 'stategy'", "'strategy'"),
    ((*B, "--set", "account.csh=5"), "'csh'", "'cash'"),
    ((*B, "--set", "plan.train=300"), "section in --set 'plan'"),
    (("scan", "--set", "account.cash=5"), "section in --set 'account'"),
    ((*B, "--set", "lookback=1"), "lookback = 1", "2 to 500"),
    ((*B, "--set", "lookback=ten"), "lookback = 'ten' is not a whole number"),
    ((*B, "--set", "lookback=2.5"), "lookback = '2.5' is not a whole number"),
    ((*B, "--set", "stop_atr=nan"), "stop_atr = nan"),
    ((*B, "--set", "allow_short=maybe"), "allow_short = 'maybe' is not true or false"),
    ((*B, "--set", "lookback=5", "--set", "strategy.lookback=6"), "given twice"),
    ((*W, "--grid", "lookback"), "--grid 'lookback'"),
    ((*W, "--grid", "lookback="), "--grid 'lookback='"),
    ((*W, "--grid", "lookback=,"), "a value is empty"),
    ((*W, "--grid", "lookback=10,,20"), "a value is empty"),
    ((*W, "--grid", "lookback=10,10"), "given twice", "one trial as two"),
    ((*W, "--grid", "lookback=10,10.0"), "given twice", "one trial as two"),
    ((*W, "--grid", "lookback=10", "--grid", "lookback=20"), "given twice", "10,20,55"),
    ((*W, "--grid", "lokback=10"), "'lokback'", "'lookback'"),
    ((*W, "--grid", "lookback=1,10"), "lookback = 1", "2 to 500"),
    ((*W, "--grid", "stop_atr=nan"), "stop_atr = nan"),
    ((*W, "--train", "3"), "train = 3", "20 to"),
    ((*W, "--embargo", "260"), "embargo = 260", "0 to 250"),
    ((*W, "--compute", "spark"), "--compute", '"dask"'),
    (("backtest", "--data", "nothing.csv"), "nothing.csv does not exist"),
    (("backtest", "--data", "cach"), "'cach'", "'cache'"),
    (("backtest", "--data", "synthetic:ten"), "synthetic:900x2519:7"),
    (("data", "info", "synthetic:0x5"), "0 symbols"),
    ((*B, "--symbols", "APPL"), "bars.parquet has no symbol 'APPL'", "'AAPL'"),
    ((*B, "--symbols", "ZZZ"), "has no symbol 'ZZZ'", "it has 6", "AAPL, BRK.B"),
    ((*B, "--symbols", "../x"), "'../x' is not a symbol"),
    ((*B, "--symbols", ","), "--symbols names no symbol"),
    ((*B, "--benchmark", "SPY"), "benchmark 'SPY'"),
    ((*B, "--policy", "keep"), "--policy", '"flag"'),
    ((*B, "--start", "2015-13-01"), "--start", "2015-13-01"),
    ((*B, "--start", "2016-01-05", "--end", "2016-01-04"), "--start 2016-01-05 is after --end 2016-01-04"),
    (("data", "check", "bars.parquet", "--symbols", "APPL"), "'APPL'", "'AAPL'"),
    (("data", "check", "bars.parquet", "--top", "0"), "--top 0"),
    (("scan", "--data", "bars.parquet", "--top", "-1"), "--top -1"),
    (("data", "export", "--data", "bars.parquet", "bars.txt"), "bars.txt", ".parquet or .csv"),
    (("data", "import", "nothing"), "nothing does not exist"),
    (("data", "fetch"), "kobe data fetch AAPL MSFT"),
    (("data", "fetch", "AAPL", "--source", "yaho"), "unknown source 'yaho'", "'yahoo'"),
    (("data", "fetch", "AAPL", "--source", ","), "at least one source"),
    (("data", "fetch", "../x"), "'../x' is not a symbol"),
    (("data", "fetch", "AAPL", "--start", "2025-01-02", "--end", "2025-01-01"), "2025-01-02 is after"),
    (("universe", "build", "--data", "bars.parquet", "--keep", "0"), "--keep 0"),
    (("universe", "build", "--data", "bars.parquet", "--years", "-1"), "--years -1"),
    (("experiments", "show", "abc"), "'abc'", "kobe experiments list"),
    (("experiments", "verify", "abc"), "'abc'", "kobe experiments list"),
    (("experiments", "compare", "abc"), "two runs or more"),
    ((*B, "--config", "nothing.toml"), "nothing.toml: no such config file"),
    ((*B, "--config", "."), ".: cannot be read"),
]


@pytest.mark.parametrize(("words", "said"), [(words, said) for words, *said in USAGE], ids=lambda x: " ".join(x)[:60])
def test_a_wrong_request_is_told_and_leaves_with_2(folder, kobe, words, said):
    """What was wrong, and the nearest right thing."""
    before = files(folder)
    refused(kobe(*words), 2, *said)
    assert files(folder) == before


CONFIGS = [
    ("[strateg]\nlookback = 5", "table in c.toml: 'strateg'", "'strategy'"),
    ("lookback = 5", "table in c.toml: 'lookback'"),
    ("[strategy]\nlokback = 5", "'lokback'", "'lookback'"),
    ("[account]\ncsh = 5", "account setting 'csh'", "'cash'"),
    ("[plan]\ntrian = 5", "plan setting 'trian'", "'train'"),
    ("[data]\nsymbol = 'AAPL'", "data setting 'symbol'", "'symbols'"),
    ("[data]\nstart = 'soon'", "data start = 'soon' is not a date"),
    ("[data]\npolicy = 'keep'", "'keep'", "strict"),
    ("[strategy\n", "c.toml: not valid TOML", "line 1"),
    ("[strategy]\nlookback = [1, 2]", "lookback = [1, 2] is not a whole number"),
    ("[account]\ncash = nan", "cash = nan"),
    (b"\xff\xfe\x00", "c.toml: not valid TOML"),
]


@pytest.mark.parametrize(("content", "said"), [(c, said) for c, *said in CONFIGS], ids=lambda x: str(x)[:40])
def test_a_wrong_config_file_is_told_and_leaves_with_2(folder, kobe, content, said):
    """The file and the name in it; also of a table that this command does not use."""
    (folder / "c.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(kobe(*B, "--config", "c.toml"), 2, *said)


def damaged_files(folder):
    """Files of every damaged kind, by name."""
    frame = market()
    whole = (folder / "bars.parquet").read_bytes()
    (folder / "empty.csv").touch()
    (folder / "heads.csv").write_text("symbol,date,open,high,low,close,volume\n")
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "noise.csv").write_bytes(bytes(range(256)) * 20)
    frame.drop("close").write_csv("short.csv")
    pl.concat([frame, frame.head(1).with_columns(pl.col("high") + 1)]).write_csv("twice.csv")
    text = pl.col("close").cast(pl.String)
    frame.with_columns(pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("n.b.")).otherwise(text).alias("close")
                       ).write_csv("text.csv")
    zone = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("-05:00")).otherwise(pl.lit("+01:00"))
    frame.with_columns((pl.col("date").cast(pl.String) + " 00:00:00" + zone).alias("date")).write_csv("zones.csv")
    frame.with_columns(pl.lit(float("nan")).alias("close")).write_csv("nan.csv")
    frame.with_columns(pl.lit("../x").alias("symbol")).write_csv("path.csv")
    frame.filter(pl.col("date") < date(2015, 6, 1)).write_parquet("few.parquet")


DAMAGED = [
    ("empty.csv", "empty.csv is empty"),
    ("heads.csv", "heads.csv is empty", "no rows"),
    ("cut.parquet", "cut.parquet cannot be read as Parquet"),
    ("noise.csv", "noise.csv cannot be read as CSV"),
    ("short.csv", "short.csv has no column for close", "may be called"),
    ("twice.csv", "twice.csv: AAPL 2015-", "row 1 has", "Remove the wrong one"),
    ("text.csv", "text.csv, line 7: close is 'n.b.'", "not a number"),
    ("zones.csv", "zones.csv, line 3", "time zone"),
    ("nan.csv", "nan.csv holds no valid bar", "missing", "kobe data check"),
    ("path.csv", "path.csv, line 2: symbol is '../x'"),
]


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, *said in DAMAGED])
def test_damaged_bars_are_told_with_their_place_and_leave_with_1(folder, kobe, name, said):
    """The file, the line or the column, and what to do; the results of an earlier run stay as they are."""
    damaged_files(folder)
    kobe(*B, *QUICK, "--out", "out")
    before = files(folder)
    refused(kobe("backtest", "--data", name, "--out", "out"), 1, *said)
    if name not in {"nan.csv"}:
        refused(kobe("data", "check", name), 1, *said[:1])
        refused(kobe("data", "import", name), 1, *said[:1])
    assert files(folder) == before


def test_too_few_bars_say_how_many_are_needed(folder, kobe):
    """SMA(200) of the bar before, the signal's bar, and one to enter on: 202 bars."""
    damaged_files(folder)
    for command in (("backtest",), ("scan", "--strategy", "donchian"), ("showdown",), ("wf",)):
        refused(kobe(*command, "--data", "few.parquet"), 1, "few.parquet", "needs at least 202")
    refused(kobe(*W, "--train", "450", "--test", "60", *QUICK), 1, "500 sessions do not fill one split", "510")


def test_dates_without_bars_say_which_dates_there_are(folder, kobe):
    """After the end, before the beginning, and in a check."""
    refused(kobe(*B, "--start", "2030-01-01"), 1, "no bars from 2030-01-01 to the last", "2015-01-05 to 2016-12-02")
    refused(kobe(*B, "--end", "2014-01-01"), 1, "no bars from the first to 2014-01-01")
    refused(kobe("data", "check", "bars.parquet", "--start", "2030-01-01"), 1, "no bars from 2030-01-01")


def test_rows_in_any_order_symbols_in_lower_case_and_a_dot_are_fine(folder, kobe):
    """BRK.B by itself, asked for in lower case, from a shuffled file."""
    market().sample(fraction=1, shuffle=True, seed=2).write_csv("mixed.csv")
    done = kobe("backtest", "--data", "mixed.csv", "--symbols", "brk.b", *QUICK, "--out", "out")
    assert (done.code, done.err) == (0, "")
    assert pl.read_csv("out/trade_list.csv")["symbol"].unique().to_list() == ["BRK.B"]


@pytest.mark.parametrize("place", ["in_the_way", "in_the_way/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written_to_is_told_before_the_work(folder, kobe, place):
    """A file in the way, a file above, a file system that takes no files; the file stays what it was."""
    (folder / "in_the_way").write_text("mine")
    for command in (B, W, ("showdown", "--data", "bars.parquet"), ("demo",)):
        refused(kobe(*command, "--out", place), 1, place, "cannot be written")
    refused(kobe("data", "export", "--data", "bars.parquet", f"{place}/x.csv"), 1, "x.csv", "cannot be written")
    refused(kobe("universe", "build", f"{place}/u.csv", "--data", "bars.parquet"), 1, "u.csv", "cannot be written")
    refused(kobe("scan", "--data", "bars.parquet", "--out", place), 1, place, "cannot be written")
    assert (folder / "in_the_way").read_text() == "mine"


def test_a_home_that_cannot_be_written_to_is_told(folder, kobe, monkeypatch):
    """KOBE_HOME below a file: the run has nowhere to be registered."""
    (folder / "file").touch()
    monkeypatch.setenv("KOBE_HOME", str(folder / "file"))
    refused(kobe(*B, *QUICK), 1, str(folder / "file"))


def test_a_full_disk_leaves_the_earlier_results_and_no_scraps(folder, kobe):
    """A limit on file sizes stops the writing as a full disk does; the folder is then what it was, to the byte."""
    kobe(*B, *QUICK, "--out", "out")
    before = files(folder)
    small = (f"import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
             f"resource.setrlimit(resource.RLIMIT_FSIZE, (9000, {resource.RLIM_INFINITY})); "
             f"from kobe81.app.cli import main; main({[*B, '--set', 'lookback=15', *QUICK[2:], '--out', 'out']!r})")
    done = cli_fixtures.subprocess.run([sys.executable, "-c", small], capture_output=True, text=True, timeout=60,
                                       env=cli_fixtures.surroundings({}))
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("kobe: ")
    assert "Traceback" not in done.stderr
    assert files(folder) == before
    assert not [n for n in files(folder.parent / "home") if ".new-" in n]


def test_a_missing_extra_names_the_command_that_installs_it(folder, kobe, monkeypatch):
    """--compute dask and --compute ray without the packages."""
    for package, extra in (("distributed", "dask"), ("ray", "ray")):
        monkeypatch.setitem(sys.modules, package, None)
        refused(kobe(*W, "--train", "150", *QUICK, "--compute", extra), 1, f"pip install 'kobe81[{extra}]'")


def test_a_fault_of_the_product_is_not_dressed_up(monkeypatch, folder):
    """An error nobody foresaw keeps its traceback: it is a bug, and the report of it needs the place."""
    monkeypatch.setattr(cli, "build", lambda: lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main([])


def test_the_message_reaches_a_real_terminal_process(folder):
    """The exit code and the streams, as the shell sees them."""
    done = finished(start("backtest", "--strategy", "donchain"))
    refused(done, 2, "did you mean 'donchian'?")
