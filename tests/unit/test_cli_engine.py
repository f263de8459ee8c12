"""kobe backtest --engine decide: the path that trades, its gates set from a file and the command line."""

import json

import polars as pl
import pytest

from tests import cli_fixtures
from tests.cli_fixtures import QUICK, files, refused
from tests.engine_fixtures import GATES

folder, kobe = cli_fixtures.folder, cli_fixtures.kobe
DECIDE = ("backtest", "--engine", "decide", "--data", "bars.parquet", *QUICK)
KERNEL = ("backtest", "--data", "bars.parquet", *QUICK)
OFF = ("--set", f"gates.off={','.join(GATES)}")


def result(done):
    assert (done.code, done.err) == (0, "")
    [found] = json.loads(done.out)
    return found


def test_without_gates_it_leaves_the_kernels_files(folder, kobe):
    """The same trades and the same equity, byte for byte; another run, because another program made them."""
    for name, words in (("kernel", KERNEL), ("decide", (*DECIDE, *OFF))):
        assert kobe(*words, "--out", name).code == 0
    for name in ("trade_list.csv", "equity_curve.csv"):
        assert files(folder / "kernel")[name] == files(folder / "decide")[name]
    assert pl.read_csv("decide/trade_list.csv").height > 20
    made = [json.loads((folder / name / "summary.json").read_text()) for name in ("kernel", "decide")]
    assert made[0]["config_hash"] != made[1]["config_hash"]
    assert len({e["run_id"] for e in json.loads(kobe("experiments", "list", "--json").out)}) == 2


def test_the_kernel_is_the_default(kobe):
    """And says so by being the same run, whose inputs name no engine."""
    plain, named = result(kobe(*KERNEL, "--json")), result(kobe(*KERNEL, "--engine", "kernel", "--json"))
    assert plain["run"] == named["run"]
    assert "rules" not in plain["config"]


def test_it_says_that_gates_were_on(kobe):
    """On the terminal: which were asked, which were not, and how often each refused."""
    done = kobe(*DECIDE, "--set", "gates.off=confidence_gate, order_rate")
    assert done.code == 0
    said = " ".join(done.out.split())
    assert "portfolio, gates on" in said
    assert "donchian: refusals by gate" in said
    assert "gates on: circuit_breaker, intraday_margin" in said
    assert "off: confidence_gate, order_rate." in said
    for name, count in result(kobe(*DECIDE, "--set", "gates.off=confidence_gate, order_rate", "--json"))[
            "refusals"].items():
        assert f"{name} {count:,}" in said


def test_json_and_report_say_it_too(folder, kobe):
    """The rules in full, the refusals, the caveat; the report carries them as well."""
    words = (*DECIDE[:-1], "--set", "gates.confidence_gate.floor=0.99", "--out", "x")
    found = result(kobe(*words, "--json"))
    config = found["config"]
    assert (config["engine"], config["rules"]["gates"]["confidence_gate"]["floor"]) == ("decide", 0.99)
    assert found["refusals"]["confidence_gate"] > 20
    assert [c for c in found["caveats"] if "gates on" in c]
    page = (folder / "x/report.html").read_text()
    assert "confidence_gate" in page
    assert "Traded by the decision path, gates on" in page


@pytest.mark.parametrize(("words", "more"), [
    (("gates.policy_gate.max_order=1000",), True), (("gates.policy_gate.max_order=75",), None),
    (("gates.policy_gate.max_order=1",), False),
])  # fmt: skip
def test_a_limit_on_the_command_line(kobe, words, more):
    """A stricter policy buys less, a wider one more, its default what it buys anyway."""
    wide = ("--set", "gates.policy_gate.max_day=100000", "--set", "gates.policy_gate.max_price=100000")
    def bought(*sets):
        found = result(kobe(*DECIDE, *wide, "--set", "gates.off=confidence_gate", *sets, "--json"))
        return found["summary"]["exposure"]
    before, after = bought(), bought(*(w for s in words for w in ("--set", s)))
    assert (after > before if more else after < before) if more is not None else after == before


