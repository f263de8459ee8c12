"""All vendors alike, well and badly: the real client code against a server on the loopback that speaks its format."""

from datetime import date

import pytest

from kobe81.core.errors import MissingExtra, Refused, Unavailable, UsageError
from kobe81.data.providers import Exhausted, provider, provider_names
from tests import vendor_fixtures
from tests.vendor_fixtures import BARS, CHARTS, FIRST, LAST, MARKETS, PAGES, charts, of_charts
from tests.vendor_server import Answer, html, truncated, within

server, source = vendor_fixtures.server, vendor_fixtures.source  # pytest finds fixtures by the names of a module

every_vendor = pytest.mark.parametrize("vendor", MARKETS)


# ------------------------------------------------------------------------------------------------ all alike

@every_vendor
def test_bars_arrive_as_the_vendor_has_them(server, source, vendor):
    server.answers = MARKETS[vendor]({"AAPL": BARS})
    frame = source(vendor).daily("AAPL", FIRST, LAST)
    assert frame.rows() == [tuple(bar) for bar in BARS]
    assert [str(t) for t in frame.dtypes] == ["Date"] + ["Float64"] * 5


@every_vendor
def test_both_ends_of_the_dates_are_included(server, source, vendor):
    server.answers = MARKETS[vendor]({"AAPL": BARS})
    frame = source(vendor).daily("AAPL", BARS[3].day, BARS[7].day)
    assert frame["date"].to_list() == [b.day for b in BARS[3:8]]


@every_vendor
def test_bars_outside_the_dates_are_dropped(server, source, vendor):
    """A vendor that ignores the dates does not smuggle in the bar of a session that is not over."""
    server.answers = of_charts(vendor, PAGES[vendor](BARS))
    frame = source(vendor).daily("AAPL", BARS[3].day, BARS[7].day)
    assert frame["date"].to_list() == [b.day for b in BARS[3:8]]


@every_vendor
def test_rows_in_any_order_are_sorted(server, source, vendor):
    server.answers = of_charts(vendor, PAGES[vendor](BARS[15:] + BARS[:15]))
    assert source(vendor).daily("AAPL", FIRST, LAST)["date"].to_list() == [b.day for b in BARS]


@pytest.mark.parametrize("vendor", ["polygon", "stooq", "binance"])
def test_repeated_rows_collapse(server, source, vendor):
    """yfinance itself keeps the first of rows with one date."""
    server.answers = of_charts(vendor, PAGES[vendor]([*BARS, BARS[-1]]))
    assert source(vendor).daily("AAPL", FIRST, LAST).rows() == [tuple(bar) for bar in BARS]


@pytest.mark.parametrize("vendor", ["polygon", "stooq", "binance"])
def test_rows_that_contradict_each_other_are_not_believed(server, source, vendor):
    server.answers = of_charts(vendor, PAGES[vendor]([*BARS, BARS[-1]._replace(close=1.0)]))
    with pytest.raises(Unavailable, match=rf"{vendor} AAPL: {BARS[-1].day} comes twice and differs: .*1\.0"):
        source(vendor).daily("AAPL", FIRST, LAST)


@every_vendor
def test_an_unknown_symbol_is_refused(server, source, vendor):
    server.answers = MARKETS[vendor]({"AAPL": BARS})
    with pytest.raises(Refused, match=f"{vendor} NOPE: .*check the symbol") as caught:
        source(vendor).daily("NOPE", FIRST, LAST)
    assert not isinstance(caught.value, Exhausted)


@every_vendor
def test_dates_without_bars_are_refused(server, source, vendor):
    server.answers = MARKETS[vendor]({"AAPL": BARS})
    with pytest.raises(Refused, match=f"{vendor} AAPL: .*no bars|{vendor} AAPL: .*no price"):
        source(vendor).daily("AAPL", date(2020, 1, 1), date(2020, 2, 1))


@every_vendor
def test_html_with_status_200_is_not_believed(server, source, vendor):
    server.answers = of_charts(vendor, html("Please verify you are human"))
    with pytest.raises((Unavailable, Exhausted), match=f"{vendor} AAPL: .*Please verify you are human"):
        source(vendor).daily("AAPL", FIRST, LAST)


@every_vendor
def test_a_body_that_stops_in_the_middle_is_not_believed(server, source, vendor):
    """Its announced length is that of the piece, so only the content can tell; it is asked for again."""
    server.answers = of_charts(vendor, truncated(PAGES[vendor](BARS)))
    with pytest.raises(Unavailable, match=f"{vendor} AAPL: "):
        source(vendor).daily("AAPL", FIRST, LAST)
    assert len(charts(server)) == 2


@every_vendor
def test_an_empty_body_is_not_believed(server, source, vendor):
    server.answers = of_charts(vendor, Answer(b""))
    with pytest.raises((Unavailable, Refused), match=f"{vendor} AAPL: "):
        source(vendor).daily("AAPL", FIRST, LAST)


