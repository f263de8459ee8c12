"""What the second program does not cover: sizing, excursions, benchmarks, refusals, and the laws of the curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kobe81.backtest.benchmark import benchmark, buy_and_hold
from kobe81.backtest.engine import Account, Backtest, backtest, compute_signals, run_signals
from kobe81.core.bars import FIELDS, Bars
from kobe81.core.errors import DataError, UsageError
from kobe81.core.signals import Signals
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.strategies import Strategy, strategy

FREE = Account(slippage_bps=0.0, costs="none")


@dataclass(frozen=True)
class AtRows(Strategy):
    """A strategy for tests: a long signal at each of the given rows of the bars."""

    rows: tuple[int, ...] = ()
    stop: float = 0.01
    side: int = 1

    @property
    def warmup(self) -> int:
        return 1

    def generate_signals(self, bars: Bars) -> Signals:
        raise NotImplementedError("the tests hand the signals in")

    def signals(self, bars: Bars) -> Signals:
        """The signals, with the stop at a fixed price and the first row the best."""
        at = np.array(self.rows, np.int64)
        price = np.full(len(at), self.stop)
        return Signals(at, np.full(len(at), self.side, np.int8), bars.close[at], price, np.full(len(at), np.nan),
                       -np.arange(float(len(at))), "at_rows")


def make_bars(*symbols: list[tuple[float, float, float, float]], starts: tuple[int, ...] = ()) -> Bars:
    """Bars of A, B, ... from (open, high, low, close) rows on consecutive days; `starts` shifts a symbol's first."""
    offsets = np.cumsum([0, *map(len, symbols)]).astype(np.int64)
    begins = starts or (0,) * len(symbols)
    date = np.concatenate([np.arange(b, b + len(s)) for b, s in zip(begins, symbols, strict=True)]).astype(np.int32)
    table = np.array([row for s in symbols for row in s])
    fields = {name: table[:, i].copy() for i, name in enumerate(FIELDS[:4])}
    return Bars.of("ABCDEFGH"[: len(symbols)], offsets, date, {**fields, "volume": np.full(len(date), 1000.0)})


def run(bars: Bars, rule: AtRows, account: Account = FREE) -> Backtest:
    """The backtest of the rule's signals."""
    return run_signals(bars, rule, account, rule.signals(bars))


def flat(price: float, days: int) -> list[tuple[float, float, float, float]]:
    """Days on which nothing moves."""
    return [(price,) * 4] * days


FALL = [(100.0, 100.0, 100.0, 100.0), (100.0, 106.0, 97.0, 104.0), (104.0, 110.0, 103.0, 105.0),
        (102.0, 111.0, 90.0, 95.0), (95.0, 120.0, 80.0, 95.0)]


def test_notional_buys_whole_shares_only() -> None:
    """1,000 dollars at 104 buy nine shares, not 9.6."""
    bars = make_bars([(100.0,) * 4, (104.0,) * 4, (104.0,) * 4])
    assert run(bars, AtRows(rows=(0,))).fills.qty.tolist() == [9.0]


def test_fraction_of_equity_follows_the_equity_before_the_open() -> None:
    """10 % of 10,000, then 10 % of what the first trade left, each divided by the price and floored."""
    bars = make_bars([*flat(100.0, 2), (150.0,) * 4, *flat(150.0, 3)])
    account = replace(FREE, sizing="fraction", size=0.1, cash=10_000.0)
    # 1,000 / 100 = 10 shares, sold at 150: equity 10,500; 1,050 / 150 = 7 shares
    assert run(bars, AtRows(hold=2, rows=(0, 2)), account).fills.qty.tolist() == [10.0, 7.0]


