"""What a reader's browser does with the report. Skipped where there is no Chromium."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import sample_report
from reader import ARGUMENTS, CHROMIUM, Reader, opened, sync_api

from kobe81.core.bars import Bars
from kobe81.reports import prices
from kobe81.reports.html import write

MARKUP = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH")


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(sample_report.report(400), path)
    return path


@pytest.fixture(scope="module")
def reader(browser: "sync_api.Browser", file: Path) -> Reader:
    return Reader(browser, file)


def test_the_page_is_silent_and_asks_for_nothing(reader: Reader, file: Path) -> None:
    """No console message (a breach of the content policy would be one) and no request but the file itself."""
    assert reader.complaints == []
    assert reader.requests == [file.as_uri()]


def test_every_canvas_chart_is_drawn(reader: Reader) -> None:
    """Head to head, and per section equity and prices: the largest canvas of each shows many colours."""
    for host in ('[data-plot="comparison"]', '#s0 [data-plot="equity"]', '#s1 [data-plot="equity"]',
                 '#s0 [data-plot="price"]', '#s1 [data-plot="price"]'):  # fmt: skip
        assert max(reader.colours(host)) > 10, host


def test_equity_drawdown_and_exposure_have_a_pane_each(reader: Reader) -> None:
    """Three panes on one time axis, so they cannot fall out of step: three rows and the axis."""
    assert reader.page.locator('#s0 [data-plot="equity"] .canvas tr:has(canvas)').count() == 4


@pytest.mark.parametrize(("plot", "shapes"), [
    ("years", 10), ("held", 3), ("excursion", 3), ("promise", 3), ("parameters", 3),
])  # fmt: skip
def test_every_small_plot_is_drawn(reader: Reader, plot: str, shapes: int) -> None:
    """One bar for each of ten years; two clouds and the pointer's ring in a scatter; one step line per parameter."""
    drawn = reader.page.locator(f'#s0 [data-plot="{plot}"]').locator("rect, path.dots, circle, path.step")
    assert drawn.count() == shapes
    assert all(box["width"] > 0 for box in drawn.evaluate_all("all => all.map(x => x.getBoundingClientRect().toJSON())")
               if box["height"] > 12)  # fmt: skip
    assert "NaN" not in reader.page.locator(f'#s0 [data-plot="{plot}"]').inner_html()


def test_out_of_sample_windows_are_shaded_in_two_tints(reader: Reader) -> None:
    """Session 100 lies before every window, 282 in the first (252 to 314), 345 in the second (315 to 377)."""
    pixel = """(canvas, session) => {
        const { chart } = timeCharts.find((entry) => entry.host.dataset.plot === "equity");
        const left = Math.round(chart.timeScale().logicalToCoordinate(session));
        return canvas.getContext("2d").getImageData(left, 3, 1, 1).data.join();
    }"""
    canvas = reader.page.locator('#s0 [data-plot="equity"] canvas').first
    before, first, second, first_end, second_start = (canvas.evaluate(pixel, i) for i in (100, 282, 345, 311, 318))
    assert len({before, first, second}) == 3
    assert (first_end, second_start) == (first, second)


def test_a_key_takes_its_line_off_the_chart(browser: "sync_api.Browser", file: Path) -> None:
    """Beside a steep benchmark a strategy looks flat; without it the scale fits the strategy."""
    page = Reader(browser, file).page
    canvas = page.locator('#s0 [data-plot="equity"] canvas').first
    before = canvas.evaluate("(canvas) => canvas.toDataURL()")
    key = page.locator('#s0 [data-plot="equity"] button.key').nth(1)
    key.click()
    page.wait_for_timeout(100)
    assert key.get_attribute("aria-pressed") == "false"
    assert canvas.evaluate("(canvas) => canvas.toDataURL()") != before


def test_choosing_a_dot_shows_that_trade(browser: "sync_api.Browser", file: Path) -> None:
    """The highest dot is the best trade: its tip and, once chosen, the caption tell its return."""
    page, best = Reader(browser, file).page, sample_report.report(400).sections[0].trades["return"].max()
    plot = page.locator('#s0 [data-plot="excursion"] svg')
    places = [tuple(map(float, place)) for place in re.findall(
        r"M([\d.]+) ([\d.]+)h0", plot.locator("path.dots.gain").get_attribute("d"))]  # fmt: skip
    left, top = min(places, key=lambda place: place[1])
    plot.hover(position={"x": left, "y": top})
    assert f"+{best:.2%}" in page.locator("#tip").inner_text()
    plot.click(position={"x": left, "y": top})
    assert f"+{best:.2%}" in page.locator("#s0 .price-caption").inner_text()


