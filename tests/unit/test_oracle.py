"""The second program itself, against examples worked by hand from the specification's sentences."""

import datetime as dt
import math

import pytest

from tests.oracle.rules import sma, wilder_atr
from tests.oracle.spec import Bar, Terms, marked_equity, signals, trade_alone, trade_together, valid

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(60)]
FREE = Terms(slippage_bps=0)
QUIET = (100, 101, 99, 100)


def series(*rows, days=DAYS):
    """Bars on successive days from (open, high, low, close)."""
    return [Bar(day, *map(float, row), 1000.0) for day, row in zip(days, rows, strict=False)]


def signal(at=0, symbol="A", side="long", stop=None, target=None, score=1.0):
    """A signal of bar `at` whose stop lies five under 100, or five over it for a short."""
    stop = (95.0 if side == "long" else 105.0) if stop is None else stop
    return {"symbol": symbol, "strategy": "by hand", "index": at, "date": DAYS[at], "side": side, "entry": 100.0,
            "stop": stop, "take_profit": target, "score": score}


def column(trades, *names):
    """The trades as tuples of these columns; dates as positions in DAYS."""
    return [tuple(DAYS.index(t[n]) if n.endswith("date") else t[n] for n in names) for t in trades]


# (truth, rows after the signal's bar, target, exit bar, exit price, reason); the stop is 95 for longs, 105 for shorts
LONG_EXITS = [
    ("a stop on the entry bar", [(100, 101, 94, 96), QUIET], None, 1, 95, "stop"),
    ("a low that equals the stop", [(100, 101, 95, 96), QUIET], None, 1, 95, "stop"),
    ("a low just above the stop holds", [(100, 101, 95.01, 96), QUIET], None, 2, 100, "end"),
    ("stop and target inside one bar: the stop", [(100, 111, 94, 105), QUIET], 110, 1, 95, "stop"),
    ("a high that equals the target", [(100, 110, 99, 105), QUIET], 110, 1, 110, "target"),
    ("an open beyond the target: the open", [QUIET, (112, 113, 111, 111), QUIET], 110, 2, 112, "target"),
    ("an entry open beyond the target leaves there", [(112, 113, 111, 111), QUIET], 110, 1, 112, "target"),
    ("an open through the stop: the open", [QUIET, (92, 96, 91, 94), QUIET], None, 2, 92, "stop"),
    ("an open through the stop before any target", [QUIET, (92, 111, 91, 94), QUIET], 110, 2, 92, "stop"),
    ("time at the fifth bar", [QUIET] * 4 + [(100, 104, 99, 103), QUIET], None, 5, 103, "time"),
    ("a stop on the fifth bar before time", [QUIET] * 4 + [(100, 104, 94, 103), QUIET], None, 5, 95, "stop"),
    ("a target on the fifth bar before time", [QUIET] * 4 + [(100, 104, 99, 103), QUIET], 102, 5, 102, "target"),
    ("the symbol's last bar ends it", [QUIET, QUIET, (100, 104, 99, 103)], None, 3, 103, "end"),
    ("time before end on the last bar", [QUIET] * 4 + [(100, 104, 99, 103)], None, 5, 103, "time"),
    ("an entry on the last bar ends there", [(100, 104, 99, 103)], None, 1, 103, "end"),
]
SHORT_EXITS = [
    ("a stop on the entry bar", [(100, 106, 99, 104), QUIET], None, 1, 105, "stop"),
    ("a high that equals the stop", [(100, 105, 99, 104), QUIET], None, 1, 105, "stop"),
    ("a high just under the stop holds", [(100, 104.99, 99, 104), QUIET], None, 2, 100, "end"),
    ("stop and target inside one bar: the stop", [(100, 106, 89, 95), QUIET], 90, 1, 105, "stop"),
    ("a low that equals the target", [(100, 101, 90, 95), QUIET], 90, 1, 90, "target"),
    ("an open beyond the target: the open", [QUIET, (88, 89, 87, 89), QUIET], 90, 2, 88, "target"),
    ("an entry open beyond the target leaves there", [(88, 89, 87, 89), QUIET], 90, 1, 88, "target"),
    ("an open through the stop: the open", [QUIET, (108, 109, 104, 106), QUIET], None, 2, 108, "stop"),
    ("an open through the stop before any target", [QUIET, (108, 109, 89, 106), QUIET], 90, 2, 108, "stop"),
    ("time at the fifth bar", [QUIET] * 4 + [(100, 101, 96, 97), QUIET], None, 5, 97, "time"),
    ("a stop on the fifth bar before time", [QUIET] * 4 + [(100, 106, 96, 97), QUIET], None, 5, 105, "stop"),
    ("a target on the fifth bar before time", [QUIET] * 4 + [(100, 101, 96, 97), QUIET], 98, 5, 98, "target"),
    ("the symbol's last bar ends it", [QUIET, QUIET, (100, 101, 96, 97)], None, 3, 97, "end"),
    ("time before end on the last bar", [QUIET] * 4 + [(100, 101, 96, 97)], None, 5, 97, "time"),
    ("an entry on the last bar ends there", [(100, 101, 96, 97)], None, 1, 97, "end"),
]
EXITS = [("long", *case) for case in LONG_EXITS] + [("short", *case) for case in SHORT_EXITS]


