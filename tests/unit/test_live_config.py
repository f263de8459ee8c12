"""The runner's configuration: read whole, checked whole, and refused with the file, the table and the nearest name."""

from decimal import Decimal

import pytest

from kobe81.app.live.config import read_config
from kobe81.core.errors import UsageError


@pytest.fixture
def read(tmp_path):
    """Reads this text as a configuration that only its owner may read."""
    def reader(text):
        path = tmp_path / "kobe.toml"
        path.write_text(text)
        path.chmod(0o600)
        return read_config(path, tmp_path / "none.toml")

    return reader


def test_without_a_file_the_defaults_are_in_force(tmp_path):
    """Every strategy, the exchange within, iex quotes, 30 minutes to acknowledge, no health port."""
    config = read_config(None, tmp_path / "kobe.toml")
    assert [s.name for s in config.strategies] == ["donchian", "ict_turtle_soup"]
    assert (config.broker.name, config.broker.feed, config.broker.url) == ("paper", "iex", "")
    assert (config.alerts.acknowledge_within, config.alerts.urls, config.health.port) == (30.0, (), 0)
    assert config.rules("x").off == ()


def test_a_file_that_was_named_must_be_there(tmp_path):
    """Only the default may be missing."""
    with pytest.raises(UsageError, match=r"other\.toml: no such config file"):
        read_config(tmp_path / "other.toml", tmp_path / "kobe.toml")


def test_every_table_arrives(read):
    """What is written is in force, and what is not written keeps its default."""
    config = read("""
        [strategies]
        names = ["donchian"]
        [strategies.donchian]
        lookback = 55
        [trading]
        notional = 250
        [gates]
        off = ["confidence_gate"]
        [gates.policy_gate]
        max_order = 300
        [data]
        data = "sample"
        symbols = ["AAPL", "MSFT"]
        [broker]
        name = "alpaca"
        feed = "sip"
        url = "http://127.0.0.1:8081"
        [paper]
        cash = 5000
        [alerts]
        acknowledge_within = 10
        [health]
        port = 8801
    """)
    rules = config.rules("PA1", reduce_only=True)
    assert [(s.name, s.lookback, s.trend) for s in config.strategies] == [("donchian", 55, 200)]
    assert (rules.account, rules.reduce_only, rules.trading.notional, rules.off) == ("PA1", True, 250.0, (
        "confidence_gate",))
    assert rules.max_order == Decimal(300)
    assert (config.bars("cache").data, config.bars("cache").symbols) == ("sample", "AAPL,MSFT")
    assert (config.broker.name, config.broker.feed, config.paper.cash, config.health.port) == ("alpaca", "sip", 5000.0,
                                                                                              8801)
    assert config.values["gates.policy_gate"]["max_order"] == "300"
    assert config.values["strategies.donchian"]["lookback"] == 55


def test_which_bars_is_up_to_the_caller_where_the_file_does_not_say(read):
    """A play takes the sample, a real day the cache."""
    assert read("[data]\npolicy = 'strict'").bars("cache").data == "cache"


