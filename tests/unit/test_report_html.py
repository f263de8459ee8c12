"""The report's file, its words and its numbers; what a browser makes of them is tested in tests/browser."""

import json
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kobe81.core.bars import Bars
from kobe81.core.errors import DataError, KobeError
from kobe81.reports import charts
from kobe81.reports.html import Report, RunSection, render, write
from kobe81.reports.wording import Growth, number, percent, shade, verdict

DAY_ONE = date(2020, 1, 1)
MARKUP = "</script><img src=x onerror=alert(1)>"


def trade(symbol: str, entry: date, net_return: float, **more: object) -> dict[str, object]:
    return {
        "symbol": symbol, "strategy": "donchian", "side": "long", "signal_date": entry - timedelta(days=1),
        "entry_date": entry, "entry_price": 100.0, "exit_date": entry + timedelta(days=4),
        "exit_price": 100 * (1 + net_return), "qty": 10, "stop": 95.0, "score": 1.0, "gross_pnl": 1000 * net_return,
        "fees": 0.0, "net_pnl": 1000 * net_return, "return": net_return, "bars_held": 5, "exit_reason": "time", **more,
    }  # fmt: skip


def curve(equity: Sequence[float]) -> pl.DataFrame:
    days = [DAY_ONE + timedelta(days=i) for i in range(len(equity))]
    return pl.DataFrame({"date": days, "equity": equity, "cash": equity}).with_columns(
        exposure=pl.lit(0.5), drawdown=pl.lit(-0.1), **{"return": pl.lit(0.0)}
    )


def bars_under(trades: pl.DataFrame) -> Bars:
    """A bar at 100 on every day from the first signal to the last exit, for each symbol traded."""
    span = pl.date_range(trades["signal_date"].min(), trades["exit_date"].max(), eager=True).alias("date").to_frame()
    prices = {name: pl.lit(100.0) for name in ("open", "high", "low", "close", "volume")}
    return Bars.from_frame(trades.select(pl.col("symbol").unique()).join(span, how="cross").with_columns(**prices))


def section(**changes: Any) -> RunSection:
    two = pl.DataFrame([trade("AAPL", date(2020, 1, 2), 0.1), trade("MSFT", date(2020, 1, 3), -0.05)])
    trades = changes.get("trades", two)
    months = {str(month): [0.01 * month if month < 4 else None] for month in range(1, 13)}
    whole = RunSection(
        title="Donchian", subtitle="one symbol", label="sample", parameters={"lookback": 20, "stop_atr": 2.0},
        equity=curve([100.0, 110.0, 125.0]), benchmarks={"hold": curve([100.0, 90.0, 105.0])},
        trades=trades, bars=bars_under(trades),
        statistics=[("Headline", "Sharpe", "1.23", "0.4 to 2.0"), ("Risk", "Sortino", "1.77", "0.6 to 2.9")],
        monthly=pl.DataFrame({"year": [2020], **months, "total": [0.0614]}),
    )  # fmt: skip
    return replace(whole, **changes)


def report(*sections: RunSection, **changes: Any) -> Report:
    return replace(Report("A run", "kobe backtest", {"seed": 20261120}, sections or [section()]), **changes)


def data_of(page: str) -> Any:
    return json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])


