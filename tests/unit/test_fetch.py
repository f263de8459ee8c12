"""Fetching into a real cache from real vendor code, against vendors on the loopback."""

import os
import signal
import time
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from kobe81.core.errors import DataError, UsageError
from kobe81.data.cache import BarCache
from kobe81.data.fetch import fetch
from kobe81.data.providers import Manners, provider
from tests.vendor_server import (
    Answer,
    Bar,
    VendorServer,
    binance_market,
    html,
    massive_market,
    split,
    stooq_market,
    weekdays,
)

FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)
BARS = weekdays(FIRST, 60)
"""2024-01-01 to 2024-03-22, holidays included, which keeps the arithmetic simple."""

QUICK = Manners(deadline=10.0, attempts=1, wait=0.001, period=0.001, longest_wait=1.0)


def utc(day: date, hour: int = 22) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


class Vendors:
    """Stooq and Massive on the loopback, and a clock that stands where a test puts it."""

    def __init__(self, cache: BarCache, stooq: VendorServer, massive: VendorServer) -> None:
        self.cache, self.servers = cache, {"stooq": stooq, "polygon": massive}
        self.now = utc(BARS[39].day)

    def sources(self, *names: str, key: str | None = "k"):
        environ = {"MASSIVE_API_KEY": key} if key else {}
        return [provider(n, environ, base=self.servers[n].url, manners=QUICK) for n in names]

    def fetch(self, symbols, *names: str, first=FIRST, last=LAST, key="k", progress=None):
        return fetch(symbols, self.sources(*(names or ("stooq",)), key=key), first, last, self.cache, lambda: self.now,
                     progress)

    def spans(self, name="stooq") -> list[tuple[str, str]]:
        return [(r.query["d1"], r.query["d2"]) for r in self.servers[name].requests]

    def asked(self, name="stooq") -> list[str]:
        of = (lambda r: r.query["s"]) if name == "stooq" else (lambda r: r.path.split("/")[4])
        return [of(r) for r in self.servers[name].requests]


@pytest.fixture
def vendors(tmp_path):
    with VendorServer() as stooq, VendorServer() as massive:
        market = {"AAPL": BARS, "MSFT": BARS, "IBM": BARS}
        stooq.answers, massive.answers = stooq_market(market), massive_market(market)
        yield Vendors(BarCache(tmp_path), stooq, massive)


def closes(vendors, symbol="AAPL", source="stooq"):
    return vendors.cache.read(source, symbol).frame["close"].to_list()


# ------------------------------------------------------------------------------------------------ one source

def test_bars_are_fetched_up_to_the_last_session_that_is_over(vendors):
    """At 22:00 UTC on 2024-02-23 that session is over; the vendor already shows days that no one can know."""
    report = vendors.fetch(["AAPL", "msft"])
    assert [r[:6] for r in report.rows] == [("AAPL", "fetched", "stooq", 40, BARS[0].day, BARS[39].day),
                                            ("MSFT", "fetched", "stooq", 40, BARS[0].day, BARS[39].day)]
    assert vendors.spans() == [("20240101", "20240223")] * 2
    assert closes(vendors) == [b.close for b in BARS[:40]]
    assert report.notes == []


def test_before_the_close_the_day_is_not_asked_for(vendors):
    vendors.now = utc(BARS[39].day, hour=20)
    vendors.fetch(["AAPL"])
    assert vendors.spans() == [("20240101", "20240222")]


def test_provenance_says_where_the_bars_came_from(vendors):
    vendors.fetch(["AAPL"])
    origin = vendors.cache.read("stooq", "AAPL").provenance
    assert (origin.source, origin.adjustment, origin.fetched_at) == ("stooq", "splits and dividends", vendors.now)
    assert (origin.asked_first, origin.asked_last, origin.first, origin.last, origin.rows) == (
        FIRST, BARS[39].day, BARS[0].day, BARS[39].day, 40)


def test_what_is_up_to_date_is_not_asked_for_again(vendors):
    vendors.fetch(["AAPL"])
    report = vendors.fetch(["AAPL", "MSFT"])
    assert [r.status for r in report.rows] == ["fresh", "fetched"]
    assert vendors.asked() == ["aapl.us", "msft.us"]
    assert report.rows[0].rows == 40