def test_choosing_a_row_shows_its_prices_and_names_the_trade(browser: "sync_api.Browser", file: Path) -> None:
    """The caption tells the row's symbol and both dates; the chart is another picture; only that row is marked."""
    page = (reader := Reader(browser, file)).page
    picture = "document.querySelectorAll('#s0 [data-plot=price] canvas')[0].toDataURL()"
    before = page.evaluate(picture)
    row = page.locator("#s0 .trades tbody tr").nth(4)
    row.click()
    page.wait_for_timeout(200)
    cells = row.locator("td").all_inner_texts()
    caption = page.locator("#s0 .price-caption").inner_text()
    assert caption.startswith(f"{cells[0]} long: signal {cells[2]}, entered {cells[3]} at {cells[4]}")
    assert f"left {cells[5]} at {cells[6]}" in caption
    assert page.evaluate(picture) != before
    assert page.locator('#s0 .trades tr[aria-selected="true"]').count() == 1
    assert reader.complaints == []


def test_the_chart_marks_signal_entry_stop_target_and_exit(browser: "sync_api.Browser", tmp_path: Path) -> None:
    """A trade with a target has all three lines, each at its prices and in the key; its arrows carry its days."""
    report = sample_report.report(60)
    first = report.sections[0]
    trades = first.trades.with_columns(target=1.1 * pl.col("entry_price"))
    page = opened(browser, replace(report, sections=[replace(first, trades=trades)]), tmp_path).page
    assert page.locator("#s0 .price .key").all_inner_texts() == ["signal", "entry to exit", "stop", "target"]
    arrows = page.evaluate("arrows(tradeAt(sections[0].trades, 0)).map(({time, shape}) => [time / 86400, shape])")
    days = first.trades.select(pl.col("signal_date", "entry_date", "exit_date").to_physical()).row(0)
    assert arrows == [[days[0], "circle"], [days[1], "arrowUp"], [days[2], "arrowDown"]]
    page.evaluate("choosers[0](0)")
    page.wait_for_timeout(100)
    lines = page.evaluate("""timeCharts.find((entry) => entry.host.closest("#s0 .price")).chart.panes()[0].getSeries()
        .slice(1).map((series) => series.data().map(({ value }) => value))""")
    entry, leave, stop, target = trades.select("entry_price", "exit_price", "stop", "target").row(0)
    assert [lines[0][0], lines[0][-1]] == pytest.approx([entry, leave], abs=1e-4)
    assert [set(line) for line in lines[1:]] == [{round(stop, 4)}, {round(target, 4)}]


def test_a_bar_without_prices_is_a_gap(reader: Reader) -> None:
    """Zero is no price: drawn as one it would pull the scale down to nothing."""
    bar = {"date": 2, "open": 0, "high": 0, "low": 0, "close": 0}
    assert reader.page.evaluate("candle", bar) == {"time": 2 * 86400}
    assert reader.page.evaluate("candle", {**bar, "close": 3}) == {
        "time": 2 * 86400, "open": 0, "high": 0, "low": 0, "close": 3}  # fmt: skip


@pytest.mark.parametrize("row", [0, 7, 200, 399])
def test_the_browser_unpacks_the_prices_that_were_packed(reader: Reader, row: int) -> None:
    """Signal and exit are among the bars of any trade, and every price is true to half a unit."""
    section = sample_report.report(400).sections[1]
    trade = section.listed.row(row, named=True)
    shown = pl.DataFrame(reader.page.evaluate("(row) => priceStore(sections[1].prices).around(row)", row))
    shown = shown.with_columns(pl.col("date").cast(pl.Int32).cast(pl.Date))
    truth = section.bars.to_frame().filter(pl.col("symbol") == trade["symbol"])
    truth = truth.filter(pl.col("date").is_between(shown["date"].min(), shown["date"].max()))
    assert truth["date"].to_list() == shown["date"].to_list()
    assert truth["date"].search_sorted(trade["signal_date"]) >= 60 or trade["signal_date"].year == 2014
    assert trade["exit_date"] in shown["date"]
    unit = 1e-4 * truth["low"].min()
    assert all((truth[name] - shown[name]).abs().max() <= 0.501 * unit for name in ("open", "high", "low", "close"))