@pytest.mark.parametrize(("side", "truth", "rows", "target", "bar", "price", "reason"), EXITS,
                         ids=[f"{case[0]}: {case[1]}" for case in EXITS])
def test_exit(side, truth, rows, target, bar, price, reason):
    """One position leaves at the bar and the price of the specification's five rules, alone and in a portfolio."""
    bars, found = {"A": series(QUIET, *rows)}, [signal(side=side, target=target)]
    alone = trade_alone(bars, found, FREE)
    assert column(alone, "entry_date", "exit_date", "exit_price", "exit_reason") == [(1, bar, price, reason)]
    assert alone[0]["bars_held"] == bar
    assert trade_together(bars, found, FREE, DAYS)[0] == alone


@pytest.mark.parametrize(("side", "opening"), [("long", 95), ("long", 94), ("short", 105), ("short", 106)])
def test_entry_through_the_stop_is_refused(side, opening):
    """open[e] <= stop: the order is not sent (>= for a short), and the next signal is judged afresh."""
    bars = {"A": series(QUIET, (opening, 107, 93, 100), QUIET, QUIET)}
    trades = trade_alone(bars, [signal(0, side=side), signal(1, side=side)], FREE)
    assert column(trades, "signal_date", "entry_date") == [(1, 2)]


def test_signal_on_the_last_bar_is_no_trade():
    """There is no next bar to fill at."""
    bars = {"A": series(QUIET, QUIET)}
    assert trade_alone(bars, [signal(1)], FREE) == []
    assert trade_together(bars, [signal(1)], FREE, DAYS)[0] == []


def test_signals_before_the_exit_bar_are_ignored_and_at_it_count():
    """In at bar 1, out at bar 5: signals at 1 and 4 are ignored, the one at 5 enters at 6."""
    bars = {"A": series(*[QUIET] * 9)}
    found = [signal(t) for t in (0, 1, 4, 5)]
    expected = [(0, 1, 5), (5, 6, 8)]
    assert column(trade_alone(bars, found, FREE), "signal_date", "entry_date", "exit_date") == expected
    assert column(trade_together(bars, found, FREE, DAYS)[0], "signal_date", "entry_date", "exit_date") == expected


def test_no_reentry_at_the_open_that_gapped_through_the_stop():
    """Out at the open of bar 2: the signal at 1 came before the exit bar; the one at 2 enters at 3."""
    bars = {"A": series(QUIET, QUIET, (92, 96, 91, 94), QUIET, QUIET)}
    found = [signal(0), signal(1, stop=80.0), signal(2, stop=80.0)]
    expected = [(0, 1, 2), (2, 3, 4)]
    assert column(trade_alone(bars, found, FREE), "signal_date", "entry_date", "exit_date") == expected
    assert column(trade_together(bars, found, FREE, DAYS)[0], "signal_date", "entry_date", "exit_date") == expected