def test_an_update_asks_for_ten_bars_of_overlap_and_the_new_ones(vendors):
    vendors.fetch(["AAPL"])
    vendors.now = utc(BARS[59].day)
    report = vendors.fetch(["AAPL"])
    assert vendors.spans()[1] == (f"{BARS[30].day:%Y%m%d}", f"{BARS[59].day:%Y%m%d}")
    assert report.rows[0][:4] == ("AAPL", "updated", "stooq", 60)
    assert closes(vendors) == [b.close for b in BARS]


def test_a_split_makes_the_whole_history_be_fetched_again(vendors):
    """The vendor restated everything; half of the old history must not stay beside the new."""
    vendors.fetch(["AAPL"])
    vendors.servers["stooq"].answers = stooq_market({"AAPL": split(BARS, 4)})
    vendors.now = utc(BARS[59].day)
    report = vendors.fetch(["AAPL"])
    assert report.rows[0].status == "fetched"
    assert "has restated its history (a split or a dividend)" in report.rows[0].message
    assert vendors.spans()[2] == ("20240101", f"{BARS[59].day:%Y%m%d}")
    assert closes(vendors) == [b.close / 4 for b in BARS]


def test_an_earlier_first_date_fetches_the_whole_again(vendors):
    vendors.fetch(["AAPL"], first=BARS[20].day)
    report = vendors.fetch(["AAPL"])
    assert report.rows[0][:4] == ("AAPL", "fetched", "stooq", 40)


def test_a_later_first_date_keeps_the_earlier_bars(vendors):
    vendors.fetch(["AAPL"])
    vendors.now = utc(BARS[59].day)
    assert vendors.fetch(["AAPL"], first=BARS[50].day).rows[0].rows == 60


def test_an_earlier_last_date_keeps_the_later_bars(vendors):
    """Asking back to an earlier first date, too, fetches the whole."""
    vendors.fetch(["AAPL"], first=BARS[20].day)
    assert vendors.fetch(["AAPL"], last=BARS[30].day).rows[0].rows == 40


def test_a_first_date_before_the_listing_is_not_asked_for_for_ever(vendors):
    """Nothing is there before 2024; having been told so once is enough."""
    for status in ("fetched", "fresh"):
        assert vendors.fetch(["AAPL"], first=date(1990, 1, 1)).rows[0].status == status


def test_a_bar_that_is_late_on_its_evening_is_asked_for_again(vendors):
    """The vendor has the day only some hours after its close; a symbol that is gone is settled the next day."""
    vendors.servers["stooq"].answers = stooq_market({"AAPL": BARS[:39]})
    assert vendors.fetch(["AAPL"]).rows[0].last == BARS[38].day
    assert vendors.fetch(["AAPL"]).rows[0].status == "updated"
    vendors.now = datetime(2024, 2, 24, 3, tzinfo=UTC)
    assert vendors.fetch(["AAPL"]).rows[0].status == "updated"
    assert vendors.fetch(["AAPL"]).rows[0].status == "fresh"


def test_gaps_are_reported(vendors):
    """Of the sessions of January and February, two are missing (and two weekdays are holidays, which are not)."""
    lacking = [b for b in BARS if b.day not in {date(2024, 1, 10), date(2024, 2, 20)}]
    vendors.servers["stooq"].answers = stooq_market({"AAPL": lacking})
    assert vendors.fetch(["AAPL"]).rows[0].message == "2 sessions without a bar, the first 2024-01-10"


def test_damaged_bars_are_fetched_again_and_reported(vendors):
    vendors.fetch(["AAPL"])
    path = vendors.cache.folder / "stooq" / "AAPL.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    row = vendors.fetch(["AAPL"]).rows[0]
    assert row.status == "fetched"
    assert "AAPL.parquet: damaged, its bytes do not match its hash, fetched again" in row.message
    assert len(closes(vendors)) == 40


def test_bars_adjusted_in_another_way_are_not_continued(vendors):
    """A source that changes its adjustment is a different history even where the overlap agrees."""
    vendors.fetch(["AAPL"])
    vendors.now = utc(BARS[59].day)
    changed = vendors.sources("stooq")
    changed[0].adjustment = "none"
    report = fetch(["AAPL"], changed, FIRST, LAST, vendors.cache, lambda: vendors.now)
    assert report.rows[0].status == "fetched"
    assert vendors.cache.read("stooq", "AAPL").provenance.adjustment == "none"