def test_fraction_of_equity_counts_open_positions_at_their_last_close() -> None:
    """B is sized on cash plus A at A's last close, although A has no bar on that day."""
    bars = make_bars([*flat(100.0, 2), (120.0,) * 4, *flat(120.0, 2)], flat(50.0, 6), starts=(0, 0))
    late = make_bars([*flat(100.0, 2), (120.0,) * 4], flat(50.0, 6))
    account = replace(FREE, sizing="fraction", size=0.5, cash=10_000.0)
    rule = AtRows(hold=9, rows=(0, 5 + 2))
    # A: 5,000 / 100 = 50 shares; at 120: equity 11,000; B on the session after: 5,500 / 50 = 110, but cash is 5,000
    assert run(bars, rule, account).refusals["not enough cash"] == 1
    cheap = replace(account, size=0.4)
    # A: 40 shares, cash 6,000, equity 6,000 + 40 x 120 = 10,800; B: 4,320 / 50 = 86 shares
    assert run(bars, rule, cheap).fills.qty.tolist() == [40.0, 86.0]
    # A leaves with its last bar, whose 4,800 are cash by then: the same equity
    assert run(late, AtRows(hold=9, rows=(0, 3 + 2)), cheap).fills.qty.tolist() == [40.0, 86.0]


def test_risk_sizing_loses_the_fraction_at_the_stop() -> None:
    """1 % of 10,000 at risk and 4 dollars to the stop make 25 shares, which lose 100 at the stop; a short the same."""
    account = replace(FREE, sizing="risk", size=0.01, cash=10_000.0)
    falls = make_bars([(100.0,) * 4, (100.0, 100.0, 96.0, 97.0), (97.0,) * 4])
    long = run(falls, AtRows(rows=(0,), stop=96.0), account)
    assert (long.fills.qty.tolist(), long.fills.net_pnl.tolist()) == ([25.0], [-100.0])
    rises = make_bars([(100.0,) * 4, (100.0, 104.0, 100.0, 103.0), (103.0,) * 4])
    short = run(rises, AtRows(rows=(0,), stop=104.0, side=-1), account)
    assert (short.fills.qty.tolist(), short.fills.net_pnl.tolist()) == ([25.0], [-100.0])


def test_volatility_sizing_carries_the_target() -> None:
    """Daily returns of +1 % and -1 % in turn have an annual deviation of 16.3 %; a 20 % target buys 1.228 x equity."""
    prices = 100.0 * np.cumprod(np.where(np.arange(40) % 2 == 0, 1.01, 0.99))
    bars = make_bars([(p,) * 4 for p in prices])
    account = replace(FREE, sizing="volatility", size=0.02, cash=100_000.0)
    trades = run(bars, AtRows(rows=(30,)), account).fills
    deviation = np.sqrt(20 / 19) * 0.01 * np.sqrt(252)
    assert trades.qty.tolist() == [np.floor(0.02 * 100_000 / (prices[31] * deviation))]
    alone = run(bars, AtRows(rows=(30,)), replace(account, mode="independent")).fills
    assert alone.qty.tolist() == trades.qty.tolist()


def test_excursions_see_the_bars_of_the_trade_and_no_more_of_the_last_than_its_exit() -> None:
    """In at 100: bars reach 97 to 110, then the stop at 92; the 111 and 90 of that bar were not known to come first."""
    trades = run(make_bars(FALL), AtRows(rows=(0,), stop=92.0)).fills
    assert (trades.mae.tolist(), trades.mfe.tolist()) == ([pytest.approx(-0.08)], [pytest.approx(0.10)])


def test_excursions_of_a_time_exit_see_its_whole_bar() -> None:
    """Held to the close of its third bar, the trade has seen that bar's low of 90 and high of 111."""
    trades = run(make_bars(FALL), AtRows(hold=3, rows=(0,))).fills
    assert (trades.mae.tolist(), trades.mfe.tolist()) == ([pytest.approx(-0.10)], [pytest.approx(0.11)])


def test_excursions_of_a_short_are_mirrored() -> None:
    """What is best for a long is worst for a short."""
    trades = run(make_bars(FALL), AtRows(hold=3, rows=(0,), side=-1, stop=500.0)).fills
    assert (trades.mae.tolist(), trades.mfe.tolist()) == ([pytest.approx(-0.11)], [pytest.approx(0.10)])


