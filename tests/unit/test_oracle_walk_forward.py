"""The second program's public calls and its walk-forward, on a market that rises a dollar a day.

Bar t opens at t + 9.5, ranges from t + 9 to t + 10 and closes at its high. With every window 1 and hold 1, every bar
from the third on is a signal at t (ATR is 1), bought at the open of t + 1 and sold half a dollar higher at its close.
"""

import datetime as dt
import math

import pytest

from tests.oracle.spec import DEFAULTS, Bar, independent, portfolio, sharpe, walk_forward
from tests.oracle.walk_forward import windows

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(24)]
RISING = {"A": [Bar(day, t + 9.5, t + 10.0, t + 9.0, t + 10.0, 1000.0) for t, day in enumerate(DAYS)]}
FAST = {"lookback": 1, "trend": 1, "atr": 1, "hold": 1}
SMALL = {"train": 12, "test": 4, "slippage_bps": 0.0}
MODES = pytest.mark.parametrize("mode", ["independent", "portfolio"])


def walk(grid, mode="portfolio", params=FAST, **changed):
    return walk_forward(RISING, "donchian", grid, mode, params, **(SMALL | changed))


def positions(trades, name):
    """The trades' dates of this name as positions in DAYS."""
    return [DAYS.index(trade[name]) for trade in trades]


def gain(t):
    """What the trade of bar t makes: half a dollar on each of the shares that 1,000 buys at the open."""
    return 0.5 * math.floor(1000 / (t + 9.5))


def test_independent_and_portfolio_from_prices_to_trades():
    """Signals 2 to 22 make the trades of bars 3 to 23, each half a dollar a share; equity is their running sum."""
    alone = independent(RISING, "donchian", FAST, slippage_bps=0)
    together, rows = portfolio(RISING, "donchian", FAST, slippage_bps=0, cash=5000.0)
    assert alone == together
    assert positions(alone, "signal_date") == list(range(2, 23))
    assert positions(alone, "exit_date") == list(range(3, 24))
    assert [trade["net_pnl"] for trade in alone] == [gain(t) for t in range(3, 24)]
    assert rows[-1] == (DAYS[-1], 5000 + sum(gain(t) for t in range(3, 24)), rows[-1][1], 0)


def test_hold_argument_stands_in_for_the_parameter():
    """Held two bars, every second signal finds the symbol occupied."""
    for trades in (independent(RISING, "donchian", FAST, hold=2), portfolio(RISING, "donchian", FAST, hold=2)[0]):
        assert positions(trades, "signal_date")[:3] == [2, 4, 6]


def test_default_slippage_is_five_basis_points():
    """Bought at 12.50 x 1.0005, sold at 13.00 x 0.9995."""
    first = independent(RISING, "donchian", FAST)[0]
    assert (first["entry_price"], first["exit_price"]) == (pytest.approx(12.50625), pytest.approx(12.9935))


def test_unknown_parameter_is_refused():
    """A typo must not pass as agreement."""
    with pytest.raises(ValueError, match="lokback"):
        independent(RISING, "donchian", {"lokback": 3})


def test_windows():
    """2,519 sessions make 35 splits; the last whole test window ends at 63 x 34 + 315 = 2,457."""
    assert len(windows(2519, 252, 63)) == 35
    assert [windows(2519, 252, 63)[k] for k in (0, 1, 34)] == [(0, 252, 315), (63, 315, 378), (2142, 2394, 2457)]
    assert [len(windows(n, 252, 63)) for n in (314, 315, 377, 378)] == [0, 1, 1, 2]


def test_sharpe():
    """Returns of 2 %, 0 and 4 % have mean 2 % and sample deviation 2 %: sqrt(252). No deviation, no Sharpe."""
    assert sharpe([102.0, 102.0, 106.08], 100.0) == pytest.approx(math.sqrt(252))
    assert sharpe([100.0, 100.0, 100.0], 100.0) is None
    assert sharpe([101.0], 100.0) is None


@MODES
def test_test_window_owns_the_trades_signalled_in_it_to_their_natural_exit(mode):
    """Windows of sessions 12-15 and 16-19, held 3: both start flat, the trade of signal 15 runs to bar 18."""
    first, second, _ = walk({}, mode, FAST | {"hold": 3})
    assert positions(first["trades"], "signal_date") == [12, 15]
    assert positions(first["trades"], "exit_date") == [15, 18]
    assert positions(second["trades"], "signal_date") == [16, 19]