def test_slippage_worsens_both_fills_of_a_long():
    """At 1 %: bought at 101.00, floor(1000 / 101) = 9 shares, sold at 95 x 0.99 = 94.05: -62.55 on 909."""
    (trade,) = trade_alone({"A": series(QUIET, (100, 101, 94, 96))}, [signal()], Terms(slippage_bps=100))
    assert (trade["entry_price"], trade["qty"], trade["exit_price"]) == (101.0, 9, pytest.approx(94.05))
    assert (trade["gross_pnl"], trade["return"]) == (pytest.approx(-62.55), pytest.approx(-62.55 / 909))


def test_slippage_worsens_both_fills_of_a_short():
    """At 1 %: sold at 99.00, floor(1000 / 99) = 10 shares, bought at 105 x 1.01 = 106.05: -70.50 on 990."""
    (trade,) = trade_alone({"A": series(QUIET, (100, 106, 99, 104))}, [signal(side="short")], Terms(slippage_bps=100))
    assert (trade["entry_price"], trade["qty"], trade["exit_price"]) == (99.0, 10, pytest.approx(106.05))
    assert (trade["gross_pnl"], trade["return"]) == (pytest.approx(-70.5), pytest.approx(-70.5 / 990))


@pytest.mark.parametrize(("side", "sale"), [("long", (DAYS[3], 10, 960.0)), ("short", (DAYS[1], 10, 1000.0))])
def test_fee_is_charged_once_on_the_sale(side, sale):
    """A long sells at its exit (bar 3 at 96), a short at its entry (bar 1 at 100); the other fill costs nothing."""
    asked = []

    def fee(date, shares, dollars):
        asked.append((date, shares, dollars))
        return 2.5

    bars = {"A": series(QUIET, QUIET, QUIET, (100, 101, 95.5, 96))}
    (trade,) = trade_alone(bars, [signal(side=side)], FREE._replace(fee=fee))
    assert asked == [sale]
    gross = -40.0 if side == "long" else 40.0
    assert (trade["gross_pnl"], trade["fees"], trade["net_pnl"]) == (gross, 2.5, gross - 2.5)
    assert trade["return"] == (gross - 2.5) / 1000


def test_quantity_is_whole_shares_and_none_is_no_trade():
    """floor(1000 / 300) = 3; a share of 1,001 does not fit into 1,000."""
    bars = {"A": series(QUIET, (300, 301, 299, 300)), "B": series(QUIET, (1001, 1002, 1000, 1001))}
    found = [signal(symbol="A"), signal(symbol="B")]
    assert column(trade_alone(bars, found, FREE), "symbol", "qty") == [("A", 3)]
    assert column(trade_together(bars, found, FREE, DAYS)[0], "symbol", "qty") == [("A", 3)]


# ---- Portfolio


def entered(bars, found, **terms):
    """(symbol, entry bar) of the portfolio's trades."""
    return column(trade_together(bars, found, FREE._replace(**terms), DAYS)[0], "symbol", "entry_date")


def test_the_better_score_gets_the_slot_and_the_symbol_breaks_ties():
    """One slot, three candidates at one open: the highest score; at equal scores the first symbol."""
    bars = {s: series(QUIET, QUIET, QUIET) for s in "CAB"}
    assert entered(bars, [signal(symbol=s, score=k) for s, k in zip("ABC", (1, 2, 1.5), strict=True)],
                   max_positions=1) == [("B", 1)]
    assert entered(bars, [signal(symbol=s) for s in "CBA"], max_positions=1) == [("A", 1)]
    assert entered(bars, [signal(symbol=s) for s in "CBA"], max_positions=2) == [("A", 1), ("B", 1)]


def test_what_the_cash_does_not_cover_is_refused_not_resized():
    """1,600 buys A (10 x 100); B (10 x 100) does not fit; C (1 x 600) takes the last dollar."""
    bars = {"A": series(QUIET, QUIET), "B": series(QUIET, QUIET), "C": series(QUIET, (600, 601, 599, 600))}
    found = [signal(symbol=s, score=-ord(s)) for s in "ABC"]
    assert entered(bars, found, cash=1600.0) == [("A", 1), ("C", 1)]
    assert entered(bars, found, cash=1599.99) == [("A", 1)]


