"""Reading bars from files: every spelling that is meant to work, and one clear sentence for each that does not."""

from contextlib import suppress
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from kobe81.core.errors import DataError, UsageError
from kobe81.data.providers.files import read, read_content

HEAD = "symbol,date,open,high,low,close,volume\n"
ROW = "AAPL,2020-01-02,10,12,9,11,100\n"
BAR = ("AAPL", date(2020, 1, 2), 10.0, 12.0, 9.0, 11.0, 100.0)
SCHEMA = {"symbol": pl.String, "date": pl.Date, "open": pl.Float64, "high": pl.Float64, "low": pl.Float64,
          "close": pl.Float64, "volume": pl.Float64}
STOOQ = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"


@pytest.fixture
def csv(tmp_path):
    """A function that writes a CSV file and gives its path."""
    def write(text, name="bars.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
    return write


@pytest.mark.parametrize("head", [
    "symbol,date,open,high,low,close,volume", "Ticker,Date,Open,High,Low,Close,Volume", "sym,timestamp,o,h,l,c,v",
    "SYMBOL,datetime,OPEN,HIGH,LOW,CLOSE,Vol", "Name, Time ,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
    "stock,Day,o,h,l,Last,v",
])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_usual_column_spellings_are_known(csv, head, separator):
    """Case, spaces, angle brackets and the separator do not matter."""
    frame = read(csv((head + "\n" + ROW).replace(",", separator)))
    assert frame.rows() == [BAR]
    assert dict(frame.schema) == SCHEMA


def test_further_columns_are_left_alone_and_the_first_spelling_wins(csv):
    """A table with both date and time, and both symbol and company name, is read by date and symbol."""
    path = csv("time,name,symbol,date,open,high,low,close,volume,trades\n"
               "16:00,Apple Inc,AAPL,2020-01-02,10,12,9,11,100,7\n")
    assert read(path).rows() == [BAR]


@pytest.mark.parametrize("text", ["2020-01-02", "20200102", "1/2/2020", "01/02/2020", "2020/01/02",
                                  "2020-01-02 00:00:00", "2020-01-02T09:30", "2020-01-02 00:00:00-05:00",
                                  "2020-01-02T21:00:00Z", "2020-01-03 01:00:00+00:00", "2020-01-02 15:30:00.000-0500"])
def test_dates_are_read_in_the_usual_styles(csv, text):
    """Each of these moments belongs to New York's session of 2020-01-02."""
    assert read(csv(HEAD + ROW.replace("2020-01-02", text)))["date"].to_list() == [date(2020, 1, 2)]


def test_american_dates_are_month_first(csv):
    """3/4/2020 is the fourth of March."""
    assert read(csv(HEAD + ROW.replace("2020-01-02", "3/4/2020")))["date"].to_list() == [date(2020, 3, 4)]


def test_summer_time_is_one_zone(csv):
    """New York's midnights are at -05:00 in winter and -04:00 in summer, as yfinance writes them: not a mixture."""
    lines = ["2020-01-02 00:00:00-05:00", "2020-07-02 00:00:00-04:00"]
    text = HEAD + "".join(ROW.replace("2020-01-02", d) for d in lines)
    assert read(csv(text))["date"].to_list() == [date(2020, 1, 2), date(2020, 7, 2)]


@pytest.mark.parametrize("other", ["2020-07-02 00:00:00+01:00", "2020-07-02 00:00:00", "2020-07-02 00:00:00-05:00"])
def test_mixed_time_zones_are_refused_by_line(csv, other):
    """-05:00 beside London's, beside none, or beside -05:00 in summer where -04:00 also occurs."""
    lines = ["2020-01-02 00:00:00-05:00", "2020-07-01 00:00:00-04:00", other]
    with pytest.raises(DataError, match=rf"bars.csv, line 4: date is '{other[:-6]}.*another time zone"):
        read(csv(HEAD + "".join(ROW.replace("2020-01-02", d) for d in lines)))


@pytest.mark.parametrize(("zone", "clock"), [("America/New_York", (0, 0)), ("UTC", (21, 0)), ("UTC", (0, 0)),
                                             ("Europe/Berlin", (22, 0))])
def test_parquet_moments_become_the_exchanges_dates(tmp_path, zone, clock):
    """Midnights keep the date of their own zone; any other moment belongs to New York's date."""
    moment_to_parquet(datetime(2020, 1, 2, *clock, tzinfo=ZoneInfo(zone)), zone, tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").rows() == [BAR]


def test_late_in_berlin_is_still_today_in_new_york(tmp_path):
    """2020-01-03 01:00 in Berlin is 19:00 of the day before in New York."""
    moment = datetime(2020, 1, 3, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    moment_to_parquet(moment, "Europe/Berlin", tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").rows() == [BAR]


def moment_to_parquet(moment, zone, path):
    """A one-bar file dated by a moment with a time zone."""
    pl.DataFrame({"symbol": ["AAPL"], "t": pl.Series([moment]).dt.convert_time_zone(zone), "o": [10], "h": [12],
                  "l": [9], "c": [11], "v": [100]}).write_parquet(path)


def test_parquet_of_whole_numbers_text_and_categories_is_read(tmp_path):
    """Integer prices, categorical symbols and dates as 20200102 are as good as floats, text and dates."""
    pl.DataFrame({"symbol": pl.Series(["aapl"], dtype=pl.Categorical), "date": [20200102], "open": [10], "high": ["12"],
                  "low": [9], "close": [11], "volume": [100]}).write_parquet(tmp_path / "x.pq")
    assert read(tmp_path / "x.pq").rows() == [BAR]


@pytest.mark.parametrize("absent", ["", "NaN", "null", "N/A", "-", "None"])
def test_an_absent_price_is_null_for_the_quality_check_to_judge(csv, absent):
    """Nothing where a number should be is a missing field, not an unreadable file."""
    frame = read(csv(HEAD + ROW.replace(",9,", f",{absent},")))
    assert frame["low"].to_list() == [None]
    assert frame["close"].to_list() == [11.0]


def test_symbols_are_read_in_their_one_spelling(csv):
    """Upper case, trimmed, without Stooq's country; NA and TRUE are symbols, not missing values."""
    text = HEAD + "".join(ROW.replace("AAPL", s) for s in ("aapl", " msft ", "brk-b.us", "BF.B", "NA", "true"))
    assert read(csv(text))["symbol"].to_list() == ["AAPL", "MSFT", "BRK-B", "BF.B", "NA", "TRUE"]


def test_an_adjusted_close_scales_the_bar(csv):
    """Where adj close is half the close, open, high, low and close halve; volume stays; a note says so."""
    path = csv("symbol,date,open,high,low,close,Adj Close,volume\nAAPL,2020-01-02,10,12,9,11,5.5,100\n")
    content = read_content(path)
    assert content.frame.rows() == [("AAPL", date(2020, 1, 2), 5.0, 6.0, 4.5, 5.5, 100.0)]
    assert content.notes == ("open, high, low and close scaled by 'Adj Close' over 'close'",)


def test_an_absent_adjusted_close_leaves_no_price(csv):
    """A bar whose factor is unknown is a bar with missing prices, never one at another scale than its neighbours."""
    path = csv("symbol,date,open,high,low,close,Adj Close,volume\nAAPL,2020-01-02,10,12,9,11,,100\n"
               "AAPL,2020-01-03,10,12,9,0,5,100\n")
    assert read(path).select("open", "high", "low").rows() == [(None, None, None)] * 2


def test_stooqs_bulk_folders_are_read_to_the_bottom(csv, tmp_path):
    """data/daily/us/nasdaq stocks/1/aapl.us.txt and its neighbours, an empty file among them, hidden files left out."""
    top = "data/daily/us/nasdaq stocks"
    csv(STOOQ + "AAPL.US,D,20200102,000000,10,12,9,11,100,0\n", f"{top}/1/aapl.us.txt")
    csv(STOOQ + "BRK-B.US,D,20200102,000000,10,12,9,11,100,0\n", f"{top}/2/brk-b.us.txt")
    csv("", f"{top}/2/zzz.us.txt")
    csv("nonsense", f"{top}/.hidden/x.txt")
    csv("nonsense", f"{top}/notes.md")
    content = read_content(tmp_path / "data")
    assert content.frame.rows() == [BAR, ("BRK-B", *BAR[1:])]
    assert content.notes == ("1 empty files skipped",)


def test_a_folder_with_a_file_per_symbol_takes_symbols_from_the_names(csv, tmp_path):
    """msft.us.txt as on Kaggle, BRK.B.csv, CON_.csv as core.symbols names it; a symbol column goes before the name."""
    row = "Date,Open,High,Low,Close,Volume,OpenInt\n2020-01-02,10,12,9,11,100,0\n"
    for name in ("d/BRK.B.csv", "d/CON_.csv", "d/msft.us.txt"):
        csv(row, name)
    csv(HEAD + ROW, "d/zz.csv")
    assert read(tmp_path / "d")["symbol"].to_list() == ["BRK.B", "CON", "MSFT", "AAPL"]


@pytest.mark.parametrize(("text", "message"), [
    ("", "bars.csv is empty"),
    (HEAD, "bars.csv is empty: it has column names but no rows"),
    ("date,open,high,low,close,volume\n2020-01-02,1,2,1,1,1\n",
     r"no column for symbol. Found: date, open, .*may be called symbol, ticker.*its folder"),
    ("symbol,date,open,high,low,volume\nA,2020-01-02,1,2,1,1\n", "no column for close.*may be called close, c, last"),
    (HEAD + ROW + ROW.replace(",9,", ",nine,"), "bars.csv, line 3: low is 'nine', which is not a number"),
    (HEAD + ROW + ROW.replace(",9,", ',"1,009",'), "bars.csv, line 3: low is '1,009', which is not a number"),
    (HEAD + ROW + ROW.replace("2020-01-02", "2020-02-30"), "line 3: date is '2020-02-30', which is not a date"),
    (HEAD + ROW + ROW.replace("2020-01-02", ""), "line 3: date is None, which is not a date"),
    (HEAD + ROW.replace("2020-01-02", "1577923200"), "line 2: date is '1577923200', which is not a date"),
    (HEAD + ROW.replace("AAPL", "A B"), "line 2: symbol is 'A B': 'A B' is not a symbol"),
    (HEAD + ROW + ROW.replace("AAPL", "../A"), r"line 3: symbol is '\.\./A'"),
    (HEAD + ROW.replace("AAPL", ""), "line 2: symbol is None; every row needs a symbol"),
    (HEAD + ROW.replace("\n", ",1,2\n"), "cannot be read as CSV"),
    ((HEAD + ROW).encode("utf-16"), "bars.csv"),
    (bytes(range(256)), "bars.csv"),
])
def test_what_cannot_be_read_is_told_in_one_sentence(csv, text, message):
    """Each says the file, the column or line, what was found and what to do; exit code 1."""
    with pytest.raises(DataError, match=message) as caught:
        read(csv(text))
    assert caught.value.exit_code == 1


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path):
    """Nothing was read, so the request is wrong: exit code 2."""
    with pytest.raises(UsageError, match=r"nowhere.csv does not exist") as caught:
        read(tmp_path / "nowhere.csv")
    assert caught.value.exit_code == 2


def test_a_folder_without_bars_is_told(tmp_path):
    """A folder of other files, or of empty ones, holds no bars."""
    (tmp_path / "x.csv").touch()
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match="holds no bars"):
        read(tmp_path)


def test_a_bad_name_in_a_folder_names_the_file(csv, tmp_path):
    """A file whose name is no symbol, without a column of symbols."""
    csv("date,o,h,l,c,v\n2020-01-02,1,2,1,1,1\n", "d/my prices.csv")
    with pytest.raises(DataError, match=r"my prices\.csv, from its name: 'MY PRICES' is not a symbol"):
        read(tmp_path / "d")


@pytest.mark.parametrize(("column", "values", "message"), [
    ("date", [1.5, 2.5], "column date holds Float64, not dates"),
    ("open", [True, False], "column open holds Boolean, not numbers"),
    ("close", ["1", "x"], "x.parquet, row 2: close is 'x', which is not a number"),
    ("symbol", ["A", None], "x.parquet, row 2: symbol is None"),
])
def test_parquet_of_other_types_is_refused(tmp_path, column, values, message):
    """Rows of a table are counted from 1; a text file's lines count its head."""
    table = {"symbol": ["A", "B"], "date": [date(2020, 1, 2)] * 2, **{k: [1.0, 1.0] for k in list(SCHEMA)[2:]}}
    pl.DataFrame(table | {column: values}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=message):
        read(tmp_path / "x.parquet")


def test_a_damaged_parquet_is_told_whatever_is_damaged(tmp_path):
    """Cut anywhere, or with bits flipped: a DataError, or bars; never another error."""
    path, rng = tmp_path / "x.parquet", np.random.default_rng(7)
    days = [date.fromordinal(737000 + i) for i in range(2000)]
    prices = {name: rng.random(2000) for name in list(SCHEMA)[2:]}
    pl.DataFrame({"symbol": ["A"] * 2000, "date": days, **prices}).write_parquet(path)
    whole = path.read_bytes()
    for cut in rng.integers(1, len(whole), 30):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="cannot be read as Parquet"):
            read(path)
    for _ in range(60):
        flipped = bytearray(whole)
        for place in rng.integers(0, len(whole), 20):
            flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with suppress(DataError):
            read(path)


def test_rows_may_come_in_any_order(csv):
    """Unsorted rows are read as they stand; the quality check puts them in order."""
    text = HEAD + ROW.replace("-02,", "-03,") + ROW
    assert read(csv(text))["date"].to_list() == [date(2020, 1, 3), date(2020, 1, 2)]
