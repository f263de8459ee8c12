"""The packed prices of the report; that a browser unpacks the same is tested in tests/browser."""

import json
import zlib
from base64 import b64decode
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import polars as pl
import pytest

from kobe81.core.bars import Bars
from kobe81.core.errors import DataError
from kobe81.reports import prices

DAY_ONE = date(2020, 1, 1)
FIELDS = ("open", "high", "low", "close")


def walk(symbol: str, count: int, start: float = 50.0, seed: int = 1) -> pl.DataFrame:
    """Bars on every second day, so that bars and days cannot be confused."""
    chance = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(chance.normal(0, 0.03, count)))
    open_ = close * np.exp(chance.normal(0, 0.01, count))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * chance.uniform(0.98, 1.0, count)
    days = [DAY_ONE + timedelta(days=2 * i) for i in range(count)]
    return pl.DataFrame({"symbol": symbol, "date": days, "open": open_, "high": high, "low": low, "close": close,
                         "volume": 1e6})  # fmt: skip


def traded(*trades: tuple[str, int, int]) -> pl.DataFrame:
    """Trades of a symbol from the bar of its signal to the bar of its exit, both as numbers."""
    return pl.DataFrame(
        [(symbol, DAY_ONE + timedelta(days=2 * s), DAY_ONE + timedelta(days=2 * e)) for symbol, s, e in trades],
        schema={"symbol": pl.String, "signal_date": pl.Date, "exit_date": pl.Date}, orient="row",
    )  # fmt: skip


def pack(frame: pl.DataFrame, trades: pl.DataFrame) -> dict[str, Any]:
    return prices.pack("Donchian", Bars.from_frame(frame), trades, range(trades.height))