def test_refusals_are_counted_by_reason() -> None:
    """Each signal that became no trade is counted once, under its reason."""
    bars = make_bars(flat(50.0, 6), flat(60.0, 6), [*flat(70.0, 2), (1.0,) * 4, *flat(1.0, 3)], flat(5_000.0, 6))
    rows = (0, 1, 6 + 0, 12 + 1, 18 + 0, 23)
    result = run(bars, AtRows(rows=rows, stop=2.0), replace(FREE, max_positions=1))
    assert result.refusals == {"no next bar to enter on": 1, "gapped through the stop": 1, "already in a position": 1,
                               "no free slot": 2, "not enough cash": 0, "one share costs more than the order": 0}
    alone = run(bars, AtRows(rows=rows, stop=2.0), replace(FREE, mode="independent"))
    assert alone.refusals["one share costs more than the order"] == 1


def test_a_signal_without_a_number_is_refused_by_name() -> None:
    """A strategy that lets a NaN through does not trade on it."""
    bars = make_bars(flat(50.0, 4))
    with pytest.raises(UsageError, match="test_engine gave a signal without a finite entry, stop or score"):
        run(bars, AtRows(rows=(1,), stop=np.nan))


def test_too_few_bars_say_how_many_are_needed() -> None:
    """201 bars before a signal can stand, and one to enter on."""
    with pytest.raises(DataError, match="longest symbol has 150 bars; donchian needs at least 202"):
        backtest(synthetic_bars(3, 150, 1), strategy("donchian"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), mode=st.sampled_from(["portfolio", "independent"]),
       sizing=st.sampled_from(["notional", "fraction", "risk", "volatility"]), slots=st.integers(1, 30),
       short=st.booleans())
def test_laws_of_every_backtest(seed: int, mode: str, sizing: str, slots: int, short: bool) -> None:
    """The money adds up, nothing overlaps, and a portfolio never spends what it does not have."""
    bars = synthetic_bars(8, 300, seed)
    rule = strategy("donchian", {"trend": 20, "allow_short": short})
    account = Account(mode=mode, sizing=sizing, max_positions=slots, cash=20_000.0)
    result = backtest(bars, rule, account)
    trades, curve = result.fills, result.curve
    assert curve.equity[-1] == pytest.approx(20_000.0 + trades.net_pnl.sum(), abs=1e-6)
    assert (trades.qty >= 1).all()
    assert (trades.qty == np.floor(trades.qty)).all()
    assert (trades.entry == trades.signal + 1).all()
    assert (trades.bars_held <= rule.hold).all()
    assert (trades.mae <= 0).all()
    assert (trades.mfe >= 0).all()
    symbol = bars.symbol_index[trades.entry]
    for s in range(len(bars.symbols)):
        own = np.sort(trades.entry[symbol == s]), np.sort(trades.exit[symbol == s])
        assert (own[0][1:] > own[1][:-1]).all()
    if mode == "portfolio":
        entry, leave = bars.session[trades.entry], bars.session[trades.exit]
        open_at = [np.sum((entry <= d) & (leave > d)) for d in range(len(bars.sessions))]
        assert max(open_at, default=0) <= slots
        assert curve.cash.min() >= -1.0  # a short's entry fee may take a cent below
    assert sum(result.refusals.values()) + len(trades) == len(result.signals)


def test_signals_do_not_depend_on_how_the_bars_are_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block or one block a symbol: the same signals."""
    bars = synthetic_bars(9, 400, 5)
    rules = [strategy("donchian"), strategy("ict_turtle_soup", {"allow_short": True})]
    whole = compute_signals(bars, rules)
    cut = [b for _, b in bars.blocks(1)]
    assert [len(b.symbols) for b in cut] == [1] * 9
    monkeypatch.setattr(Bars.blocks, "__defaults__", (1,))
    for ours, theirs in zip(whole, compute_signals(bars, rules), strict=True):
        assert ours.to_frame(bars).equals(theirs.to_frame(bars))


def breakout(prices: list[float], last: tuple[float, float, float, float], **values: Any) -> Signals:
    """Donchian's signals on calm days at these prices, then one other."""
    bars = make_bars([*((p, p + 0.25, p - 0.25, p) for p in prices), last])
    return strategy("donchian", {"lookback": 5, "trend": 5, "atr": 5, **values}).generate_signals(bars)