def test_the_account_sizes_unless_trading_says_otherwise(folder, kobe):
    """--notional goes into the rules; [trading] of the config file goes over it, and --set over both."""
    (folder / "kobe.toml").write_text(
        "[account]\nnotional = 500\nmax_positions = 3\n[trading]\nmax_positions = 4\n"
        "[gates]\noff = ['order_rate']\n[gates.policy_gate]\nmax_order = 60\nmax_day = 90\n")
    config = ("--config", "kobe.toml", "--json")
    rules = result(kobe(*DECIDE, *config))["config"]["rules"]
    assert (rules["trading"]["notional"], rules["trading"]["max_positions"]) == (500.0, 4)
    assert (rules["gates"]["policy_gate"]["max_order"], rules["gates"]["off"]) == ("60", ["order_rate"])
    over = result(kobe(*DECIDE, *config, "--notional", 700, "--set", "trading.max_positions=5",
                       "--set", "gates.policy_gate.max_order=61"))["config"]["rules"]
    assert (over["trading"]["notional"], over["trading"]["max_positions"]) == (700.0, 5)
    assert (over["gates"]["policy_gate"]["max_order"], over["gates"]["policy_gate"]["max_day"]) == ("61", "90")


@pytest.mark.parametrize(("setting", "said"), [
    ("gates.policy_gate.max_ordr=5", "unknown setting of policy_gate 'max_ordr'; did you mean 'max_order'"),
    ("gates.policy.max_order=5", "unknown gate 'policy'"),
    ("gates.policy_gate=5", "gate policy_gate = '5' is no table"),
    ("gates.policy_gate.max_order=nan", "max_order = nan is not an amount"),
    ("gates.policy_gate.max_order=-1", "max_order = -1 is outside"),
    ("gates.off=confidence", "unknown gate 'confidence'; did you mean 'confidence_gate'"),
    ("trading.sizing=fractional", "unknown sizing 'fractional'; did you mean 'fraction'"),
    ("trading.reach=5", "unknown trading setting 'reach'"),
    ("gate.off=order_rate", "unknown section in --set 'gate'; did you mean 'gates'"),
])  # fmt: skip
def test_a_wrong_setting_trades_nothing(kobe, setting, said):
    """One message, exit code 2."""
    refused(kobe(*DECIDE, "--set", setting), 2, said)


def test_the_kernel_asks_no_gates(folder, kobe):
    """So --set refuses them there, while a config file that serves both engines may have them, if they are right."""
    refused(kobe(*KERNEL, "--set", "gates.off=order_rate"), 2, "unknown section in --set 'gates'")
    (folder / "kobe.toml").write_text("[gates]\noff = ['order_rate']\n")
    assert result(kobe(*KERNEL, "--config", "kobe.toml", "--json"))["run"] == result(kobe(*KERNEL, "--json"))["run"]
    (folder / "kobe.toml").write_text("[gates]\noff = ['order_rat']\n")
    refused(kobe(*KERNEL, "--config", "kobe.toml"), 2, "unknown gate 'order_rat'; did you mean 'order_rate'")


@pytest.mark.parametrize("words", [("--mode", "independent"), ("--set", "allow_short=true")])
def test_what_the_path_does_not_do(kobe, words):
    """One account that buys; the message names the engine that does more."""
    refused(kobe(*DECIDE, *words), 2, "--engine kernel")


def test_verify_runs_it_again_with_the_same_gates(folder, kobe):
    """From the record alone; an edited limit in the record is another run."""
    assert kobe(*DECIDE, "--set", "gates.policy_gate.max_order=500", "--set", "gates.off=confidence_gate").code == 0
    [run] = [e["run_id"] for e in json.loads(kobe("experiments", "list", "--json").out)]
    assert "every byte the same" in kobe("experiments", "verify", run).out
    record = folder.parent / "home/runs" / run / "run.json"
    record.chmod(0o644)
    record.write_text(record.read_text().replace('"max_order": "500"', '"max_order": "50"'))
    refused(kobe("experiments", "verify", run), 1, "it was edited")