def test_refused_gap_takes_no_slot():
    """The better candidate opens under its stop, so the slot is the other's."""
    bars = {"A": series(QUIET, (94, 95, 93, 94), QUIET), "B": series(QUIET, QUIET, QUIET)}
    assert entered(bars, [signal(symbol="A", score=9), signal(symbol="B")], max_positions=1) == [("B", 1)]


GAPPED = {"A": series(QUIET, QUIET, QUIET, (92, 96, 91, 94), QUIET, QUIET), "B": series(*[QUIET] * 6)}


def test_gap_stop_frees_its_slot_and_cash_at_that_open_for_others_only():
    """A leaves at the open of bar 3 for 920. B enters there on 1,000 of cash freed from 1,080; A does not."""
    found = [signal(), signal(2, stop=80.0, score=9), signal(2, symbol="B")]
    for terms in ({"max_positions": 1}, {"cash": 1080.0}, {}):
        assert entered(GAPPED, found, **terms) == [("A", 1), ("B", 3)]
    assert entered(GAPPED, found, cash=1079.0) == [("A", 1)]


@pytest.mark.parametrize(("side", "stop"), [("long", 95), ("short", 105)])
def test_open_at_the_stop_is_a_gap_and_frees_the_slot_at_that_open(side, stop):
    """open[i] <= stop is the first of the exits: the price is the stop's either way, the moment is the open."""
    bars = {"A": series(QUIET, QUIET, QUIET, (stop, 106, 94, 100), QUIET), "B": series(*[QUIET] * 5)}
    assert entered(bars, [signal(side=side), signal(2, symbol="B")], max_positions=1) == [("A", 1), ("B", 3)]


@pytest.mark.parametrize("terms", [{"max_positions": 1}, {"cash": 1100.0}])
def test_stop_inside_the_bar_frees_slot_and_cash_for_the_next_session_only(terms):
    """A is stopped during bar 3: too late for the open of bar 3, in time for that of bar 4."""
    bars = {"A": series(QUIET, QUIET, QUIET, (100, 101, 94, 96), QUIET, QUIET), "B": series(*[QUIET] * 6)}
    assert entered(bars, [signal(), signal(2, symbol="B")], **terms) == [("A", 1)]
    assert entered(bars, [signal(), signal(2, symbol="B"), signal(3, symbol="B")], **terms) == [("A", 1), ("B", 4)]


def test_windows_count_a_symbols_own_bars_and_marks_use_its_last_close():
    """A has no bar on days 1 and 3: in on day 2, marked on day 3 at day 2's 104, third bar held on day 5."""
    held = series(QUIET, (100, 105, 99, 104), (104, 106, 103, 105), QUIET, days=[DAYS[i] for i in (0, 2, 4, 5)])
    trades, rows = trade_together({"A": held}, [signal()], FREE._replace(hold=3), DAYS[:6])
    assert column(trades, "entry_date", "exit_date", "bars_held", "exit_reason") == [(2, 5, 3, "time")]
    assert [row[1] for row in rows] == [100_000, 100_000, 100_040, 100_040, 100_050, 100_000]
    assert marked_equity({"A": held}, trades, DAYS[:6], 100_000.0) == [row[1] for row in rows]


def test_equity_cash_and_exposure_of_a_long():
    """Cash 5,000: 10 x 100 leaves 4,000; at 104 equity is 5,040; sold at 103, less 2, 5,028."""
    bars = {"A": series(QUIET, (100, 105, 99, 104), (104, 105, 102, 103), QUIET)}
    _, rows = trade_together(bars, [signal()], FREE._replace(cash=5000.0, hold=2, fee=lambda *_: 2.0), DAYS[:4])
    assert rows == [(DAYS[0], 5000, 5000, 0), (DAYS[1], 5040, 4000, 1040 / 5040), (DAYS[2], 5028, 5028, 0),
                    (DAYS[3], 5028, 5028, 0)]