class Tags(HTMLParser):
    """Every tag and text of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_nothing_in_the_page_is_fetched() -> None:
    """No element names a source, and the only links are anchors and the attribution that the licence asks for."""
    tags = Tags(render(report(section(), section()))).tags
    assert not [tag for tag, attributes in tags if {"src", "srcset", "background", "poster"} & attributes.keys()]
    links = {attributes["href"] for _, attributes in tags if "href" in attributes}
    assert {link for link in links if not link.startswith("#")} == {"data:,", "https://www.tradingview.com/"}


def test_the_policy_admits_exactly_the_scripts_and_the_style_that_are_there() -> None:
    """The hashes in the content security policy are the SHA-256 of what is there; nothing else is let in."""
    page = render(report())
    policy = next(a["content"] for tag, a in Tags(page).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    hashes = {b64decode(text) for text in re.findall(r"'sha256-([^']+)'", policy)}
    contents = re.findall(r"<script>(.*?)</script>|<style>(.*?)</style>", page, re.DOTALL)
    assert {sha256("".join(parts).encode()).digest() for parts in contents} == hashes


def test_each_asset_is_there_once_however_many_sections() -> None:
    """Ten strategies do not bring ten chart libraries."""
    assert render(report(*[section()] * 10)).count("TradingView Lightweight Charts™ v5") == 1


def test_markup_in_a_value_is_text() -> None:
    """A hostile symbol neither opens a tag nor closes the data block, and arrives unchanged."""
    dirty = section(
        title=MARKUP, label=MARKUP, caveats=[MARKUP], refusals={MARKUP: 1}, parameters={MARKUP: MARKUP},
        trades=pl.DataFrame([trade(MARKUP, date(2020, 1, 2), 0.1)]), statistics=[(MARKUP,) * 4],
    )  # fmt: skip
    page = render(report(dirty, title=MARKUP, command=MARKUP, provenance={MARKUP: MARKUP}, caveats=[MARKUP]))
    assert "img" not in {tag for tag, _ in Tags(page).tags}
    assert data_of(page)["sections"][0]["trades"]["symbol"] == [MARKUP]
    assert page.count("<script") == page.count("</script>") == 3


def test_the_undefined_is_null_and_never_nan() -> None:
    """JSON knows no NaN and no infinity; a browser would refuse the whole page."""
    odd = section(
        trades=pl.DataFrame([trade("A", date(2020, 1, 2), float("nan"), stop=float("inf"))]),
        equity=curve([100.0, float("nan"), 125.0]),
    )
    shown = data_of(render(report(odd)))["sections"][0]
    assert shown["trades"]["return"] == [None]
    assert shown["trades"]["stop"] == [None]
    assert shown["equity"]["equity"] == [100.0, None, 125.0]


def test_dates_travel_as_days_since_1970() -> None:
    """2020-01-01 is 18,262 days after 1970-01-01 (50 years of 365 days and 12 leap days)."""
    assert data_of(render(report()))["sections"][0]["equity"]["date"] == [18262, 18263, 18264]


def test_the_same_report_is_the_same_page() -> None:
    """No clock and no chance get into it."""
    assert render(report()) == render(report())


def test_synthetic_prices_are_marked_loudly() -> None:
    """A label that says SYNTHETIC brings a banner; another does not."""
    assert "SYNTHETIC PRICES" in render(report(section(label="walk [SYNTHETIC]")))
    assert "SYNTHETIC PRICES" not in render(report(section(label="sample")))


def test_everything_a_reader_must_know_is_in_the_page_without_scripts() -> None:
    """Caveats, verdict, tiles, months, statistics, parameters, refusals and provenance are plain HTML."""
    known = section(caveats=["Survivors only."], refusals={"no slot": 1204, "gapped": 3000})
    texts = Tags(render(report(known, caveats=["Made up."]))).texts
    for text in ("Survivors only.", "Made up.", "kobe backtest", "1.23", "0.4 to 2.0",
                 "1.77", "0.6 to 2.9", "+3.0%", "+6.1%", "no slot", "1,204", "lookback", "20", "stop atr", "2", "seed",
                 "20261120"):  # fmt: skip
        assert text in texts, text
    assert texts.index("gapped") < texts.index("no slot")


def test_tiles_are_the_first_group_of_the_statistics() -> None:
    """Whatever its name; the other groups are the table, so that no number stands twice."""
    assert [tile.name for tile in section().headline] == ["Sharpe"]
    assert {group: [row.name for row in rows] for group, rows in section().further_statistics.items()} == {
        "Risk": ["Sortino"]}  # fmt: skip
    assert (section(statistics=()).headline, section(statistics=()).further_statistics) == ([], {})


def test_the_head_to_head_needs_two_strategies() -> None:
    """One strategy is compared with nothing; of two, the table shows text as it is and numbers to two decimals."""
    table = pl.DataFrame({"strategy": ["Donchian", "Soup"], "sharpe": [1.234, None], "trades": [1200, 7]})
    assert "comparison" not in [a.get("id") for _, a in Tags(render(report(comparison=table))).tags]
    texts = Tags(render(report(section(), section(), comparison=table))).texts
    cells = ["1.23", "1,200", "Soup", "–", "7"]
    assert [text for text in texts if text in cells][:5] == cells


@pytest.mark.parametrize("days", [[0, 0], [1, 0]])
def test_equity_out_of_order_is_refused(days: list[int]) -> None:
    """A repeated or an earlier date cannot be drawn; the message names the section and the day."""
    frame = curve([100.0, 101.0]).with_columns(date=pl.Series(days, dtype=pl.Int32).cast(pl.Date))
    with pytest.raises(DataError, match="Donchian: equity is not in date order or repeats a date, at day 0"):
        render(report(section(equity=frame)))


def test_very_many_trades_are_listed_in_part_and_the_page_says_so() -> None:
    """4,000 rows at most: the best and the worst dozen, however old, and then the latest."""
    returns = [0.0] * 4100
    returns[10:22], returns[30:42] = [0.1] * 12, [-0.1] * 12
    many = pl.DataFrame([trade("A", DAY_ONE + timedelta(days=i), r) for i, r in enumerate(returns)])
    page = render(report(section(trades=many)))
    days = [day - 18262 for day in data_of(page)["sections"][0]["trades"]["entry_date"]]
    assert days == [*range(10, 22), *range(30, 42), *range(124, 4100)]
    assert "Listed: 4,000 of 4,100 trades" in page
    assert "With a price chart" not in page


def test_trades_are_ranked_the_best_the_worst_and_the_latest() -> None:
    """A dozen best, a dozen worst, then all others by entry date, the latest first; each once."""
    made = [(f"S{i:02}", 0.01 * (i * 7 % 31 - 15)) for i in range(31)]
    trades = pl.DataFrame([trade(name, DAY_ONE + timedelta(days=i), r) for i, (name, r) in enumerate(made)])
    best = sorted(range(31), key=lambda i: -made[i][1])
    ranked = charts.ranked(trades)
    assert ranked[:24] == [*best[:12], *reversed(best[-12:])]
    assert ranked[24:] == sorted(set(range(31)) - set(ranked[:24]), reverse=True)


def test_histogram_bins_begin_at_zero_and_count_everything() -> None:
    """By hand: from -3.5 % to 4.5 % in at most 40 bins is 0.2 %; -0.1 % falls below zero, 0 and 0.1 % at it."""
    found = charts.histogram([-0.035, -0.001, 0.0, 0.001, 0.045, float("nan")])
    assert found["width"] == pytest.approx(0.002)
    assert (found["first"], len(found["counts"]), sum(found["counts"])) == (-18, 41, 5)
    assert found["counts"][17:19] == [1, 2]
    assert found["mean"] == pytest.approx(0.002)
    assert found["median"] == 0.0


def test_histogram_counts_the_outermost_half_per_cent_into_the_end_bins() -> None:
    """One trade that made 900 % must not squeeze a thousand others into one bar."""
    found = charts.histogram([*(i / 10_000 for i in range(-499, 500)), 9.0])
    assert found["width"] == pytest.approx(0.005)
    assert (found["first"] + len(found["counts"])) * found["width"] == pytest.approx(0.05)
    assert sum(found["counts"]) == 1000


def test_histogram_of_nothing_and_of_one() -> None:
    """No trades, no bins; equal trades, one bin; the median of two is their middle."""
    assert charts.histogram([])["counts"] == []
    assert charts.histogram([0.02, 0.02])["counts"] == [2]
    assert charts.histogram([0.01, 0.03])["median"] == pytest.approx(0.02)


@pytest.mark.parametrize(("least", "width"), [(0.0011, 0.002), (0.002, 0.002), (0.0051, 0.01), (0.3, 0.5), (0, 1e-4)])
def test_round_widths(least: float, width: float) -> None:
    """The next of 1, 2, 5 times a power of ten."""
    assert charts.round_width(least) == pytest.approx(width)


def test_parameters_are_the_columns_of_the_splits_that_are_nothing_else() -> None:
    """Numbers stay numbers, flags and choices become text."""
    frame = pl.DataFrame({
        "split": [0, 1], "train_start": [DAY_ONE] * 2, "test_start": [DAY_ONE] * 2, "test_end": [DAY_ONE] * 2,
        "parameters": ["a", "b"], "in_sample": [1.0, None], "out_of_sample": [0.5, float("nan")], "trades": [3, 4],
        "net_pnl": [1.0, 2.0], "lookback": [10, 20], "allow_short": [True, None],
    })  # fmt: skip
    found = charts.splits(frame)
    assert found["parameters"] == [{"name": "lookback", "values": [10, 20]},
                                   {"name": "allow_short", "values": ["True", None]}]  # fmt: skip
    assert (found["in_sample"], found["out_of_sample"]) == ([1.0, None], [0.5, None])


def growth(last: float) -> Growth:
    return Growth(100.0, last, 2.0)


@pytest.mark.parametrize(("last", "trades", "deflated", "pbo", "tone", "headline"), [
    (150, 0, 0.99, 0.1, "poor", "No trades"),
    (100, 9, 0.99, 0.1, "poor", "Lost money"),
    (float("nan"), 9, 0.99, 0.1, "poor", "Lost money"),
    (150, 9, None, None, "mixed", "Made money on the past; not tested for luck"),
    (150, 9, 0.949, 0.1, "mixed", "Made money, but luck explains it as well"),
    (150, 9, float("nan"), 0.1, "mixed", "Made money, but luck explains it as well"),
    (150, 9, 0.95, 0.5, "mixed", "Made money, but choosing its parameters did not help"),
    (150, 9, 0.95, float("nan"), "mixed", "Made money, but choosing its parameters did not help"),
    (150, 9, 0.95, 0.499, "good", "Held up out of sample"),
    (150, 9, 0.95, None, "good", "Held up out of sample"),
])  # fmt: skip
def test_verdicts(
    last: float, trades: int, deflated: float | None, pbo: float | None, tone: str, headline: str
) -> None:
    """Only a profit that passes both tests is good news, and what is undefined passes none."""
    found = verdict(growth(last), {}, trades, deflated, pbo, 24)
    assert (found.tone, found.headline) == (tone, headline)


def test_the_verdict_in_words() -> None:
    """With the first benchmark that has prices, and the number of sets tried."""
    found = verdict(growth(150), {"empty": None, "hold": growth(180), "other": growth(1)}, 1200, 0.71, 0.38, 1)
    assert found.sentences[0] == "1,200 trades turned $100 into $150 (+50.0%) in 2.0 years."
    assert found.sentences[1] == "That is behind hold, which made +80.0%."
    assert found.sentences[2].startswith("Deflated Sharpe ratio 0.71: ")
    assert "for the 1 parameter set tried" in found.sentences[2]
    assert found.sentences[3].startswith("Probability of backtest overfitting 38%: ")
    assert "ahead of hold" in verdict(growth(150), {"hold": growth(120)}, 1, None, None, None).sentences[1]


def test_growth_starts_from_the_money_before_the_first_session() -> None:
    """A first session that gained 10 % to 110 started from 100; to 121 that makes 21 %, not 10 %."""
    frame = curve([110.0, 121.0]).with_columns(pl.Series("return", [0.1, 0.1]))
    found = Growth.of(frame)
    assert found is not None
    assert found.first == pytest.approx(100.0)
    assert found.total == pytest.approx(0.21)
    assert Growth.of(frame.clear()) is None
    assert Growth.of(frame.select("date", "equity")).first == 110.0


def test_numbers_as_people_read_them() -> None:
    """Separators, a true minus, a dash for the undefined."""
    assert [number(v) for v in (1234, -0.5, 1234.5, None, float("nan"), "x-y", DAY_ONE)] == [
        "1,234", "−0.50", "1,234.50", "–", "–", "x-y", "2020-01-01"]  # fmt: skip
    assert [percent(v) for v in (12.3456, -0.05, -0.0001, None, float("inf"))] == [
        "+1,234.6%", "−5.0%", "0.0%", "–", "–"]  # fmt: skip


@pytest.mark.parametrize(("value", "name"), [
    (0.0001, "p1"), (0.02, "p1"), (0.021, "p2"), (0.06, "p3"), (0.1, "p5"), (-0.1, "n5"), (-0.07, "n4"), (0.0, ""),
    (None, ""), (float("nan"), ""),
])  # fmt: skip
def test_months_are_shaded_by_sign_and_size(value: float | None, name: str) -> None:
    """In fifths of the largest month, here 10 per cent."""
    assert shade(value, 0.1) == name


def test_quiet_months_get_another_decimal() -> None:
    """Where no month reached 2 per cent, one decimal would tell them apart badly; a zero has no sign."""
    quiet = pl.DataFrame({"year": [2020], **{str(month): [0.0] for month in range(1, 13)}, "total": [0.0012]})
    texts = Tags(render(report(section(monthly=quiet.with_columns(pl.lit(-0.0004).alias("1")))))).texts
    assert {"−0.04%", "0.00%", "+0.12%"} <= set(texts)
    assert charts.largest_month(quiet) == 0.0
    assert charts.largest_month(section().monthly) == 0.03


def test_writing_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    """One file, readable by others, with the page in it."""
    path = tmp_path / "new" / "report.html"
    write(report(), path)
    assert path.read_text(encoding="utf-8") == render(report())
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_report_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    """Neither a half-written file nor a stray one; the message names the path."""
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(DataError):
        write(report(section(bars=bars_under(pl.DataFrame([trade("X", DAY_ONE, 0.1)])))), path)
    assert path.read_text(encoding="utf-8") == "old"
    with pytest.raises(KobeError, match=r"cannot write the report to .*report\.html.x\.html: .*--out"):
        write(report(), path / "x.html")
    (tmp_path / "taken").mkdir()
    with pytest.raises(KobeError, match="cannot write"):
        write(report(), tmp_path / "taken")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "taken"]
