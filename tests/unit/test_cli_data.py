"""kobe data and kobe universe: real client code against vendors on the loopback, real files, a real cache."""

import csv
import json
import socket
from datetime import date

import polars as pl
import pytest

from tests import cli_fixtures, vendor_fixtures
from tests.cli_fixtures import QUICK, files, market, refused
from tests.vendor_server import binance_market, html, massive_market, stooq_market, weekdays, yahoo_market

folder, kobe = cli_fixtures.folder, cli_fixtures.kobe
server, second = vendor_fixtures.server, vendor_fixtures.server
SPAN = ("--start", "2024-01-01", "--end", "2024-12-31")
BARS = weekdays(date(2024, 1, 1), 30)


@pytest.fixture
def at(server, monkeypatch):
    """Makes the server the vendor's, answering so."""
    def set_up(vendor, answers):
        server.answers = answers
        monkeypatch.setenv(f"KOBE_{vendor.upper()}_URL", server.url)

    return set_up


@pytest.fixture
def nobody(monkeypatch):
    """Makes a vendor's address one where nobody listens."""
    def set_up(vendor):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv(f"KOBE_{vendor.upper()}_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")

    monkeypatch.setattr("kobe81.app.sources.Manners", quick_manners)
    return set_up


def quick_manners(**more):
    """The manners of a fetch, without its waits."""
    from kobe81.data.providers import Manners

    return Manners(**{"wait": 0.001, "attempts": 2, "longest_wait": 1.0, "period": 0.01} | more)


@pytest.mark.parametrize(("vendor", "vendors_market"), [
    ("polygon", massive_market), ("stooq", stooq_market), ("binance", binance_market)])
def test_bars_come_from_each_vendor_into_a_backtest(folder, kobe, at, monkeypatch, vendor, vendors_market):
    """Fetched, kept with their source, found by --data cache."""
    monkeypatch.setenv("MASSIVE_API_KEY", "secret")
    at(vendor, vendors_market({"AAPL": BARS}))
    done = kobe("data", "fetch", "aapl", "--source", vendor, *SPAN)
    assert done.code == 0, done
    assert f"AAPL     fetched   {vendor}" in done.out
    info = json.loads(kobe("data", "info", "cache", "--json").out)
    assert (info["symbols"], info["bars"], info["source"]) == (1, 30, f"cache ({vendor})")
    assert "secret" not in done.out + done.err
    assert not [n for n, content in files(folder.parent).items() if b"secret" in content]


def test_a_symbol_one_source_lacks_comes_from_the_next(kobe, at, nobody, server):
    """Stooq has no IBM, Yahoo has; the table says who delivered, the notes why the first did not."""
    at("stooq", stooq_market({"AAPL": BARS}))
    with cli_fixtures.pytest.MonkeyPatch.context() as patch, vendor_fixtures.VendorServer() as other:
        other.answers = yahoo_market({"IBM": BARS})
        patch.setenv("KOBE_YAHOO_URL", other.url)
        done = kobe("data", "fetch", "AAPL", "IBM", "--source", "stooq,yahoo", *SPAN)
    assert done.code == 0, done
    rows = [line.split()[:4] for line in done.out.splitlines() if "fetched" in line][1:]
    assert rows == [["AAPL", "fetched", "stooq", "30"], ["IBM", "fetched", "yahoo", "30"]]
    assert "stooq IBM: no bars" in " ".join(done.out.split())


def test_a_key_that_is_not_set_is_named_with_a_source_that_needs_none(folder, kobe):
    """The variable, and what works without it; nothing is asked."""
    done = kobe("data", "fetch", "AAPL", "--source", "polygon", *SPAN)
    assert done.code == 1
    said = " ".join(done.out.split())
    assert "MASSIVE_API_KEY" in said
    assert "--source yahoo" in said
    assert "--data sample" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("vendor", ["stooq", "yahoo", "binance"])
def test_without_a_network_every_symbol_is_told_and_the_exit_code_is_1(kobe, nobody, vendor):
    """A closed port: what could not be fetched, and what works offline."""
    nobody(vendor)
    done = kobe("data", "fetch", "AAPL", "--source", vendor, *SPAN)
    assert done.code == 1
    assert "AAPL     failed" in done.out
    assert "use another source" in " ".join(done.out.split())
    assert done.err.startswith("kobe: 1 of 1 symbols could not be fetched")
    assert done.err.count("\n") == 1


def test_a_page_instead_of_bars_is_told(kobe, at):
    """HTTP 200 with HTML, as Stooq answers those without a key."""
    at("stooq", [html("Get your apikey")])
    done = kobe("data", "fetch", "AAPL", "--source", "stooq", *SPAN)
    assert done.code == 1
    assert "STOOQ_API_KEY" in " ".join(done.out.split())


def test_fetch_as_json_holds_every_symbol(kobe, at, nobody):
    """Also the failed ones, with the reason; the verdict goes to the error stream."""
    at("stooq", stooq_market({"AAPL": BARS}))
    done = kobe("data", "fetch", "AAPL", "ZZZ", "--source", "stooq", *SPAN, "--json")
    assert done.code == 1
    rows = {row["symbol"]: row for row in json.loads(done.out)}
    assert (rows["AAPL"]["status"], rows["AAPL"]["rows"], rows["AAPL"]["first"]) == ("fetched", 30, "2024-01-01")
    assert rows["ZZZ"]["status"] == "failed"
    assert "no bars" in rows["ZZZ"]["message"]