@pytest.mark.parametrize(("text", "said"), [
    ("[trade]\nnotional = 1", r"unknown table 'trade'; did you mean 'trading'\?"),
    ("notional = 5", r"unknown table 'notional'"),
    ("trading = 5", r"trading = 5 stands outside of any table"),
    ("[trading]\nnotionl = 5", r"\[trading\] unknown trading setting 'notionl'; did you mean 'notional'\?"),
    ("[trading]\nnotional = nan", r"\[trading\] notional = nan is outside"),
    ("[trading]\nnotional = -1", r"\[trading\] notional = -1\.0 is outside"),
    ("[trading]\nnotional = 'much'", r"\[trading\] notional = 'much' is not a number"),
    ("[trading]\nmax_positions = 1.5", r"\[trading\] max_positions = 1\.5 is not a whole number"),
    ("[trading]\nsizing = 'notionl'", r"\[trading\] unknown sizing 'notionl'; did you mean 'notional'\?"),
    ("[gates]\noff = ['kil_switch']", r"\[gates\] unknown gate 'kil_switch'; did you mean 'kill_switch'\?"),
    ("[gates]\noff = 'kill_switch'", r"\[gates\] off must be a list of texts"),
    ("[gates]\noff = [5]", r"\[gates\] off must be a list of texts"),
    ("[gates]\nof = []", r"\[gates\.of\] unknown gate 'of'"),
    ("[gates.policy_gat]\nmax_order = 5", r"unknown gate 'policy_gat'; did you mean 'policy_gate'\?"),
    ("[gates.policy_gate]\nmax_ordr = 5", r"\[gates\.policy_gate\] .*'max_ordr'; did you mean 'max_order'\?"),
    ("[gates.policy_gate]\nmax_order = nan", r"\[gates\.policy_gate\] max_order = nan"),
    ("[gates.policy_gate]\nmax_order = -5", r"\[gates\.policy_gate\] max_order = -5 is outside"),
    ("[gates.policy_gate]\nmax_order = inf", r"\[gates\.policy_gate\] max_order = inf"),
    ("[gates]\npolicy_gate = 5", r"\[gates\.policy_gate\] gate policy_gate = 5 is no table"),
    ("[strategies]\nnames = []", r"\[strategies\] names = \[\] must name each strategy once"),
    ("[strategies]\nnames = ['donchian', 'donchian']", r"must name each strategy once"),
    ("[strategies]\nnames = 'donchian'", r"\[strategies\] names must be a list of texts"),
    ("[strategies]\nnames = ['donchan']", r"unknown strategy 'donchan'; did you mean 'donchian'\?"),
    ("[strategies]\ndonchian = 5", r"\[strategies\] donchian = 5 is no table"),
    ("[strategies.donchan]\nlookback = 5", r"unknown strategy 'donchan'"),
    ("[strategies.donchian]\nlookbak = 5", r"\[strategies\.donchian\] .*did you mean 'lookback'\?"),
    ("[strategies]\nnames = ['donchian']\n[strategies.ict_turtle_soup]\nlookback = 0", r"\[strategies\.ict"),
    ("[data]\ndate = 1", r"\[data\] unknown data setting 'date'; did you mean 'data'\?"),
    ("[data]\nstart = 'soon'", r"\[data\] data start = 'soon' is not a date"),
    ("[data]\npolicy = 'dorp'", r"\[data\] unknown policy 'dorp'; did you mean 'drop'\?"),
    ("[data]\ndata = 5", r"\[data\] data must be a text"),
    ("[data]\nsymbols = [5]", r"\[data\] symbols must be a list of texts"),
    ("[broker]\nname = 'alpacca'", r"\[broker\] unknown broker 'alpacca'; did you mean 'alpaca'\?"),
    ("[broker]\nfeed = 'six'", r"\[broker\] unknown feed 'six'"),
    ("[broker]\nurl = 'http://example.com'", r"\[broker\] 'http://example\.com' is not an address of Alpaca's"),
    ("[paper]\ncash = nan", r"\[paper\] cash = nan is outside"),
    ("[paper]\ncsh = 1", r"\[paper\] unknown setting 'csh'; did you mean 'cash'\?"),
    ("[paper]\nfees = 'perhaps'", r"\[paper\] fees = 'perhaps' is not true or false"),
    ("[alerts]\nurls = 'ntfy://x'", r"\[alerts\] urls must be a list of texts"),
    ("[alerts]\nurls = ['nonsense']", r"\[alerts\] the alert channel \*\*\* is not a URL"),
    ("[alerts]\nacknowledge_within = 0", r"\[alerts\] acknowledge_within = 0\.0 is outside"),
    ("[alerts]\nacknowledge_within = nan", r"\[alerts\] acknowledge_within = nan is outside"),
    ("[health]\nport = 70000", r"\[health\] port = 70000 is outside"),
    ("[health]\nprt = 1", r"\[health\] unknown setting 'prt'; did you mean 'port'\?"),
    ("[trading\n", r"not valid TOML"),
])
def test_a_mistake_names_the_file_the_table_and_the_key(read, text, said):
    """Nothing is guessed, nothing is ignored."""
    with pytest.raises(UsageError, match=said) as refused:
        read(text)
    assert "kobe.toml: " in str(refused.value)
    assert str(refused.value).count("kobe.toml: ") == 1
    assert refused.value.exit_code == 2


def test_channels_hold_secrets_so_nobody_else_may_read_the_file(read, tmp_path):
    """A URL with a token in a file for all is refused; in a file of one's own it is shown without it."""
    urls = "[alerts]\nurls = ['ntfy://token-12345@host/topic']"
    config = read(urls)
    assert config.values["alerts"]["urls"] == ["ntfy://***"]
    assert "token-12345" not in repr(config) + str(config.values)
    (tmp_path / "kobe.toml").chmod(0o640)
    with pytest.raises(UsageError, match=r"can be read by others; run: chmod 600"):
        read_config(tmp_path / "kobe.toml", tmp_path / "none.toml")