def test_a_close_at_the_least_price_may_be_a_signal() -> None:
    """5.00 is allowed by a least price of 5.00; 4.99 is not."""
    assert len(breakout([4.0] * 8, (4.0, 5.0, 4.0, 5.0), min_price=5.0)) == 1
    assert len(breakout([4.0] * 8, (4.0, 5.0, 4.0, 4.99), min_price=5.0)) == 0


def test_prices_that_never_moved_give_no_signal() -> None:
    """Without a true range there is no ATR to put a stop at, however high the close."""
    bars = make_bars([*flat(10.0, 9), (10.0, 12.0, 10.0, 12.0)])
    rule = strategy("donchian", {"lookback": 5, "trend": 5, "atr": 5})
    assert len(rule.generate_signals(bars)) == 0


def test_reasons_tell_the_signals_own_numbers() -> None:
    """Worked by hand: an ATR of 0.50, a channel of 10.25, a close of 11.00 or, upside down, 9.75 and 9.00."""
    up = breakout([10.0] * 8, (10.0, 11.0, 10.0, 11.0))
    assert up.reason(0) == "closed at 11.00 above 10.25, its 5-day high, 1.5 ATR clear of it"
    assert (up.stop[0], up.score[0]) == (10.0, 1.5)
    down = breakout([10.0] * 8, (10.0, 10.0, 9.0, 9.0), allow_short=True)
    assert down.reason(0) == "closed at 9.00 below 9.75, its 5-day low, 1.5 ATR clear of it"
    assert (down.stop[0], down.score[0]) == (10.0, 1.5)


def test_fees_are_those_of_the_day_of_the_sale_and_capped() -> None:
    """100,000 shares sold for 1,000,000 on 2015-03-02: 18.40 to the SEC, and FINRA's 11.90 capped at 5.95."""
    flat_market = make_bars(flat(10.0, 4))
    start = (np.datetime64("2015-02-28") - np.datetime64("1970-01-01")).astype(int)
    bars = replace(flat_market, date=(flat_market.date + np.int32(start)))
    account = replace(FREE, costs="us", notional=1_000_000.0, cash=2_000_000.0)
    assert run(bars, AtRows(hold=2, rows=(0,)), account).fills.fees.tolist() == [pytest.approx(18.40 + 5.95)]


def test_buy_and_hold_is_the_mean_of_the_growths() -> None:
    """A doubles, B (which lists a day later) halves, C ends at once: (2 + 0.5 + 1) / 3 of the cash."""
    bars = make_bars([(10.0,) * 4, (12.0,) * 4, (20.0,) * 4], [(8.0,) * 4, (4.0,) * 4], [(5.0,) * 4], starts=(0, 1, 0))
    curve = buy_and_hold(bars, 900.0)
    assert curve.equity.tolist() == pytest.approx([900.0, 960.0, 600.0 + 150.0 + 300.0])
    assert curve.exposure.tolist() == pytest.approx([1 / 3, 2 / 3, 0.0])
    assert buy_and_hold(bars, 900.0, 1).equity.tolist() == pytest.approx([900.0, 450.0 * 20 / 12 + 225.0])


def test_a_benchmark_keeps_its_last_known_close() -> None:
    """Without a bar of its own the symbol stands where it stood; before its first it is cash."""
    bars = make_bars(flat(1.0, 4), [(10.0,) * 4, (15.0,) * 4], starts=(0, 1))
    assert benchmark(bars, "B", 100.0).equity.tolist() == [100.0, 100.0, 150.0, 150.0]
    with pytest.raises(UsageError, match="benchmark 'Z' is not among the 2 symbols"):
        benchmark(bars, "Z", 100.0)