# ------------------------------------------------------------------------------------------------ fall-over

def test_a_symbol_one_source_lacks_comes_from_the_next(vendors):
    vendors.servers["stooq"].answers = stooq_market({"AAPL": BARS})
    report = vendors.fetch(["AAPL", "MSFT"], "stooq", "polygon")
    assert [(r.symbol, r.source) for r in report.rows] == [("AAPL", "stooq"), ("MSFT", "polygon")]
    assert report.rows[1].message.startswith("stooq MSFT: no bars; check the symbol and the dates")
    assert report.notes == []


def test_a_source_that_is_down_for_a_symbol_is_asked_for_the_next_one(vendors):
    honest = stooq_market({"AAPL": BARS, "MSFT": BARS})
    vendors.servers["stooq"].answers = lambda r: Answer(status=500) if r.query["s"] == "aapl.us" else honest(r)
    report = vendors.fetch(["AAPL", "MSFT"], "stooq", "polygon")
    assert [r.source for r in report.rows] == ["polygon", "stooq"]


def test_a_used_up_quota_stands_the_source_down_with_one_line(vendors):
    """After the refusal Stooq is not asked again; the line says why."""
    quota = Answer(b"Exceeded the daily hits limit")
    honest = stooq_market({"AAPL": BARS})
    vendors.servers["stooq"].answers = lambda r: honest(r) if r.query["s"] == "aapl.us" else quota
    report = vendors.fetch(["AAPL", "MSFT", "IBM"], "stooq", "polygon")
    assert [r.source for r in report.rows] == ["stooq", "polygon", "polygon"]
    assert vendors.asked() == ["aapl.us", "msft.us"]
    assert len(report.notes) == 1
    assert "stooq stood down for the rest of the run: stooq MSFT: 'Exceeded the daily hits limit'" in report.notes[0]


def test_a_source_without_its_key_stands_down_unasked(vendors):
    report = vendors.fetch(["AAPL", "MSFT"], "polygon", "stooq", key=None)
    assert [r.source for r in report.rows] == ["stooq", "stooq"]
    assert vendors.asked("polygon") == []
    assert len(report.notes) == 1
    assert "set MASSIVE_API_KEY or POLYGON_API_KEY" in report.notes[0]


def test_a_silent_source_stands_down_after_five_symbols(vendors):
    """Without a network, 900 symbols are not each waited for; an answer in between begins the count anew."""
    symbols = [f"S{i}" for i in range(12)]
    honest = stooq_market(dict.fromkeys(symbols, BARS))
    vendors.servers["stooq"].answers = lambda r: honest(r) if r.query["s"] == "s3.us" else Answer(status=500)
    report = vendors.fetch(symbols)
    assert vendors.asked() == [f"s{i}.us" for i in range(9)]
    assert [r.symbol for r in report.failed] == [s for s in symbols if s != "S3"]
    assert report.notes == [
        "stooq stood down for the rest of the run: stooq: no usable answer for 5 symbols in a row"]


def test_a_symbol_nobody_delivers_is_failed_with_every_reason(vendors):
    report = vendors.fetch(["NOPE"], "stooq", "polygon")
    assert report.rows[0].status == "failed"
    assert "stooq NOPE: no bars" in report.rows[0].message
    assert "polygon NOPE: no bars" in report.rows[0].message


def test_symbols_after_every_source_stood_down_say_why(vendors):
    vendors.servers["stooq"].answers = [html("Get your apikey")]
    report = vendors.fetch(["AAPL", "MSFT"])
    assert len(report.failed) == 2
    assert "set STOOQ_API_KEY" in report.failed[1].message


def test_a_failure_keeps_what_is_cached(vendors):
    vendors.fetch(["AAPL"])
    vendors.servers["stooq"].answers = [html("Bad gateway")]
    vendors.now = utc(BARS[59].day)
    row = vendors.fetch(["AAPL"]).rows[0]
    assert row.status == "failed"
    assert f"40 bars up to {BARS[39].day} from stooq are kept" in row.message
    assert len(closes(vendors)) == 40


def test_a_symbol_cached_from_the_second_source_is_fresh(vendors):
    """A run that goes on does not ask the first source again for what it could not deliver."""
    vendors.servers["stooq"].answers = stooq_market({})
    vendors.fetch(["AAPL"], "stooq", "polygon")
    report = vendors.fetch(["AAPL"], "stooq", "polygon")
    assert report.rows[0][:3] == ("AAPL", "fresh", "polygon")
    assert vendors.asked() == ["aapl.us"]