def test_equity_cash_and_exposure_of_a_short():
    """Cash 5,000 less collateral 1,000 and the fee 2; at 104 equity is 5,000 - 2 - 40; bought at 103: 4,968."""
    bars = {"A": series(QUIET, (100, 104, 99, 104), (104, 104, 102, 103), QUIET)}
    found, terms = [signal(side="short")], FREE._replace(cash=5000.0, hold=2, fee=lambda *_: 2.0)
    trades, rows = trade_together(bars, found, terms, DAYS[:4])
    assert rows == [(DAYS[0], 5000, 5000, 0), (DAYS[1], 4958, 3998, 1040 / 4958), (DAYS[2], 4968, 4968, 0),
                    (DAYS[3], 4968, 4968, 0)]
    assert marked_equity(bars, trades, DAYS[:4], 5000.0) == [5000, 4958, 4968, 4968]


# ---- Indicators and strategies

TINY = {"lookback": 2, "trend": 2, "atr": 1}
RISING = series((10, 11, 9, 10), (10, 12, 9, 11), (11, 13, 10, 12), (12, 14, 11, 13.5))
FALLING = series((20, 21, 19, 20), (20, 21, 18, 19), (19, 20, 17, 18), (18, 19, 16, 16.5))


def test_indicators():
    """SMA(2) of 10, 11, 12 is 11.5 at the third; TR is 3, 5 (gap up), 6 (gap down), so ATR(2) = 4, then (4 + 6) / 2."""
    bars = series((10, 11, 9, 10), (10, 12, 9, 11), (15, 16, 14, 15), (10, 11, 9, 10))
    assert sma([10.0, 11.0, 12.0], 2, 2) == 11.5
    assert wilder_atr(bars, 2) == [None, None, 4.0, 5.0]
    assert wilder_atr(bars, 4) == [None] * 4


def test_donchian_long():
    """Bar 2 closes at its channel of 12: no signal. Bar 3: 13.50 above 13, ATR 3: score 1/6, stop 13.50 - 6."""
    assert signals({"A": RISING}, "donchian", TINY | {"r_multiple": 1.5}) == [
        {"symbol": "A", "strategy": "donchian", "index": 3, "date": DAYS[3], "side": "long", "entry": 13.5, "stop": 7.5,
         "take_profit": 22.5, "score": pytest.approx(1 / 6)}]
    assert signals({"A": RISING}, "donchian", TINY)[0]["take_profit"] is None


def test_donchian_short():
    """Bar 3: 16.50 under 17, ATR 3: score 1/6, stop 16.50 + 6, target 16.50 - 9; only where shorts are allowed."""
    assert signals({"A": FALLING}, "donchian", TINY | {"r_multiple": 1.5, "allow_short": True}) == [
        {"symbol": "A", "strategy": "donchian", "index": 3, "date": DAYS[3], "side": "short", "entry": 16.5,
         "stop": 22.5, "take_profit": 7.5, "score": pytest.approx(1 / 6)}]
    assert signals({"A": FALLING}, "donchian", TINY) == []


@pytest.mark.parametrize(("least", "count"), [(13.5, 1), (13.6, 0)])
def test_least_price_is_for_both_sides_alike(least, count):
    """close >= min_price, and it is not mirrored: a short needs it too (16.50, three higher)."""
    assert len(signals({"A": RISING}, "donchian", TINY | {"min_price": least})) == count
    assert len(signals({"A": FALLING}, "donchian", TINY | {"min_price": least + 3, "allow_short": True})) == count


def test_trend_filter_reads_the_bar_before():
    """Bar 4 closes at 13, over its channel: SMA(4)[3] of 13.25 refuses it, 12.75 does not; SMA(4)[4] would not."""
    def breakout(first):
        rows = [(first, first, first, first), *[(11, 12, 10, 11)] * 3, (12, 14, 11, 13)]
        return signals({"A": series(*rows)}, "donchian", {"lookback": 2, "trend": 4, "atr": 1})
    assert [breakout(first=20), len(breakout(first=18))] == [[], 1]