def unpack(packed: dict[str, Any]) -> list[pl.DataFrame]:
    """The bars of each run, by another road: one number after another, as the module's text tells it."""
    numbers, value, shift = [], 0, 0
    for byte in zlib.decompress(b64decode(packed["bytes"]), -15):
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            numbers.append(value // 2 if value % 2 == 0 else -(value + 1) // 2)
            value = shift = 0
    total = sum(packed["length"])
    assert len(numbers) == 5 * total
    ends = list(accumulate(packed["length"]))
    return [_run([numbers[c * total + end - n : c * total + end] for c in range(5)], unit)
            for end, n, unit in zip(ends, packed["length"], packed["unit"], strict=True)]  # fmt: skip


def _run(columns: list[list[int]], unit: float) -> pl.DataFrame:
    rows, day, close = [], 0, 0
    for step, gap, body, above, below in zip(*columns, strict=True):
        day, open_ = day + step, close + gap
        close = open_ + body
        rows.append([day, *(unit * p for p in (open_, max(open_, close) + above, min(open_, close) - below, close))])
    frame = pl.DataFrame(rows, schema={"date": pl.Int32, **dict.fromkeys(FIELDS, pl.Float64)}, orient="row")
    return frame.with_columns(pl.col("date").cast(pl.Date))


def test_the_bytes_of_two_bars_worked_by_hand() -> None:
    """Days 2 and 5, unit 0.0001; 10,000 doubled is 32 + 128 x (28 + 128 x 1); -50 becomes 99."""
    days = [date(1970, 1, 3), date(1970, 1, 6)]
    bars = pl.DataFrame({"symbol": "A", "date": days, "open": [1.0, 1.005], "high": [1.02, 1.01], "low": [1.0, 1.004],
                         "close": [1.01, 1.0099], "volume": 1.0})  # fmt: skip
    packed = pack(bars, pl.DataFrame({"symbol": ["A"], "signal_date": days[:1], "exit_date": days[1:]}))
    assert zlib.decompress(b64decode(packed.pop("bytes")), -15).hex(" ") == (
        "04 06 a0 9c 01 63 c8 01 62 c8 01 02 00 14")  # fmt: skip
    assert packed == {"run": [0], "length": [2], "unit": [0.0001]}


@pytest.mark.parametrize("start", [0.0012, 0.9, 37.0, 98_765.0])
def test_every_price_is_true_to_half_a_unit(start: float) -> None:
    """A unit is a ten-thousandth of the run's lowest price, whether that is a fraction of a cent or six figures."""
    frame = pl.concat([walk("A", 400, start, 2), walk("B", 90, 3 * start, 3)])
    packed = pack(frame, traded(("B", 40, 44), ("A", 100, 104), ("A", 300, 301)))
    for symbol, run, unit in zip("AAB", unpack(packed), packed["unit"], strict=True):
        truth = frame.filter(pl.col("symbol") == symbol).join(run.select("date"), on="date").sort("date")
        assert truth["date"].to_list() == run["date"].to_list()
        assert unit == pytest.approx(1e-4 * truth["low"].min(), rel=6e-4)
        for name in FIELDS:
            assert (truth[name] - run[name]).abs().max() <= unit * 0.5000001


def test_a_window_is_sixty_bars_before_the_signal_and_thirty_after_the_exit() -> None:
    """Counted in bars, not in days, and cut where the symbol's bars begin or end, not where all bars do."""
    frame = pl.concat([walk("A", 50), walk("B", 300), walk("C", 50)])
    packed = pack(frame, traded(("B", 10, 12), ("B", 150, 154), ("B", 290, 299), ("A", 45, 49), ("C", 3, 5)))
    day = walk("B", 300)["date"].to_list()
    runs = [run["date"].to_list() for run in unpack(packed)]
    assert [runs[number] for number in packed["run"]] == [day[:43], day[90:185], day[230:], day[:50], day[:36]]


def test_windows_that_overlap_are_one_run_and_those_that_touch_are_two() -> None:
    """A day is kept once: 0 to 40 and 35 to 130 make 131 bars; the next window begins where that ends."""
    packed = pack(walk("A", 400), traded(("A", 191, 195), ("A", 95, 100), ("A", 5, 10)))
    assert packed["length"] == [131, 95]
    assert packed["run"] == [1, 0, 0]


def test_a_window_inside_another_shares_its_run() -> None:
    """A long trade around a short one: its window ends last, though it begins first."""
    packed = pack(walk("A", 400), traded(("A", 60, 300), ("A", 150, 154), ("A", 340, 341)))
    assert (packed["run"], packed["length"]) == ([0, 0, 0], [372])


@pytest.mark.parametrize(("most", "lengths"), [
    (190, [95, 95]), (189, [50, 50]), (100, [50, 50]), (99, [28, 28]), (56, [28, 28]), (55, [28]), (27, []),
])  # fmt: skip
def test_margins_narrow_before_trades_go(most: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades of five bars: 60 and 30 bars around them make 95, 30 and 15 make 50, 15 and 8 make 28."""
    monkeypatch.setattr(prices, "MOST_BARS", most)
    packed = pack(walk("A", 600), traded(("A", 100, 104), ("A", 400, 404)))
    assert packed["length"] == lengths


def test_what_does_not_fit_is_what_ranks_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three trades that stand apart the two short ones, first in the order given, fit; the long one does not."""
    monkeypatch.setattr(prices, "MOST_BARS", 60)
    trades = traded(("A", 100, 104), ("A", 200, 300), ("A", 400, 404))
    packed = prices.pack("Donchian", Bars.from_frame(walk("A", 600)), trades, [2, 0, 1])
    assert packed["run"] == [0, None, 1]
    first, second = (run["date"].to_list() for run in unpack(packed))
    assert (trades["exit_date"][0] in first, trades["exit_date"][2] in second) == (True, True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -3.0])
def test_a_bar_without_four_positive_prices_is_all_zero(value: float) -> None:
    """So it is a gap; the bars around it keep their prices and their precision."""
    frame = walk("A", 50)
    broken = frame.with_columns(high=frame["high"].set(pl.Series([i == 20 for i in range(50)]), value))
    packed = pack(broken, traded(("A", 18, 22)))
    [run] = unpack(packed)
    assert run.row(20)[1:] == (0.0,) * 4
    for name in FIELDS:
        assert (frame[name] - run[name]).abs().to_list()[19] <= packed["unit"][0] * 0.5000001
        assert (frame[name] - run[name]).abs().to_list()[21] <= packed["unit"][0] * 0.5000001


def test_a_run_without_any_price_is_still_json() -> None:
    """A unit of infinity would make a page that no browser reads."""
    frame = walk("A", 9).with_columns(pl.lit(float("nan")).alias("close"))
    packed = pack(frame, traded(("A", 3, 5)))
    assert json.loads(json.dumps(packed, allow_nan=False)) == packed
    assert unpack(packed)[0]["open"].to_list() == [0.0] * 9


def test_high_and_low_inside_the_body_survive() -> None:
    """Bars kept though flagged may be impossible; they are shown as they are, not as they should be."""
    frame = walk("A", 9).with_columns(high=pl.lit(40.0), low=pl.lit(70.0), open=pl.lit(50.0), close=pl.lit(60.0))
    packed = pack(frame, traded(("A", 3, 5)))
    assert unpack(packed)[0].row(4)[1:] == pytest.approx((50, 40, 70, 60), abs=0.0035)


@pytest.mark.parametrize(("trade", "message"), [
    (("X", 3, 5), "Donchian: X has a trade but no bar on 2020-01-07; hand in the bars that were traded"),
    (("A", 3, 9), "Donchian: A has a trade but no bar on 2020-01-19; hand in the bars that were traded"),
])  # fmt: skip
def test_prices_of_another_market_are_refused(trade: tuple[str, int, int], message: str) -> None:
    """Rather than drawn under the wrong trade; the message names the symbol and the day."""
    with pytest.raises(DataError, match=message):
        pack(pl.concat([walk("A", 9), walk("B", 9)]), traded(("A", 2, 4), trade))


def test_no_trades_have_no_prices() -> None:
    """Nothing to show is no error."""
    packed = pack(walk("A", 9), traded())
    assert (packed["run"], packed["length"], packed["unit"], unpack(packed)) == ([], [], [], [])


def test_the_order_of_trades_does_not_matter_to_the_bytes() -> None:
    """Runs stand in the order of the bars, and equal prices make equal bytes."""
    frame, trades = pl.concat([walk("A", 300), walk("B", 300, seed=4)]), traded(("A", 90, 94), ("B", 90, 94))
    assert pack(frame, trades)["bytes"] == pack(frame, trades.reverse())["bytes"] == pack(frame, trades)["bytes"]


def test_thousands_of_trades_fit_in_little_more_than_a_megabyte() -> None:
    """On 400 symbols of 2,519 bars, nine trades each: all have their chart, at 8 bytes a bar or less."""
    frame = pl.concat([walk(f"S{i:03}", 2519, seed=i) for i in range(400)])
    packed = pack(frame, traded(*((f"S{i:03}", 61 + 252 * k, 65 + 252 * k) for k in range(9) for i in range(400))))
    assert None not in packed["run"]
    assert len(packed["bytes"]) <= 8 * sum(packed["length"])
    assert len(json.dumps(packed)) < 1_500_000