@pytest.mark.parametrize("row", [0, 200, 399])
def test_every_listed_trade_has_its_chart(browser: "sync_api.Browser", file: Path, row: int) -> None:
    """First, middle or last: the candles fill the view, with signal and exit in it, under the caption of the trade."""
    page = (reader := Reader(browser, file)).page
    page.locator("#s1 .more").click()
    page.locator("#s1 .trades tbody tr").nth(row).click()
    page.wait_for_timeout(200)
    seen = page.evaluate("""() => {
        const { chart } = timeCharts.find((entry) => entry.host.closest("#s1 .price"));
        const range = chart.timeScale().getVisibleRange(), row = document.querySelector("#s1 tr[aria-selected=true]");
        const trade = tradeAt(sections[1].trades, Number(row.dataset.row));
        return [range.from / 86400 < trade.signal_date, range.to / 86400 >= trade.exit_date];
    }""")
    assert seen == [True, True]
    assert max(reader.colours("#s1 .price-chart")) > 10
    assert page.locator("#s1 .price-missing").count() == 0
    assert reader.complaints == []


def test_short_windows_fill_the_view(
    browser: "sync_api.Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """15 bars before and 8 after a trade of at most 5 leave no blank but the room for the exit's name."""
    monkeypatch.setattr(prices, "MARGINS", ((15, 8),))
    page = opened(browser, sample_report.report(40), tmp_path).page
    page.evaluate("choosers[0](20)")
    page.wait_for_timeout(200)
    left, right = page.evaluate("""() => {
        const entry = timeCharts.find((entry) => entry.host.closest("#s0 .price"));
        const { from, to } = entry.chart.timeScale().getVisibleLogicalRange();
        return [from, to - sections[0].prices.length[sections[0].prices.run[20]]];
    }""")
    assert -1 <= left <= 0
    assert 0 < right <= 5


def test_choosing_rows_faster_than_prices_unpack_draws_the_last(browser: "sync_api.Browser", file: Path) -> None:
    """Three choices in one breath on a fresh page leave one chart, that of the last."""
    page = browser.new_page()
    page.goto(file.as_uri(), wait_until="commit")
    page.wait_for_function("typeof choosers === 'object'")
    page.evaluate("[5, 6, 7, 7].forEach((row) => choosers[0](row))")
    page.locator("#s0 .price-chart .canvas").first.wait_for()
    assert page.locator("#s0 .price-chart .canvas").count() == 1
    assert page.evaluate("timeCharts.filter((entry) => entry.host.closest('#s0 .price')).length") == 1
    symbol = page.evaluate("sections[0].trades.symbol[7]")
    assert page.locator("#s0 .price-caption").inner_text().startswith(f"{symbol} long")


def test_a_trade_without_a_chart_says_so(
    browser: "sync_api.Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not all prices fit the page tells how many did, greys the rest, and answers who chooses one of them."""
    monkeypatch.setattr(prices, "MOST_BARS", 3000)
    reader = opened(browser, sample_report.report(400), tmp_path)
    grey = reader.page.locator("#s0 .trades tbody tr.chartless")
    kept = 400 - reader.page.evaluate("sections[0].prices.run.filter((run) => run === null).length")
    assert 24 < kept < 400
    assert reader.page.evaluate("""[...document.querySelectorAll("#s0 .trades tbody tr")].every((tr) =>
        tr.classList.contains("chartless") === (sections[0].prices.run[tr.dataset.row] === null))""")
    assert f"With a price chart: {kept} of them" in reader.page.locator("#s0 [data-trades]").inner_text()
    grey.first.click()
    assert "No price chart is kept" in reader.page.locator("#s0 .price-missing").inner_text()
    reader.page.locator("#s0 .trades tbody tr:not(.chartless)").first.click()
    reader.page.wait_for_timeout(100)
    assert reader.page.locator("#s0 .price-missing").count() == 0
    assert reader.complaints == []


def test_a_browser_that_cannot_unpack_says_so(browser: "sync_api.Browser", file: Path) -> None:
    """Everything else is there; in place of the prices stands why they are missing."""
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(file.as_uri())
    assert "open the report in a current one" in page.locator("#s0 .price-missing").inner_text()
    assert page.locator("#s0 .trades tbody tr").count() == 200


def test_rows_sort_by_the_chosen_column_both_ways(browser: "sync_api.Browser", file: Path) -> None:
    """After choosing Return the best of all trades stands first, after choosing it again the worst."""
    page, trades = Reader(browser, file).page, sample_report.report(400).sections[0].trades
    for best, direction in ((trades["return"].max(), "descending"), (trades["return"].min(), "ascending")):
        page.locator('#s0 .trades th[data-column="return"] button').click()
        shown = page.locator("#s0 .trades tbody tr").first.locator("td").nth(11).inner_text()
        assert shown.replace("−", "-").rstrip("%") == f"{100 * best:+.2f}"
        assert page.locator('#s0 .trades th[data-column="return"]').get_attribute("aria-sort") == direction


def test_filtering_and_showing_more(browser: "sync_api.Browser", file: Path) -> None:
    """200 rows at first, all 400 on demand; a symbol typed in any case leaves that symbol's rows only."""
    page, trades = Reader(browser, file).page, sample_report.report(400).sections[0].trades
    rows = page.locator("#s0 .trades tbody tr")
    assert rows.count() == 200
    page.locator("#s0 .more").click()
    assert (rows.count(), page.locator("#s0 .more").is_hidden()) == (400, True)
    page.locator("#s0 .symbol-filter").fill("abx")
    assert rows.count() == trades.filter(pl.col("symbol") == "ABX").height


def test_hostile_names_stay_text(browser: "sync_api.Browser", tmp_path: Path) -> None:
    """Markup in every text a report takes, symbols included, is shown as it is written and runs nowhere."""
    report = sample_report.report(40)
    first = report.sections[0]
    dirty = first.trades.with_columns(symbol=pl.lit(MARKUP), exit_reason=pl.lit(MARKUP))
    bars = Bars.from_frame(first.bars.to_frame().filter(pl.col("symbol") == "ABX").with_columns(symbol=pl.lit(MARKUP)))
    splits = first.splits.rename({"hold": MARKUP}).with_columns(parameters=pl.lit(MARKUP))
    section = replace(
        first, title=MARKUP, subtitle=MARKUP, label=MARKUP, parameters={MARKUP: MARKUP}, trades=dirty, bars=bars,
        statistics=[(MARKUP,) * 4], refusals={MARKUP: 1}, caveats=[MARKUP], benchmarks={MARKUP: first.equity},
        splits=splits,
    )  # fmt: skip
    hostile = replace(
        report, title=MARKUP, command=MARKUP, provenance={MARKUP: MARKUP}, sections=[section, section],
        caveats=[MARKUP], comparison=pl.DataFrame({MARKUP: [MARKUP]}),
    )  # fmt: skip
    reader = opened(browser, hostile, tmp_path)
    reader.page.locator("#s0 .trades tbody tr").first.click()
    reader.page.locator('#s0 [data-plot="held"] svg').hover()
    assert reader.page.evaluate("window.pwned") is None
    assert reader.page.locator("img").count() == 0
    assert reader.complaints == []
    assert len(reader.requests) == 1
    assert reader.page.locator("h1").inner_text() == MARKUP
    assert reader.page.locator("#s0 .trades tbody td").first.inner_text() == MARKUP


def test_a_run_without_trades_is_a_readable_page(browser: "sync_api.Browser", tmp_path: Path) -> None:
    """Nothing breaks when there is nothing to show."""
    report = sample_report.report(40)
    bare = replace(report.sections[0], trades=report.sections[0].trades.clear(), splits=None)
    idle = replace(bare, equity=bare.equity.clear(), benchmarks={}, monthly=bare.monthly.clear(), statistics=())
    reader = opened(browser, replace(report, sections=[bare, idle]), tmp_path)
    assert reader.complaints == []
    assert reader.page.locator(".verdict-headline").all_inner_texts() == ["No trades", "No trades"]


def test_dark_screens_get_dark_charts_and_paper_gets_light_ones(browser: "sync_api.Browser", file: Path) -> None:
    """The corner of a chart is as dark as the page on screen, and white in the copy that goes to the printer."""
    page = Reader(browser, file, "dark").page
    corner = "(canvas) => [...canvas.getContext('2d').getImageData(2, 2, 1, 1).data]"
    assert max(page.locator('#s0 [data-plot="equity"] canvas').first.evaluate(corner)[:3]) < 60
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    copies = page.locator(".paper")
    assert [copies.nth(i).evaluate(corner) for i in range(copies.count())] == [[255, 255, 255, 255]] * 5
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert copies.count() == 0


def test_every_strategy_is_printed_without_what_one_can_only_click(browser: "sync_api.Browser", file: Path) -> None:
    """Paper gets several pages, both sections, 40 trades of each and a word about it; no menu, filter or button."""
    page = Reader(browser, file).page
    assert page.pdf(format="A4").count(b"/Type /Page\n") >= 6
    page.emulate_media(media="print")
    for gone in ("nav.sections", ".controls", ".more", ".range", ".canvas"):
        assert not any(node.is_visible() for node in page.query_selector_all(gone)), gone
    assert all(page.locator(f"#s{i} .trades tbody tr:visible").count() == 40 for i in (0, 1))
    assert all(page.locator(f"#s{i} .print-note").is_visible() for i in (0, 1))


@pytest.mark.parametrize("width", [800, 1280])
def test_the_page_never_scrolls_sideways(browser: "sync_api.Browser", file: Path, width: int) -> None:
    """Down to 800 pixels everything fits, wide tables in boxes of their own."""
    page = Reader(browser, file, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