def test_no_true_range_is_no_signal():
    """ATR(1)[t-1] is 0 after two equal flat bars."""
    flat = series(*[(10, 10, 10, 10)] * 3, (12, 12, 12, 12))
    assert signals({"A": flat}, "donchian", TINY) == []


@pytest.mark.parametrize(("window", "first"), [({"lookback": 7}, 7), ({"trend": 7}, 7), ({"atr": 7}, 8)])
def test_first_signal_is_where_every_window_is_full(window, first):
    """lookback n: bars t-n..t-1; trend n: SMA(n)[t-1]; atr n: ATR(n)[t-1] wants bar n, so t is n + 1."""
    rising = series(*[(c, c + 0.5, c - 0.5, c + 0.5) for c in range(10, 22)])
    found = signals({"A": rising}, "donchian", {"lookback": 1, "trend": 1, "atr": 1} | window)
    assert found[0]["index"] == first


def turtle(lows, low, close, **params):
    """Signals where bars with these lows (high 2 and close 1 above) meet a bar with this low and close."""
    rows = [*[(x + 1, x + 2, x, x + 1) for x in lows], (close, close + 1, low, close)]
    return signals({"A": series(*rows)}, "ict_turtle_soup", {"lookback": 6, "trend": 1, "atr": 1} | params)


def test_turtle_soup_long():
    """Lows of 9 at bars 0 and 2; bar 6 sweeps to 8.50 and closes at 12: age 4, ATR 2, score 0.25, stop 8."""
    (found,) = turtle([9, 10, 9, 10, 10, 10], 8.5, 12)
    assert (found["index"], found["side"], found["entry"], found["stop"], found["score"]) == (6, "long", 12, 8, 0.25)


def test_turtle_soup_age_counts_from_the_most_recent_equal_low():
    """Lows of 9 at bars 0 and 3: the last is 3 bars old, so 4 is not reached, however old the first is."""
    assert turtle([9, 10, 10, 9, 10, 10], 8.5, 12) == []


def test_turtle_soup_wants_a_sweep_and_a_close_back_above():
    """Level 9, eight-bar average 8.25: a low at the level is no sweep, a close at the level is not back above it."""
    lows = [0, 0, 9, 10, 9, 10, 10, 10]
    assert turtle(lows, 8.99, 9.01, trend=8)
    assert turtle(lows, 9, 9.01, trend=8) == []
    assert turtle(lows, 8.99, 9, trend=8) == []


def sweep(highs, high, close):
    """The same for shorts: bars with these highs (low 2 and close 1 under), then one with this high and close."""
    rows = [*[(x - 1, x, x - 2, x - 1) for x in highs], (close, high, close - 1, close)]
    params = {"lookback": 6, "trend": 1, "atr": 1, "allow_short": True}
    return signals({"A": series(*rows)}, "ict_turtle_soup", params)


def test_turtle_soup_short():
    """Highs of 21 at bars 0 and 2; bar 6 sweeps to 21.50 and closes at 18: age 4, ATR 2, score 0.25, stop 22."""
    (found,) = sweep([21, 20, 21, 20, 20, 20], 21.5, 18)
    assert (found["side"], found["entry"], found["stop"], found["score"]) == ("short", 18, 22, 0.25)
    assert sweep([21, 20, 20, 21, 20, 20], 21.5, 18) == []
    assert sweep([21, 20, 21, 20, 20, 20], 21, 18) == []


def test_invalid_bars():
    """NaN, infinity, a price or volume of 0, high under low, a close outside by more than 1e-6 are invalid."""
    good = Bar(DAYS[0], 10.0, 11.0, 9.0, 10.5, 100.0)
    assert valid(good)
    assert valid(good._replace(close=11.0 * (1 + 0.9e-6)))
    for wrong in ({"close": 11.0 * (1 + 1.1e-6)}, {"open": 9.0 * (1 - 1.1e-6)}, {"high": 8.9}, {"volume": 0.0},
                  {"low": 0.0}, {"open": math.nan}, {"high": math.inf}, {"volume": math.nan}):
        assert not valid(good._replace(**wrong)), wrong