@every_vendor
@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b"7", b'"x"', b"[[]]", b'[{"a": 1}]', b'{"results": 7}',
                                     b'{"chart": null}', b'{"chart": {"result": [{}]}}', b"\xff\xfe\x00", b"a,b\r\n",
                                     b'{"status": "OK", "results": [7]}', b'{"status": "OK", "results": [{"o": 1}]}',
                                     b'[["x", 1, 2, 3, 4, 5]]', b'[[1704067200000, "x", 2, 3, 4, 5]]'])
def test_anything_else_is_a_typed_error(server, source, vendor, content):
    """Never a KeyError, a parser's own exception, or a frame of nothing."""
    server.answers = of_charts(vendor, Answer(content, content_type="image/png"))
    with pytest.raises((Unavailable, Refused), match=f"{vendor} AAPL: .*; "):
        source(vendor).daily("AAPL", FIRST, LAST)


@every_vendor
def test_a_dripping_answer_meets_the_deadline(server, source, vendor):
    server.answers = of_charts(vendor, Answer(b" " * 1000, drip=0.02))
    with pytest.raises(Unavailable, match=f"{vendor} AAPL: no whole answer"):
        source(vendor, deadline=0.2, attempts=1).daily("AAPL", FIRST, LAST)


@every_vendor
@pytest.mark.parametrize("length", [True, False])
def test_an_oversized_answer_is_not_read(server, source, vendor, length):
    server.answers = of_charts(vendor, Answer(b" " * 300_000, length=length))
    with pytest.raises((Refused, Unavailable), match=f"{vendor} AAPL: "):
        source(vendor, body_cap=100_000, attempts=1).daily("AAPL", FIRST, LAST)


@every_vendor
def test_429_is_obeyed_and_the_bars_come_after_it(server, source, vendor):
    honest, waits = MARKETS[vendor]({"AAPL": BARS}), [Answer(status=429, headers={"Retry-After": "0.15"})]
    server.answers = lambda r: waits.pop() if waits and r.path.startswith(CHARTS) else honest(r)
    assert len(source(vendor).daily("AAPL", FIRST, LAST)) == 30
    assert charts(server)[1].at - charts(server)[0].at >= 0.15


@every_vendor
def test_429_without_end_exhausts_the_source(server, source, vendor):
    server.answers = of_charts(vendor, Answer(status=429))
    with pytest.raises(Exhausted, match=f"{vendor} AAPL: too many requests; still so after 2 attempts"):
        source(vendor).daily("AAPL", FIRST, LAST)


@every_vendor
def test_a_server_error_is_tried_again(server, source, vendor):
    honest, errors = MARKETS[vendor]({"AAPL": BARS}), [Answer(b"{}", 503)]
    server.answers = lambda r: errors.pop() if errors and r.path.startswith(CHARTS) else honest(r)
    assert len(source(vendor).daily("AAPL", FIRST, LAST)) == 30


@every_vendor
def test_gaps_are_left_as_they_are(server, source, vendor):
    server.answers = MARKETS[vendor]({"AAPL": BARS[:10] + BARS[13:]})
    assert len(source(vendor).daily("AAPL", FIRST, LAST)) == 27


@every_vendor
def test_what_it_says_of_itself(vendor):
    made = provider(vendor, {})
    assert made.name == vendor
    assert made.calendar == ("24/7" if vendor == "binance" else "XNYS")
    assert made.adjustment in {"none", "splits", "splits and dividends"}


# ------------------------------------------------------------------------------------------------ the registry

def test_an_unknown_source_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="unknown source 'yaho'; did you mean 'yahoo'"):
        provider("yaho", {})


def test_massive_is_another_name_for_polygon():
    assert provider("massive", {}).name == "polygon"
    assert set(provider_names()) == {"polygon", "massive", "stooq", "yahoo", "binance"}


def test_a_vendor_is_not_asked_over_an_open_wire():
    with pytest.raises(UsageError, match="neither https"):
        provider("polygon", {}, base="http://api.massive.com")


def test_a_client_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "massive", None)
    with pytest.raises(MissingExtra, match=r"pip install 'kobe81\[massive\]'"):
        provider("polygon", {"MASSIVE_API_KEY": "k"}).daily("AAPL", FIRST, LAST)
    monkeypatch.setitem(__import__("sys").modules, "yfinance", None)
    with pytest.raises(MissingExtra, match=r"pip install 'kobe81\[yahoo\]'"):
        provider("yahoo", {}).daily("AAPL", FIRST, LAST)


def test_the_server_speaks_of_the_dates_it_is_asked_for():
    """The tool of these tests is honest: a span holds its two ends."""
    assert [b.day for b in within(BARS, BARS[1].day, BARS[2].day)] == [BARS[1].day, BARS[2].day]