def test_no_grid_is_the_defaults_throughout():
    """Three whole splits of 12 + 4 sessions in 24, each with the parameters given."""
    assert [(s["split"], s["params"]) for s in walk(None)] == [(k, DEFAULTS | FAST) for k in range(3)]


@MODES
def test_training_counts_and_marks_only_trades_that_left_before_the_test_window(mode):
    """Split 1 trains on 4-15: signals 4 to 14 make bars 5 to 15; signal 15 leaves at 16, inside the test window."""
    score = walk({}, mode)[1]["scores"][0]
    equity = [100_000.0]
    for t in range(5, 16):
        equity.append(equity[-1] + gain(t))
    assert score["trades"] == 11
    assert score["sharpe"] == pytest.approx(sharpe(equity, 100_000.0), rel=1e-12)


def test_training_equity_is_marked_while_a_trade_is_open():
    """Held 2: in at the open of t, half a dollar up at its close, one and a half at the exit a bar later."""
    score = walk({}, params=FAST | {"hold": 2})[0]["scores"][0]
    equity, made = [100_000.0] * 3, 100_000.0
    for t in (3, 5, 7, 9):
        shares = math.floor(1000 / (t + 9.5))
        equity += [made + 0.5 * shares, made + 1.5 * shares]
        made += 1.5 * shares
    assert score["trades"] == 4
    assert score["sharpe"] == pytest.approx(sharpe([*equity, made], 100_000.0), rel=1e-12)


@pytest.mark.parametrize(("embargo", "count", "stop_atr"), [(0, 11, 2.5), (1, 10, 2.5), (2, 9, 2.0)])
def test_embargo_drops_more_sessions_and_under_ten_trades_the_defaults_stand(embargo, count, stop_atr):
    """11 trades of split 1 left by session 15; each session of embargo takes one more, and 9 are too few."""
    split = walk({"stop_atr": [2.5]}, embargo=embargo)[1]
    assert (split["scores"][0]["trades"], split["params"]["stop_atr"]) == (count, stop_atr)


def test_best_sharpe_is_chosen_and_applied_to_the_test_window():
    """A stop at the signal's close is hit by every entry bar (they dip to it), so 2 ATR wins, wherever it stands."""
    for options in ([0.0, 2.0], [2.0, 0.0]):
        split = walk({"stop_atr": options}, params=FAST | {"stop_atr": 1.0})[1]
        assert split["params"]["stop_atr"] == 2.0
        assert {trade["exit_reason"] for trade in split["trades"]} == {"time"}
    losing = walk({"stop_atr": [0.0]})[1]
    assert losing["scores"][0]["sharpe"] < 0
    assert {trade["exit_reason"] for trade in losing["trades"]} == {"stop"}


def test_ties_go_to_the_first_in_grid_order_whose_last_option_varies_fastest():
    """min_age means nothing to the breakout and 2 or 3 ATR never stop it: all four sets tie."""
    for ages in ([4, 3], [3, 4]):
        split = walk({"min_age": ages, "stop_atr": [3.0, 2.0]})[1]
        tried = [(score["params"]["min_age"], score["params"]["stop_atr"]) for score in split["scores"]]
        assert tried == [(ages[0], 3.0), (ages[0], 2.0), (ages[1], 3.0), (ages[1], 2.0)]
        assert (split["params"]["min_age"], split["params"]["stop_atr"]) == tried[0]


def test_every_window_starts_with_the_full_cash():
    """Stopped at once, 44 shares lose 22 of 1,000 and the rest of window 0 costs more than 978; window 1 has 1,000
    again: bar 17 (980.50 of 1,000) and bar 20 (973.50 of 981.50) fit, as do bars 21 and 22 in window 2."""
    splits = walk({}, params=FAST | {"stop_atr": 0.0}, cash=1000.0)
    assert [positions(split["trades"], "entry_date") for split in splits] == [[13], [17, 20], [21, 22]]


def test_unknown_mode_is_refused():
    """Two modes exist."""
    with pytest.raises(ValueError, match="sideways"):
        walk({}, "sideways")