def test_an_address_that_would_show_the_key_is_refused(kobe, monkeypatch):
    """Neither https nor this machine."""
    monkeypatch.setenv("KOBE_STOOQ_URL", "http://mirror.example")
    refused(kobe("data", "fetch", "AAPL", "--source", "stooq", *SPAN), 2, "http://mirror.example", "https")


def test_an_empty_cache_says_how_to_fill_it(kobe):
    """And what to use instead."""
    refused(kobe("backtest", "--data", "cache"), 1, "is empty", "kobe data fetch", "--data sample")


def test_what_is_exported_is_imported_and_gives_the_same_run(folder, kobe):
    """Parquet and CSV out, in again, and the same trades from the cache as from the file."""
    for name in ("copy.parquet", "copy.csv"):
        assert kobe("data", "export", name, "--data", "bars.parquet").code == 0
    assert pl.read_parquet("copy.parquet").equals(market())
    assert pl.read_csv("copy.csv", try_parse_dates=True).equals(market())
    assert kobe("data", "import", "copy.csv").code == 0
    for data, out in (("bars.parquet", "x"), ("cache", "y"), ("copy.csv", "z")):
        assert kobe("backtest", "--data", data, *QUICK, "--out", out).code == 0
    assert files(folder / "x") == files(folder / "y") == files(folder / "z")


def test_the_synthetic_market_stays_synthetic_after_an_export(kobe):
    """Read back from Parquet and from CSV, or by way of the cache, it is labelled wherever it is named."""
    kobe("data", "export", "s.parquet", "--data", "synthetic:3x300")
    kobe("data", "export", "s.csv", "--data", "synthetic:3x300")
    kobe("data", "import", "s.csv")
    for data in ("s.parquet", "s.csv", "cache"):
        assert json.loads(kobe("data", "info", data, "--json").out)["synthetic"] is True
        assert "[SYNTHETIC]" in kobe("data", "info", data).out
    assert json.loads(kobe("data", "info", "bars.parquet", "--json").out)["synthetic"] is False


def test_check_finds_a_bad_bar_once(kobe):
    """A close above its high and a volume of zero: two findings with symbol and date, and no session called missing."""
    days = market().filter(pl.col("symbol") == "GOOG")["date"]
    bad = (pl.col("symbol") == "GOOG") & (pl.col("date") == days[100])
    void = (pl.col("symbol") == "GOOG") & (pl.col("date") == days[200])
    before = json.loads(kobe("data", "check", "bars.parquet", "--json").out)
    market().with_columns(pl.when(bad).then(pl.col("high") * 1.01).otherwise("close").alias("close"),
                          pl.when(void).then(0.0).otherwise("volume").alias("volume")).write_csv("bad.csv")
    after = json.loads(kobe("data", "check", "bad.csv", "--json").out)
    new = [(f["symbol"], f["date"], f["finding"], f["action"]) for f in after if f not in before]
    assert new == [("GOOG", str(days[100]), "outside range", "dropped"),
                   ("GOOG", str(days[200]), "no volume", "dropped")]
    assert all(f in after for f in before)
    shown = kobe("data", "check", "bad.csv", "--symbols", "goog", "--top", "1").out
    assert "GOOG" in shown
    assert "AAPL" not in shown


def test_a_policy_refuses_or_drops_what_check_shows(kobe):
    """strict refuses the file with the place; drop goes on and says what it left out."""
    eighth = pl.int_range(pl.len()) == 7
    market().with_columns(pl.when(eighth).then(-1.0).otherwise("low").alias("low")).write_csv("n.csv")
    refused(kobe("backtest", "--data", "n.csv", "--policy", "strict"), 1, "n.csv: 1 invalid bars", "AAPL 2015-")
    done = kobe("backtest", "--data", "n.csv", *QUICK)
    assert done.code == 0
    assert "1 not positive" in done.out


def test_a_universe_is_ranked_and_says_who_was_left_out(folder, kobe):
    """By median dollar volume, at most as many as asked for; the file is then a --symbols."""
    dollars = {s[0]: f.select((pl.col("close") * pl.col("volume")).median()).item()
               for s, f in market().partition_by("symbol", as_dict=True).items()}
    span = {s[0]: (f["date"].max() - f["date"].min()).days for s, f in
            market().partition_by("symbol", as_dict=True).items()}
    eligible = sorted((s for s in dollars if span[s] >= 365), key=lambda s: -dollars[s])
    assert kobe("universe", "build", "u.csv", "--data", "bars.parquet", "--keep", "2", "--years", "1").code == 0
    with (folder / "u.csv").open() as kept, (folder / "u_left_out.csv").open() as left:
        assert [row["symbol"] for row in csv.DictReader(kept)] == eligible[:2]
        assert sorted(row["symbol"] for row in csv.DictReader(left)) == sorted(set(dollars) - set(eligible[:2]))
    assert json.loads(kobe("data", "info", "bars.parquet", "--symbols", "u.csv", "--json").out)["symbols"] == 2
