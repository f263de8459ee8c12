"""The registry: every run once, by the hash of what went in; what came out is never changed unseen."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kobe81.core.errors import KobeError
from kobe81.experiments.registry import ExperimentRegistry, Inputs, write_files
from tests import cli_fixtures
from tests.cli_fixtures import QUICK, files, market, refused, surroundings

folder, kobe = cli_fixtures.folder, cli_fixtures.kobe
NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
INPUTS = Inputs("backtest", "donchian", {"data": "/a/b.parquet"}, "sha256:1", {"strategy": {"lookback": 5}}, "1+2", 7)
WF = ("wf", "--data", "bars.parquet", "--strategy", "donchian", "--train", "150", *QUICK)


def run_ids(kobe):
    """The registered ids."""
    return {e["run_id"] for e in json.loads(kobe("experiments", "list", "--json").out)}


@pytest.fixture
def one(folder, kobe):
    """A registered backtest: its id and its folder."""
    kobe("backtest", "--data", "bars.parquet", *QUICK)
    [run] = run_ids(kobe)
    return run, folder.parent / "home/runs" / run


@pytest.mark.parametrize("words", [("backtest", "--data", "bars.parquet", *QUICK),
                                   ("backtest", "--data", "sample", "--symbols", "GOOG", "--start", "2006-01-03"),
                                   ("backtest", "--data", "synthetic:5x300", "--mode", "independent", "--seed", "3"),
                                   (*WF, "--grid", "lookback=5,10", "--set", "account.cash=9000")], ids=" ".join)
def test_a_run_is_verified_by_running_it_again(folder, kobe, words):
    """Files, built-in bars, chosen symbols and dates, grids: the record is enough, from any folder."""
    done = kobe(*words)
    assert done.code == 0, done
    [run] = run_ids(kobe)
    done = kobe("experiments", "verify", run[:6])
    assert (done.code, done.err) == (0, "")
    assert f"run {run}" in done.out
    assert "every byte the same" in done.out


@pytest.mark.parametrize("name", ["trade_list.csv", "equity_curve.csv", "summary.json"])
def test_verify_catches_an_edited_output(kobe, one, name):
    """One byte more; then the file is gone."""
    run, place = one
    (place / name).chmod(0o644)
    (place / name).write_bytes((place / name).read_bytes() + b" ")
    refused(kobe("experiments", "verify", run), 1, run, name, "run again")
    assert name in kobe("experiments", "show", run).out
    (place / name).unlink()
    refused(kobe("experiments", "verify", run), 1, run, name)


@pytest.mark.parametrize(("key", "value"), [("data_hash", "sha256:0"), ("seed", 8), ("code_version", "0"),
                                            ("strategy", "ict_turtle_soup")])
def test_an_edited_record_is_caught(kobe, one, key, value):
    """The id is the hash of the inputs: inputs that were edited no longer have it."""
    run, place = one
    record = json.loads((place / "run.json").read_text())
    record["inputs"][key] = value
    (place / "run.json").chmod(0o644)
    (place / "run.json").write_text(json.dumps(record))
    refused(kobe("experiments", "verify", run), 1, "run.json", "edited")


def test_verify_catches_edited_figures(kobe, one):
    """A Sharpe that nobody earned."""
    run, place = one
    record = json.loads((place / "run.json").read_text())
    record["figures"]["sharpe"] = 3.0
    (place / "run.json").chmod(0o644)
    (place / "run.json").write_text(json.dumps(record))
    refused(kobe("experiments", "verify", run), 1, run, "run.json")


def test_verify_catches_other_bars_in_the_data_file(folder, kobe, one):
    """The file is there, but holds something else."""
    run, _ = one
    market().head(2000).write_parquet("bars.parquet")
    refused(kobe("experiments", "verify", run), 1, run, "now holds other bars")


def test_verify_catches_other_code(kobe, one, monkeypatch):
    """Another version may well give other files; it says so instead of failing the run."""
    run, _ = one
    monkeypatch.setattr("kobe81.app.home.code_version", lambda: "9.9.9+00000000")
    refused(kobe("experiments", "verify", run), 1, run, "made by code 0.", "9.9.9", "install that version")


def test_a_run_that_comes_out_differently_is_refused(kobe, one):
    """An edited registered file, with its hash mended in the record: the same command finds the difference."""
    run, place = one
    from kobe81.core.hashing import digest

    (place / "trade_list.csv").chmod(0o644)
    (place / "trade_list.csv").write_bytes(b"symbol\n")
    record = json.loads((place / "run.json").read_text())
    record["outputs"]["trade_list.csv"] = digest(b"symbol\n")
    (place / "run.json").chmod(0o644)
    (place / "run.json").write_text(json.dumps(record))
    refused(kobe("backtest", "--data", "bars.parquet", *QUICK), 1, run, "trade_list.csv differs")
    refused(kobe("experiments", "verify", run), 1, run, "trade_list.csv")


def test_the_id_does_not_depend_on_where_the_data_lay(folder, kobe, one):
    """Another folder, another name, another format: the same run."""
    run, _ = one
    (folder / "far").mkdir()
    market().write_csv(folder / "far/other.csv")
    kobe("backtest", "--data", "far/other.csv", *QUICK)
    assert run_ids(kobe) == {run}


@pytest.mark.parametrize("change", [("--seed", "8"), ("--set", "hold=6"), ("--cash", "90000"), ("--end", "2016-06-01"),
                                    ("--strategy", "ict_turtle_soup"), ("--costs", "none"), ("--symbols", "AAPL,IBM")])
def test_the_id_depends_on_everything_else(kobe, one, change):
    """Seed, parameters, account, bars, strategy."""
    kobe("backtest", "--data", "bars.parquet", *QUICK, *change)
    assert len(run_ids(kobe)) == 2


def test_trials_are_counted_once_per_data_and_strategy(kobe):
    """Lookbacks 5 and 10, then 10 and 20, then 10 alone: three sets; another strategy or other bars count apart."""
    for words in ((*WF, "--grid", "lookback=5,10"), (*WF, "--grid", "lookback=10,20"),
                  ("backtest", "--data", "bars.parquet", *QUICK),
                  ("backtest", "--data", "bars.parquet", "--strategy", "ict_turtle_soup", *QUICK),
                  ("backtest", "--data", "bars.parquet", "--end", "2016-06-01", *QUICK)):
        assert kobe(*words).code == 0
    rows = [line.split() for line in kobe("experiments", "list").out.partition("Parameter sets tried")[2].splitlines()]
    counts = sorted((r[0], int(r[2])) for r in rows if len(r) == 3 and r[2].isdigit())
    assert counts == [("donchian", 1), ("donchian", 3), ("ict_turtle_soup", 1)]


def test_list_show_and_compare_tell_runs_apart(kobe, one):
    """Latest first; what differs in the inputs, and all figures side by side."""
    run, place = one
    kobe("backtest", "--data", "bars.parquet", *QUICK, "--set", "hold=6")
    [other] = run_ids(kobe) - {run}
    shown = kobe("experiments", "compare", run, other).out
    assert [line.split() for line in shown.splitlines() if "hold" in line] == [["strategy.hold", "5", "6"]]
    assert "lookback" not in shown
    assert "sharpe" in shown
    assert len(json.loads(kobe("experiments", "compare", run, other, "--json").out)) == 2
    assert json.loads(kobe("experiments", "show", run[:5], "--json").out)["folder"] == str(place)
    listed = [e["run_id"] for e in json.loads(kobe("experiments", "list", "--json").out)]
    assert sorted(listed) == sorted({run, other})
    refused(kobe("experiments", "show", ""), 2, "''")


def test_a_record_that_cannot_be_read_is_named(kobe, one):
    """By its path, with what to do."""
    _, place = one
    (place / "run.json").chmod(0o644)
    (place / "run.json").write_text("{")
    refused(kobe("experiments", "list"), 1, str(place), "remove its folder")


def test_registered_files_are_read_only(one):
    """Immutable as far as a file system goes."""
    assert {p.stat().st_mode & 0o777 for p in one[1].rglob("*") if p.is_file()} == {0o444}


def test_two_processes_register_the_same_run_at_once(tmp_path):
    """Both succeed, one folder is there, whole, and nothing beside it."""
    code = ("import sys; from datetime import UTC, datetime; from pathlib import Path\n"
            "from kobe81.experiments.registry import ExperimentRegistry, Inputs\n"
            "kept = ExperimentRegistry(Path(sys.argv[1])); sys.stdin.readline()\n"
            "for seed in range(40):\n"
            "    kept.register(Inputs('backtest', 'd', {}, 'h', {}, 'c', seed), {'a/b.csv': b'x' * 5000, 'c.csv': b''},"
            " {}, (), datetime(2026, 3, 6, tzinfo=UTC))\n")
    two = [cli_fixtures.subprocess.Popen([cli_fixtures.sys.executable, "-c", code, str(tmp_path / "runs")], text=True,
                                         stdin=-1, stdout=-1, stderr=-1, env=surroundings({})) for _ in range(2)]
    for process in two:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in two:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    kept = ExperimentRegistry(tmp_path / "runs")
    assert len(kept.experiments()) == 40
    assert not [n for e in kept.experiments() for n in kept.damaged(e)]
    assert len(list((tmp_path / "runs").iterdir())) == 40


def test_another_output_for_the_same_inputs_is_an_error(tmp_path):
    """A run that does not repeat itself is told by the file's name; what was registered stays."""
    kept = ExperimentRegistry(tmp_path)
    first = kept.register(INPUTS, {"a.csv": b"1"}, {}, ("x",), NOW)
    with pytest.raises(KobeError, match=r"a\.csv differs"):
        kept.register(INPUTS, {"a.csv": b"2"}, {}, ("x",), NOW)
    assert (first.folder / "a.csv").read_bytes() == b"1"
    assert kept.trials("sha256:1", "donchian") == 1


def test_files_are_written_all_or_none(tmp_path):
    """The second of two cannot be written: the first is what it was, and no scrap lies about."""
    (tmp_path / "a.csv").write_bytes(b"old")
    (tmp_path / "b").mkdir()
    with pytest.raises(KobeError, match="b: cannot be written"):
        write_files(tmp_path, {"a.csv": b"new", "b": b"new"})
    assert files(tmp_path) == {"a.csv": b"old"}


def test_a_home_that_moves_keeps_its_runs(folder, kobe, one, monkeypatch):
    """The folder is all there is to it."""
    run, _ = one
    shutil.copytree(folder.parent / "home", folder / "elsewhere")
    monkeypatch.setenv("KOBE_HOME", str(folder / "elsewhere"))
    assert kobe("experiments", "verify", run).code == 0
    assert Path(json.loads(kobe("experiments", "show", run, "--json").out)["folder"]).parts[-3] == "elsewhere"