def test_differently_adjusted_sources_are_kept_apart(vendors):
    """Stooq fails on the second day: the symbol is fetched whole from Massive, not continued with it."""
    vendors.fetch(["AAPL"], "stooq", "polygon")
    vendors.servers["stooq"].answers = [Answer(status=500)]
    vendors.now = utc(BARS[59].day)
    report = vendors.fetch(["AAPL"], "stooq", "polygon")
    assert report.rows[0][:4] == ("AAPL", "fetched", "polygon", 60)
    assert len(closes(vendors)) == 40


def test_a_market_that_never_closes_has_its_own_days(vendors, tmp_path):
    """Saturdays are sessions, and a day is over at midnight UTC: at 22:00 on the 7th the last one is the 6th."""
    days = [Bar(FIRST + timedelta(days=i), 1.0, 2.0, 0.5, 1.5, 10.0) for i in range(10) if i != 2]
    with VendorServer() as server:
        server.answers = binance_market({"BTCUSDT": days})
        source = provider("binance", {}, base=server.url, manners=QUICK)
        row = fetch(["BTCUSDT"], [source], FIRST, LAST, vendors.cache, lambda: utc(date(2024, 1, 7))).rows[0]
    assert (row.rows, row.last, row.message) == (5, date(2024, 1, 6), "1 sessions without a bar, the first 2024-01-03")


# ------------------------------------------------------------------------------------------------ the run

def test_ctrl_c_leaves_whole_files_and_the_next_run_goes_on(vendors):
    """The signal arrives in the middle of the second symbol's answer."""
    honest = stooq_market({"AAPL": BARS, "MSFT": BARS, "IBM": BARS})

    def interrupt(request):
        if request.query["s"] == "msft.us" and len(vendors.servers["stooq"].requests) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        return honest(request)

    vendors.servers["stooq"].answers = interrupt
    with pytest.raises(KeyboardInterrupt):
        vendors.fetch(["AAPL", "MSFT", "IBM"])
    left = sorted(p.name for p in vendors.cache.folder.rglob("*") if p.is_file())
    assert left == ["AAPL.json", "AAPL.parquet"]
    assert [r.status for r in vendors.fetch(["AAPL", "MSFT", "IBM"]).rows] == ["fresh", "fetched", "fetched"]


def test_progress_is_told_after_each_symbol(vendors):
    told: list[tuple[str, int, int]] = []
    vendors.fetch(["AAPL", "NOPE", "IBM"], progress=lambda row, done, total: told.append((row.status, done, total)))
    assert told == [("fetched", 1, 3), ("failed", 2, 3), ("fetched", 3, 3)]


def test_a_symbol_named_twice_is_fetched_once(vendors):
    assert len(vendors.fetch(["AAPL", "aapl"]).rows) == 1


def test_a_report_is_a_table(vendors):
    table = vendors.fetch(["AAPL", "NOPE"]).to_frame()
    assert table.columns == ["symbol", "status", "source", "rows", "first", "last", "message"]
    assert table["first"].to_list() == [BARS[0].day, None]
    assert table.schema["last"] == pl.Date
    assert vendors.fetch([]).to_frame().columns == table.columns


def test_a_request_that_is_wrong_is_refused_before_anything_is_asked(vendors):
    with pytest.raises(UsageError, match="first date 2024-12-31 is after last 2024-01-01"):
        vendors.fetch(["AAPL"], first=LAST, last=FIRST)
    with pytest.raises(UsageError, match="not a symbol"):
        vendors.fetch(["AAPL", "../x"])
    with pytest.raises(UsageError, match="at least one source"):
        fetch(["AAPL"], [], FIRST, LAST, vendors.cache, lambda: vendors.now)
    assert vendors.asked() == []


def test_dates_without_a_session_that_is_over_are_refused(vendors):
    with pytest.raises(DataError, match="no session between 2024-06-01 and 2024-12-31 is over yet"):
        vendors.fetch(["AAPL"], first=date(2024, 6, 1))


def test_a_clock_without_a_zone_is_refused(vendors):
    vendors.now = datetime(2024, 3, 1)
    with pytest.raises(UsageError, match="has no time zone"):
        vendors.fetch(["AAPL"])
