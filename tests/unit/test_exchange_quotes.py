"""Quotes made from bars: the path through a session, worked out by hand, and what stands outside sessions."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from exchange_market import BPS, bars, utc

from kobe81.execution.exchange.quotes import BarQuotes, Quote


@pytest.fixture(scope="module")
def quotes() -> BarQuotes:
    return BarQuotes(bars(), BPS)


def shown(quote: Quote | None) -> tuple[str, str, str]:
    assert quote is not None
    return str(quote.price.normalize()), str(quote.bid), str(quote.ask)


@pytest.mark.parametrize(("at", "price", "bid", "ask"), [
    ("04 14:30", "1E+2", "99.90", "100.10"),     # the open
    ("04 15:35", "95", "94.90", "95.10"),        # half way down to the low, which is at a third
    ("04 16:40", "9E+1", "89.91", "90.09"),      # 90 x 0.999 = 89.91, 90 x 1.001 = 90.09
    ("04 17:45", "1E+2", "99.90", "100.10"),     # half way up to the high, which is at two thirds
    ("04 18:50", "1.1E+2", "109.89", "110.11"),
    ("04 21:00", "105", "104.89", "105.11"),     # 104.895 down, 105.105 up
])  # fmt: skip
def test_a_session_goes_from_the_open_to_the_low_to_the_high_to_the_close(
        quotes: BarQuotes, at: str, price: str, bid: str, ask: str) -> None:
    """Straight between them in time; bid and ask 10 bp away, rounded outwards to the cent."""
    assert shown(quotes.quote("ACME", utc(at))) == (price, bid, ask)


def test_below_a_dollar_the_tick_is_a_hundredth_of_a_cent(quotes: BarQuotes) -> None:
    """0.5 x 0.999 = 0.4995 and 0.5 x 1.001 = 0.5005 lie on the finer grid and stay."""
    assert shown(quotes.quote("PENNY", utc("04 14:30")))[1:] == ("0.4995", "0.5005")


@pytest.mark.parametrize(("at", "since"), [
    ("05 14:29", "04 21:00"), ("05 03:00", "04 21:00"), ("08 18:00", "07 21:00"),
])  # fmt: skip
def test_outside_sessions_the_last_quote_stands_with_its_old_time(quotes: BarQuotes, at: str, since: str) -> None:
    """Before the open, in the night, and on a day without bars."""
    quote = quotes.quote("ACME", utc(at))
    assert quote is not None
    assert quote.at == utc(since)


def test_a_symbol_without_a_bar_is_as_if_halted(quotes: BarQuotes) -> None:
    """BETA has no bar on the 5th: its quote stays the one of the 4th, and no price is visited."""
    quote = quotes.quote("BETA", utc("05 18:00"))
    assert quote is not None
    assert quote.at == utc("04 21:00")
    assert quotes.span("BETA", utc("05 00:00"), utc("05 23:00")) == []


def test_before_the_first_bar_and_for_unknown_symbols_there_is_nothing(quotes: BarQuotes) -> None:
    """Neither a quote nor a path nor a bar."""
    assert quotes.quote("BETA", utc("01 18:00")) is None
    assert quotes.quote("NONE", utc("05 18:00")) is None
    assert quotes.bars("NONE", date(2024, 3, 1), date(2024, 3, 8), utc("08 18:00")) == []


def test_the_path_of_a_day_reproduces_its_bar(quotes: BarQuotes) -> None:
    """First, least, greatest and last price of every path are the bar's, over the whole market."""
    for symbol in quotes.symbols():
        for bar in quotes.bars(symbol, date(2024, 3, 1), date(2024, 3, 8), utc("08 23:00")):
            begin = utc(f"{bar.day:%d} 00:00")
            legs = quotes.span(symbol, begin, begin + timedelta(days=1))
            visited = [float(p) for leg in legs for p in (leg.first, leg.last)]
            assert (visited[0], min(visited), max(visited), visited[-1]) == (bar.open, bar.low, bar.high, bar.close)


@pytest.mark.parametrize(("at", "expected"), [
    ("04 15:35", (100.0, 100.0, 95.0, 95.0, 166_666)),       # a sixth of the session has passed
    ("04 17:45", (100.0, 100.0, 90.0, 100.0, 500_000)),
    ("04 21:00", (100.0, 110.0, 90.0, 105.0, 1_000_000)),
])  # fmt: skip
def test_the_bar_of_a_running_session_knows_only_what_was(quotes: BarQuotes, at: str,
                                                          expected: tuple[float, ...]) -> None:
    """The high comes last, so that no bar shows it before two thirds of the session."""
    (bar,) = quotes.bars("ACME", date(2024, 3, 4), date(2024, 3, 8), utc(at))
    assert bar[1:] == expected


def test_a_half_day_ends_at_one() -> None:
    """On 2024-07-03 the close was at 13:00 New York, 17:00 UTC, so the low is at 14:40."""
    half = BarQuotes(bars({"ACME": {"2024-07-03": (10.0, 12.0, 8.0, 11.0, 1000)}}), 0.0)
    legs = half.span("ACME", utc("01 00:00").replace(month=7), utc("05 00:00").replace(month=7))
    assert [(leg.ends.hour, leg.ends.minute) for leg in legs] == [(14, 40), (15, 50), (17, 0)]


def test_a_bar_on_a_day_without_session_is_never_traded() -> None:
    """2024-03-02 was a Saturday."""
    weekend = BarQuotes(bars({"ACME": {"2024-03-02": (10.0, 12.0, 8.0, 11.0, 1000)}}), 0.0)
    assert weekend.quote("ACME", utc("04 18:00")) is None
    assert weekend.span("ACME", utc("01 00:00"), utc("04 00:00")) == []


def test_a_leg_says_when_it_reaches_a_price(quotes: BarQuotes) -> None:
    """From 100 to 90 in 130 minutes: 93 after 91 minutes, a third of a dollar after 4 min 20 s, to the microsecond."""
    leg = quotes.span("ACME", utc("04 14:30"), utc("04 14:31"))[0]
    assert leg.reaches(Decimal(93)) == utc("04 16:01")
    assert leg.reaches(Decimal("99.6666667")) == utc("04 14:34") + timedelta(seconds=19, microseconds=999_974)
