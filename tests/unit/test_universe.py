"""The universe: who is kept, in which order, and what is said about the others."""

from datetime import date, timedelta

import polars as pl
import pytest

from kobe81.core.errors import DataError, UsageError
from kobe81.data.universe import COLUMNS, build, read_universe

END = date(2026, 3, 2)


def history(symbol: str, years: float, dollars: float, last: date = END, price: float = 10.0) -> pl.DataFrame:
    """A bar every 7 days from `years` before `last`; each turns over `dollars`."""
    days = [last - timedelta(days=i) for i in range(0, round(years * 365.25) + 1, 7)]
    days = [*days, last - timedelta(days=round(years * 365.25))]
    return pl.DataFrame({"symbol": symbol, "date": sorted(set(days)), "close": price, "volume": dollars / price})


def market(*parts: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(parts)


def reasons(universe) -> dict[str, str]:
    return dict(universe.left_out.select("symbol", "reason").iter_rows())


def test_symbols_rank_by_median_dollar_volume():
    """Price times shares: a cheap share much traded outranks a dear one hardly traded."""
    dear, cheap = history("DEAR", 11, 2e6, price=1000.0), history("CHEAP", 11, 5e6, price=2.0)
    table = market(dear, cheap, history("MID", 11, 3e6))
    kept = build(table).kept
    assert kept["symbol"].to_list() == ["CHEAP", "MID", "DEAR"]
    assert kept["rank"].to_list() == [1, 2, 3]
    assert kept["median_dollar_volume"].to_list() == [5e6, 3e6, 2e6]


def test_the_median_is_not_moved_by_a_few_wild_days():
    """Three bars of 1e6, 2e6 and 1e12 dollars have a median of 2e6."""
    days = [date(2010, 1, 4), date(2015, 1, 5), date(2021, 1, 4)]
    table = pl.DataFrame({"symbol": "A", "date": days, "close": [1.0, 2.0, 1e6], "volume": [1e6, 1e6, 1e6]})
    assert build(table).kept["median_dollar_volume"].to_list() == [2e6]


def test_figures_describe_the_history():
    row = build(history("A", 11, 1e6)).kept.row(0, named=True)
    assert (row["first"], row["last"]) == (END - timedelta(days=round(11 * 365.25)), END)
    assert row["bars"] == len(history("A", 11, 1e6))


def test_ten_years_are_needed_give_or_take_a_week():
    """Ten years before 2026-03-02 is 2016-03-02; beginning on the 9th will do, on the 10th will not."""
    table = pl.DataFrame({"symbol": ["A", "A", "B", "B"], "close": 10.0, "volume": 1e5,
                          "date": [date(2016, 3, 9), END, date(2016, 3, 10), END]})
    universe = build(table)
    assert universe.kept["symbol"].to_list() == ["A"]
    assert reasons(universe) == {"B": "10.0 years of history; 10 are needed"}


def test_a_leap_day_has_a_day_ten_years_before():
    table = pl.DataFrame({"symbol": "A", "date": [date(2014, 2, 28), date(2024, 2, 29)], "close": 1.0, "volume": 1.0})
    assert len(build(table).kept) == 1


def test_a_symbol_that_no_longer_trades_is_judged_by_its_own_end():
    """Leaving out what was delisted would keep survivors only; but its history has to be as long as any other's."""
    gone, soon = (history(s, years, 9e6, last=date(2020, 1, 6)) for s, years in (("GONE", 12), ("SOON", 8)))
    table = market(gone, soon, history("YOUNG", 5, 9e6), history("A", 11, 1e6))
    universe = build(table)
    assert universe.kept["symbol"].to_list() == ["GONE", "A"]
    assert reasons(universe) == {"SOON": "8.0 years of history; 10 are needed",
                                 "YOUNG": "5.0 years of history; 10 are needed"}


def test_the_rest_is_left_out_with_its_rank():
    table = market(*(history(s, 11, d) for s, d in (("A", 3e6), ("B", 2e6), ("C", 1e6))))
    universe = build(table, keep=1)
    assert universe.kept["symbol"].to_list() == ["A"]
    assert reasons(universe) == {"B": "rank 2 by median dollar volume; 1 are kept",
                                 "C": "rank 3 by median dollar volume; 1 are kept"}


def test_nobody_is_lost():
    """Every candidate is either kept or left out with a reason, once."""
    table = market(history("A", 11, 3e6), history("B", 3, 2e6), history("C", 11, 1e6), history("D", 11, 9e6))
    universe = build(table, ["a", "B", "C", "NOBARS", "A"], keep=1)
    assert universe.kept["symbol"].to_list() == ["A"]
    assert reasons(universe) == {"B": "3.0 years of history; 10 are needed", "NOBARS": "no bars",
                                 "C": "rank 2 by median dollar volume; 1 are kept"}


def test_at_most_900_are_kept_by_default():
    symbols = pl.DataFrame({"symbol": [f"S{i}" for i in range(901)], "volume": [1e6 + i for i in range(901)]})
    table = symbols.join(pl.DataFrame({"date": [date(2015, 1, 5), END], "close": 1.0}), how="cross")
    universe = build(table)
    assert len(universe.kept) == 900
    assert universe.left_out["symbol"].to_list() == ["S0"]


def test_equal_volumes_rank_by_symbol():
    """The same candidates give the same universe, whatever order their bars come in."""
    table = market(history("B", 11, 1e6), history("A", 11, 1e6), history("C", 11, 1e6))
    assert build(table, keep=2).kept["symbol"].to_list() == ["A", "B"]
    assert build(table.reverse(), keep=2).kept["symbol"].to_list() == ["A", "B"]


@pytest.mark.parametrize("volume", [0.0, float("nan"), None])
def test_what_is_not_traded_is_left_out(volume):
    table = history("A", 11, 1e6).with_columns(pl.lit(volume, dtype=pl.Float64).alias("volume"))
    assert reasons(build(table)) == {"A": "no dollar volume"}


def test_a_few_undefined_bars_do_not_count():
    table = history("A", 11, 1e6)
    undefined = pl.when(pl.int_range(pl.len()) < 5).then(float("nan")).otherwise("volume").alias("volume")
    assert build(table.with_columns(undefined)).kept["median_dollar_volume"].to_list() == [1e6]


# ------------------------------------------------------------------------------------------------ files

def test_a_universe_written_is_read(tmp_path):
    universe = build(market(history("BRK.B", 11, 1e6), history("A", 11, 3e6)))
    universe.kept.select(COLUMNS).write_csv(tmp_path / "universe.csv")
    assert read_universe(tmp_path / "universe.csv") == ["A", "BRK.B"]
    header = (tmp_path / "universe.csv").read_text().splitlines()[0]
    assert header == "symbol,median_dollar_volume,first,last,bars"


def test_a_plain_list_is_read(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# my stocks\naapl\n\n  MSFT  \nBRK.B\nAAPL\n")
    assert read_universe(path) == ["AAPL", "MSFT", "BRK.B"]


def test_a_csv_from_elsewhere_is_read_by_its_symbol_column(tmp_path):
    """Spreadsheets write a byte order mark and quote commas."""
    path = tmp_path / "list.csv"
    path.write_text('Name,Symbol\n"Apple, Inc.",AAPL\n"Microsoft",MSFT\n', encoding="utf-8-sig")
    assert read_universe(path) == ["AAPL", "MSFT"]


@pytest.mark.parametrize(("text", "line"), [("AAPL\n../x\n", 2), ("# c\n\nAAPL\nMSFT GOOG\n", 4),
                                            ("symbol,bars\nAAPL,1\n=1+1,2\n", 3), ("bars,symbol\n7\n", 2)])
def test_what_is_no_symbol_is_named_with_its_line(tmp_path, text, line):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"list\.txt, line {line}: "):
        read_universe(path)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "symbol\n"])
def test_a_list_of_nothing_is_refused(tmp_path, text):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(DataError, match="holds no symbols"):
        read_universe(path)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    for name in ("absent", "binary"):
        with pytest.raises(DataError, match="cannot be read"):
            read_universe(tmp_path / name)
